"""Scores as plain JSON values and arrays, in the form every report of ours uses."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.learn.metrics import Floats, Ints, Scores, wilson

Json = dict[str, Any]


def card(scores: Scores, classes: Sequence[str]) -> Json:
    """Scores with class names; undefined figures are null."""
    columns = asdict(scores.per_class)
    rows = [
        {"class": name, **{key: _number(values[index]) for key, values in columns.items()}}
        for index, name in enumerate(classes)
    ]
    return {
        "classes": list(classes),
        "clips": int(scores.confusion.sum()),
        "accuracy": {**asdict(scores.accuracy), "interval": "Wilson, 95 %"},
        "uar": {**asdict(scores.uar), "interval": "bootstrap, 95 %", "chance": scores.chance},
        "per_class": rows,
        "confusion": scores.confusion.tolist(),
        "roc": {"area": scores.roc.area, "average": "micro, over all classes", "points": len(scores.roc.false_alarm)},
    }


def headline(scores: Scores) -> dict[str, float]:
    """The figures a model or report carries in its metadata, as shares in [0, 1]."""
    return {
        "accuracy": scores.accuracy.value,
        "accuracy_low": scores.accuracy.low,
        "accuracy_high": scores.accuracy.high,
        "uar": scores.uar.value,
        "uar_low": scores.uar.low,
        "uar_high": scores.uar.high,
        "roc_area": scores.roc.area,
        "clips": float(scores.confusion.sum()),
    }


def predictions(clip_ids: Sequence[str], truth: Ints, probabilities: Floats, classes: Sequence[str]) -> list[Json]:
    """Prediction against truth, one row per clip (S0, S4 5.1)."""
    best = probabilities.argmax(1)
    rows = zip(clip_ids, truth.tolist(), best.tolist(), probabilities.max(1).tolist(), strict=True)
    return [
        {"clip_id": clip, "truth": classes[true], "prediction": classes[guess], "score": round(value, 6)}
        for clip, true, guess, value in rows
    ]


def predictions_csv(rows: Sequence[Json]) -> str:
    """Predictions as CSV text: clip_id, truth, prediction, score."""
    names = ("clip_id", "truth", "prediction", "score")
    return csv_text(names, ([row[name] for name in names] for row in rows))


def csv_text(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV text with one header line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue()


def two_class(matrix: Ints, classes: Sequence[str], positive: int) -> Json | None:
    """Sensitivity and specificity with Wilson's intervals (S2 Fig. 3); None unless exactly two classes have clips."""
    present = np.flatnonzero(matrix.sum(1))
    if len(classes) != 2 or len(present) != 2:
        return None
    negative = 1 - positive
    shares = {"sensitivity": positive, "specificity": negative}
    found = {name: wilson(int(matrix[row, row]), int(matrix[row].sum())) for name, row in shares.items()}
    return {
        "positive": classes[positive],
        **{name: {**asdict(value), "interval": "Wilson, 95 %"} for name, value in found.items()},
    }


def arrays(scores: Scores, truth: Ints, probabilities: Floats) -> Mapping[str, NDArray[Any]]:
    """What plots need, by name."""
    return {
        "confusion": scores.confusion,
        "roc_false_alarm": scores.roc.false_alarm,
        "roc_false_reject": scores.roc.false_reject,
        "roc_threshold": scores.roc.threshold,
        "truth": truth,
        "probabilities": probabilities.astype(np.float32),
    }


def _number(value: Any) -> float | int | None:
    if isinstance(value, np.integer):
        return int(value)
    return None if math.isnan(value) else float(value)
