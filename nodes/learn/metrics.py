"""Scores of a classifier with their uncertainty: accuracy, per-class figures, UAR, confusion, ROC (numpy only).

Every clip enters exactly once (S0 and S4 wrapped their last batch and counted 33 clips twice).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z_95: Final = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PerClass:
    """One figure per class, in [0, 1]; NaN where it is undefined (no such clips, or never predicted)."""

    precision: Floats
    recall: Floats
    specificity: Floats
    f1: Floats
    support: Ints
    """Clips of the class."""


@dataclass(frozen=True)
class Roc:
    """False reject rate over false alarm rate, both in [0, 1], from the strictest threshold to the loosest."""

    false_alarm: Floats
    false_reject: Floats
    threshold: Floats

    @property
    def area(self) -> float:
        """Area under the curve: smaller is better (S1 4.2)."""
        return float(np.trapezoid(self.false_reject, self.false_alarm))

    @property
    def auc(self) -> float:
        """Area under the curve of hits over false alarms: 1 is perfect, 0.5 a guess."""
        return 1.0 - self.area

    @property
    def equal_error(self) -> float:
        """The rate at which false alarms and misses are equally frequent, linear between points."""
        gap = self.false_reject - self.false_alarm  # falls from 1 to -1
        after = int(np.argmax(gap <= 0))
        before = max(after - 1, 0)
        drop = gap[before] - gap[after]
        part = gap[before] / drop if drop else 0.0
        return float(self.false_alarm[before] + part * (self.false_alarm[after] - self.false_alarm[before]))


@dataclass(frozen=True)
class Scores:
    """Everything measured on one set of clips."""

    accuracy: Interval
    """With Wilson's interval."""
    uar: Interval
    """Mean of the per-class recalls with its bootstrap interval."""
    chance: float
    """UAR of a guess: 1 / classes with clips."""
    per_class: PerClass
    confusion: Ints
    """(classes, classes): rows truth, columns prediction."""
    roc: Roc


def score(probabilities: Floats, truth: Ints, *, resamples: int = 1000, seed: int = 0) -> Scores:
    """Score probabilities (clips, classes) against class numbers (clips,).

    Raises:
        ValueError: there are no clips, or the shapes do not agree.
    """
    _check(probabilities, truth)
    matrix = confusion(truth, probabilities.argmax(1), probabilities.shape[1])
    return Scores(
        accuracy=wilson(int(np.trace(matrix)), len(truth)),
        uar=bootstrap_uar(matrix, resamples=resamples, seed=seed),
        chance=1.0 / int((matrix.sum(1) > 0).sum()),
        per_class=per_class(matrix),
        confusion=matrix,
        roc=roc(probabilities, truth),
    )


def batches(count: int, size: int) -> Iterator[slice]:
    """Slices that cover 0 ... count - 1 exactly once; the last one may be shorter."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def softmax(logits: NDArray[np.floating]) -> Floats:
    """Probabilities (clips, classes) of logits (clips, classes)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def confusion(truth: Ints, predicted: Ints, classes: int) -> Ints:
    """Counts (classes, classes): rows truth, columns prediction."""
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def majority(probabilities: Floats, groups: NDArray[np.str_]) -> tuple[Ints, Ints]:
    """First row of every group and its class by majority vote of the clips; the mean probability breaks ties."""
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    votes = np.zeros((len(first), probabilities.shape[1]))
    np.add.at(votes, (member, probabilities.argmax(1)), 1.0)
    means = np.zeros_like(votes)
    np.add.at(means, member, probabilities)
    means /= 2.0 * np.bincount(member)[:, None]  # below one half: never outweighs a vote
    return first.astype(np.int64), (votes + means).argmax(1).astype(np.int64)


