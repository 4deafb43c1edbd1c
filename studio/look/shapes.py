"""A shape per artifact type, as paths: colour is never alone."""

from __future__ import annotations

import functools
import math
from typing import Final

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainterPath, QPolygonF

from engine.theme import kind

_CORNERS: Final = {"diamond": (4, 0.0, 1.2), "square": (4, 45.0, 1.25), "triangle": (3, 0.0, 1.25),
                   "pentagon": (5, 0.0, 1.15), "hexagon": (6, 30.0, 1.15)}  # fmt: skip


@functools.cache
def shape(name: str, radius: float) -> QPainterPath:
    """A shape around the origin; do not change the returned path."""
    path = QPainterPath()
    if name in ("circle", "ring"):
        path.addEllipse(QPointF(0, 0), radius, radius)
        if name == "ring":
            path.addEllipse(QPointF(0, 0), radius * 0.45, radius * 0.45)
    elif name in _CORNERS:
        corners, turn_deg, scale = _CORNERS[name]
        path.addPolygon(_polygon(corners, turn_deg, radius * scale))
        path.closeSubpath()
    else:
        path.addPolygon(_star(radius * 1.25))
        path.closeSubpath()
    return path


def kind_shape(artifact_type: str, radius: float) -> QPainterPath:
    """The shape of an artifact type."""
    return shape(kind(artifact_type).shape, radius)


def _polygon(corners: int, turn_deg: float, radius: float) -> QPolygonF:
    angles = [math.radians(turn_deg - 90 + 360 * k / corners) for k in range(corners)]
    return QPolygonF([QPointF(radius * math.cos(a), radius * math.sin(a)) for a in angles])


def _star(radius: float) -> QPolygonF:
    points = []
    for k in range(10):
        reach, angle = radius * (1.0 if k % 2 == 0 else 0.45), math.radians(-90 + 36 * k)
        points.append(QPointF(reach * math.cos(angle), reach * math.sin(angle)))
    return QPolygonF(points)
