"""What the choice of a tensor's point rests on (S3 Fig. 6): how large its values are, what overflows, what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Graph, Op, Softmax
from nodes.quant.convert import keeps_format, weights_of
from nodes.quant.fixed import Fixed, Statistics, by_overload, by_sqnr, decibels
from nodes.quant.settings import Settings, Tensors
from nodes.quant.split import split

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curves:
    """A tensor over the calibration clips.

    Attributes:
        layer: the operation that writes or holds it; "" for the input.
        zeros: how many values are zero.
        exponents: e of every range 2^(e-1) <= |x| < 2^e between the smallest and the largest value.
        counts: values in each range.
        integers: integer bits, from few to many.
        overload: P(|x| >= 2^i) for each of them.
        sqnr_db: of rounding to the word, for each of them; not a number where there is no error or no signal.
        rules: the format that each rule chooses, by its name.
    """

    name: str
    kind: str
    layer: str
    bits: int
    largest: float
    zeros: int
    is_constant: bool
    exponents: tuple[int, ...]
    counts: tuple[int, ...]
    integers: tuple[int, ...]
    overload: Floats
    sqnr_db: Floats
    rules: Mapping[str, Fixed]


def curves(graph: Graph, tensors: Tensors, threshold: float) -> list[Curves]:
    """Every tensor that has a format of its own choice, in the order of the graph; a layer's weights before its map."""
    pieces = split(graph)
    found = [_curve(pieces.source, "map", "", tensors.maps[pieces.source], threshold)]
    for op in pieces.ops:
        own = replace(pieces, ops=(op,))
        found += [_curve(name, "weight", op.name, tensors.weights[name], threshold) for name, _ in weights_of(own)]
        if not keeps_format(op) and not isinstance(op, Softmax):
            found.append(_curve(op.output, "map", op.name, tensors.maps[op.output], threshold))
    return found


def _curve(name: str, kind: str, layer: str, found: Statistics, threshold: float) -> Curves:
    exponents = tuple(range(min(found.counts), max(found.counts) + 1)) if found.counts else ()
    integers = tuple(sorted(found.bits - 1 - fraction for fraction in found.candidates()))
    ratios = [decibels(found.sqnr(found.bits - 1 - integer)) for integer in integers]
    return Curves(
        name,
        kind,
        layer,
        found.bits,
        found.largest,
        found.zeros,
        found.is_constant,
        exponents,
        tuple(found.counts.get(exponent, 0) for exponent in exponents),
        integers,
        np.array([found.overload(integer) for integer in integers]),
        np.array([ratio if math.isfinite(ratio) else math.nan for ratio in ratios]),
        {"sqnr": by_sqnr(found), "overload": by_overload(found, threshold)},
    )


@dataclass(frozen=True)
class Alone:
    """Settings that round one layer and leave all others in float."""

    layer: str
    operator: str
    settings: Settings


def alone(graph: Graph, settings: Settings) -> Iterator[Alone]:
    """The input, then every operation with its pieces, weights and output; those without a format are left out."""
    pieces = split(graph)
    yield Alone(graph.source, "Input", _only(settings, [graph.source]))
    for op in graph.ops:
        own = [piece for piece in pieces.ops if piece.name == op.name or piece.name.startswith(f"{op.name} ")]
        if all(keeps_format(piece) or isinstance(piece, Softmax) for piece in own):
            continue
        names = [piece.output for piece in own] + [name for name, _ in weights_of(replace(pieces, ops=tuple(own)))]
        yield Alone(op.name, _operator(op), _only(settings, names))


def _operator(op: Op) -> str:
    return type(op).__name__


def _only(settings: Settings, names: Sequence[str]) -> Settings:
    return replace(settings, formats={name: settings.formats[name] for name in names if name in settings.formats})
