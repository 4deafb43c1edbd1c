"""The operations of a network in integers, as data; `nodes.quant.integer` says what each computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nodes.lne.ir import Map, Pads
from nodes.quant.fixed import Codes, Fixed


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
class Table:
    """A function of a code, by its values at every `1 << spacing`-th code from `lowest`; straight lines between."""

    values: Codes
    lowest: int
    spacing: int = 0

    def __call__(self, stored: Codes) -> Codes:
        """The function of codes."""
        at = np.asarray(stored) - self.lowest
        if self.spacing == 0:
            return self.values[at]
        index, rest = at >> self.spacing, at & ((1 << self.spacing) - 1)
        rise = (self.values[index + 1] - self.values[index]) * rest
        return np.asarray(self.values[index] + ((rise + (1 << (self.spacing - 1))) >> self.spacing))


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
    residual_multiplier: Codes | None = field(default=None, kw_only=True)
    """With a second input and a scale of its own per channel: its codes are multiplied by these instead (channels,)."""

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
class IntBinary(IntOp):
    """Two maps value by value, requantised: "subtract", "maximum", "minimum" at a common scale, or "multiply"."""

    kind: str = field(kw_only=True)
    left: tuple[int, int] = field(kw_only=True)
    """Shifts to the left of the first and second map; none for a product."""
    requantise: Requantise = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntTable(IntOp):
    """A function of every code."""

    table: Table = field(kw_only=True)


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
class IntSequence(IntOp):
    """A recurrent layer over the columns of a map (features, 1, steps).

    Every gate's sum is (weight x << shifts[0]) + (recurrence h << shifts[1]) + bias, exact, at one scale for all.
    """

    weight: Codes = field(kw_only=True)
    """(gates x units, features)."""
    recurrence: Codes = field(kw_only=True)
    """(gates x units, units)."""
    shifts: tuple[int, int] = field(kw_only=True)
    bias: Codes = field(kw_only=True)
    """(gates x units,)."""
    whole: bool = field(default=False, kw_only=True)
    """Whether the output is the state after every step (units, 1, steps), or the last alone (units, 1, 1)."""
    reverse: bool = field(default=False, kw_only=True)
    keeps_state: bool = field(default=False, kw_only=True)
    """Whether a call starts from the state the last one left, instead of from zero."""

    @property
    def units(self) -> int:
        """Size of the state."""
        return int(self.recurrence.shape[1])


@dataclass(frozen=True, eq=False)
class IntRecurrent(IntSequence):
    """A vanilla recurrent layer: h = table(requantise(sum))."""

    requantise: Shift = field(kw_only=True)
    table: Table = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntGru(IntSequence):
    """A GRU, gates update, reset, hidden; its reset gate acts behind the recurrent product.

    Gates are sigmoids of `gate` of their sums, in 15 bits behind the point. The hidden gate is
    n = tanh(middle(weight x + bias) + r middle(recurrence h + state_bias)); the state (15 bits behind the point)
    becomes n + z (h - n), and `result` makes codes of it, for the output and the next step's products.
    """

    state_bias: Codes = field(kw_only=True)
    """(units,), of the hidden gate's recurrent product; `bias` holds what all other sums start from."""
    gate: Shift = field(kw_only=True)
    middle: Shift = field(kw_only=True)
    sigmoid: Table = field(kw_only=True)
    tanh: Table = field(kw_only=True)
    result: Shift = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class IntLstm(IntSequence):
    """An LSTM, gates input, output, forget, cell.

    Gates are functions of `gate` of their sums, in 15 bits behind the point. The cell (16 bits, `cell` of them behind
    the point) becomes f c + i g; h = result(o tanh(to_tanh(c))).
    """

    gate: Shift = field(kw_only=True)
    sigmoid: Table = field(kw_only=True)
    tanh: Table = field(kw_only=True)
    cell: int = field(kw_only=True)
    to_tanh: Shift = field(kw_only=True)
    result: Shift = field(kw_only=True)
    """From 30 bits behind the point."""


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