def wilson(correct: int, total: int) -> Interval:
    """Share of correct answers with Wilson's 95 % score interval (E. B. Wilson, 1927)."""
    if total < 1:
        raise ValueError("There are 0 clips to score. Expected at least one. Choose a subset that has clips.")
    share, z2 = correct / total, Z_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 / (1 + z2 / total) * np.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return Interval(share, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def per_class(matrix: Ints) -> PerClass:
    """Precision, recall, specificity and F1 of every class against the rest."""
    hits = np.diag(matrix).astype(float)
    support, predicted, total = matrix.sum(1), matrix.sum(0), matrix.sum()
    return PerClass(
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        specificity=_ratio(total - support - predicted + hits, total - support),
        f1=_ratio(2 * hits, support + predicted),
        support=support,
    )


def bootstrap_uar(matrix: Ints, *, resamples: int = 1000, seed: int = 0) -> Interval:
    """Unweighted average recall with the 2.5 and 97.5 percentiles over resamples of the clips (S2 3.3).

    Drawing N clips with replacement moves only the counts of the confusion matrix, so the counts are drawn: the same
    distribution at a thousandth of the work. Classes without clips in a draw stay out of its mean.
    """
    total = int(matrix.sum())
    drawn = np.random.default_rng(seed).multinomial(total, matrix.ravel() / total, size=resamples)
    values = _uar(drawn.reshape(resamples, *matrix.shape))
    low, high = np.percentile(values, [2.5, 97.5])
    return Interval(float(_uar(matrix[None])[0]), float(low), float(high))


def roc(probabilities: Floats, truth: Ints) -> Roc:
    """ROC micro-averaged over classes: every (clip, class) pair is one decision (S1 4.2; all classes enter).

    The first point rejects everything (false alarm 0, false reject 1), the last accepts everything.
    """
    return decision_curve(probabilities.ravel(), targets(probabilities.shape[1], truth).ravel())


def targets(classes: int, truth: Ints) -> NDArray[np.bool_]:
    """What should be accepted (clips, classes): of every clip its own class."""
    result: NDArray[np.bool_] = truth[:, None] == np.arange(classes)
    return result


def decision_curve(scores: Floats, is_target: NDArray[np.bool_]) -> Roc:
    """ROC of decisions (decisions,): accepted are those whose score reaches the threshold.

    Without a target the false reject rate counts against one, without a non-target likewise the false alarm rate.
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], is_target[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores fall together
    accepted = np.cumsum(hits)[ends]
    alarms = ends + 1 - accepted
    positives = int(is_target.sum())
    return _corners(
        Roc(
            np.concatenate([[0.0], alarms / max(1, len(is_target) - positives)]),
            np.concatenate([[1.0], 1 - accepted / max(1, positives)]),
            np.concatenate([[np.inf], ranked[ends]]),
        )
    )


def vertical_average(curves: Sequence[Roc], false_alarm: Floats) -> Floats:
    """Mean false reject rate of several runs at fixed false alarm rates (points,) (S1 4.2)."""
    result: Floats = np.mean([_reject_at(curve, false_alarm) for curve in curves], axis=0)
    return result


def _reject_at(curve: Roc, false_alarm: Floats) -> Floats:
    """False reject rate at each false alarm rate: the best of a vertical step, linear in between."""
    result: Floats = np.interp(
        false_alarm, curve.false_alarm, curve.false_reject
    )  # of equal places numpy takes the last
    return result


def _corners(curve: Roc) -> Roc:
    """The same curve without the points inside its horizontal and vertical runs."""
    x, y = curve.false_alarm, curve.false_reject
    inside = np.zeros(len(x), bool)
    inside[1:-1] = ((x[1:-1] == x[:-2]) & (x[1:-1] == x[2:])) | ((y[1:-1] == y[:-2]) & (y[1:-1] == y[2:]))
    return Roc(x[~inside], y[~inside], curve.threshold[~inside])


def _uar(matrices: Ints) -> Floats:
    """Mean recall (resamples,) of confusion matrices (resamples, classes, classes)."""
    hits = np.einsum("rii->ri", matrices)
    support = matrices.sum(2)
    recalls = hits / np.maximum(support, 1)
    result: Floats = recalls.sum(1) / (support > 0).sum(1)
    return result


def _ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Floats = np.true_divide(part, whole)
        return result


def _check(probabilities: Floats, truth: Ints) -> None:
    if len(truth) == 0:
        raise ValueError("There are 0 clips to score. Expected at least one. Choose a subset that has clips.")
    if probabilities.ndim != 2 or len(probabilities) != len(truth):
        raise ValueError(
            f"Probabilities are {probabilities.shape} for {len(truth)} clips."
            " Expected one row per clip. Score every clip exactly once."
        )
    if truth.min() < 0 or truth.max() >= probabilities.shape[1]:
        raise ValueError(
            f"Class numbers run from {truth.min()} to {truth.max()}."
            f" Expected 0 to {probabilities.shape[1] - 1}. Number the classes as the probabilities' columns."
        )
