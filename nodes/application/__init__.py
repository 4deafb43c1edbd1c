"""The AI application: a bundle of front end and network that runs alone.

>>> application = load(Path("deployment"))
>>> application.predict(waveform, rate_hz=44_100).label
"""

from nodes.application.application import Application, Prediction, load, open_application
from nodes.application.bundle import Bundle, Listening, load_bundle
from nodes.application.errors import ApplicationError
from nodes.application.protocol import PROTOCOLS, Protocol

__all__ = [
    "PROTOCOLS",
    "Application",
    "ApplicationError",
    "Bundle",
    "Listening",
    "Prediction",
    "Protocol",
    "load",
    "load_bundle",
    "open_application",
]
