"""Names that forms and the command line offer for a search. Nothing but types, so that nodes load fast.

Tests keep them equal to the tables of objectives, samplers, pruning rules and devices.
"""

from typing import Literal

ObjectiveName = Literal[
    "accuracy", "loss", "flops", "parameters", "latency_us", "ram_bytes", "flash_bytes", "instructions_estimated"
]
SamplerName = Literal["tpe", "nsga2", "random"]
PruningName = Literal["none", "median", "hyperband"]
Keep = Literal["best", "knee"]
TargetPrecision = Literal["int8", "float32"]
DeviceName = Literal[
    "arduino", "uc32", "stm32l476rg", "msp432p4111", "beaglebone_black", "raspberry_pi_3b_plus"
]  # fmt: skip
