"""The integer form of every operation of a float network: `MAKERS`. A new operation is a new row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Activation, Binary, Concat, Conv, Op, Pool, Rearrange, Recurrent
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed
from nodes.quant.integer import IntAdd, IntConcat, IntConv, IntOp, IntPool, IntRearrange, IntTable, Requantise, Shift
from nodes.quant.maker import RELU, TABLES, Maker, before_table, scaled, tabled
from nodes.quant.recurrent import make_recurrent, refused_recurrent


def refusal(op: Op) -> str:
    """Why an operation has no integer form; empty if it has one."""
    if type(op) not in MAKERS:
        return type(op).__name__.lower()
    if isinstance(op, Conv) and op.scale is not None:
        return "a scale behind the activation"
    if isinstance(op, Conv) and op.residual_last:
        return "a sum behind the activation"
    activation = getattr(op, "activation", Activation.NONE)
    if activation not in RELU and (activation not in TABLES or (isinstance(op, Conv) and op.has_residual)):
        return f"activation {activation}"
    if isinstance(op, Recurrent):
        return refused_recurrent(op)
    return "" if not isinstance(op, Binary) or op.kind == "add" else op.kind


def _conv(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Conv)
    weight, form = make.weight(op)
    fraction = make.forms[op.inputs[0]].fraction + form.fraction
    bias, bias_shift = make.bias(op.bias, fraction)
    out = make.forms[op.output]
    residual = fraction - make.forms[op.inputs[1]].fraction if op.has_residual else 0
    if residual < 0:
        raise QuantError(
            f"{op.name}: its residual has a finer step than the sum.", "a coarser residual", "Set its format by hand."
        )
    table = TABLES.get(op.activation)
    target, output = (out, op.output) if table is None else before_table(make, op)
    yield IntConv(
        op.name,
        op.inputs,
        output,
        weight=weight,
        bias=bias,
        requantise=_clamped(make.shift(fraction, target, RELU.get(op.activation)), op.activation, target),
        stride=op.stride,
        dilation=op.dilation,
        pads=op.pads,
        groups=op.groups,
        bias_shift=bias_shift,
        residual_shift=residual,
    )
    if table is not None:
        yield IntTable(f"{op.name} {op.activation}", (output,), op.output, table=tabled(table, target, out))


def _clamped(rule: Shift, activation: Activation, form: Fixed) -> Shift:
    if activation is not Activation.RELU6:
        return rule
    return replace(rule, high=min(rule.high, int(round(6.0 / form.step))))


def _pool(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Pool)
    requantise: Requantise | None = None
    if op.kind != "max":
        count = op.kernel[0] * op.kernel[1]
        form, given = make.forms[op.output], make.forms[op.inputs[0]]
        requantise = scaled(2.0 ** (form.fraction - given.fraction) / count, make.maps[op.output].c, form)
    yield IntPool(
        op.name, op.inputs, op.output, kind=op.kind, kernel=op.kernel, stride=op.stride, pads=op.pads,
        requantise=requantise,
    )  # fmt: skip


def _add(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Binary)
    fractions = [make.forms[name].fraction for name in op.inputs]
    common = max(fractions)
    rule = make.shift(common, make.forms[op.output], RELU[op.activation])
    yield IntAdd(op.name, op.inputs, op.output, left=(common - fractions[0], common - fractions[1]), requantise=rule)


def _concat(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Concat)
    rules = tuple(make.shift(make.forms[name].fraction, make.forms[op.output]) for name in op.inputs)
    yield IntConcat(op.name, op.inputs, op.output, axis=op.axis, requantise=rules)


def _rearrange(_make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Rearrange)
    yield IntRearrange(op.name, op.inputs, op.output, table=op.table.astype(np.int64))


MAKERS: Mapping[type[Op], Callable[[Maker, Op], Iterator[IntOp]]] = MappingProxyType(
    {Conv: _conv, Pool: _pool, Binary: _add, Concat: _concat, Rearrange: _rearrange, Recurrent: make_recurrent}
)
