"""The ROC part of a benchmark's report."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nodes.judge.plots import det_plot, roc_plot
from nodes.judge.roc import Operating, of_class, of_columns, operate, word_columns
from nodes.learn.metrics import Floats, Ints, Roc

Json = dict[str, Any]
MOST_CLASS_LINES = 6


def roc_card(curve: Roc, probabilities: Floats, truth: Ints, classes: Sequence[str], budget: float) -> Json:
    """Areas, equal error and operating point: of all classes pooled, of the words alone, and of each class.

    Args:
        budget: the false alarm rate allowed, a share of the decisions that should be rejected.
    """
    columns = word_columns(classes)
    words = of_columns(probabilities, truth, columns) if 0 < columns.sum() < len(classes) else None
    rows = []
    for index, name in enumerate(classes):
        found = of_class(probabilities, truth, index)
        positives = int((truth == index).sum())
        rows.append({"class": name, "positives": positives, **(_facts(found, budget) if found else dict(_UNDEFINED))})
    return {
        "average": "micro, over all classes",
        "points": len(curve.false_alarm),
        **_facts(curve, budget),
        "words": None if words is None else {"average": "micro, over the words", **_facts(words, budget)},
        "per_class": rows,
    }


_UNDEFINED: Json = {"area": None, "auc": None, "equal_error": None, "operating": None}


def _facts(curve: Roc, budget: float) -> Json:
    return {
        "area": curve.area,
        "auc": curve.auc,
        "equal_error": curve.equal_error,
        "operating": {"budget": budget, **operating_json(operate(curve, budget))},
    }


def operating_json(found: Operating) -> Json:
    """Plain values; an infinite threshold (nothing is ever accepted) is null."""
    return {**asdict(found), "threshold": found.threshold if np.isfinite(found.threshold) else None}


def roc_plots(
    curve: Roc, probabilities: Floats, truth: Ints, classes: Sequence[str], operating: Operating
) -> list[Json]:
    """ROC and DET: all classes pooled, and the classes that are hardest to tell from the rest."""
    each = [(name, of_class(probabilities, truth, index)) for index, name in enumerate(classes)]
    known = sorted(((name, found) for name, found in each if found is not None), key=lambda pair: pair[1].auc)
    lines = [("all classes", curve), *known[:MOST_CLASS_LINES]]
    return [roc_plot(lines, operating), det_plot(lines, operating)]
