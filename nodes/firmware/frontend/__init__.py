"""The front end on the device: MFCC or log-mel features in integers, from a stream of 16-bit samples.

>>> made = plan(PRESETS["s1-40x98"], Fixed(8, 0))
>>> code = frontend_source(made)
>>> codes_of(made, samples).shape  # what the C gives, to the bit
(98, 40)
"""

from nodes.firmware.frontend.plan import Plan, plan, shortest_dft
from nodes.firmware.frontend.reference import (
    STAGES,
    FeatureError,
    Staged,
    codes_of,
    errors,
    float_stages,
    kind_of,
    stages,
)
from nodes.firmware.frontend.source import Source, frontend_source, ram_bytes

__all__ = [
    "STAGES",
    "FeatureError",
    "Plan",
    "Source",
    "Staged",
    "codes_of",
    "errors",
    "float_stages",
    "frontend_source",
    "kind_of",
    "plan",
    "ram_bytes",
    "shortest_dft",
    "stages",
]
