"""A small picture of a graph: boxes and wires in their types' colours."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.registry import Registry
from engine.workflow import Link, Workflow
from studio.look.theme import colour, ground, kind_colour
from studio.model.edit import Place
from studio.model.places import HEIGHT, WIDTH, port_y, ports_of, shown_positions

MARGIN = 8.0
LARGEST = 0.62
"""Scale that a small graph is drawn at, at most."""


class GraphPicture(QWidget):
    """The picture as a widget: drawn once for each size and ground."""

    def __init__(self, workflow: Workflow, registry: Registry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workflow, self.registry = workflow, registry
        self._drawn: tuple[object, QImage] | None = None
        self.setAccessibleName(f"{len(workflow.nodes)} nodes")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Show it, drawn anew if the size, the scale or the ground is another one."""
        key = (self.size(), self.devicePixelRatioF(), ground())
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, picture(self.workflow, self.registry, self.size(), self.devicePixelRatioF()))
        QPainter(self).drawImage(0, 0, self._drawn[1])


def picture(workflow: Workflow, registry: Registry, size: QSize, scale: float = 1.0) -> QImage:
    """The graph fitted into `size` logical pixels, transparent around."""
    drawn = QImage(size * scale, QImage.Format.Format_ARGB32_Premultiplied)
    drawn.setDevicePixelRatio(scale)
    drawn.fill(Qt.GlobalColor.transparent)
    places = shown_positions(workflow)
    if not places or size.isEmpty():
        return drawn
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _fit(painter, list(places.values()), size)
    ends = {name: ports_of(workflow, registry, name) for name in places}
    for link in workflow.links:
        if link.source in places and link.target in places:
            _wire(painter, link, places, ends, _kind_of(workflow, registry, link))
    for name, (x, y) in places.items():
        _box(painter, QRectF(x, y, WIDTH, HEIGHT), _main_kind(workflow, registry, name))
    painter.end()
    return drawn


def _fit(painter: QPainter, corners: list[Place], size: QSize) -> None:
    xs, ys = zip(*corners, strict=True)
    area = QRectF(min(xs), min(ys), max(xs) - min(xs) + WIDTH, max(ys) - min(ys) + HEIGHT)
    room = QRectF(0, 0, size.width(), size.height()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
    factor = max(min(room.width() / area.width(), room.height() / area.height(), LARGEST), 0.001)
    painter.translate(room.center())
    painter.scale(factor, factor)
    painter.translate(-area.center())


def _main_kind(workflow: Workflow, registry: Registry, name: str) -> str:
    spec = registry.find(workflow.nodes[name].type)
    ports = [*spec.outputs, *spec.inputs] if spec is not None else []
    return ports[0].type.kind() if ports else ""


def _kind_of(workflow: Workflow, registry: Registry, link: Link) -> str:
    spec = registry.find(workflow.nodes[link.source].type)
    port = spec.output(link.output) if spec is not None else None
    return port.type.kind() if port is not None else ""


def _box(painter: QPainter, area: QRectF, kind: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(kind_colour(kind))
    painter.drawRoundedRect(area, 16, 16)
    painter.setPen(QPen(colour("line"), 4))
    painter.setBrush(colour("raised"))
    shape = QPainterPath()
    shape.addRoundedRect(area, 16, 16)
    below = QPainterPath()
    below.addRect(area.adjusted(-4, 15, 4, 4))
    painter.drawPath(shape.intersected(below))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("mute", 0.55))
    painter.drawRoundedRect(QRectF(area.left() + 20, area.top() + 36, area.width() * 0.52, 14), 7, 7)
    painter.setBrush(colour("line"))
    painter.drawRoundedRect(QRectF(area.left() + 20, area.top() + 66, area.width() * 0.36, 12), 6, 6)


def _wire(
    painter: QPainter,
    link: Link,
    places: Mapping[str, Place],
    ends: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]],
    kind: str,
) -> None:
    outputs, inputs = ends[link.source][1], ends[link.target][0]
    start = QPointF(places[link.source][0] + WIDTH, places[link.source][1] + port_y(_index(outputs, link.output)))
    end = QPointF(places[link.target][0], places[link.target][1] + port_y(_index(inputs, link.input)))
    bend = max(40.0, abs(end.x() - start.x()) / 2)
    path = QPainterPath(start)
    path.cubicTo(start + QPointF(bend, 0), end - QPointF(bend, 0), end)
    painter.setPen(QPen(kind_colour(kind), 5))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0
