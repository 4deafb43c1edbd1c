"""Foreign engines as whole backends: what a generated network is compared with, and what serves where it is slower.

A backend is a function `open(model, values) -> Contender` found through the entry points `ossicle.backends`; its engine
is imported inside. Engines run in processes of their own (`worker`), since their libraries clash, each on one core with
one thread; a `Contest` lets them take turns. Engines may live in another environment: name its interpreter.

>>> with Contest(find_backends(["/tmp/peers/bin/python"])) as contest:
...     times = contest.race(Path("model.onnx"), values)
"""

from nodes.lne.backends.contender import Contender
from nodes.lne.backends.contest import Contest, Timing
from nodes.lne.backends.found import Backend, find_backends

__all__ = ["Backend", "Contender", "Contest", "Timing", "find_backends"]
