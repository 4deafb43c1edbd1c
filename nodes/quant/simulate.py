"""A network in integers over many clips at once, equal to `nodes.quant.integer.evaluate` to the bit.

Sums are made in float32 where no sum can reach 2^24 and in float64 where none can reach 2^53, so each is exact; what
could be larger, and operations without a rule here, are computed clip by clip by the reference itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Map
from nodes.quant.batched import (
    Array,
    channels_first,
    channels_last,
    concatenated,
    each,
    greatest,
    products,
    rearranged,
    summed,
)
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Codes, Fixed, codes, reals
from nodes.quant.integer import (
    RULES,
    IntAdd,
    IntConcat,
    IntConv,
    IntConvPool,
    IntegerGraph,
    IntGru,
    IntLstm,
    IntOp,
    IntPool,
    IntRearrange,
    IntRecurrent,
    IntSequence,
    IntTable,
    Scale,
    Shift,
)
from nodes.quant.steps import CELLS

CLIPS_AT_ONCE: Final = 64
_EXACT: Final = ((2.0**24, np.float32), (2.0**53, np.float64))
"""Below what the sums of a type are exact."""


def answers(graph: IntegerGraph, blocks: Iterable[NDArray[np.floating[Any]]]) -> Iterator[NDArray[np.float64]]:
    """What the network gives for blocks of float features (clips, *shape): reals (clips, size), block by block."""
    for block in blocks:
        given = codes(np.asarray(block, np.float64), graph.forms[graph.source])
        yield reals(simulate(graph, given).reshape(len(block), -1), graph.forms[graph.result])


def simulated(graph: IntegerGraph, clips: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network gives for float features (clips, *shape), as `answers`, in float32.

    Raises:
        QuantError: the network takes other features.
    """
    size = graph.maps[graph.source].size
    if clips[0].size != size:
        raise QuantError(
            f"The features of a clip have the shape {clips.shape[1:]}.",
            f"{size} values",
            "Wire the model's own features.",
        )
    return next(answers(graph, [clips])).astype(np.float32)


def simulate(graph: IntegerGraph, values: Codes) -> Codes:
    """Codes (clips, channels, rows, columns) of the result, for codes (clips, *shape) of the input."""
    parts = [
        channels_first(_run(graph, values[first : first + CLIPS_AT_ONCE], _last_uses(graph))[graph.result])
        for first in range(0, len(values), CLIPS_AT_ONCE)
    ]
    return np.concatenate(parts).astype(np.int64)


def simulated_maps(graph: IntegerGraph, values: Codes) -> dict[str, Array]:
    """Codes of every map (clips, rows, columns, channels) as floats."""
    return _run(graph, values, {})


def _run(graph: IntegerGraph, values: Codes, last_uses: Mapping[str, int]) -> dict[str, Array]:
    """Maps; those that are read for the last time are dropped."""
    source = np.asarray(values, np.float32).reshape(len(values), *graph.maps[graph.source].shape)
    found = {graph.source: channels_last(source)}
    for place, op in enumerate(graph.ops):
        inputs = [found[name] for name in op.inputs]
        rule = _RULES.get(type(op))
        made = rule(op, inputs, graph) if rule else None
        found[op.output] = _one_by_one(op, inputs, graph) if made is None else made
        for name in {*op.inputs}:
            if last_uses.get(name) == place:
                del found[name]
    return found


def _last_uses(graph: IntegerGraph) -> dict[str, int]:
    uses = {name: place for place, op in enumerate(graph.ops) for name in op.inputs}
    uses.pop(graph.result, None)
    return uses


