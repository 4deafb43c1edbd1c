"""The integer form of every operation of a float network: `MAKERS`. A new operation is a new row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Activation, Affine, Binary, Concat, Conv, Map, Op, Pool, Rearrange, Recurrent
from nodes.quant.fixed import Fixed
from nodes.quant.integer import (
    IntAdd,
    IntBinary,
    IntConcat,
    IntOp,
    IntPool,
    IntRearrange,
    IntTable,
    Requantise,
)
from nodes.quant.maker import TABLES, Maker, limited, scaled, tabled
from nodes.quant.product import make_product
from nodes.quant.recurrent import make_recurrent, refused_recurrent
from nodes.quant.split import LIMITS, is_table

COMBINED = frozenset(("subtract", "maximum", "minimum", "multiply"))
EXACT_BITS = 16


def refusal(op: Op, maps: Mapping[str, Map]) -> str:
    """Why an operation of a split graph has no integer form; empty if it has one."""
    if type(op) not in MAKERS:
        return type(op).__name__.lower()
    reason = _REFUSALS.get(type(op))
    return reason(op, maps) if reason else ""


def _refused_activation(op: Op, _maps: Mapping[str, Map]) -> str:
    activation = getattr(op, "activation", Activation.NONE)
    return "" if activation in LIMITS else f"activation {activation}"


def _refused_table(op: Op, _maps: Mapping[str, Map]) -> str:
    assert isinstance(op, Affine)
    return "" if is_table(op) and op.activation in TABLES else f"affine, activation {op.activation}"


def _refused_binary(op: Op, maps: Mapping[str, Map]) -> str:
    assert isinstance(op, Binary)
    return _refused_activation(op, maps) if op.kind in COMBINED | {"add"} else op.kind


def _refused_pool(op: Op, maps: Mapping[str, Map]) -> str:
    """The divisor of a mean is one number for all windows."""
    assert isinstance(op, Pool)
    if op.kind == "max" or op.counts_pads:
        return ""
    given, out = maps[op.inputs[0]], maps[op.output]
    sides = (
        (given.h, out.h, op.kernel[0], op.stride[0], op.pads.top),
        (given.w, out.w, op.kernel[1], op.stride[1], op.pads.left),
    )
    hangs = any(before or (count - 1) * step + taps > size for size, count, taps, step, before in sides)
    return "a mean whose windows hang over the border" if hangs else ""


def _refused_recurrent(op: Op, _maps: Mapping[str, Map]) -> str:
    assert isinstance(op, Recurrent)
    return refused_recurrent(op)


def _conv(make: Maker, op: Op) -> Iterator[IntOp]:
    """With a residual that is finer than the sum, the two are added as an operation of their own, in 16 bits."""
    assert isinstance(op, Conv)
    product = make_product(make, op)
    if product is not None:
        yield product
        return
    name = f"{op.output} exact"
    statistics = make.forms[op.output]
    make.maps[name] = replace(make.maps[op.output], name=name)
    make.forms[name] = Fixed(EXACT_BITS, EXACT_BITS - 2 - max(statistics.integer, make.forms[op.inputs[1]].integer))
    alone = make_product(make, replace(op, inputs=op.inputs[:1], output=name, activation=Activation.NONE))
    assert alone is not None
    yield alone
    yield from _add(
        make, Binary(f"{op.name} sum", (name, op.inputs[1]), op.output, kind="add", activation=op.activation)
    )


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


def _binary(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Binary)
    if op.kind == "add":
        yield from _add(make, op)
        return
    left, fraction = _common(make, op)
    if op.kind == "multiply":
        left, fraction = (0, 0), sum(make.forms[name].fraction for name in op.inputs)
    rule = limited(make.shift(fraction, make.forms[op.output]), op.activation, make.forms[op.output])
    yield IntBinary(op.name, op.inputs, op.output, kind=op.kind, left=left, requantise=rule)


def _common(make: Maker, op: Op) -> tuple[tuple[int, int], int]:
    """Shifts to the left of both inputs to the finer scale of the two, and that scale."""
    fractions = [make.forms[name].fraction for name in op.inputs]
    common = max(fractions)
    return (common - fractions[0], common - fractions[1]), common


def _add(make: Maker, op: Binary) -> Iterator[IntOp]:
    left, common = _common(make, op)
    rule = limited(make.shift(common, make.forms[op.output]), op.activation, make.forms[op.output])
    yield IntAdd(op.name, op.inputs, op.output, left=left, requantise=rule)


def _table(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Affine)
    given, out = make.forms[op.inputs[0]], make.forms[op.output]
    yield IntTable(op.name, op.inputs, op.output, table=tabled(TABLES[op.activation], given, out))


def _concat(make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Concat)
    rules = tuple(make.shift(make.forms[name].fraction, make.forms[op.output]) for name in op.inputs)
    yield IntConcat(op.name, op.inputs, op.output, axis=op.axis, requantise=rules)


def _rearrange(_make: Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Rearrange)
    yield IntRearrange(op.name, op.inputs, op.output, table=op.table.astype(np.int64))


MAKERS: Mapping[type[Op], Callable[[Maker, Op], Iterator[IntOp]]] = MappingProxyType(
    {
        Affine: _table,
        Binary: _binary,
        Concat: _concat,
        Conv: _conv,
        Pool: _pool,
        Rearrange: _rearrange,
        Recurrent: make_recurrent,
    }
)
_REFUSALS: Mapping[type[Op], Callable[[Op, Mapping[str, Map]], str]] = MappingProxyType(
    {
        Affine: _refused_table,
        Binary: _refused_binary,
        Conv: _refused_activation,
        Pool: _refused_pool,
        Recurrent: _refused_recurrent,
    }
)
