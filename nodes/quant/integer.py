"""Networks in integers: the operations that firmware computes, and a bit-exact numpy reference of every one.

Sums are exact. A sum becomes a code again by `Shift` (power-of-two scales: add half, shift right, saturate) or by
`Scale` (a 32-bit multiplier and a shift per channel: general scales). The C kernels do the same steps, so outputs are
equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Map
from nodes.quant.fixed import Codes
from nodes.quant.ops import (
    IntAdd,
    IntBinary,
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
    Requantise,
    Scale,
    Shift,
    Table,
)
from nodes.quant.steps import State, States, through_steps

__all__ = [
    "IntAdd",
    "IntBinary",
    "IntConcat",
    "IntConv",
    "IntConvPool",
    "IntGru",
    "IntLstm",
    "IntOp",
    "IntPool",
    "IntRearrange",
    "IntRecurrent",
    "IntSequence",
    "IntTable",
    "IntegerGraph",
    "Maps",
    "RULES",
    "Requantise",
    "Scale",
    "Shift",
    "State",
    "States",
    "Table",
    "evaluate",
]

Maps = dict[str, Codes]


def evaluate(graph: IntegerGraph, values: Codes, states: States | None = None) -> Maps:
    """Every map (channels, rows, columns) in codes, for one input in codes.

    Args:
        states: of the layers that keep theirs, by layer; read, and left as they are after this input.
    """
    found: Maps = {graph.source: np.asarray(values, np.int64).reshape(graph.maps[graph.source].shape)}
    for op in graph.ops:
        inputs, out = [found[name] for name in op.inputs], graph.maps[op.output]
        if isinstance(op, IntSequence) and op.keeps_state and states is not None:
            found[op.output], states[op.name] = through_steps(op, inputs[0], out, states.get(op.name))
        else:
            found[op.output] = RULES[type(op)](op, inputs, out)
    return found


def _conv(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntConv)
    total = _products(op, inputs[0], out) + op.bias[:, None, None]
    if len(inputs) > 1:
        total = total + _residual(op, inputs[1])
    return op.requantise(total)


def _residual(op: IntConv, given: Codes) -> Codes:
    if op.residual_multiplier is not None:
        return given * op.residual_multiplier[:, None, None]
    return given << op.residual_shift


def _products(op: IntConv, x: Codes, out: Map) -> Codes:
    """Exact sums over taps and channels (channels, rows, columns)."""
    x = _bordered(x, op, out)
    total = np.zeros((op.groups, len(op.weight) // op.groups, out.h, out.w), np.int64)
    weight = op.weight.reshape(op.groups, -1, *op.weight.shape[1:])
    for p in range(op.kernel[0]):
        for q in range(op.kernel[1]):
            top, left = p * op.dilation[0], q * op.dilation[1]
            rows = slice(top, top + (out.h - 1) * op.stride[0] + 1, op.stride[0])
            columns = slice(left, left + (out.w - 1) * op.stride[1] + 1, op.stride[1])
            seen = x[:, rows, columns].reshape(op.groups, -1, out.h, out.w)
            total += np.einsum("gchw,gkc->gkhw", seen, weight[..., p, q])
    return total.reshape(out.shape)


def _bordered(x: Codes, op: IntConv, out: Map) -> Codes:
    """With zeros around, as far as the last window reaches."""
    sizes = zip((out.h, out.w), op.stride, op.kernel, op.dilation, strict=True)
    reach = [(size - 1) * stride + (taps - 1) * step + 1 for size, stride, taps, step in sizes]
    below = max(0, reach[0] - x.shape[1] - op.pads.top)
    right = max(0, reach[1] - x.shape[2] - op.pads.left)
    return np.pad(x, ((0, 0), (op.pads.top, below), (op.pads.left, right)))


def _pool(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntPool)
    x, result = inputs[0], np.empty(out.shape, np.int64)
    for y in range(out.h):
        for column in range(out.w):
            top, left = y * op.stride[0] - op.pads.top, column * op.stride[1] - op.pads.left
            window = x[:, max(top, 0) : top + op.kernel[0], max(left, 0) : left + op.kernel[1]]
            result[:, y, column] = window.max((1, 2)) if op.kind == "max" else window.sum((1, 2))
    return result if op.requantise is None else op.requantise(result)


def _conv_pool(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntConvPool)
    return _pool(op.pool, [_conv(op.conv, inputs, op.between)], out)


def _add(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntAdd)
    first, second = (x << shift for x, shift in zip(inputs, op.left, strict=True))
    return op.requantise(np.broadcast_to(first + second, out.shape))


_KINDS: Mapping[str, Callable[[Codes, Codes], Codes]] = MappingProxyType(
    {"subtract": np.subtract, "maximum": np.maximum, "minimum": np.minimum, "multiply": np.multiply}
)


def _binary(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntBinary)
    first, second = (x << shift for x, shift in zip(inputs, op.left, strict=True))
    return op.requantise(np.broadcast_to(_KINDS[op.kind](first, second), out.shape))


def _table(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntTable)
    return op.table(inputs[0]).reshape(out.shape)


def _rearrange(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntRearrange)
    return inputs[0].ravel()[op.table].reshape(out.shape)


def _concat(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntConcat)
    parts = [rule(x) for rule, x in zip(op.requantise, inputs, strict=True)]
    return np.concatenate(parts, "chw".index(op.axis)).reshape(out.shape)


def _sequence(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntSequence)
    return through_steps(op, inputs[0], out, None)[0]


RULES: Mapping[type[IntOp], Callable[[IntOp, list[Codes], Map], Codes]] = MappingProxyType(
    {
        IntConv: _conv,
        IntPool: _pool,
        IntConvPool: _conv_pool,
        IntAdd: _add,
        IntBinary: _binary,
        IntTable: _table,
        IntRearrange: _rearrange,
        IntConcat: _concat,
        IntRecurrent: _sequence,
        IntGru: _sequence,
        IntLstm: _sequence,
    }
)
