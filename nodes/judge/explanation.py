"""The figures and pictures of an explanation: which clips, what was found in them, how it is drawn."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from nodes.judge.attribution import Attribution
from nodes.learn.metrics import Floats, Ints

Json = dict[str, Any]
LEAST_DIFFERENCE: Final = 0.01
"""Differences of scores below this do not make a gap look large."""


@dataclass(frozen=True)
class Sample:
    """One clip to explain: the surest of a class (positive), or the most mistakable one of the others (negative)."""

    label: str
    index: int
    is_positive: bool
    row: int
    """In the trial."""


@dataclass(frozen=True)
class Explained:
    """A sample with what was found."""

    sample: Sample
    features: Floats
    gradients: Attribution
    shap: Attribution


def choose_samples(found: Floats, truth: Ints, labels: Sequence[str], classes: Sequence[str]) -> list[Sample]:
    """Of every class the clip that is recognised most surely, and the clip of another class most like it.

    Args:
        found: probabilities (clips, classes).
        truth: class numbers (clips,); numbers beyond the classes are of classes that the model does not know.
    """
    samples = []
    for label in labels:
        index = classes.index(label)
        for is_positive in (True, False):
            rows = np.flatnonzero((truth == index) == is_positive)
            if len(rows):
                row = int(rows[found[rows, index].argmax()])
                samples.append(Sample(label, index, is_positive, row))
    return samples


@dataclass(frozen=True)
class Clip:
    """What is known about an explained clip; `probability` is that of the class that is explained."""

    clip_id: str
    truth: str
    prediction: str
    probability: float


def sample_row(place: int, one: Explained, clip: Clip) -> Json:
    """The figures of one clip; `place` numbers its arrays."""
    sample, gradients, shap = one.sample, one.gradients, one.shap
    change = gradients.score - gradients.baseline_score
    return {
        "class": sample.label,
        "sample": "positive" if sample.is_positive else "negative",
        **asdict(clip),
        "score": gradients.score,
        "baseline_score": gradients.baseline_score,
        "gradients_sum": float(gradients.values.sum()),
        "gap": gradients.gap,
        "relative_gap": gradients.gap / max(abs(change), LEAST_DIFFERENCE),
        "shap_sum": float(shap.values.sum()),
        "shap_gap": shap.gap,
        "shap_evaluations": shap.evaluations,
        "arrays": place,
    }


def by_label(explained: Sequence[Explained]) -> dict[str, list[int]]:
    """Numbers of the explained clips by class."""
    found: dict[str, list[int]] = {}
    for place, one in enumerate(explained):
        found.setdefault(one.sample.label, []).append(place)
    return found


@dataclass(frozen=True)
class Axes:
    """What the rows of the features are, and the seconds that their columns span (0 if not known)."""

    rows_name: str
    end_s: float


def axes_of(front_end: Mapping[str, Any], layout: str) -> Axes:
    """Axes as the features have them (slip 31: S2's figure shows others)."""
    names = {"coefficients": "coefficient", "mels": "mel band"}
    rows = layout.split(",")[-2]
    samples = front_end.get("clip_samples", 0) + front_end.get("append_samples", 0)
    return Axes(names.get(rows, rows), float(samples / (front_end.get("rate_hz") or 1)))


def maps(explained: Sequence[Explained], rows: Sequence[Json], axes: Axes, shap: str) -> list[Json]:
    """A picture per class: positive and negative clip side by side, features above what was found."""
    loudness = int(axes.rows_name == "coefficient")
    panels = (
        ("features", "viridis", loudness),
        ("integrated gradients", "signed", 0),
        (f"SHAP ({shap})", "signed", 0),
    )
    names = ("features", "gradients", "shap")
    x = {"name": "time / s" if axes.end_s else "column", "end": axes.end_s or explained[0].features.shape[1]}
    return [
        {
            "title": f"What speaks for {label}",
            "caption": "red raises, blue lowers the class",
            "x": x,
            "y": {"name": axes.rows_name, "size": explained[0].features.shape[0]},
            "columns": [
                {
                    "name": f"{rows[place]['sample']}: {rows[place]['truth']}, p = {rows[place]['probability']:.2f}",
                    "panels": [
                        {"name": title, "array": f"{name}_{place}", "colours": colours, "limits_from_row": skipped}
                        for name, (title, colours, skipped) in zip(names, panels, strict=True)
                    ],
                }
                for place in places
            ],
        }
        for label, places in by_label(explained).items()
    ]


def file_of(label: str) -> str:
    """Name of a class's picture."""
    return f"explain-{re.sub(r'[^A-Za-z0-9_-]+', '_', label) or 'class'}.svg"


def arrays_of(explained: Sequence[Explained]) -> Mapping[str, Floats]:
    """What was found, by name: features_0, gradients_0, shap_0 and so on, each (rows, columns)."""
    found: dict[str, Floats] = {}
    for place, one in enumerate(explained):
        found[f"features_{place}"] = one.features
        found[f"gradients_{place}"] = one.gradients.values
        found[f"shap_{place}"] = one.shap.values
    return found
