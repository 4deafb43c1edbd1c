"""The nets that look at pictures, and torchvision's beside them."""

import sys
import types
from typing import Any

from torch import nn

from nodes.zoo import architecture, models

PICTURE_NETS = tuple(name for name in models() if name.startswith("deepspectrum_"))
SHAPE = (128, 186)
"""Three seconds of s2-paper."""


def headless(name: str) -> dict[str, Any]:
    """The base with torchvision's own head: the mean over the picture and 1000 classes."""
    made = architecture(name, input_shape=SHAPE, classes=1000)
    return {**made, "blocks": [*made["blocks"][: made["blocks"].index("gap") + 1], "fc_b1"]}


def theirs(name: str) -> nn.Module:
    """Torchvision's model of the same base, with random weights."""
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("absent"))  # its C++ operators
    import torchvision.models

    made: nn.Module = getattr(torchvision.models, name.removeprefix("deepspectrum_"))(weights=None)
    return made
