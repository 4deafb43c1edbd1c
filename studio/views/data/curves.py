"""Metric rows as curves: which axis a metric belongs to, growing columns of points, and the best one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.evidence import SHARES, words

Row = Mapping[str, float]
Floats = NDArray[np.float64]
FIRST_ROOM: Final = 256
PLACES: Final = ("step", "epoch", "trial")
"""Names that say where a row stands, not what was measured."""
TOKENS: Final = {"loss": "accent", "accuracy": "blue", "learning_rate": "violet"}
MORE_TOKENS: Final = ("teal", "rose", "lime", "gold", "orange", "violet")
_UNITS: Final = {"_us": "µs", "_ms": "ms", "_s": "s", "_bytes": "B", "_percent": "%", "_db": "dB", "_hz": "Hz"}
_PROGRESS: Final = re.compile(r"(?P<unit>[a-z]+) (?P<done>[\d,.]+) of (?P<total>[\d,]+)")


@dataclass(frozen=True)
class Curve:
    """Metric rows of an earlier run, to be drawn pale behind the present ones."""

    run: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Scale:
    """An axis that several metrics share.

    Attributes:
        best: which end is good, "" for neither.
    """

    name: str
    unit: str = ""
    best: Literal["low", "high", ""] = ""

    @property
    def label(self) -> str:
        """The axis' name with its unit."""
        return f"{self.name} / {self.unit}" if self.unit not in ("", "%", self.name) else (self.unit or self.name)


LOSS: Final = Scale("loss", "", "low")
SHARE: Final = Scale("accuracy", "%", "high")
RATE: Final = Scale("learning rate")


def scale_of(metric: str) -> Scale:
    """The axis of a metric, told from its name."""
    if "loss" in metric:
        return LOSS
    if any(part in metric for part in SHARES):
        return SHARE
    if metric in ("learning_rate", "lr"):
        return RATE
    unit = next((unit for ending, unit in _UNITS.items() if metric.endswith(ending)), "")
    return Scale(unit, unit) if unit else Scale(words(metric))


def is_validation(metric: str) -> bool:
    """Whether a metric was measured on clips the network does not learn from."""
    return metric.startswith(("val", "test")) or "_val" in metric


def stem_of(metric: str) -> str:
    """The thing measured, the same for training and validation."""
    for part in ("validation_", "val_", "test_"):
        metric = metric.removeprefix(part)
    return metric


def spoken(metric: str) -> str:
    """A metric's name in words."""
    return metric.replace("_", " ")


def figure(value: float, scale: Scale) -> str:
    """A value with its unit."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.1f} %" if scale.unit == "%" else f"{value:.4g}" + (f" {scale.unit}" if scale.unit else "")


def token_of(metric: str, metrics: Iterable[str]) -> str:
    """A metric's colour among others: fixed for the usual ones, else the next free one."""
    stem = stem_of(metric)
    others = [other for other in dict.fromkeys(map(stem_of, metrics)) if other not in TOKENS]
    return TOKENS.get(stem) or (MORE_TOKENS[others.index(stem) % len(MORE_TOKENS)] if stem in others else "mute")


def place_name(row: Row) -> str:
    """The x axis: epochs if there are any."""
    return next((name for name in ("epoch", "step", "trial") if name in row), "step")


