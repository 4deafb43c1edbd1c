"""What a box shows of its result: facts in two lines, or a small picture. Made in threads: QImage only, no pixmaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QPen, QPolygonF

from engine.artifact import Artifact, Deployment, FeatureSet, Model
from engine.evidence import UNREADABLE, rows_of_curves
from engine.theme import VIRIDIS
from studio.canvas.thumb import HEIGHT_PX, WIDTH_PX, Thumb
from studio.look.theme import colour
from studio.views.data.latency import read_profile
from studio.views.data.sound import read_clips
from studio.views.viewer import Scene

SCALE: Final = 2
MARGIN: Final = 4.0
MOST_CHARACTERS: Final = 30
"""A line of fact holds about this many; longer facts are broken at a separator."""


def thumb_of(artifact: Artifact) -> Thumb:
    """The Thumb of an artifact; facts alone where a picture cannot be drawn."""
    for kind, draw in PICTURES.items():
        if isinstance(artifact, kind):
            try:
                picture = draw(artifact)
            except UNREADABLE:
                picture = None
            if picture is not None:
                return Thumb(lines_of(artifact.meta.about), picture)
    return Thumb(lines_of(artifact.meta.about))


def lines_of(about: str) -> tuple[str, ...]:
    """A fact line broken into two at its separators, as evenly as it goes."""
    mark = " · " if " · " in about else " "
    parts = about.split(mark)
    if len(about) <= MOST_CHARACTERS or len(parts) == 1:
        return (about,) if about else ()
    ways = [(mark.join(parts[:k]), mark.join(parts[k:])) for k in range(1, len(parts))]
    return min(ways, key=lambda way: (max(map(len, way)), -len(way[0])))


def _canvas() -> tuple[QImage, QPainter]:
    drawn = QImage(WIDTH_PX * SCALE, HEIGHT_PX * SCALE, QImage.Format.Format_ARGB32_Premultiplied)
    drawn.fill(colour("background"))
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(SCALE, SCALE)
    return drawn, painter


def _features(features: Any) -> QImage | None:
    """The features of one clip in viridis."""
    _, shown = read_clips(features, Scene())
    if shown is None or not shown.image.size:
        return None
    start = 1 if features.meta.front_end.get("n_mfcc") else 0  # the level of a frame outshines all other coefficients
    image = shown.image[start:][::-1]
    low, high = np.percentile(image, (1, 99.7))
    share = np.clip((image - low) / max(float(high - low), 1e-9), 0, 1)
    levels = np.ascontiguousarray((share * 255).astype(np.uint8))
    drawn = QImage(levels.tobytes(), levels.shape[1], levels.shape[0], levels.shape[1], QImage.Format.Format_Indexed8)
    drawn.setColorTable(_viridis())
    size = (WIDTH_PX * SCALE, HEIGHT_PX * SCALE)
    return drawn.convertToFormat(QImage.Format.Format_RGB32).scaled(
        *size, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


def _viridis() -> list[int]:
    marks = np.array([[int(code[k : k + 2], 16) for k in (1, 3, 5)] for code in VIRIDIS], float)
    places = np.linspace(0, len(marks) - 1, 256)
    red, green, blue = (np.interp(places, range(len(marks)), marks[:, c]).astype(int) for c in range(3))
    return [0xFF000000 | (int(r) << 16) | (int(g) << 8) | int(b) for r, g, b in zip(red, green, blue, strict=True)]


def _curves(model: Any) -> QImage | None:
    """Loss and validation accuracy of the training."""
    if model.meta.precision != "float32" or not (model.path / "curves.json").is_file():
        return None  # the curves of a compressed model are those of the one it was made from
    return curves_picture(rows_of_curves(model.json("curves.json")))


def curves_picture(rows: Sequence[Mapping[str, float]]) -> QImage | None:
    """Small curves of metric rows; also while a training runs."""
    drawn, painter = _canvas()
    count = 0
    for name, token in (("loss", "accent"), ("validation_accuracy", "blue")):
        values = [
            (row.get("step", k), row[name]) for k, row in enumerate(rows) if name in row and np.isfinite(row[name])
        ]
        if len(values) > 1:
            count += 1
            _line(painter, values, token)
    painter.end()
    return drawn if count else None


def _line(painter: QPainter, values: Sequence[tuple[float, float]], token: str) -> None:
    xs, ys = zip(*values, strict=True)
    width, height = WIDTH_PX - 2 * MARGIN, HEIGHT_PX - 2 * MARGIN
    across, up = max(xs[-1] - xs[0], 1e-9), max(max(ys) - min(ys), 1e-9)
    points = [
        QPointF(MARGIN + (x - xs[0]) / across * width, MARGIN + (1 - (y - min(ys)) / up) * height) for x, y in values
    ]
    painter.setPen(QPen(colour(token), 1.5))
    painter.drawPolyline(QPolygonF(points))


def _layers(deployment: Any) -> QImage | None:
    """A bar for every layer's time."""
    layers = read_profile(deployment.json("deployment.json")).layers
    if not layers:
        return None
    drawn, painter = _canvas()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("rose"))
    most = max(layer.us for layer in layers) or 1.0
    step = (WIDTH_PX - 2 * MARGIN) / len(layers)
    for place, layer in enumerate(layers):
        height = (HEIGHT_PX - 2 * MARGIN) * layer.us / most
        box = QRectF(MARGIN + place * step, HEIGHT_PX - MARGIN - height, max(step - 3, 1.5), height)
        painter.drawRoundedRect(box, 1.5, 1.5)
    painter.end()
    return drawn


PICTURES: Final[Mapping[type[Artifact], Callable[[Any], QImage | None]]] = {
    FeatureSet: _features,
    Model: _curves,
    Deployment: _layers,
}
