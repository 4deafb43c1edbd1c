"""Whole recordings judged by the vote of the clips that were cut from them (S2: scores per chunk and per file)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.learn.metrics import Floats, Ints, bootstrap_uar, confusion, majority, wilson
from nodes.learn.scorecard import csv_text

Json = dict[str, Any]


@dataclass(frozen=True)
class ByRecording:
    """Recordings with their class and what their clips vote for."""

    source: NDArray[np.str_]
    truth: Ints
    voted: Ints
    mixed: int
    """Recordings left out because their clips are of several classes."""


def recordings(sources: NDArray[np.str_], truth: Ints, probabilities: Floats) -> ByRecording | None:
    """Majority vote per recording; None where no recording has two clips, or a clip has none."""
    if (sources == "").any() or len(np.unique(sources)) == len(sources):
        return None
    _, member = np.unique(sources, return_inverse=True)
    low, high = np.full(member.max() + 1, np.iinfo(np.int64).max), np.full(member.max() + 1, -1)
    np.minimum.at(low, member, truth)
    np.maximum.at(high, member, truth)
    pure = (low == high)[member]
    if not pure.any():
        return None
    first, voted = majority(probabilities[pure], sources[pure])
    return ByRecording(sources[pure][first], truth[pure][first], voted, int((low != high).sum()))


def by_recording(table: ByRecording, classes: Sequence[str], *, resamples: int = 1000) -> Json:
    """Scores of whole recordings by majority vote of their clips (S2)."""
    matrix = confusion(table.truth, table.voted, len(classes))
    accuracy = wilson(int(np.trace(matrix)), len(table.truth))
    uar = bootstrap_uar(matrix, resamples=resamples)
    return {
        "recordings": len(table.truth),
        "mixed": table.mixed,
        "accuracy": {**asdict(accuracy), "interval": "Wilson, 95 %"},
        "uar": {**asdict(uar), "interval": "bootstrap, 95 %", "chance": 1.0 / int((matrix.sum(1) > 0).sum())},
        "confusion": matrix.tolist(),
    }


def recordings_csv(table: ByRecording, classes: Sequence[str]) -> str:
    """Votes as CSV text: recording, truth, prediction."""
    cells = zip(table.source.tolist(), table.truth.tolist(), table.voted.tolist(), strict=True)
    rows = ([source, classes[true], classes[guess]] for source, true, guess in cells)
    return csv_text(("recording", "truth", "prediction"), rows)
