"""Wires: a bezier from an output to an input in the colour of what flows through it, and the one being drawn."""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPainterPath, QPolygonF
from PySide6.QtWidgets import QGraphicsPathItem, QStyleOptionGraphicsItem, QWidget

from engine.workflow import Link
from studio.canvas import ink
from studio.canvas.ngq import LivePipeItem, PipeItem
from studio.canvas.ports import Port
from studio.look.theme import colour, kind_colour

Z_WIRE: Final = -1.0
Z_LIVE: Final = 5.0
WIDTH: Final = 2.0
WIDE: Final = 3.5
ROOM: Final = 4.0
LEAST_BEND, MOST_BEND = 36.0, 150.0


def bend(start: QPointF, end: QPointF) -> float:
    """How far a wire runs straight on before it turns; wires that run back make a wider loop."""
    across = end.x() - start.x()
    if across >= 0:
        return max(LEAST_BEND, min(MOST_BEND, across * 0.5))
    return min(MOST_BEND, max(LEAST_BEND, 0.35 * math.hypot(across, end.y() - start.y())))


def curve(start: QPointF, end: QPointF) -> QPainterPath:
    """The path of a wire from an output to an input."""
    reach = bend(start, end)
    path = QPainterPath(start)
    path.cubicTo(start.x() + reach, start.y(), end.x() - reach, end.y(), end.x(), end.y())
    return path


class Wire(PipeItem):
    """One link. `ranks` are its places among the file's links (a file may hold a link twice)."""

    itemChange = QGraphicsPathItem.itemChange  # noqa: N815  NodeGraphQt's is called from C++ for every flag

    def __init__(self, link: Link, source: Port, target: Port) -> None:
        QGraphicsPathItem.__init__(self)  # not PipeItem's: it makes a child item with an arrow and styles it twice
        self.setZValue(Z_WIRE)
        self._input_port = target
        self._output_port = source
        self.link = link
        self.ranks: list[int] = []
        self.is_chosen = False
        self.is_hovered = False
        self._area = QRectF()
        self._polygon: QPolygonF | None = None
        source.wires.append(self)
        target.wires.append(self)

    @property
    def source(self) -> Port:
        """The output it starts at."""
        return self._output_port

    @property
    def target(self) -> Port:
        """The input it ends at."""
        return self._input_port

    @property
    def kind(self) -> str:
        """Artifact type that flows through it; "" if neither end knows."""
        return self.source.kind or self.target.kind

    @property
    def is_dim(self) -> bool:
        """Whether nothing flows: an end is muted."""
        return "muted" in (self.source.box.node.mode, self.target.box.node.mode)

    def route(self) -> None:
        """Follow its ends."""
        start, end = self.source.middle(), self.target.middle()
        self._polygon = None
        self.prepareGeometryChange()
        self.setPath(curve(start, end))
        self._area = self.path().controlPointRect().adjusted(-ROOM, -ROOM, ROOM, ROOM)

    def draw_path(self, *_ends: object, **_more: object) -> None:
        """What NodeGraphQt calls to have a pipe follow its ends; visibility does not matter here."""
        self.route()

    def detach(self) -> None:
        """Take it off its ports, before it leaves the scene."""
        for port in (self.source, self.target):
            if self in port.wires:
                port.wires.remove(self)

    def distance(self, at: QPointF) -> float:
        """From a point to the wire."""
        if self._polygon is None:
            path = self.path()
            self._polygon = QPolygonF([path.pointAtPercent(step / 24) for step in range(25)])
        points = self._polygon.toList()
        return min(_to_segment(at, a, b) for a, b in zip(points, points[1:], strict=False))

    def boundingRect(self) -> QRectF:
        """Around the curve."""
        return self._area

    def set_chosen(self, is_chosen: bool) -> None:
        """Show it selected or not."""
        if is_chosen != self.is_chosen:
            self.is_chosen = is_chosen
            self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the curve: thicker under the pointer and when selected, dashed where nothing flows."""
        shade = kind_colour(self.kind) if self.kind else colour("faint")
        is_wide = self.is_chosen or self.is_hovered
        painter.setBrush(ink.NO_BRUSH)
        if self.is_chosen:
            painter.setPen(ink.line_pen(colour("accent", 0.5), WIDE + 3.0))
            painter.drawPath(self.path())
        is_dashed = self.is_dim or not self.kind
        painter.setPen(
            ink.line_pen(ink.clear(shade, 0.4) if self.is_dim else shade, WIDE if is_wide else WIDTH, dashed=is_dashed)
        )
        painter.drawPath(self.path())


def _to_segment(at: QPointF, a: QPointF, b: QPointF) -> float:
    along = b - a
    length = along.x() ** 2 + along.y() ** 2
    part = 0.0 if length == 0 else max(0.0, min(1.0, QPointF.dotProduct(at - a, along) / length))
    return math.hypot(at.x() - a.x() - part * along.x(), at.y() - a.y() - part * along.y())


class LiveWire(LivePipeItem):
    """The wire under the pointer while a link is drawn: dashed until it would be made, red where it may not be."""

    def __init__(self) -> None:
        QGraphicsPathItem.__init__(self)
        self.setZValue(Z_LIVE)
        self.setVisible(False)
        self.kind = ""
        self.verdict: bool | None = None

    def show_between(self, port: Port, at: QPointF, verdict: bool | None) -> None:
        """Draw it from a port to a point; `verdict` says whether it may end there, None over nothing."""
        start, end = (port.middle(), at) if port.is_output else (at, port.middle())
        self.kind, self.verdict = port.kind, verdict
        self.setPath(curve(start, end))
        self.setVisible(True)
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the curve."""
        shade = kind_colour(self.kind) if self.kind else colour("faint")
        painter.setPen(ink.line_pen(colour("red") if self.verdict is False else shade, 2.5, dashed=not self.verdict))
        painter.setBrush(ink.NO_BRUSH)
        painter.drawPath(self.path())

    def boundingRect(self) -> QRectF:
        """Around the curve."""
        return self.path().controlPointRect().adjusted(-ROOM, -ROOM, ROOM, ROOM)
