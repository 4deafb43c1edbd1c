"""The integer form of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nodes.lne.ir import Op, Recurrent
from nodes.quant.fixed import Fixed, codes
from nodes.quant.integer import IntOp, IntRecurrent
from nodes.quant.maker import BEFORE_TABLE_INTEGER, Maker, tabled


def make_recurrent(make: Maker, op: Op) -> Iterator[IntOp]:
    """A vanilla recurrent layer."""
    assert isinstance(op, Recurrent)
    weight, form = make.weight(op)
    recurrence, kept = make.weight(op, "recurrence")
    out, bits = make.forms[op.output], make.settings.bits
    before = Fixed(bits, bits - 1 - BEFORE_TABLE_INTEGER)
    given, state = (make.forms[op.inputs[0]].fraction + form.fraction, out.fraction + kept.fraction)
    if state > given:  # the recurrent sum would have to be shifted right: take a coarser recurrence
        kept = replace(kept, fraction=kept.fraction - (state - given))
        recurrence, state = codes(op.recurrence, kept), given
    bias, _ = make.bias(op.bias.sum(0), given)
    yield IntRecurrent(
        op.name,
        op.inputs,
        op.output,
        weight=weight,
        recurrence=recurrence,
        recurrence_shift=given - state,
        bias=bias,
        requantise=make.shift(given, before),
        table=tabled(np.tanh, before, out),
        whole=op.whole,
    )