def _one_by_one(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array:
    """By the reference."""
    out = graph.maps[op.output]
    made = each(lambda maps: RULES[type(op)](op, maps, out).reshape(out.shape), [x.astype(np.int64) for x in inputs])
    return np.asarray(made, np.float32)


def _type(most: float) -> Any:
    """The smallest type in which sums up to `most` are exact; none if there is none."""
    return next((kind for limit, kind in _EXACT if most < limit), None)


def _shifted(total: Array, rule: Shift) -> Array:
    half = 2.0 ** (rule.right - 1) if rule.right > 0 else 0.0
    moved = np.floor((total + total.dtype.type(half)) * total.dtype.type(2.0**-rule.right))
    return np.asarray(np.clip(moved, rule.low, rule.high), np.float32)


def _requantised(total: Array, rule: Shift | Scale) -> Array:
    """Codes of exact sums; a multiplier makes 62-bit numbers, so these are whole numbers for a moment."""
    if isinstance(rule, Shift):
        return _shifted(total, rule)
    whole = total.astype(np.int64)
    moved = (whole * rule.multiplier + (1 << (rule.right - 1))) >> rule.right
    return np.asarray(np.clip(moved + rule.zero, rule.low, rule.high), np.float32)


def _growth(rule: Shift | Scale | None) -> float:
    """How much the rule itself may enlarge a sum, its rounding included."""
    if not isinstance(rule, Shift):
        return 1.0
    return 2.0 ** max(0, -rule.right)


def _half(rule: Shift | Scale | None) -> float:
    return 2.0 ** max(0, rule.right - 1) if isinstance(rule, Shift) else 0.0


def _largest(form: Fixed) -> float:
    return float(-form.low)


def _conv(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array | None:
    assert isinstance(op, IntConv)
    return _convolved(op, inputs, graph, graph.maps[op.output])


def _convolved(op: IntConv, inputs: list[Array], graph: IntegerGraph, out: Map) -> Array | None:
    largest = [_largest(graph.forms[name]) for name in op.inputs]
    most = float(np.abs(op.weight).reshape(len(op.weight), -1).sum(1).max()) * largest[0]
    residual = np.asarray(2.0**op.residual_shift if op.residual_multiplier is None else op.residual_multiplier)
    most += float(np.abs(op.bias).max()) + sum(largest[1:]) * float(residual.max())
    kind = _type((most + _half(op.requantise)) * _growth(op.requantise))
    if kind is None:
        return None
    total = products(inputs[0].astype(kind), op.weight, op, out) + op.bias.astype(kind)
    if len(inputs) > 1:
        total = total + inputs[1].astype(kind) * residual.astype(kind)
    return _requantised(total, op.requantise)


def _pool(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array | None:
    assert isinstance(op, IntPool)
    return _pooled(op, inputs[0], graph.maps[op.output])


def _pooled(op: IntPool, x: Array, out: Map) -> Array:
    if op.kind == "max":
        found = greatest(x, op, out)
        return found if op.requantise is None else _requantised(found, op.requantise)
    total = summed(x.astype(np.float64), op, out)
    return total.astype(np.float32) if op.requantise is None else _requantised(total, op.requantise)


def _conv_pool(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array | None:
    assert isinstance(op, IntConvPool)
    between = _convolved(op.conv, inputs, graph, op.between)
    return None if between is None else _pooled(op.pool, between, graph.maps[op.output])


def _add(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array | None:
    assert isinstance(op, IntAdd)
    most = sum(_largest(graph.forms[name]) * 2.0**left for name, left in zip(op.inputs, op.left, strict=True))
    kind = _type((most + _half(op.requantise)) * _growth(op.requantise))
    if kind is None:
        return None
    first, second = (x.astype(kind) * kind(2.0**left) for x, left in zip(inputs, op.left, strict=True))
    return _requantised(first + second, op.requantise)


def _table(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array:
    assert isinstance(op, IntTable)
    return op.table(inputs[0].astype(np.int64)).astype(np.float32)


def _rearrange(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array:
    assert isinstance(op, IntRearrange)
    return rearranged(inputs[0], op.table, graph.maps[op.output])


def _concat(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array:
    assert isinstance(op, IntConcat)
    parts = [_shifted(x.astype(np.float64), rule) for x, rule in zip(inputs, op.requantise, strict=True)]
    return concatenated(parts, op.axis, graph.maps[op.output])


def _sequence(op: IntOp, inputs: list[Array], graph: IntegerGraph) -> Array:
    """All clips take a step at once; clips are the last axis of every state."""
    assert isinstance(op, IntSequence)
    x, out = inputs[0][:, 0], graph.maps[op.output]  # (clips, steps, features)
    cell, parts = CELLS[type(op)]
    own = replace(op, state_bias=op.state_bias[:, None]) if isinstance(op, IntGru) else op
    state = (np.zeros((op.units, len(x)), np.int64),) * parts
    found = np.zeros((len(x), x.shape[1], op.units), np.float32)
    order = range(x.shape[1])
    for step in reversed(order) if op.reverse else order:
        given = (_product(op.weight, x[:, step].T) << op.shifts[0]) + op.bias[:, None]
        kept = _product(op.recurrence, state[0]) << op.shifts[1]
        shape = (-1, op.units, len(x))
        state = cell(own, given.reshape(shape), kept.reshape(shape), state)
        found[:, step] = state[0].T
    made = found if op.whole else state[0].T.astype(np.float32)[:, None]
    return channels_last(made.transpose(0, 2, 1).reshape(len(x), *out.shape))


def _product(weight: Codes, values: Array) -> Codes:
    """A product of codes of up to 16 bits, exact as float64."""
    return np.asarray(weight.astype(np.float64) @ values.astype(np.float64), np.int64)


_RULES: Mapping[type[IntOp], Callable[[IntOp, list[Array], IntegerGraph], Array | None]] = MappingProxyType(
    {
        IntConv: _conv,
        IntPool: _pool,
        IntConvPool: _conv_pool,
        IntAdd: _add,
        IntTable: _table,
        IntRearrange: _rearrange,
        IntConcat: _concat,
        IntRecurrent: _sequence,
        IntGru: _sequence,
        IntLstm: _sequence,
    }
)
"""A rule gives None where its sums would not be exact."""
