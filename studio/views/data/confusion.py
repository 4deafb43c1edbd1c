"""A confusion matrix in numbers and words: shares, order, worst pairs, figures per class with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import OssicleError
from engine.evidence import wilson

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Order = Literal["class", "error"]
RESAMPLES: Final = 400
Span = tuple[float, float]


@dataclass(frozen=True)
class Clip:
    """One scored clip."""

    clip_id: str
    truth: str
    prediction: str
    score: float


@dataclass(frozen=True)
class ClassRow:
    """Figures of one class as shares with 95 % intervals; None where a figure is not defined."""

    name: str
    clips: int
    recall: float | None
    recall_span: Span | None
    precision: float | None
    precision_span: Span | None
    f1: float | None
    f1_span: Span | None


@dataclass(frozen=True)
class Pair:
    """Clips of one class taken for another."""

    truth: int
    prediction: int
    count: int
    share: float
    """Of the clips of the true class."""


@dataclass(frozen=True)
class Confusion:
    """Counts (classes, classes): rows truth, columns prediction; and the clips behind them, if they are known."""

    classes: tuple[str, ...]
    counts: Ints
    clips: tuple[Clip, ...] = ()
    title: str = ""

    @property
    def shares(self) -> Floats:
        """Each row by its sum; rows without clips are zero."""
        result: Floats = self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)
        return result

    @property
    def right(self) -> int:
        """Clips on the diagonal."""
        return int(np.trace(self.counts))

    def cell_clips(self, truth: int, prediction: int) -> list[Clip]:
        """The clips of one cell, the surest first."""
        found = [
            clip
            for clip in self.clips
            if clip.truth == self.classes[truth] and clip.prediction == self.classes[prediction]
        ]
        return sorted(found, key=lambda clip: -clip.score)


def read_confusion(raw: Mapping[str, Any], title: str = "") -> Confusion:
    """The matrix of a report.json.

    Raises:
        OssicleError: the matrix is not square, or not of the classes.
    """
    counts = np.asarray(raw["confusion"], dtype=np.int64)
    classes = tuple(map(str, raw["classes"]))
    if counts.shape != (len(classes), len(classes)):
        raise OssicleError(
            f"the confusion matrix is {' x '.join(map(str, counts.shape))} for {len(classes)} classes",
            f"{len(classes)} x {len(classes)} counts",
            "Run the node that made the report again",
        )
    rows = raw.get("predictions") or ()
    clips = tuple(Clip(str(r["clip_id"]), str(r["truth"]), str(r["prediction"]), float(r["score"])) for r in rows)
    return Confusion(classes, counts, clips, title)


def ordered(found: Confusion, by: Order) -> Confusion:
    """The same with the classes in their own order, or those with most errors first."""
    if by == "class":
        return found
    recall = np.diag(found.shares)
    has_clips = found.counts.sum(1) > 0
    order = np.lexsort((np.arange(len(recall)), recall, ~has_clips))
    classes = tuple(found.classes[index] for index in order)
    return Confusion(classes, found.counts[np.ix_(order, order)], found.clips, found.title)


def sentence(found: Confusion, truth: int, prediction: int) -> str:
    """One cell in words: "12 of 30 “go” were taken for “no” (40 %)"."""
    count, total = int(found.counts[truth, prediction]), int(found.counts[truth].sum())
    name, guess = found.classes[truth], found.classes[prediction]
    if not total:
        return f"there are no clips of “{name}”"
    if truth == prediction:
        return f"{count:,} of {total:,} “{name}” were recognised ({count / total:.0%})"
    return f"{count:,} of {total:,} “{name}” were taken for “{guess}” ({count / total:.0%})"


def worst_pairs(found: Confusion, most: int = 8) -> list[Pair]:
    """The most frequent mistakes, the largest share first among equals."""
    counts, shares = found.counts.copy(), found.shares
    np.fill_diagonal(counts, 0)
    cells = zip(*np.nonzero(counts), strict=True)
    pairs = [Pair(int(i), int(j), int(counts[i, j]), float(shares[i, j])) for i, j in cells]
    return sorted(pairs, key=lambda pair: (-pair.count, -pair.share, pair.truth, pair.prediction))[:most]


def class_rows(found: Confusion) -> list[ClassRow]:
    """Precision, recall and F1 per class.

    Recall and precision are shares of counted clips: Wilson's interval. F1 is none: 2.5 and 97.5 percentile over
    resamples of the clips, drawn as counts of the matrix (a multinomial).
    """
    counts = found.counts
    hits, support, guessed = np.diag(counts), counts.sum(1), counts.sum(0)
    f1_low, f1_high = _f1_spans(counts)
    rows = []
    for index, name in enumerate(found.classes):
        recall, recall_span = _share(hits[index], support[index])
        precision, precision_span = _share(hits[index], guessed[index])
        both = int(support[index] + guessed[index])
        f1 = 2 * int(hits[index]) / both if both else None
        span = (float(f1_low[index]), float(f1_high[index])) if f1 is not None else None
        rows.append(ClassRow(name, int(support[index]), recall, recall_span, precision, precision_span, f1, span))
    return rows


def _share(part: int, whole: int) -> tuple[float | None, Span | None]:
    return (int(part) / int(whole), wilson(int(part) / int(whole), int(whole))) if whole else (None, None)


def _f1_spans(counts: Ints, seed: int = 0) -> tuple[Floats, Floats]:
    total = int(counts.sum())
    classes = len(counts)
    if not total:
        return np.zeros(classes), np.zeros(classes)
    draws = np.random.default_rng(seed).multinomial(total, counts.ravel() / total, size=RESAMPLES)
    drawn = draws.reshape(-1, classes, classes)
    hits = np.einsum("rii->ri", drawn)
    f1 = 2 * hits / np.maximum(drawn.sum(1) + drawn.sum(2), 1)
    low, high = np.percentile(f1, [2.5, 97.5], axis=0)
    return low, high


def csv_rows(found: Confusion) -> list[Sequence[object]]:
    """The matrix as a table: truth in rows."""
    return [("truth \\ prediction", *found.classes)] + [
        (name, *map(int, row)) for name, row in zip(found.classes, found.counts, strict=True)
    ]
