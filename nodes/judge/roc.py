"""What is read off ROC curves: single classes, an operating point for a false-alarm budget, the mean over runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nodes.learn.metrics import Floats, Ints, Roc, decision_curve, targets, vertical_average

NOT_WORDS: Final = frozenset({"silence", "unknown", "_silence_", "_unknown_", "background", "noise"})
"""Classes that say "none of the words"."""


@dataclass(frozen=True)
class Operating:
    """What a threshold does: accepted are scores >= threshold; the rates are shares in [0, 1]."""

    threshold: float
    false_alarm: float
    false_reject: float


def word_columns(classes: Sequence[str]) -> NDArray[np.bool_]:
    """Which classes (classes,) are words, not "none of them"."""
    return np.array([name not in NOT_WORDS for name in classes], bool)


def of_columns(probabilities: Floats, truth: Ints, columns: NDArray[np.bool_]) -> Roc | None:
    """ROC micro-averaged over some classes only (slip 20 leaves open which); None if no clip is of them, or all are.

    A clip of another class is one that should be rejected by each of them.
    """
    wanted = targets(probabilities.shape[1], truth)[:, columns]
    if not wanted.any() or wanted.all():
        return None
    return decision_curve(probabilities[:, columns].ravel(), wanted.ravel())


def of_class(probabilities: Floats, truth: Ints, index: int) -> Roc | None:
    """One class against the rest; None if all clips or none are of it."""
    column = np.arange(probabilities.shape[1]) == index
    return of_columns(probabilities, truth, column)


def operate(curve: Roc, budget: float) -> Operating:
    """The threshold with the fewest false rejects whose false alarm rate keeps to the budget (share in [0, 1]).

    Of equals the strictest is taken. The strictest of all rejects everything: its threshold is infinite.
    """
    allowed = np.flatnonzero(curve.false_alarm <= budget)
    best = allowed[np.argmin(curve.false_reject[allowed])]
    return Operating(float(curve.threshold[best]), float(curve.false_alarm[best]), float(curve.false_reject[best]))


GRID: Final[Floats] = np.unique(np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 161), np.linspace(0.0, 1.0, 101)]))
"""False alarm rates at which runs are averaged: dense where good models differ."""


@dataclass(frozen=True)
class Band:
    """Mean and standard deviation (n - 1) of the false reject rate over runs at fixed false alarm rates (points,)."""

    false_alarm: Floats
    mean: Floats
    sd: Floats
    runs: int

    @property
    def area(self) -> float:
        """Area under the mean curve: smaller is better (S1 4.2)."""
        return float(np.trapezoid(self.mean, self.false_alarm))


def average(curves: Sequence[Roc], false_alarm: Floats = GRID) -> Band:
    """Vertical average over runs (S1 4.2): mean false reject rate at fixed false alarm rates."""
    each = np.stack([vertical_average([curve], false_alarm) for curve in curves])
    sd = each.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros(len(false_alarm))
    return Band(false_alarm, each.mean(axis=0), sd, len(curves))
