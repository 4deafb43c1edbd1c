"""SHAP values of a picture's regions by recursive halving: coarse where nothing happens, fine where it does.

The rule: a region's worth is what it adds when shown, averaged over showing its sibling or not, level by level. These
are the values of G. Owen ("Values of games with a priori unions", 1977), as the partition explainer of S. Lundberg's
shap computes them. The region whose halves could differ most is halved next, until the evaluations are spent; what is
left is spread evenly.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from nodes.learn.metrics import Floats

Masks = NDArray[np.bool_]
Value = Callable[[Masks], Floats]
"""Scores (pictures,) of pictures shown only where masks (pictures, rows, columns) are true."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture."""

    top: int
    left: int
    rows: int
    columns: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Its place in an array."""
        return slice(self.top, self.top + self.rows), slice(self.left, self.left + self.columns)

    def halves(self) -> tuple["Region", "Region"]:
        """The two parts across the longer side."""
        if self.rows > self.columns:
            half = self.rows // 2
            return (
                Region(self.top, self.left, half, self.columns),
                Region(self.top + half, self.left, self.rows - half, self.columns),
            )
        half = self.columns // 2
        return (
            Region(self.top, self.left, self.rows, half),
            Region(self.top, self.left + half, self.rows, self.columns - half),
        )


@dataclass(frozen=True, order=True)
class _Question:
    """What does a region add to a context? Ordered by how much there is to share out."""

    urgency: float
    place: int
    region: Region = field(compare=False)
    context: Masks = field(compare=False)
    without: float = field(compare=False)
    within: float = field(compare=False)
    weight: float = field(compare=False)


@dataclass(frozen=True)
class Shares:
    """SHAP values (rows, columns); they add up to the score of the whole picture less that of an empty one."""

    values: Floats
    empty: float
    whole: float
    evaluations: int


def partition_shap(value: Value, shape: tuple[int, int], evaluations: int) -> Shares:
    """SHAP values of the cells of a picture.

    Args:
        evaluations: how many masked pictures may be scored, at least 2.
    """
    everything = Region(0, 0, *shape)
    empty, whole = value(np.stack([np.zeros(shape, bool), np.ones(shape, bool)])).tolist()
    values, used, places = np.zeros(shape), 2, count()
    questions: list[_Question] = []

    def ask(region: Region, context: Masks, without: float, within: float, weight: float) -> None:
        urgency = -abs(within - without) * weight
        heapq.heappush(questions, _Question(urgency, next(places), region, context, without, within, weight))

    ask(everything, np.zeros(shape, bool), empty, whole, 1.0)
    while questions:
        one = heapq.heappop(questions)
        if one.region.rows * one.region.columns == 1 or used + 2 > evaluations:
            values[one.region.slices] += (
                one.weight * (one.within - one.without) / (one.region.rows * one.region.columns)
            )
            continue
        first, second = one.region.halves()
        contexts = np.stack([_shown(one.context, half) for half in (first, second)])
        alone = value(contexts).tolist()
        used += 2
        for half, own, other in ((first, 0, 1), (second, 1, 0)):
            ask(half, one.context, one.without, alone[own], one.weight / 2)
            ask(half, contexts[other], alone[other], one.within, one.weight / 2)
    return Shares(values, empty, whole, used)


def _shown(context: Masks, region: Region) -> Masks:
    shown = context.copy()
    shown[region.slices] = True
    return shown
