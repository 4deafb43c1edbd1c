"""Recurrent layers in integers, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Map
from nodes.quant.fixed import Codes
from nodes.quant.ops import IntGru, IntLstm, IntRecurrent, IntSequence

GATE_FRACTION = 15
"""Bits behind the point of gates, of a GRU's state and of what a tanh gives inside a layer."""
State = tuple[Codes, ...]
"""Codes of the state, then what a layer keeps beside them: a GRU its finer state, an LSTM its cell."""
States = dict[str, State]


def through_steps(op: IntSequence, x: Codes, out: Map, start: State | None) -> tuple[Codes, State]:
    """The layer's output for a map (features, 1, steps), and the state it ends in."""
    cell, parts = CELLS[type(op)]
    state = start or (np.zeros(op.units, np.int64),) * parts
    steps = range(x.shape[2])
    whole = np.zeros((op.units, 1, len(steps)), np.int64)
    for step in reversed(steps) if op.reverse else steps:
        given = (op.weight @ x[:, 0, step] << op.shifts[0]) + op.bias
        kept = op.recurrence @ state[0] << op.shifts[1]
        state = cell(op, given.reshape(-1, op.units), kept.reshape(-1, op.units), state)
        whole[:, 0, step] = state[0]
    return (whole if op.whole else state[0]).reshape(out.shape), state


def _vanilla(op: IntSequence, given: Codes, kept: Codes, _state: State) -> State:
    assert isinstance(op, IntRecurrent)
    return (op.table(op.requantise((given + kept)[0])),)


def _gru(op: IntSequence, given: Codes, kept: Codes, state: State) -> State:
    assert isinstance(op, IntGru)
    update, reset = op.sigmoid(op.gate((given + kept)[:2]))
    inner = op.middle(kept[2] + op.state_bias)
    hidden = op.tanh(_narrow(op.middle(given[2]) + _rounded(reset * inner, GATE_FRACTION)))
    fine = hidden + _rounded(update * (state[1] - hidden), GATE_FRACTION)
    return op.result(fine), fine


def _lstm(op: IntSequence, given: Codes, kept: Codes, state: State) -> State:
    assert isinstance(op, IntLstm)
    stored = op.gate(given + kept)
    taken, shown, forget = op.sigmoid(stored[:3])
    added = _rounded(taken * op.tanh(stored[3]), GATE_FRACTION - op.cell)  # as fine as forget x cell
    cell = _narrow(_rounded(forget * state[1] + added, GATE_FRACTION))
    return op.result(shown * op.tanh(op.to_tanh(cell))), cell


def _rounded(total: Codes, right: int) -> Codes:
    return np.asarray((total + (1 << (right - 1))) >> right)


def _narrow(values: Codes) -> Codes:
    """Saturated to 16 bits."""
    return np.asarray(np.clip(values, -(1 << 15), (1 << 15) - 1))


CELLS: Mapping[type[IntSequence], tuple[Callable[[IntSequence, Codes, Codes, State], State], int]] = MappingProxyType(
    {IntRecurrent: (_vanilla, 1), IntGru: (_gru, 2), IntLstm: (_lstm, 2)}
)
"""A step of a layer, and how many states it keeps. Any axes may follow that of the units, clips for instance."""
