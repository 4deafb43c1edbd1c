"""Front ends: waveforms to MFCC and log-mel features, batched. The public face of the `dsp` library's features.

Example:
    >>> features = compute(PRESETS["s1-40x98"], waveforms)  # (batch, 16000) -> (batch, 40, 98)
"""

from nodes.dsp.parameters import FrontEnd, FrontEndError, Problem
from nodes.dsp.presets import PRESETS
from nodes.dsp.transform import compute, fit

__all__ = ["PRESETS", "FrontEnd", "FrontEndError", "Problem", "compute", "fit"]
