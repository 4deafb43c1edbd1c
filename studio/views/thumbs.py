"""What a box shows of its result: facts in two lines, or a small picture. Made in threads: QImage only, no pixmaps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from engine.artifact import Artifact, AudioSet, Deployment, FeatureSet, Model, Report
from engine.audio import SUBSETS, ClipTable, table_of
from engine.console import size
from engine.evidence import UNREADABLE, facts_of, rows_of_curves, sample_row
from engine.svg import viridis
from studio.canvas.thumb import HEIGHT_PX, WIDTH_PX, Thumb
from studio.look import theme
from studio.look.theme import colour
from studio.views.data.front import COMPLETE, Objective, front_of, read_search
from studio.views.data.latency import read_profile
from studio.views.data.maps import read_map
from studio.views.data.statistics import shared_speakers

SCALE: Final = 3
MARGIN: Final = 4.0
MOST_CHARACTERS: Final = 30
"""A line of fact holds about this many; longer facts are broken at a separator."""
KEPT: Final = 256


@dataclass(frozen=True)
class _Subject:
    """What a Thumb is made of: an artifact, which never changes, on a ground."""

    path: Path
    ground: str
    artifact: Artifact = field(compare=False)


def thumb_of(artifact: Artifact) -> Thumb:
    """The Thumb of an artifact; facts alone where a picture cannot be drawn. Made once per artifact and ground."""
    return _thumb(_Subject(artifact.path, theme.ground(), artifact))


@functools.lru_cache(maxsize=KEPT)
def _thumb(subject: _Subject) -> Thumb:
    artifact = subject.artifact
    return Thumb(facts(artifact), _first(PICTURES, artifact))


def facts(artifact: Artifact) -> tuple[str, ...]:
    """At most two lines of fact about an artifact."""
    found = _first(LINES, artifact)
    return found if found else lines_of(artifact.meta.about or _told(artifact))


def _first(table: Mapping[type[Artifact], Callable[[Any], Any]], artifact: Artifact) -> Any:
    """What the table's function for this type makes; None where there is none, or where files cannot be read."""
    for kind, make in table.items():
        if isinstance(artifact, kind):
            try:
                return make(artifact)
            except UNREADABLE:
                return None
    return None


def _told(artifact: Artifact) -> str:
    return " · ".join(value for _, value in facts_of(artifact)[:3])


def lines_of(about: str) -> tuple[str, ...]:
    """A fact line broken into two at its separators, as evenly as it goes."""
    mark = " · " if " · " in about else " "
    parts = about.split(mark)
    if len(about) <= MOST_CHARACTERS or len(parts) == 1:
        return (about,) if about else ()
    ways = [(mark.join(parts[:k]), mark.join(parts[k:])) for k in range(1, len(parts))]
    return min(ways, key=lambda way: (max(map(len, way)), -len(way[0])))


# ---- facts


def _audio_lines(audio: AudioSet) -> tuple[str, ...]:
    """How a parted set is parted, and whether a speaker is on both sides; else what is in it."""
    counts = [audio.meta.counts[name] for name in SUBSETS if name in audio.meta.counts]
    if len(counts) < 2:
        return ()
    return " / ".join(f"{count:,}" for count in counts), _parting(audio, table_of(audio).clips())


def _parting(audio: AudioSet, table: ClipTable) -> str:
    leaks = sum(problem.what.startswith("leak") for problem in audio.meta.problems)
    shared = shared_speakers(table)
    if shared:
        return f"{shared:,} speaker{'s' if shared > 1 else ''} shared !"
    if leaks:
        return f"{leaks:,} leak{'s' if leaks > 1 else ''} mended"
    return "no speaker shared ✓" if (table.speaker != "").any() else "speakers not known"


def _model_lines(model: Model) -> tuple[str, ...]:
    """A compressed network: its precision and size, and what it cost; others say enough themselves."""
    meta = model.meta
    after, before = meta.metrics.get("accuracy"), meta.metrics.get("accuracy_float")
    if meta.precision == "float32" or after is None or before is None:
        return ()
    return f"{meta.precision} · {size(meta.size_bytes)}", f"{100 * before:.1f} % → {100 * after:.1f} %"


