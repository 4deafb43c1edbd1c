"""Statistics of a data set: the columns of S2's Table 1, and the check that they agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Statistics:
    """Clips, classes, speakers, minutes, mean and standard deviation (of the population) of the duration."""

    clips: int
    classes: int
    speakers: int
    minutes: float
    mean_s: float
    sd_s: float


def statistics(duration_s: NDArray[np.float64], label: NDArray[np.str_], speaker: NDArray[np.str_]) -> Statistics:
    """Statistics of clips with these durations (clips,), labels and speakers (empty: unknown)."""
    if not len(duration_s):
        return Statistics(0, 0, 0, 0.0, 0.0, 0.0)
    return Statistics(
        clips=len(duration_s),
        classes=len(set(label.tolist())),
        speakers=len(set(speaker.tolist()) - {""}),
        minutes=round(float(duration_s.sum()) / 60, 3),
        mean_s=round(float(duration_s.mean()), 4),
        sd_s=round(float(duration_s.std()), 4),
    )


def minutes_disagree(clips: int, mean_s: float, minutes: float, mean_step_s: float = 0.01) -> float:
    """By how many minutes `clips` x `mean_s` misses the stated minutes, beyond what rounding of the figures explains.

    0 when they agree. In S2's Table 1 it finds CCS and IEMOCAP (SEEDS slip 25), and CSS by 1.3 minutes (its mean would
    have to be 13.06 s, not 13.16).
    """
    slack = clips * mean_step_s / 2 / 60 + 0.05
    return max(abs(clips * mean_s / 60 - minutes) - slack, 0.0)
