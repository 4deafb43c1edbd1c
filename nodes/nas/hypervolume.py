"""Hypervolume: how much of a box a set of points dominates. Exact; every axis is a cost, less is better.

Slicing from the last axis inwards (While, Hingston, Barone and Huband 2006): between two neighbouring values of the
last axis the dominated volume is that of the points up to there, in one dimension less. In two dimensions this is the
staircase under the front. Fine for the hundreds of points of a search in two or three dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nodes.nas.front import non_dominated

Floats = NDArray[np.float64]


def hypervolume(points: Floats, reference: Sequence[float]) -> float:
    """Volume between points (n, k) and a reference that is worse than all of them; points beyond it count nothing.

    Raises:
        ValueError: a point has another number of axes than the reference.
    """
    corner = np.asarray(reference, np.float64)
    values = np.asarray(points, np.float64).reshape(-1, len(corner)) if len(points) == 0 else np.asarray(points)
    if values.ndim != 2 or values.shape[1] != len(corner):
        raise ValueError(f"points of shape {values.shape} and a reference of {len(corner)} axes. Expected: as many.")
    inside = values[(values < corner).all(1)]
    return _volume(inside[non_dominated(inside)], corner)


def _volume(points: Floats, corner: Floats) -> float:
    if len(points) == 0:
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - points.min())
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    heights = np.diff(np.append(ordered[:, -1], corner[-1]))
    return sum(
        float(height) * _volume(_front(ordered[: count + 1, :-1]), corner[:-1])
        for count, height in enumerate(heights)
        if height > 0
    )


def _front(points: Floats) -> Floats:
    return points[non_dominated(points)]


def over_trials(points: Floats, reference: Sequence[float]) -> list[float]:
    """Hypervolume after the first, the second, … point; rows with NaN (no result) add nothing."""
    known = np.asarray(points, np.float64)
    return [hypervolume(known[: end + 1][np.isfinite(known[: end + 1]).all(1)], reference) for end in range(len(known))]
