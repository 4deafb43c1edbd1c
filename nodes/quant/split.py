"""What has no integer form in one piece, in several: the same function, with the maps between.

Every map between is watched in calibration as all others are, and has a format of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Activation, Affine, Binary, Conv, Graph, Map, Op, Weights

FLAT_BEYOND: Mapping[Activation, int] = MappingProxyType(
    {Activation.SIGMOID: 3, Activation.TANH: 2, Activation.HARD_SIGMOID: 2}
)
"""Integer bits that a map before such an activation needs at most: further out, the function is flat."""
LIMITS = frozenset((Activation.NONE, Activation.RELU, Activation.RELU6))
"""Activations that are limits of a code; the others are tables over a map of their own."""


@dataclass
class _Pieces:
    """The new operations and maps of a graph."""

    maps: dict[str, Map]
    ops: list[Op] = field(default_factory=list)

    def between(self, name: str, like: str) -> str:
        """A new map as large as another."""
        name = next(one for n in range(1, 1 << 20) if (one := name if n == 1 else f"{name} {n}") not in self.maps)
        self.maps[name] = replace(self.maps[like], name=name)
        return name


def split(graph: Graph) -> Graph:
    """A graph of operations that each have an integer form, where there is one; a split graph stays as it is.

    A sum behind an activation, a scale behind a sum and an activation that is a table become operations of their own,
    a scale and shift per channel a convolution of one tap.
    """
    pieces = _Pieces(dict(graph.maps))
    for op in graph.ops:
        if isinstance(op, Conv):
            _split_conv(op, pieces)
        elif isinstance(op, Affine):
            _split_affine(op, pieces)
        elif isinstance(op, Binary):
            _with_table(op, pieces)
        else:
            pieces.ops.append(op)
    return replace(graph, maps=pieces.maps, ops=tuple(pieces.ops))


def is_table(op: Op) -> bool:
    """Whether an operation is an activation alone."""
    return isinstance(op, Affine) and bool((op.scale == 1.0).all() and (op.shift == 0.0).all())


def most_integer_bits(graph: Graph) -> dict[str, int]:
    """Integer bits that are enough, by map: of those that only a flat activation reads."""
    limits = {}
    for op in graph.ops:
        if isinstance(op, Affine) and is_table(op) and op.activation in FLAT_BEYOND:
            readers = [other for other in graph.ops if op.inputs[0] in other.inputs]
            if readers == [op] and op.inputs[0] != graph.source:
                limits[op.inputs[0]] = FLAT_BEYOND[op.activation]
    return limits


def _split_conv(op: Conv, pieces: _Pieces) -> None:
    output, rest = op.output, _behind(op)
    if rest:
        output = pieces.between(f"{op.output} activated", op.output)
    inputs = op.inputs[:1] if op.residual_last else op.inputs
    plain = replace(op, inputs=inputs, output=output, residual_last=False, scale=None, shift=None)
    _with_table(plain, pieces)
    given = output
    for index, kind in enumerate(rest):
        is_last = index == len(rest) - 1
        output = op.output if is_last else pieces.between(f"{op.output} added", op.output)
        pieces.ops.append(_BEHIND[kind](op, given, output))
        given = output


def _behind(op: Conv) -> list[str]:
    """What comes behind the activation."""
    there = {"sum": op.has_residual and op.residual_last, "scale": op.scale is not None}
    return [kind for kind, is_there in there.items() if is_there]


def _sum(op: Conv, given: str, output: str) -> Op:
    return Binary(f"{op.name} sum", (given, op.inputs[1]), output, kind="add")


def _scale(op: Conv, given: str, output: str) -> Op:
    assert op.scale is not None and op.shift is not None
    return _one_tap(f"{op.name} scale", given, output, op.scale, op.shift, Activation.NONE)


_BEHIND = {"sum": _sum, "scale": _scale}


def _one_tap(name: str, given: str, output: str, scale: Weights, shift: Weights, activation: Activation) -> Conv:
    weight = np.asarray(scale, np.float64).reshape(-1, 1, 1, 1)
    return Conv(name, (given,), output, weight=weight, bias=shift, groups=len(weight), activation=activation)


def _split_affine(op: Affine, pieces: _Pieces) -> None:
    if is_table(op):
        pieces.ops.append(op)
        return
    size = pieces.maps[op.output].c
    scale, shift = (np.broadcast_to(values, size).astype(np.float64) for values in (op.scale, op.shift))
    _with_table(_one_tap(op.name, op.inputs[0], op.output, scale, shift, op.activation), pieces)


def _with_table(op: Conv | Binary, pieces: _Pieces) -> None:
    """The operation, and behind it its activation where that is a table."""
    if op.activation in LIMITS:
        pieces.ops.append(op)
        return
    before = pieces.between(f"{op.output} before", op.output)
    channels = pieces.maps[op.output].c
    pieces.ops.append(replace(op, output=before, activation=Activation.NONE))
    pieces.ops.append(
        Affine(
            f"{op.name} {op.activation}",
            (before,),
            op.output,
            scale=np.ones(channels),
            shift=np.zeros(channels),
            activation=op.activation,
        )
    )
