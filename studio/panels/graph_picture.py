"""A small picture of a graph: boxes and wires in their types' colours."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPen

from engine.registry import Registry
from engine.workflow import Workflow
from studio.look.theme import colour, kind_colour
from studio.model.places import HEIGHT, WIDTH, port_y, ports_of, shown_positions

MARGIN = 10.0


def picture(workflow: Workflow, registry: Registry, size: QSize, scale: float = 1.0) -> QImage:
    """The graph fitted into `size` logical pixels, transparent around."""
    drawn = QImage(size * scale, QImage.Format.Format_ARGB32_Premultiplied)
    drawn.setDevicePixelRatio(scale)
    drawn.fill(Qt.GlobalColor.transparent)
    places = shown_positions(workflow)
    if not places:
        return drawn
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _fit(painter, list(places.values()), size)
    for link in workflow.links:
        if link.source in places and link.target in places:
            _wire(painter, workflow, registry, link.source, link.output, link.target, link.input)
    for name, (x, y) in places.items():
        _box(painter, QRectF(x, y, WIDTH, HEIGHT), _type(workflow, registry, name))
    painter.end()
    return drawn


def _fit(painter: QPainter, corners: list[tuple[float, float]], size: QSize) -> None:
    xs, ys = zip(*corners, strict=True)
    area = QRectF(min(xs), min(ys), max(xs) - min(xs) + WIDTH, max(ys) - min(ys) + HEIGHT)
    room = QRectF(0, 0, size.width(), size.height()).adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
    factor = min(room.width() / area.width(), room.height() / area.height(), 0.5)
    painter.translate(room.center())
    painter.scale(factor, factor)
    painter.translate(-area.center())


def _type(workflow: Workflow, registry: Registry, name: str) -> str:
    spec = registry.find(workflow.nodes[name].type)
    ports = [*spec.outputs, *spec.inputs] if spec is not None else []
    return ports[0].type.kind() if ports else ""


def _box(painter: QPainter, area: QRectF, kind: str) -> None:
    painter.setPen(QPen(colour("line"), 5))
    painter.setBrush(colour("raised"))
    painter.drawRoundedRect(area, 16, 16)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(kind_colour(kind))
    painter.drawRoundedRect(QRectF(area.left(), area.top(), area.width(), 16), 8, 8)
    painter.setBrush(colour("line"))
    painter.drawRoundedRect(QRectF(area.left() + 20, area.top() + 38, area.width() * 0.55, 14), 7, 7)
    painter.drawRoundedRect(QRectF(area.left() + 20, area.top() + 66, area.width() * 0.36, 14), 7, 7)


def _wire(
    painter: QPainter, workflow: Workflow, registry: Registry, source: str, output: str, target: str, input: str
) -> None:
    places = shown_positions(workflow)
    outputs, inputs = ports_of(workflow, registry, source)[1], ports_of(workflow, registry, target)[0]
    start = QPointF(places[source][0] + WIDTH, places[source][1] + port_y(_index(outputs, output)))
    end = QPointF(places[target][0], places[target][1] + port_y(_index(inputs, input)))
    bend = max(40.0, abs(end.x() - start.x()) / 2)
    path = QPainterPath(start)
    path.cubicTo(start + QPointF(bend, 0), end - QPointF(bend, 0), end)
    spec = registry.find(workflow.nodes[source].type)
    port = spec.output(output) if spec is not None else None
    pen = QPen(kind_colour(port.type.kind() if port is not None else ""), 6)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(path)


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 0
