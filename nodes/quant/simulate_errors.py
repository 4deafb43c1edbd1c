"""What fixed point costs: each tensor alone in its format, and the maps of the whole network in integers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Conv, Graph, Recurrent, Softmax
from nodes.quant.batched import float_maps
from nodes.quant.compare import Counts, LayerError, Sums, sqnr_db
from nodes.quant.convert import convert, weights_of
from nodes.quant.fixed import Fixed, Statistics, Values, codes, decibels, harmonic, reals
from nodes.quant.settings import Settings, Tensors
from nodes.quant.simulate import simulated_maps
from nodes.quant.split import split

SMALL_BLOCK = 16
"""Clips whose maps are all held at once."""


@dataclass(frozen=True)
class TensorCost:
    """A map or weight alone in its format.

    Attributes:
        sqnr_db: E[x^2] / E[(x - Q(x))^2]; none without an error, without a signal, or where the format has other bits
            than the statistics.
        overload: share of values outside the range.
        is_constant: all values are the same over the calibration clips: a dead layer, or clips that are all alike.
    """

    name: str
    kind: str
    bits: int
    fraction: int
    sqnr_db: float | None
    overload: float
    largest: float
    is_constant: bool


def tensor_costs(graph: Graph, tensors: Tensors, settings: Settings) -> list[TensorCost]:
    """All maps as they were watched, and all weights as they are in the graph."""
    graph = split(graph)
    weights = {name: _statistics(values, settings.formats[name].bits) for name, values in weights_of(graph)}
    maps = {name: found for name, found in tensors.maps.items() if name in settings.formats}
    rows = [_cost(name, "map", found, settings.formats[name]) for name, found in maps.items()]
    return rows + [_cost(name, "weight", found, settings.formats[name]) for name, found in weights.items()]


def overall_sqnr_db(costs: Iterable[TensorCost]) -> float | None:
    """Of the whole network by the harmonic rule (S3 eq. 11); none where no tensor has an error."""
    ratio = harmonic(10.0 ** (cost.sqnr_db / 10.0) for cost in costs if cost.sqnr_db is not None)
    return decibels(ratio) if np.isfinite(ratio) else None


def _statistics(values: Values, bits: int) -> Statistics:
    found = Statistics(bits)
    found.add(values)
    return found


def _cost(name: str, kind: str, found: Statistics, form: Fixed) -> TensorCost:
    is_known = found.bits == form.bits and form.fraction in found.candidates()
    ratio = found.sqnr(form.fraction) if is_known else np.nan
    told = decibels(ratio) if np.isfinite(ratio) else None
    overload = found.overload(form.integer)
    return TensorCost(name, kind, form.bits, form.fraction, told, overload, found.largest, found.is_constant)


def fixed_errors(graph: Graph, settings: Settings, blocks: Iterable[NDArray[np.floating[Any]]]) -> list[LayerError]:
    """How far every layer of the network in integers strays from the float one, over blocks of clips (clips, *shape).

    The error at a layer holds that of all layers before it.
    """
    made, pieces = convert(graph, None, settings), split(graph)
    ops = [op for op in pieces.ops if not isinstance(op, Softmax)]
    sums = {op.output: Sums(counts=_counts(made.forms[op.output])) for op in ops}
    for block in blocks:
        for first in range(0, len(block), SMALL_BLOCK):
            clips = np.asarray(block[first : first + SMALL_BLOCK], np.float64)
            true, found = float_maps(pieces, clips), simulated_maps(made, codes(clips, made.forms[made.source]))
            for name, one in sums.items():
                one.add(true[name], found[name] * made.forms[name].step)
    weights = _weight_sqnr(pieces, settings)
    return [
        LayerError(
            op.name, type(op).__name__, sqnr_db(one.signal, one.noise), one.worst, one.largest,
            weights.get(op.name), one.activation(),
        )
        for op, one in ((op, sums[op.output]) for op in ops)
    ]  # fmt: skip


def _counts(form: Fixed) -> Counts:
    return Counts(form.low * form.step, form.high * form.step)


def _weight_sqnr(graph: Graph, settings: Settings) -> dict[str, float | None]:
    """By layer; of a recurrent one both its weights together."""
    found: dict[str, float | None] = {}
    for op in graph.ops:
        if isinstance(op, Conv | Recurrent):
            signal = noise = 0.0
            for name, values in weights_of(Graph(op.name, "", "", {}, (op,), (), ())):
                form = settings.formats[name]
                signal += float(np.square(values).sum())
                noise += float(np.square(values - reals(codes(values, form), form)).sum())
            found[op.name] = sqnr_db(signal, noise)
    return found
