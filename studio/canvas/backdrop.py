"""What the view draws besides items: the dots of the ground, and the names beside a box's ports."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from studio.canvas import ink
from studio.canvas.items import Box
from studio.canvas.ports import Port
from studio.look.theme import colour
from studio.model.places import GRID


class Dots:
    """Dots every 22 units, made once for a size and scale and moved with the view."""

    def __init__(self) -> None:
        self._made: tuple[tuple[QSize, float], QPolygonF] | None = None

    def draw(self, painter: QPainter, corner: QPointF, size: QSize, zoom: float) -> None:
        """Draw them over a window that begins at a corner of the scene."""
        key = (size, zoom)
        if self._made is None or self._made[0] != key:
            columns, rows = (math.ceil(part / zoom / GRID) + 2 for part in (size.width(), size.height()))
            self._made = (key, QPolygonF([QPointF(x * GRID, y * GRID) for x in range(columns) for y in range(rows)]))
        pen = QPen(colour("line"), 1.5 if zoom > 0.7 else 1.0)
        pen.setCosmetic(True)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(pen)
        painter.translate(QPointF(math.floor(corner.x() / GRID) * GRID, math.floor(corner.y() / GRID) * GRID))
        painter.drawPoints(self._made[1])
        painter.restore()


def draw_port_names(painter: QPainter, box: Box) -> None:
    """The name of every port of a box, outside beside it."""
    for port in box.ports():
        _draw_port_name(painter, port)


def _draw_port_name(painter: QPainter, port: Port) -> None:
    measure = ink.metrics(ink.FOOT)
    width, at = measure.horizontalAdvance(port.port_name) + 10, port.middle()
    left = at.x() + 11 if port.is_output else at.x() - 11 - width
    area = QRectF(left, at.y() - 9, width, 18)
    painter.setPen(ink.line_pen(colour("line")))
    painter.setBrush(colour("raised"))
    painter.drawRoundedRect(area, 5, 5)
    painter.setPen(colour("text"))
    painter.setFont(ink.face(ink.FOOT))
    painter.drawText(area, Qt.AlignmentFlag.AlignCenter, port.port_name)
