"""Which trials no other beats, and which of them is the best compromise. Every axis is a cost, less is better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def non_dominated(points: Floats) -> NDArray[np.bool_]:
    """Which points (n, k) no other beats: none is at most as large on every axis and smaller on one.

    Equal points all stay; rows with NaN never do.
    """
    known: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(1))
    with np.errstate(invalid="ignore"):
        smaller = (points[:, None] <= points[None]).all(2) & (points[:, None] < points[None]).any(2)
    kept: NDArray[np.bool_] = known & ~(smaller & known[:, None]).any(0)
    return kept


def knee(points: Floats) -> int:
    """Row of the front's point nearest the ideal one (the least of every axis), axes scaled to the front's extent.

    Raises:
        ValueError: no row is finite.
    """
    rows = np.flatnonzero(non_dominated(points))
    if not len(rows):
        raise ValueError("no point is finite. Expected: at least one.")
    front = points[rows]
    extent = np.ptp(front, axis=0)
    scaled = (front - front.min(0)) / np.where(extent > 0, extent, 1.0)
    return int(rows[np.argmin((scaled**2).sum(1))])
