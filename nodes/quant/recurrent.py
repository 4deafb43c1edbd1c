"""The integer form of recurrent layers.

Inside a layer everything is finer than the maps around it: sums become codes of 16 bits, gates and states have 15 bits
behind the point. Only what the products read, and the output, is in the maps' own bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from nodes.lne.ir import Activation, Op, Recurrent
from nodes.quant.fixed import Codes, Fixed
from nodes.quant.integer import IntGru, IntLstm, IntOp, IntRecurrent, Table
from nodes.quant.maker import TABLES, Maker, tabled
from nodes.quant.steps import GATE_FRACTION

GATE = Fixed(16, GATE_FRACTION)
BEFORE_GATE = Fixed(16, 12)
"""Codes that the tables of gates read; beyond 8 a sigmoid and a tanh are flat."""
MIDDLE = Fixed(17, 12)
"""The hidden gate's two parts, at the scale of `BEFORE_GATE`, with room for twice its range."""
CELL_FRACTION = 11
"""An LSTM's cell lies within 16."""
DIRECT_BITS, DIRECT_INTEGER = 10, 2
"""A layer of up to 8 bits reads its tanh from a table without interpolation; beyond 4 it is flat in 8 bits."""
COARSE_ENTRIES, FINE_ENTRIES = 8, 10
"""Bits of the number of entries of interpolated tables, for maps up to 8 bits and for wider ones."""


@dataclass(frozen=True, eq=False)
class _Parts:
    """What all recurrent layers have: products' codes at one scale."""

    weight: Codes
    recurrence: Codes
    shifts: tuple[int, int]
    fraction: int
    """Of the common scale of both products."""

    def of(self, op: Recurrent) -> dict[str, Any]:
        """What every integer layer of `op` is made with."""
        names = {"name": op.name, "inputs": op.inputs, "output": op.output, "whole": op.whole, "reverse": op.reverse}
        return {**names, "weight": self.weight, "recurrence": self.recurrence, "shifts": self.shifts}


def make_recurrent(make: Maker, op: Op) -> Iterator[IntOp]:
    """A recurrent layer of any kind."""
    assert isinstance(op, Recurrent)
    yield _CELLS[op.kind](make, op, _parts(make, op))


def refused_recurrent(op: Recurrent) -> str:
    """Why a recurrent layer has no integer form; empty if it has one."""
    if op.kind == "gru" and not op.linear_before_reset:
        return "gru whose reset gate acts before the product with the state"
    return "" if op.kind in _CELLS else op.kind


def _parts(make: Maker, op: Recurrent) -> _Parts:
    weight, form = make.weight(op)
    recurrence, kept = make.weight(op, "recurrence")
    given = make.forms[op.inputs[0]].fraction + form.fraction
    state = make.forms[op.output].fraction + kept.fraction
    common = max(given, state)
    return _Parts(weight, recurrence, (common - given, common - state), common)


def _vanilla(make: Maker, op: Recurrent, parts: _Parts) -> IntOp:
    out, narrow = make.forms[op.output], make.settings.bits <= 8
    before = Fixed(DIRECT_BITS, DIRECT_BITS - 1 - DIRECT_INTEGER) if narrow else BEFORE_GATE
    return IntRecurrent(
        **parts.of(op),
        bias=make.bias(op.bias.sum(0), parts.fraction)[0],
        requantise=make.shift(parts.fraction, before),
        table=tabled(np.tanh, before, out),
    )


def _gru(make: Maker, op: Recurrent, parts: _Parts) -> IntOp:
    units = op.units
    bias = np.concatenate((op.bias.sum(0)[: 2 * units], op.bias[0][2 * units :]))
    return IntGru(
        **parts.of(op),
        bias=make.bias(bias, parts.fraction)[0],
        state_bias=make.bias(op.bias[1][2 * units :], parts.fraction)[0],
        gate=make.shift(parts.fraction, BEFORE_GATE),
        middle=make.shift(parts.fraction, MIDDLE),
        sigmoid=_table(make, Activation.SIGMOID),
        tanh=_table(make, Activation.TANH),
        result=make.shift(GATE_FRACTION, make.forms[op.output]),
    )


def _lstm(make: Maker, op: Recurrent, parts: _Parts) -> IntOp:
    return IntLstm(
        **parts.of(op),
        bias=make.bias(op.bias.sum(0), parts.fraction)[0],
        gate=make.shift(parts.fraction, BEFORE_GATE),
        sigmoid=_table(make, Activation.SIGMOID),
        tanh=_table(make, Activation.TANH),
        cell=CELL_FRACTION,
        to_tanh=make.shift(CELL_FRACTION, BEFORE_GATE),
        result=make.shift(2 * GATE_FRACTION, make.forms[op.output]),
    )


def _table(make: Maker, kind: Activation) -> Table:
    return tabled(TABLES[kind], BEFORE_GATE, GATE, COARSE_ENTRIES if make.settings.bits <= 8 else FINE_ENTRIES)


_CELLS: Mapping[str, Callable[[Maker, Recurrent, _Parts], IntOp]] = MappingProxyType(
    {"rnn": _vanilla, "gru": _gru, "lstm": _lstm}
)
