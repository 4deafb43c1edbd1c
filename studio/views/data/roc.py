"""Receiver operating characteristics from scores: one class against the rest, all classes pooled, DET, operating point.

Curves and areas as in T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006), algorithms
1 and 2 (https://doi.org/10.1016/j.patrec.2005.10.010); DET axes as in A. Martin et al., "The DET curve in assessment of
detection task performance", Eurospeech 1997.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import OssicleError

Floats = NDArray[np.float64]
MICRO: Final = "all classes"
DET_LOW, DET_HIGH = 0.0005, 0.6
"""Rates between which a DET plot is drawn; the normal deviate has no value at 0 and 1."""
_DEVIATE: Final = NormalDist().inv_cdf


@dataclass(frozen=True)
class RocCurve:
    """Rates at falling thresholds, from "nothing is accepted" (0, 0) to "everything is" (1, 1).

    Attributes:
        false_alarm: false positive rate (points,).
        hit: true positive rate (points,).
        threshold: accepted are scores >= threshold (points,); the first is infinite.
        positives: decisions that should be accepted.
        negatives: decisions that should not.
    """

    name: str
    false_alarm: Floats
    hit: Floats
    threshold: Floats
    positives: int
    negatives: int

    @property
    def area(self) -> float:
        """Area under the curve: 1 is perfect, 0.5 a guess."""
        return float(np.trapezoid(self.hit, self.false_alarm))

    @property
    def equal_threshold(self) -> float:
        """The threshold nearest to the point of equal errors."""
        finite = np.clip(self.threshold, None, float(self.threshold[1:].max(initial=0.0)))
        return float(finite[int(np.argmax((1.0 - self.hit) - self.false_alarm <= 0))])

    @property
    def equal_error(self) -> float:
        """The rate at which false alarms and misses are equally frequent, linear between points."""
        gap = (1.0 - self.hit) - self.false_alarm  # falls from 1 to -1
        after = int(np.argmax(gap <= 0))
        before = max(after - 1, 0)
        drop = gap[before] - gap[after]
        part = gap[before] / drop if drop else 0.0
        return float(self.false_alarm[before] + part * (self.false_alarm[after] - self.false_alarm[before]))


def curve(name: str, scores: Floats, is_hit: NDArray[np.bool_]) -> RocCurve | None:
    """The curve of some decisions; None if all or none of them should be accepted."""
    positives = int(is_hit.sum())
    negatives = len(is_hit) - positives
    if not positives or not negatives:
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], is_hit[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal scores fall together
    accepted = np.cumsum(hits)[ends]
    alarms = ends + 1 - accepted
    x, y = np.append(0.0, alarms / negatives), np.append(0.0, accepted / positives)
    return RocCurve(name, x, y, np.append(np.inf, ranked[ends]), positives, negatives)


def corners(found: RocCurve) -> tuple[Floats, Floats]:
    """False alarm and hit rates without the points inside horizontal and vertical runs: the same line, fewer points."""
    kept = _corners(found.false_alarm, found.hit)
    return found.false_alarm[kept], found.hit[kept]


def _corners(x: Floats, y: Floats) -> NDArray[np.bool_]:
    inside = np.zeros(len(x), bool)
    inside[1:-1] = ((x[1:-1] == x[:-2]) & (x[1:-1] == x[2:])) | ((y[1:-1] == y[:-2]) & (y[1:-1] == y[2:]))
    return ~inside


def curves(probabilities: Floats, truth: NDArray[np.int64], classes: tuple[str, ...]) -> list[RocCurve]:
    """All classes pooled (every clip and class is one decision), then each class against the rest.

    Args:
        probabilities: (clips, classes).
        truth: class numbers (clips,).

    Raises:
        OssicleError: the shapes do not agree, or a score is not finite.
    """
    _check(probabilities, truth, classes)
    target = np.zeros(probabilities.shape, bool)
    target[np.arange(len(truth)), truth] = True
    scores = probabilities.astype(np.float64)
    found = [curve(MICRO, scores.ravel(), target.ravel())]
    found += [curve(name, scores[:, index], target[:, index]) for index, name in enumerate(classes)]
    return [item for item in found if item is not None]


def _check(probabilities: Floats, truth: NDArray[np.int64], classes: tuple[str, ...]) -> None:
    if probabilities.shape != (len(truth), len(classes)):
        raise OssicleError(
            f"the scores are {probabilities.shape} for {len(truth)} clips and {len(classes)} classes",
            f"({len(truth)}, {len(classes)})",
            "Run the benchmark node again",
        )
    if not np.isfinite(probabilities).all():
        raise OssicleError("some scores are not finite", "numbers from 0 to 1", "Check the model's outputs")
    if len(truth) and not 0 <= truth.min() <= truth.max() < len(classes):
        raise OssicleError(
            f"class numbers run from {truth.min()} to {truth.max()}",
            f"0 to {len(classes) - 1}",
            "Run the benchmark node again",
        )


def deviates(rates: Floats) -> Floats:
    """Normal deviates of rates, for the axes of a DET plot."""
    clipped = np.clip(rates, DET_LOW / 4, 1 - DET_LOW / 4)
    return np.array([_DEVIATE(float(rate)) for rate in clipped])


def det(found: RocCurve) -> tuple[Floats, Floats]:
    """False alarm and miss rate as normal deviates."""
    false_alarm, hit = corners(found)
    return deviates(false_alarm), deviates(1.0 - hit)


DET_TICKS: Final[Mapping[float, str]] = {
    _DEVIATE(rate): f"{100 * rate:g} %" for rate in (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4)
}


@dataclass(frozen=True)
class Operating:
    """What a threshold does.

    Attributes:
        false_alarms_per_hour: None where the clips' length is not known.
    """

    threshold: float
    hit: float
    false_alarm: float
    false_alarms_per_hour: float | None

    @property
    def words(self) -> str:
        """The point in words."""
        told = [f"threshold {self.threshold:.2f}", f"found {self.hit:.1%}", f"false alarms {self.false_alarm:.2%}"]
        if self.false_alarms_per_hour is not None:
            told.append(f"{self.false_alarms_per_hour:,.1f} an hour")
        return " · ".join(told)


def operate(found: RocCurve, threshold: float, clip_s: float | None = None) -> Operating:
    """Rates when scores >= threshold are accepted.

    Args:
        clip_s: seconds of sound behind one negative decision; gives false alarms per hour of such sound.
    """
    falling = -found.threshold
    index = int(np.searchsorted(falling, -threshold, side="right")) - 1
    rate = float(found.false_alarm[index])
    per_hour = rate * 3600.0 / clip_s if clip_s else None
    return Operating(threshold, float(found.hit[index]), rate, per_hour)


def clip_seconds(front_end: Mapping[str, object]) -> float | None:
    """Length of one clip by a front end, if it tells."""
    samples, rate_hz = front_end.get("clip_samples"), front_end.get("rate_hz")
    if isinstance(samples, (int, float)) and isinstance(rate_hz, (int, float)) and samples > 0 and rate_hz > 0:
        return float(samples) / float(rate_hz)
    return None
