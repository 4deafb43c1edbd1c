"""Recurrent layers with one bias per gate, as Keras and S3's parameter counts have them (torch's own have two)."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from nodes.zoo.layer import Layer
from nodes.zoo.norms import norm_of

GATES: Final[Mapping[str, int]] = {"gru": 3, "lstm": 4, "rnn": 1}


class Recurrent(nn.Module):
    """The last state of a GRU (reset, update, new), LSTM (input, forget, cell, output) or tanh RNN, from a zero state.

    Weights are stacked by gate in that order, as torch's are; the GRU's reset gate acts after the product with the
    state, and its one bias stands with the input.
    """

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.op, self.units, self.steps = layer.op, layer.out_shape[0], layer.steps
        rows, inputs = GATES[layer.op] * self.units, layer.in_shape[0]
        if layer.norm != "none":
            self.norm = norm_of(layer.norm, inputs, 1)
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs))
        self.weight_hh = nn.Parameter(torch.empty(rows, self.units))
        self.bias = nn.Parameter(torch.empty(rows)) if layer.bias else None
        self.register_buffer("no_bias", torch.zeros(rows), persistent=False)
        for value in self.parameters(recurse=False):
            nn.init.uniform_(value, -1 / math.sqrt(self.units), 1 / math.sqrt(self.units))

    no_bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames), or (batch x patches, ...) patch after patch, -> (batch, units)."""
        is_temporal = x.ndim == 3
        x = x if is_temporal else x.flatten(1)
        x = self.norm(x) if hasattr(self, "norm") else x
        x = x.mT if is_temporal else x.unflatten(0, (-1, self.steps))  # (batch, steps, inputs)
        start = x.new_zeros(1, x.shape[0], self.units)
        bias = self.no_bias if self.bias is None else self.bias
        weights = [self.weight_ih, self.weight_hh, bias, self.no_bias]
        return _RUN[self.op](x, start, weights, self.training)

    def extra_repr(self) -> str:
        """Kind and sizes in the module's text form."""
        return f"{self.op}, {self.weight_ih.shape[1]} -> {self.units}, {self.steps} steps"


_Run = Callable[[Tensor, Tensor, list[Tensor], bool], Tensor]


def _gated(x: Tensor, start: Tensor, weights: list[Tensor], training: bool) -> Tensor:
    return _last(torch.gru(x, start, weights, True, 1, 0.0, training, False, True))


def _long_short(x: Tensor, start: Tensor, weights: list[Tensor], training: bool) -> Tensor:
    return _last(torch.lstm(x, [start, start], weights, True, 1, 0.0, training, False, True))


def _vanilla(x: Tensor, start: Tensor, weights: list[Tensor], training: bool) -> Tensor:
    return _last(torch.rnn_tanh(x, start, weights, True, 1, 0.0, training, False, True))


def _last(result: Any) -> Tensor:
    last: Tensor = result[0][:, -1]
    return last


_RUN: Final[Mapping[str, _Run]] = {"gru": _gated, "lstm": _long_short, "rnn": _vanilla}