LINES: Final[Mapping[type[Artifact], Callable[[Any], tuple[str, ...]]]] = {AudioSet: _audio_lines, Model: _model_lines}


# ---- pictures


class Sketch:
    """A small drawing in logical pixels of a box."""

    def __init__(self) -> None:
        self.image = QImage(WIDTH_PX * SCALE, HEIGHT_PX * SCALE, QImage.Format.Format_ARGB32_Premultiplied)
        self.image.fill(colour("background"))
        self.painter = QPainter(self.image)
        self.painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.painter.scale(SCALE, SCALE)
        self.area = QRectF(MARGIN, MARGIN, WIDTH_PX - 2 * MARGIN, HEIGHT_PX - 2 * MARGIN)

    def place(self, x: float, y: float) -> QPointF:
        """A point of the drawing from shares of its area; y grows upwards."""
        return QPointF(self.area.left() + x * self.area.width(), self.area.bottom() - y * self.area.height())

    def line(self, points: Iterable[QPointF], shade: QColor, width: float = 1.5) -> None:
        """A line through points."""
        self.painter.setPen(
            QPen(shade, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
        )
        self.painter.drawPolyline(QPolygonF(list(points)))

    def fill(self, shade: QColor) -> None:
        """Fill what is drawn next."""
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(shade)

    def done(self) -> QImage:
        """The drawing."""
        self.painter.end()
        return self.image


def _features(features: FeatureSet) -> QImage | None:
    """The features of one clip in viridis."""
    table = table_of(features)
    if not len(table):
        return None
    levels = np.ascontiguousarray(trimmed(read_map(features, sample_row(table)).pixels)[::-1])
    drawn = QImage(levels.tobytes(), levels.shape[1], levels.shape[0], levels.shape[1], QImage.Format.Format_Indexed8)
    drawn.setColorTable([QColor(*viridis(step / 255)).rgb() for step in range(256)])
    wide = drawn.convertToFormat(QImage.Format.Format_RGB32)
    size = (WIDTH_PX * SCALE, HEIGHT_PX * SCALE)
    return wide.scaled(*size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)


def trimmed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Columns without the padding behind a short clip: silence that is the same to the end."""
    differs = np.flatnonzero((pixels != pixels[:, -1:]).any(axis=0))
    return pixels[:, : differs[-1] + 2] if len(differs) else pixels


def _curves(model: Model) -> QImage | None:
    """Loss and validation accuracy of the training."""
    if model.meta.precision != "float32" or not (model.path / "curves.json").is_file():
        return None  # the curves of a compressed model are those of the one it was made from
    return curves_picture(rows_of_curves(model.json("curves.json")))


def curves_picture(rows: Sequence[Mapping[str, float]]) -> QImage | None:
    """Small curves of metric rows, loss and accuracy; also while a training runs. None for fewer than two points."""
    names = dict.fromkeys(name for row in rows for name in row)
    losses = [name for name in names if "loss" in name]
    shares = sorted((name for name in names if "accuracy" in name), key=lambda name: "val" not in name)
    chosen = [(name, token) for found, token in ((losses, "accent"), (shares, "blue")) for name in found[:1]]
    drawn = [(points, token) for name, token in chosen if len(points := _points(rows, name)) > 1]
    if not drawn:
        return None
    sketch = Sketch()
    for points, token in drawn:
        low, high = points.min(axis=0), points.max(axis=0)
        share = (points - low) / np.where(high > low, high - low, 1.0)
        sketch.line([sketch.place(x, y) for x, y in share.tolist()], colour(token))
    return sketch.done()


def _points(rows: Sequence[Mapping[str, float]], name: str) -> Any:
    """Step and value of a metric (points, 2), finite ones only."""
    found = [(row.get("step", place), row[name]) for place, row in enumerate(rows) if name in row]
    points = np.array(found, np.float64).reshape(-1, 2)
    return points[np.isfinite(points).all(axis=1)]


def _layers(deployment: Deployment) -> QImage | None:
    """A bar for every layer's time."""
    times = [layer.us for layer in read_profile(deployment.json("deployment.json")).layers]
    if not times:
        return None
    sketch = Sketch()
    sketch.fill(colour("rose"))
    most, step = max(times) or 1.0, sketch.area.width() / len(times)
    gap = min(3.0, 0.3 * step)
    for place, us in enumerate(times):
        height = max(sketch.area.height() * us / most, 1.0)
        box = QRectF(sketch.area.left() + place * step, sketch.area.bottom() - height, step - gap, height)
        sketch.painter.drawRoundedRect(box, 1.5, 1.5)
    return sketch.done()


def _report(report: Report) -> QImage | None:
    """A search's trials with their front, or the accuracy with its interval."""
    metrics = report.meta.metrics
    ends = [metrics.get(name) for name in ("accuracy", "accuracy_low", "accuracy_high")]
    if None not in ends:
        return _interval(*(float(value) for value in ends if value is not None))
    raw = report.json("report.json")
    return _front(raw) if isinstance(raw, dict) and raw.get("kind") == "search" else None


def _interval(value: float, low: float, high: float) -> QImage:
    """The accuracy in figures, and where it lies with its interval on a scale up to 100 %."""
    sketch = Sketch()
    painter, area = sketch.painter, sketch.area
    big, small = theme.font(15, bold=True, monospace=True), theme.font(10, monospace=True)
    painter.setFont(big)
    painter.setPen(colour("text"))
    text = f"{100 * value:.1f} %"
    painter.drawText(QPointF(area.left() + 4, area.top() + 16), text)
    painter.setFont(small)
    painter.setPen(colour("mute"))
    ends = f"{100 * low:.1f}–{100 * high:.1f}"
    painter.drawText(QPointF(area.right() - 4 - QFontMetricsF(small).horizontalAdvance(ends), area.top() + 15), ends)
    floor = min(0.5, np.floor(10 * low) / 10)
    share = [0.02 + 0.96 * (v - floor) / (1 - floor) for v in (0.0 + floor, 1.0, low, high, value)]
    sketch.line([sketch.place(share[0], 0.2), sketch.place(share[1], 0.2)], colour("line"), 3)
    sketch.line([sketch.place(share[2], 0.2), sketch.place(share[3], 0.2)], colour("gold", 0.6), 3)
    sketch.fill(colour("gold"))
    painter.drawEllipse(sketch.place(share[4], 0.2), 3.4, 3.4)
    return sketch.done()


def _front(raw: Mapping[str, Any]) -> QImage | None:
    """Trials as dots over the first two objectives, the front drawn through."""
    search = read_search(raw)
    if len(search.objectives) < 2:
        return None
    up, across = search.objectives[0], search.objectives[1]
    trials = [t for t in search.trials if t.state == COMPLETE and {up.name, across.name} <= t.values.keys()]
    if not trials:
        return None
    best = {trial.number for trial in front_of(search, across, up)}
    points = np.array([[_good(t.values[across.name], across), _good(t.values[up.name], up)] for t in trials])
    low, high = points.min(axis=0), points.max(axis=0)
    share = 0.03 + 0.94 * (points - low) / np.where(high > low, high - low, 1.0)
    share[:, 0] = 1 - share[:, 0]  # cheap at the left, as in the large plot
    sketch = Sketch()
    places = {trial.number: sketch.place(x, y) for trial, (x, y) in zip(trials, share.tolist(), strict=True)}
    sketch.line(sorted((places[n] for n in best if n in places), key=QPointF.x), colour("gold"))
    for number, place in places.items():
        sketch.fill(colour("gold" if number in best else "faint"))
        sketch.painter.drawEllipse(place, *((2.4, 2.4) if number in best else (1.8, 1.8)))
    return sketch.done()


def _good(value: float, objective: Objective) -> float:
    """A value that is better the larger it is."""
    return value if objective.is_maximised else -value


PICTURES: Final[Mapping[type[Artifact], Callable[[Any], QImage | None]]] = {
    FeatureSet: _features,
    Model: _curves,
    Deployment: _layers,
    Report: _report,
}