@dataclass
class Track:
    """Points of one metric in arrays that grow by doubling: appending costs what is new, not what is there."""

    count: int = 0
    room_x: Floats = field(default_factory=lambda: np.empty(FIRST_ROOM))
    room_y: Floats = field(default_factory=lambda: np.empty(FIRST_ROOM))
    is_fraction: bool = True
    """Whether all values lie in -1 to 1, as shares do."""

    @property
    def x(self) -> Floats:
        """Where the points stand."""
        return self.room_x[: self.count]

    @property
    def y(self) -> Floats:
        """Values as they were told."""
        return self.room_y[: self.count]

    def shown(self, scale: Scale) -> Floats:
        """Values as the axis shows them: shares in percent."""
        return self.y * 100.0 if scale.unit == "%" and self.is_fraction else self.y

    def extend(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Append points."""
        end = self.count + len(xs)
        if end > len(self.room_x):
            room = max(end, 2 * len(self.room_x))
            self.room_x, self.room_y = _grown(self.x, room), _grown(self.y, room)
        self.room_x[self.count : end] = xs
        self.room_y[self.count : end] = ys
        self.count = end
        self.is_fraction = self.is_fraction and not any(abs(value) > 1.0 for value in ys)


def _grown(values: Floats, room: int) -> Floats:
    larger: Floats = np.empty(room)
    larger[: len(values)] = values
    return larger


class Tracks:
    """All metrics of one node, kept up with a list of rows that only grows."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}
        self.taken = 0
        self.x_name = "step"
        self._first: Row | None = None

    def follow(self, rows: Sequence[Row]) -> bool:
        """Take in the rows that came since the last call; False if these are other rows and all was begun anew."""
        is_same = len(rows) >= self.taken and (not self.taken or rows[0] is self._first or rows[0] == self._first)
        if not is_same:
            self.tracks, self.taken = {}, 0
        if rows and not self.taken:
            self._first, self.x_name = rows[0], place_name(rows[0])
        for name, (xs, ys) in columns(rows[self.taken :], self.x_name, self.taken).items():
            self.tracks.setdefault(name, Track()).extend(xs, ys)
        self.taken = len(rows)
        return is_same


def columns(rows: Iterable[Row], x_name: str, first: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    """Places and values by metric; a row without a place stands at its number."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for number, row in enumerate(rows, first):
        x = float(row.get(x_name, row.get("step", number)))
        for name, value in row.items():
            if name not in PLACES and isinstance(value, (int, float)):
                xs, ys = found.setdefault(name, ([], []))
                xs.append(x)
                ys.append(float(value))
    return found


@dataclass(frozen=True)
class Best:
    """The point a training is judged by."""

    metric: str
    x: float
    y: float


def best_point(tracks: Mapping[str, Track], at: float | None = None) -> Best | None:
    """The best validation accuracy, else the lowest validation loss, else the same of training.

    Args:
        at: where the chosen weights stand, if that is known (another rule may have chosen them).
    """
    judged = [name for name in tracks if scale_of(name).best and tracks[name].count]
    order = sorted(judged, key=lambda name: (not is_validation(name), scale_of(name) != SHARE))
    if not order:
        return None
    name = order[0]
    track, scale = tracks[name], scale_of(name)
    shown = track.shown(scale)
    if not np.isfinite(shown).any():
        return None
    if at is not None:
        index = int(np.abs(track.x - at).argmin())
    else:
        index = int(np.nanargmax(shown) if scale.best == "high" else np.nanargmin(shown))
    return Best(name, float(track.x[index]), float(shown[index]))


def value_near(track: Track, x: float) -> int:
    """Index of the point nearest to a place; places may not fall."""
    after = int(np.searchsorted(track.x, x))
    if after == 0 or after == track.count:
        return min(after, track.count - 1)
    return after if track.x[after] - x < x - track.x[after - 1] else after - 1


@dataclass(frozen=True)
class Progress:
    """How far a training is, read from the words of its progress ("epoch 13 of 20")."""

    unit: str
    done: float
    total: float


def progress_of(text: str) -> Progress | None:
    """What the words tell, if anything."""
    found = _PROGRESS.search(text)
    if found is None:
        return None
    done, total = (float(found[name].replace(",", "")) for name in ("done", "total"))
    return Progress(found["unit"], done, total)


def limits(values: Iterable[Floats], margin: float = 0.06) -> tuple[float, float]:
    """Lowest and highest finite value with some room."""
    finite = [part[np.isfinite(part)] for part in values]
    found = [(float(part.min()), float(part.max())) for part in finite if len(part)]
    if not found:
        return 0.0, 1.0
    low, high = min(low for low, _ in found), max(high for _, high in found)
    spare = (high - low) * margin or abs(high) * 0.05 or 1.0
    return low - spare, high + spare
