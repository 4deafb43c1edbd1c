"""Dropping on the canvas: node types from the palette, onto a wire too; folders, archives, recordings, workflows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QDragMoveEvent, QDropEvent, QFontMetricsF, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from engine.errors import OssicleError
from engine.node import NodeSpec
from engine.workflow import Link, Workflow
from studio.canvas.canvas import Canvas
from studio.canvas.fits import insert, through
from studio.canvas.pipes import Wire
from studio.canvas.usage import Usage
from studio.look.theme import colour, font, kind_colour
from studio.model import edit
from studio.model.align import snap
from studio.model.dropped import label_of, sort_dropped, usable
from studio.model.edit import Place
from studio.model.places import GRID, HEADER, WIDTH, height_of

MIME: Final = "application/x-ossicle-node"
Z_GHOST: Final = 6.0
FILES_SIZE: Final = (260.0, 56.0)


class Ghost(QGraphicsItem):
    """The outline of what would be placed; the mouse goes through it."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(Z_GHOST)
        self.setVisible(False)
        self.title = ""
        self.about = ""
        self.kind = ""
        self.area = QRectF()

    def show_as(self, title: str, about: str, kind: str, area: QRectF) -> None:
        """Stand somewhere as something."""
        self.prepareGeometryChange()
        self.title, self.about, self.kind, self.area = title, about, kind, area
        self.setVisible(True)
        self.update()

    def boundingRect(self) -> QRectF:
        """With its pen."""
        return self.area.adjusted(-4, -4, 4, 4)

    def shape(self) -> QPainterPath:
        """Nothing: it cannot be hit."""
        return QPainterPath()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """A dashed box with a title and one quiet line."""
        shade = kind_colour(self.kind) if self.kind else colour("accent")
        pen = QPen(shade, 1.6)
        pen.setDashPattern([5.0, 4.0])
        painter.setPen(pen)
        painter.setBrush(colour("panel", 0.82))
        painter.drawRoundedRect(self.area, 10, 10)
        room = self.area.adjusted(14, 8, -12, 0)
        for text, face, token, top in (
            (self.title, font(13, bold=True), "text", 0.0), (self.about, font(11.5), "mute", 21.0),
        ):  # fmt: skip
            painter.setFont(face)
            painter.setPen(colour(token))
            shown = QFontMetricsF(face).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
            painter.drawText(
                QRectF(room.left(), room.top() + top, room.width(), 20), Qt.AlignmentFlag.AlignVCenter, shown
            )


class Drops(QObject):
    """Watches the canvas's viewport for drags.

    Signals:
        added(str): a node was placed, by id.
        refused(OssicleError): what was dropped is nothing for us.
    """

    added = Signal(str)
    refused = Signal(object)

    def __init__(self, canvas: Canvas, usage: Usage) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.document = canvas.document
        self.usage = usage
        self.ghost = Ghost()
        self._wire: Wire | None = None
        self._label = ""
        canvas.viewer.scene().addItem(self.ghost)
        canvas.viewer.viewport().installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Drags are ours; all else goes on."""
        kind = event.type()
        if kind == QEvent.Type.DragLeave:
            self._end()
            return True
        if not isinstance(event, QDragMoveEvent | QDropEvent) or not self._knows(event.mimeData()):
            return False
        if kind == QEvent.Type.DragEnter:
            self._label = self._label_of(event.mimeData())
        at = self.canvas.viewer.mapToScene(event.position().toPoint())
        if kind == QEvent.Type.Drop:
            self._drop(event.mimeData(), at)
        else:
            self._over(event.mimeData(), at)
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        return True

    def _knows(self, data: QMimeData) -> bool:
        return self._spec(data) is not None or bool(_paths(data))

    def _spec(self, data: QMimeData) -> NodeSpec | None:
        raw = bytes(data.data(MIME).data()).decode("utf-8", "replace") if data.hasFormat(MIME) else ""
        return self.document.registry.find(raw.strip()) if raw else None

    def _label_of(self, data: QMimeData) -> str:
        return "" if self._spec(data) is not None else label_of(sort_dropped(_paths(data)))

    # ---- over the canvas

    def _over(self, data: QMimeData, at: QPointF) -> None:
        spec = self._spec(data)
        if spec is None:
            width, height = FILES_SIZE
            area = QRectF(at.x() - width / 2, at.y() - height / 2, width, height)
            known = "a folder, archive, recording or workflow" if self._label.startswith("Not") else "let go to do so"
            self.ghost.show_as(self._label, known, "", area)
            return
        self._mark(self._wire_for(spec, at))
        x, y = place_at(at)
        kind = next((port.type.kind() for port in (*spec.outputs, *spec.inputs)), "")
        height = height_of(len(spec.inputs), len(spec.outputs))
        about = f"into {self._wire.link}" if self._wire is not None else spec.category
        self.ghost.show_as(spec.title, about, kind, QRectF(x, y, WIDTH, height))

    def _wire_for(self, spec: NodeSpec, at: QPointF) -> Wire | None:
        """The wire under the pointer if the node fits into it."""
        wire: Wire | None = self.canvas.viewer.wire_at(at)
        if wire is None or through(self.document.workflow, self.document.registry, wire.link, spec) is None:
            return None
        return wire

    def _mark(self, wire: Wire | None) -> None:
        for item, is_on in ((self._wire, False), (wire, True)):
            if item is not None and item.scene() is not None:
                item.is_hovered = is_on
                item.update()
        self._wire = wire

    def _end(self) -> None:
        self._mark(None)
        self.ghost.setVisible(False)

    # ---- let go

    def _drop(self, data: QMimeData, at: QPointF) -> None:
        spec = self._spec(data)
        if spec is None:
            self._end()
            self._take(_paths(data), at)
            return
        wire = self._wire_for(spec, at)
        link = wire.link if wire is not None else None
        self._end()
        self.place(spec, place_at(at), link)

    def _take(self, paths: list[Path], at: QPointF) -> None:
        try:
            found = usable(sort_dropped(paths))
        except OssicleError as error:
            self.refused.emit(error)
        else:
            self.canvas.files_dropped.emit([item.path for item in found], at)

    def place(self, spec: NodeSpec, at: Place, link: Link | None = None) -> str:
        """Place a node, into a wire if one is given; one undo step; its id."""
        made: list[str] = []
        registry = self.document.registry

        def change(workflow: Workflow) -> Workflow:
            if link is None:
                after, name = edit.add_node(workflow, spec, at)
            else:
                after, name = insert(workflow, registry, link, spec, at)
            made.append(name)
            return after

        self.document.edit(f"Add {spec.title}", change)
        self.usage.note(spec.id)
        self.document.select(made)
        self.canvas.viewer.setFocus()
        self.added.emit(made[0])
        return made[0]


def place_at(at: QPointF) -> Place:
    """Top left corner of a box whose title is at a point, on the canvas's grid."""
    return snap((at.x() - WIDTH / 2, at.y() - HEADER / 2), GRID / 2)


def _paths(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
