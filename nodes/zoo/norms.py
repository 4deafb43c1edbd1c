"""Batch norms of the zoo: whole, without scale, without scale and offset, and by bands of the frequency axis."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import torch
from torch import Tensor, nn


class OffsetNorm1d(nn.BatchNorm1d):
    """Batch norm with an offset and no scale; the scale of one is not a parameter and is not saved."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        _fix_scale(self)


class OffsetNorm2d(nn.BatchNorm2d):
    """The same on a two-dimensional map."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        _fix_scale(self)


class SubSpectralNorm(nn.BatchNorm2d):
    """A batch norm for each of `bands` equal groups of rows (Chang et al. 2021); channel c, band g is number c g."""

    def __init__(self, channels: int, bands: int) -> None:
        super().__init__(channels * bands)
        self.bands = bands

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, rows, columns) -> the same, in the same order in memory.

        Bands need rows apart, so with channels side by side there are two copies; going back to that order is worth
        the second, as convolutions are three times faster in it.
        """
        batch, channels, rows, columns = input.shape
        banded = input.reshape(batch, channels * self.bands, rows // self.bands, columns)
        result = super().forward(banded).reshape(input.shape)
        is_last = input.is_contiguous(memory_format=torch.channels_last)
        return result.contiguous(memory_format=torch.channels_last) if is_last else result


def norm_of(kind: str, channels: int, axes: int, bands: int = 1) -> nn.Module:
    """The norm of a layer over a map with that many axes; axes 0 and 1 take vectors too."""
    if kind == "ssn" and axes == 2:
        return SubSpectralNorm(channels, bands)
    return _NORMS[kind, max(axes, 1)](channels)


def _fix_scale(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    scale = torch.ones_like(norm.weight)
    del norm.weight
    norm.register_buffer("weight", scale, persistent=False)


_NORMS: Final[Mapping[tuple[str, int], Callable[[int], nn.Module]]] = {
    ("bn", 1): nn.BatchNorm1d,
    ("bn", 2): nn.BatchNorm2d,
    ("ssn", 1): nn.BatchNorm1d,
    ("beta", 1): OffsetNorm1d,
    ("beta", 2): OffsetNorm2d,
    ("stats", 1): partial(nn.BatchNorm1d, affine=False),
    ("stats", 2): partial(nn.BatchNorm2d, affine=False),
}
