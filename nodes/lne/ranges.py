"""Ranges of a network's maps from example clips: the scale and zero point with which each is stored in bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.lne.errors import LneError
from nodes.lne.ir import Graph, Op, Pad, Pool, Rearrange
from nodes.lne.primitive import Range
from nodes.lne.primitives.int8_numbers import Floats
from nodes.lne.simulate import Simulation

BINS = 2048
LEVELS = 255
TAIL = 1e-4
"""Share of the values that the method "tails" cuts off at either end."""
STEPS = 64
"""Narrower ranges that "squares" tries, each narrower than the last by the same factor."""
NARROWEST = 0.2


@dataclass(frozen=True, eq=False)
class Spread:
    """How a map's values are spread: counts between equally spaced edges from the least to the largest."""

    low: float
    high: float
    counts: NDArray[np.int64]

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of each bin."""
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return np.asarray((edges[:-1] + edges[1:]) / 2.0)


def calibrate(graph: Graph, clips: Floats, method: str = "squares") -> dict[str, Range]:
    """A range for every map of a network.

    Methods: "extremes" (least and largest value seen), "tails" (without the outermost values), "squares" (the ends with
    the least squared error of rounding and clipping together). A map that only moves values shares their range.

    Raises:
        LneError: no clips, values that are not finite, or an unknown method.
    """
    if method not in METHODS:
        raise LneError(f"there is no way {method!r} to choose ranges.", f"one of {', '.join(METHODS)}", "Correct it.")
    return ranges_of(graph, spreads(graph, clips), method)


def ranges_of(graph: Graph, found: Mapping[str, Spread], method: str) -> dict[str, Range]:
    """Ranges by one of the methods of `calibrate`, from what `spreads` found."""
    return shared(graph, {name: _range(*METHODS[method](spread)) for name, spread in found.items()})


def spreads(graph: Graph, clips: Floats) -> dict[str, Spread]:
    """How the values of every map are spread over the clips, in two passes.

    Raises:
        LneError: no clips, or values that are not finite.
    """
    if len(clips) == 0:
        raise LneError("ranges need clips, and there are none.", "at least one clip", "Give representative clips.")
    if not np.isfinite(clips).all():
        raise LneError("a clip holds values that are not finite.", "finite values", "Check the features.")
    simulation = Simulation(graph)
    ends: dict[str, tuple[float, float]] = {}
    for maps in simulation.batches(clips):
        for name, held in maps.items():
            low, high = ends.get(name, (0.0, 0.0))
            ends[name] = min(low, float(held.real.min())), max(high, float(held.real.max()))
    counts = {name: np.zeros(BINS, np.int64) for name in ends}
    for maps in simulation.batches(clips):
        for name, held in maps.items():
            counts[name] += _counts(held.real, *_open(ends[name]))
    return {name: Spread(*_open(ends[name]), counts[name]) for name in ends}


def _counts(values: Floats, low: float, high: float) -> NDArray[np.int64]:
    """Of equal bins between two ends."""
    places = ((values.ravel() - np.float32(low)) * np.float32(BINS / (high - low))).astype(np.int32)
    return np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)


def _open(ends: tuple[float, float]) -> tuple[float, float]:
    """Ends that are not the same."""
    return ends if ends[1] > ends[0] else (0.0, 1.0)


def _extremes(spread: Spread) -> tuple[float, float]:
    return spread.low, spread.high


def _tails(spread: Spread) -> tuple[float, float]:
    share = np.cumsum(spread.counts) / max(1, spread.counts.sum())
    low, high = np.searchsorted(share, (TAIL, 1.0 - TAIL))
    return float(spread.centres[low]), float(spread.centres[min(high, BINS - 1)])


def _squares(spread: Spread) -> tuple[float, float]:
    factors = np.geomspace(1.0, NARROWEST, STEPS)
    tried = [(spread.low * factor, spread.high * factor) for factor in factors]
    return min(tried, key=lambda ends: _squared_error(spread, *ends))


def _squared_error(spread: Spread, low: float, high: float) -> float:
    """Of rounding to equal steps between the ends, and of clipping at them."""
    given = _range(low, high)
    places = np.clip(np.rint(spread.centres / given.scale) + given.zero, 0, LEVELS)
    return float((((places - given.zero) * given.scale - spread.centres) ** 2 * spread.counts).sum())


METHODS: Mapping[str, Callable[[Spread], tuple[float, float]]] = MappingProxyType(
    {"extremes": _extremes, "tails": _tails, "squares": _squares}
)


def _range(low: float, high: float) -> Range:
    """Bytes from `low` to `high`, zero among them."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / LEVELS))
    return Range(scale, int(np.clip(round(-low / scale), 0, LEVELS))) if scale > 0.0 else Range(1.0, 0)


def shared(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The same ranges, but a map whose values are another's takes that one's range."""
    found = dict(ranges)
    for op in graph.ops:
        if _moves(op) and op.inputs[0] in found:
            found[op.output] = found[op.inputs[0]]
    return found


def _moves(op: Op) -> bool:
    """Whether an operation gives only values it was given, or zeros."""
    if isinstance(op, Pool):
        return op.kind == "max"
    return isinstance(op, Rearrange) or (isinstance(op, Pad) and op.value == 0.0)
