"""Recurrent cells in torch: one step from the products of input and state (batch, gates x units), gates as ONNX's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

State = tuple[Tensor, ...]
"""(batch, units) each; the first is the output."""
Cell = Callable[[Tensor, Tensor, State], State]


def gru(given: Tensor, kept: Tensor, state: State) -> State:
    """Gates: update, reset, hidden; the reset gate acts behind the product, as torch does."""
    (update_given, reset_given, hidden_given), (update_kept, reset_kept, hidden_kept) = (
        part.chunk(3, 1) for part in (given, kept)
    )
    update = torch.sigmoid(update_given + update_kept)
    hidden = torch.tanh(hidden_given + torch.sigmoid(reset_given + reset_kept) * hidden_kept)
    return ((1.0 - update) * hidden + update * state[0],)


def lstm(given: Tensor, kept: Tensor, state: State) -> State:
    """Gates: input, output, forget, cell."""
    enter, leave, forget, cell = (given + kept).chunk(4, 1)
    held = torch.sigmoid(forget) * state[1] + torch.sigmoid(enter) * torch.tanh(cell)
    return torch.sigmoid(leave) * torch.tanh(held), held


def rnn(given: Tensor, kept: Tensor, _state: State) -> State:
    """One tanh."""
    return (torch.tanh(given + kept),)


CELLS: Final[Mapping[str, tuple[Callable[[Tensor], State], Cell]]] = {
    "gru": (lambda zeros: (zeros,), gru),
    "lstm": (lambda zeros: (zeros, zeros), lstm),
    "rnn": (lambda zeros: (zeros,), rnn),
}
"""By kind: the first state, made of zeros, and the step."""
