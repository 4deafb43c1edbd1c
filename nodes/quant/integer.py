"""Networks in integers: the operations that firmware computes, and a bit-exact numpy reference of every one.

Sums are exact. A sum becomes a code again by `Shift` (power-of-two scales: add half, shift right, saturate) or by
`Scale` (a 32-bit multiplier and a shift per channel: general scales). The C kernels do the same steps, so outputs are
equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Map, Pads
from nodes.quant.fixed import Codes, Fixed

Maps = dict[str, Codes]


@dataclass(frozen=True)
class Shift:
    """code = saturate((sum + half) >> right), lowest `low`: 0 after a ReLU."""

    right: int
    low: int
    high: int

    def __call__(self, total: Codes) -> Codes:
        """Codes (channels, ...) of sums at the accumulator's scale."""
        half = (1 << (self.right - 1)) if self.right > 0 else 0
        moved = (total + half) >> self.right if self.right >= 0 else total << -self.right
        return np.asarray(np.clip(moved, self.low, self.high))


@dataclass(frozen=True, eq=False)
class Scale:
    """code = saturate((sum * multiplier + half) >> right + zero), multipliers (channels,) of 31 bits."""

    multiplier: Codes
    right: Codes
    zero: int
    low: int
    high: int

    def __call__(self, total: Codes) -> Codes:
        """Codes (channels, ...) of sums at the accumulator's scale."""
        shape = (-1,) + (1,) * (total.ndim - 1)
        right = self.right.reshape(shape)
        moved = (total * self.multiplier.reshape(shape) + (1 << (right - 1))) >> right
        return np.asarray(np.clip(moved + self.zero, self.low, self.high))


Requantise = Shift | Scale


@dataclass(frozen=True, eq=False)
class IntOp:
    """One operation: names of the maps it reads and of the one it writes."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class IntConv(IntOp):
    """Convolution or fully connected layer: exact sum of code x weight, bias at the sum's scale, requantised."""

    weight: Codes = field(kw_only=True)
    """(outputs, inputs / groups, kernel rows, kernel columns)."""
    bias: Codes = field(kw_only=True)
    """At the accumulator's scale: the stored bias already shifted left."""
    requantise: Requantise = field(kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    pads: Pads = field(default=Pads(), kw_only=True)
    groups: int = field(default=1, kw_only=True)
    bias_shift: int = field(default=0, kw_only=True)
    """How far the stored bias was shifted, for the header of S3."""
    residual_shift: int = field(default=0, kw_only=True)
    """With a second input: its codes are shifted left by this and added to the sum."""

    @property
    def kernel(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.weight.shape[2], self.weight.shape[3]


@dataclass(frozen=True, eq=False)
class IntPool(IntOp):
    """Maximum of every window, or its mean by `requantise` of the sum (a multiply by 1 / count in fixed point)."""

    kind: str = field(kw_only=True)
    kernel: tuple[int, int] = field(kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    pads: Pads = field(default=Pads(), kw_only=True)
    requantise: Requantise | None = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class IntConvPool(IntOp):
    """A convolution and the pool behind it as one: the map between them need not be kept whole."""

    conv: IntConv = field(kw_only=True)
    pool: IntPool = field(kw_only=True)
    between: Map = field(kw_only=True)
    """What the convolution gives and the pool reads."""


@dataclass(frozen=True, eq=False)
class IntAdd(IntOp):
    """Two maps shifted to a common scale, added, requantised."""

    left: tuple[int, int] = field(kw_only=True)
    """Shifts to the left of the first and second map."""
    requantise: Requantise = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntTable(IntOp):
    """A function of one code by a table of 2^bits entries, the lowest code first."""

    table: Codes = field(kw_only=True)
    lowest: int = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntRearrange(IntOp):
    """The same codes in another order, see `nodes.lne.ir.Rearrange`."""

    table: Codes = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntConcat(IntOp):
    """Maps one after another along "c", "h" or "w", each shifted to the output's scale."""

    axis: str = field(kw_only=True)
    requantise: tuple[Shift, ...] = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntRecurrent(IntOp):
    """A vanilla recurrent layer: state = table(requantise(W x + R h + b)), over the columns of a map."""

    weight: Codes = field(kw_only=True)
    """(units, features)."""
    recurrence: Codes = field(kw_only=True)
    """(units, units), at a scale such that `recurrence_shift` brings its sum to that of the weight."""
    recurrence_shift: int = field(kw_only=True)
    bias: Codes = field(kw_only=True)
    requantise: Shift = field(kw_only=True)
    table: Codes = field(kw_only=True)
    """tanh of every code before it, the lowest first."""
    whole: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class IntegerGraph:
    """A network in integers, in the order it is computed.

    Attributes:
        maps: shape of every map by name.
        forms: fixed-point format of every map by name.
    """

    name: str
    source: str
    result: str
    maps: Mapping[str, Map]
    forms: Mapping[str, Fixed]
    ops: tuple[IntOp, ...]


def evaluate(graph: IntegerGraph, values: Codes) -> Maps:
    """Every map (channels, rows, columns) in codes, for one input in codes."""
    found: Maps = {graph.source: np.asarray(values, np.int64).reshape(graph.maps[graph.source].shape)}
    for op in graph.ops:
        found[op.output] = RULES[type(op)](op, [found[name] for name in op.inputs], graph.maps[op.output])
    return found


def _conv(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntConv)
    total = _products(op, inputs[0], out) + op.bias[:, None, None]
    if len(inputs) > 1:
        total = total + (inputs[1] << op.residual_shift)
    return op.requantise(total)


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


def _table(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntTable)
    return op.table[inputs[0] - op.lowest].reshape(out.shape)


def _rearrange(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntRearrange)
    return inputs[0].ravel()[op.table].reshape(out.shape)


def _concat(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntConcat)
    parts = [rule(x) for rule, x in zip(op.requantise, inputs, strict=True)]
    return np.concatenate(parts, "chw".index(op.axis)).reshape(out.shape)


def _recurrent(op: IntOp, inputs: list[Codes], out: Map) -> Codes:
    assert isinstance(op, IntRecurrent)
    x, state = inputs[0][:, 0, :], np.zeros(len(op.weight), np.int64)
    states = []
    for step in range(x.shape[1]):
        total = op.weight @ x[:, step] + ((op.recurrence @ state) << op.recurrence_shift) + op.bias
        state = op.table[op.requantise(total) - op.requantise.low]
        states.append(state)
    return np.stack(states, 1)[:, None, :] if op.whole else state.reshape(out.shape)


RULES: Mapping[type[IntOp], Callable[[IntOp, list[Codes], Map], Codes]] = MappingProxyType(
    {
        IntConv: _conv,
        IntPool: _pool,
        IntConvPool: _conv_pool,
        IntAdd: _add,
        IntTable: _table,
        IntRearrange: _rearrange,
        IntConcat: _concat,
        IntRecurrent: _recurrent,
    }
)
