"""Line plots as plain data: the form in which a report says what to draw (see engine/report_plots.py).

A plot is `{"title", "caption", "x": axis, "y": axis, "lines": [...], "points": [...]}`, an axis `{"name", "scale"}`
(linear, log or normal: normal deviates, as of a DET curve), a line `{"name", "x", "y"}`, with `low` and `high` if there
is a band around it, a point `{"name", "x", "y"}`. Rates are shares in [0, 1].
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from scipy import special

from nodes.judge.roc import Band, Operating
from nodes.learn.metrics import Floats, Roc

Json = dict[str, Any]
Scale = Literal["linear", "log", "normal"]
MOST_POINTS: Final = 240
DET_LIMIT: Final = 0.0005
"""Rates below it, or as near to 1, have no place on a DET plot."""


def plot(title: str, x: Json, y: Json, lines: Sequence[Json], points: Sequence[Json] = (), caption: str = "") -> Json:
    """A plot."""
    return {"title": title, "caption": caption, "x": x, "y": y, "lines": list(lines), "points": list(points)}


def axis(name: str, scale: Scale = "linear") -> Json:
    """An axis."""
    return {"name": name, "scale": scale}


def line(
    name: str,
    x: Floats,
    y: Floats,
    low: Floats | None = None,
    high: Floats | None = None,
    scales: tuple[Scale, Scale] = ("linear", "linear"),
) -> Json:
    """A line, thinned to what can be seen on these scales: a point for every 1/240 of its length, and both ends."""
    kept = _seen(*(_PLACES[scale](values) for scale, values in zip(scales, (x, y), strict=True)))
    ends = {"low": low, "high": high}
    bands = {key: _rounded(values[kept]) for key, values in ends.items() if values is not None}
    return {"name": name, "x": _rounded(x[kept]), "y": _rounded(y[kept]), **bands}


def point(name: str, x: float, y: float) -> Json:
    """A marked point."""
    return {"name": name, "x": x, "y": y}


def roc_plot(curves: Sequence[tuple[str, Roc]], operating: Operating | None = None) -> Json:
    """False reject over false alarm rate, as S1 draws it."""
    marks = [] if operating is None else [point("operating point", operating.false_alarm, operating.false_reject)]
    lines = [line(name, curve.false_alarm, curve.false_reject) for name, curve in curves]
    return plot("ROC", axis("false alarm rate"), axis("false reject rate"), lines, marks, "lower left is better")


def det_plot(curves: Sequence[tuple[str, Roc]], operating: Operating | None = None) -> Json:
    """The same on normal deviates (A. Martin et al., "The DET curve in assessment of detection task performance")."""
    lines = []
    for name, curve in curves:
        inside = (curve.false_alarm >= DET_LIMIT) & (curve.false_reject >= DET_LIMIT)
        inside &= (curve.false_alarm <= 1 - DET_LIMIT) & (curve.false_reject <= 1 - DET_LIMIT)
        lines.append(line(name, curve.false_alarm[inside], curve.false_reject[inside], scales=("normal", "normal")))
    shown = operating is not None and min(operating.false_alarm, operating.false_reject) >= DET_LIMIT
    marks = [point("operating point", operating.false_alarm, operating.false_reject)] if operating and shown else []
    names = axis("false alarm rate", "normal"), axis("miss rate", "normal")
    return plot("DET", *names, lines, marks, "axes: normal deviates")


def band_lines(name: str, band: Band) -> Json:
    """The mean over runs with one standard deviation around it, for a logarithmic axis of false alarms."""
    low, high = np.clip(band.mean - band.sd, 0, 1), np.clip(band.mean + band.sd, 0, 1)
    if band.runs < 2:
        return line(name, band.false_alarm, band.mean, scales=("log", "linear"))
    return line(name, band.false_alarm, band.mean, low, high, ("log", "linear"))


_PLACES: Final[Mapping[Scale, Callable[[Floats], Floats]]] = {
    "linear": lambda values: values,
    "log": lambda values: np.log10(np.maximum(values, 1e-9)),
    "normal": lambda values: special.ndtri(np.clip(values, DET_LIMIT / 4, 1 - DET_LIMIT / 4)),
}


def _seen(x: Floats, y: Floats) -> list[int]:
    if len(x) <= MOST_POINTS:
        return list(range(len(x)))
    spans = [float(np.ptp(values)) or 1.0 for values in (x, y)]
    way = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x) / spans[0], np.diff(y) / spans[1]))])
    steps = np.floor(way / way[-1] * (MOST_POINTS - 2)).astype(int)
    return sorted({0, *np.flatnonzero(np.diff(steps, prepend=-1)).tolist(), len(x) - 1})


def _rounded(values: Floats) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
