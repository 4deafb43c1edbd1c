"""Scores as plain JSON values and arrays, in the form every report of ours uses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.learn.metrics import Floats, Ints, Scores, majority, wilson

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


def by_recording(sources: NDArray[np.str_], truth: Ints, probabilities: Floats) -> Json | None:
    """Accuracy by majority vote of the clips of one recording (S2); None where no recording has two clips."""
    if (sources == "").any() or len(np.unique(sources)) == len(sources):
        return None
    first, voted = majority(probabilities, sources)
    accuracy = wilson(int((voted == truth[first]).sum()), len(first))
    return {"recordings": len(first), "accuracy": {**asdict(accuracy), "interval": "Wilson, 95 %"}}


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
