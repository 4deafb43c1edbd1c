"""The order of numbers in memory in which layers are fastest: channels side by side.

Kernels for two-dimensional maps know that order, those for one-dimensional maps do not. So while a network learns, its
one-dimensional layers compute as two-dimensional ones of height 1; names, sizes and weights stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FlatConv1d(nn.Conv1d):
    """A one-dimensional convolution as one of height 1."""

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, frames) -> (batch, channels', frames')."""
        x = input.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        sizes = ((1, self.stride[0]), (0, int(self.padding[0])), (1, self.dilation[0]), self.groups)
        return F.conv2d(x, self.weight.unsqueeze(2), self.bias, *sizes).squeeze(2)


class FlatNorm1d(nn.BatchNorm1d):
    """A batch norm of a one-dimensional map as one of height 1."""

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, frames) -> the same; vectors (batch, channels) as they are."""
        return super().forward(input.unsqueeze(2)).squeeze(2) if input.ndim == 3 else super().forward(input)

    def _check_input_dim(self, input: Tensor) -> None:
        """Maps of height 1 are fine."""


class FlatPad1d(nn.ConstantPad1d):
    """Padding of a one-dimensional map as of one of height 1: it leaves the order of numbers as it is."""

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, frames) -> (batch, channels, before + frames + after)."""
        return F.pad(input.unsqueeze(2), (*self.padding, 0, 0), "constant", self.value).squeeze(2)


FLAT: Final[Mapping[type[nn.Module], type[nn.Module]]] = {
    nn.Conv1d: FlatConv1d,
    nn.BatchNorm1d: FlatNorm1d,
    nn.ConstantPad1d: FlatPad1d,
}
_PLAIN: Final = {flat: plain for plain, flat in FLAT.items()}


def channels_last(network: nn.Module) -> None:
    """Let a network compute with the channels of a place side by side."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in network.modules():
        if not isinstance(module, nn.Conv1d) or not isinstance(module.padding, str):
            module.__class__ = FLAT.get(type(module), type(module))


def usual(network: nn.Module) -> None:
    """Undo `channels_last`."""
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for module in network.modules():
        module.__class__ = _PLAIN.get(type(module), type(module))
