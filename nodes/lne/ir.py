"""The network between ONNX and C: typed operations on maps of one clip.

A `Map` is a tensor without its batch axis, as channels x rows x columns. (1, N) becomes (N, 1, 1), (1, C, T) becomes
(C, 1, T), a sequence (T, 1, F) becomes (F, 1, T). Weights are float64 until they are packed, so that folding costs no
accuracy. Everything is frozen: a pass makes a new graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]


class Activation(StrEnum):
    """What is applied to every value of a map."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    HARD_SIGMOID = "hard_sigmoid"
    HARD_SWISH = "hard_swish"
    SWISH = "swish"


@dataclass(frozen=True)
class Map:
    """A tensor of one clip: c channels, h rows, w columns."""

    name: str
    c: int
    h: int = 1
    w: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns)."""
        return self.c, self.h, self.w

    @property
    def size(self) -> int:
        """Values."""
        return self.c * self.h * self.w


@dataclass(frozen=True)
class Pads:
    """Zeros put around a map before a window moves over it."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0


@dataclass(frozen=True, eq=False)
class Op:
    """One operation: names of the maps it reads and of the one it writes."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, eq=False)
class Conv(Op):
    """Convolution, and a fully connected layer as its 1x1 or whole-map form.

    With a second input, the residual: activation(conv + bias + residual), or activation(conv + bias) + residual when
    `residual_last`. Then times `scale` plus `shift` per channel, where given (a batch norm behind the sum).
    """

    weight: Weights = field(kw_only=True)
    """(outputs, inputs / groups, kernel rows, kernel columns)."""
    bias: Weights = field(kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    dilation: tuple[int, int] = field(default=(1, 1), kw_only=True)
    pads: Pads = field(default=Pads(), kw_only=True)
    groups: int = field(default=1, kw_only=True)
    activation: Activation = field(default=Activation.NONE, kw_only=True)
    residual_last: bool = field(default=False, kw_only=True)
    scale: Weights | None = field(default=None, kw_only=True)
    shift: Weights | None = field(default=None, kw_only=True)

    @property
    def kernel(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.weight.shape[2], self.weight.shape[3]

    @property
    def has_residual(self) -> bool:
        """Whether a second map is added."""
        return len(self.inputs) > 1

    @property
    def is_depthwise(self) -> bool:
        """One filter per channel."""
        return self.groups > 1 and self.weight.shape[1] == 1 and self.weight.shape[0] == self.groups


@dataclass(frozen=True, eq=False)
class Pool(Op):
    """Maximum or mean of every window; a window of the whole map is global pooling."""

    kind: str = field(default="max", kw_only=True)
    """"max" or "mean"."""
    kernel: tuple[int, int] = field(kw_only=True)
    stride: tuple[int, int] = field(default=(1, 1), kw_only=True)
    pads: Pads = field(default=Pads(), kw_only=True)
    counts_pads: bool = field(default=False, kw_only=True)
    """Whether a mean divides by the whole window at the border, or only by what lies in the map.

    With it, no window may hang over the border."""


@dataclass(frozen=True, eq=False)
class Binary(Op):
    """Two maps value by value; the second may have one channel, one row or one column, which is then repeated."""

    kind: str = field(kw_only=True)
    """"add", "subtract", "multiply", "divide", "maximum" or "minimum"."""
    activation: Activation = field(default=Activation.NONE, kw_only=True)


@dataclass(frozen=True, eq=False)
class Affine(Op):
    """activation(x * scale + shift), per channel."""

    scale: Weights = field(kw_only=True)
    shift: Weights = field(kw_only=True)
    activation: Activation = field(default=Activation.NONE, kw_only=True)


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """Over the channels of every position."""

    is_log: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, eq=False)
class Concat(Op):
    """Maps one after another along "c", "h" or "w"."""

    axis: str = field(default="c", kw_only=True)


@dataclass(frozen=True, eq=False)
class Pad(Op):
    """A border of a constant value."""

    pads: Pads = field(kw_only=True)
    value: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True, eq=False)
class Rearrange(Op):
    """The same values in another order (reshape, transpose, slice): output[i] = input[table[i]], both in CHW order."""

    table: NDArray[np.int32] = field(kw_only=True)


@dataclass(frozen=True, eq=False)
class Recurrent(Op):
    """A recurrent layer over the columns of a map (features, 1, steps), from a zero state, forwards.

    Gates in ONNX's order (GRU: update, reset, hidden; LSTM: input, output, forget, cell).
    """

    kind: str = field(kw_only=True)
    """"gru", "lstm" or "rnn"."""
    weight: Weights = field(kw_only=True)
    """(gates x units, features)."""
    recurrence: Weights = field(kw_only=True)
    """(gates x units, units)."""
    bias: Weights = field(kw_only=True)
    """(2, gates x units): of the input, of the state."""
    whole: bool = field(default=True, kw_only=True)
    """Whether the output is the state after every step (units, 1, steps), or the last alone (units, 1, 1)."""
    reverse: bool = field(default=False, kw_only=True)
    """From the last step to the first."""
    linear_before_reset: bool = field(default=True, kw_only=True)
    """GRU: the reset gate acts behind the recurrent product, as torch does."""

    @property
    def units(self) -> int:
        """Size of the state."""
        return int(self.recurrence.shape[1])


@dataclass(frozen=True)
class Graph:
    """A network in the order it is computed.

    Attributes:
        source, result: names of the map it reads and of the one it gives.
        maps: every map by name.
        source_shape, result_shape: as ONNX has them, batch axis and all.
        rounded: maps that a quantized model rounds to bytes when they are made: no pass may compute past the rounding.
    """

    name: str
    source: str
    result: str
    maps: Mapping[str, Map]
    ops: tuple[Op, ...]
    source_shape: tuple[int, ...]
    result_shape: tuple[int, ...]
    rounded: frozenset[str] = frozenset()

    def consumers(self, name: str) -> Iterator[Op]:
        """Operations that read a map."""
        return (op for op in self.ops if name in op.inputs)

    def producer(self, name: str) -> Op | None:
        """The operation that writes a map; none for the source."""
        return next((op for op in self.ops if op.output == name), None)

    def input_maps(self, op: Op) -> tuple[Map, ...]:
        """The maps an operation reads."""
        return tuple(self.maps[name] for name in op.inputs)


def macs(op: Op, graph: Graph) -> int:
    """Multiply-accumulates of an operation as it stands, before any transform."""
    if isinstance(op, Conv):
        out = graph.maps[op.output]
        return int(op.weight.size) * out.h * out.w
    if isinstance(op, Recurrent):
        return int(op.weight.size + op.recurrence.size) * graph.maps[op.inputs[0]].w
    return 0
