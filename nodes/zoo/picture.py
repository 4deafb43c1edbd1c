"""Features as pictures in colour, as DeepSpectrum draws spectrograms (S2 2.1 and its repository), inside the network.

A map of features (coefficients x frames) is brought to [0, 255] by its own smallest and largest value, coloured by a
map of 256 entries, linear between neighbours, resized to a square by bilinear interpolation (half-pixel centres, no
smoothing), and freed of ImageNet's mean and spread. Frequency points upward, time to the right. The last step is folded
into the colours: it commutes with the linear ones before it.
"""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.zoo.block import Colours
from nodes.zoo.colours import ENTRIES, colour_table

LEVELS: Final = ENTRIES - 1
SMALLEST_SPAN: Final = 1e-6
"""Features that are all equal, as of digital silence, become a picture of the darkest colour."""
_MEAN: Final = (0.485, 0.456, 0.406)
_SPREAD: Final = (0.229, 0.224, 0.225)
"""Red, green and blue over ImageNet, as torchvision and Keras' DenseNet normalise."""


class Palette(NamedTuple):
    """Normalised colours (256, 3) at every level, and the step (256, 3) to the next one; the last step is zero."""

    colours: NDArray[np.float32]
    steps: NDArray[np.float32]


def palette(name: Colours) -> Palette:
    """A colour map with ImageNet's mean and spread taken out."""
    colours = (colour_table(name).astype(np.float64) - _MEAN) / _SPREAD
    steps = np.diff(colours, axis=0, append=colours[-1:])
    return Palette(colours.astype(np.float32), steps.astype(np.float32))


class Picture(nn.Module):
    """A map (batch, 1, coefficients, frames) as pictures (batch, 3, pixels, pixels)."""

    colours: Tensor
    steps: Tensor

    def __init__(self, name: Colours, pixels: int) -> None:
        super().__init__()
        self.name, self.pixels = name, pixels
        for key, values in palette(name)._asdict().items():
            self.register_buffer(key, torch.from_numpy(values), persistent=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Draw the maps; gradients pass through colours and resizing."""
        rows = maps.squeeze(1).flip(1)  # (batch, coefficients, frames), the highest band on top
        low, high = rows.amin((1, 2), keepdim=True), rows.amax((1, 2), keepdim=True)
        levels = (rows - low) / (high - low).clamp_min(SMALLEST_SPAN) * LEVELS
        below = levels.detach().floor()
        index = below.long().clamp(0, LEVELS)
        drawn = self.colours[index] + (levels - below).unsqueeze(-1) * self.steps[index]
        size = (self.pixels, self.pixels)
        return F.interpolate(drawn.permute(0, 3, 1, 2), size, mode="bilinear", align_corners=False)

    def extra_repr(self) -> str:
        """Name the colour map and the size in the module's text form."""
        return f"{self.name}, {self.pixels}"
