"""The whole graph, small: drawn from positions and states, never by painting the scene once more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from studio.look.theme import colour, state_colour
from studio.model.boxes import Box, around, boxes
from studio.model.document import Document
from studio.model.marks import Mark, marks
from studio.run.state import NodeState

SIZE: Final = (150, 92)
PAD: Final = 9.0
SHOWN_STATES: Final = ("running", "queued", "failed", "stale", "attention", "interrupted")
"""States in their colour; all others are quiet."""
UPDATE_MS: Final = 33


class Minimap(QWidget):
    """A map to look at and to drag the view with.

    Signals:
        centre_wished(QPointF): show this point of the scene in the middle.
    """

    centre_wished = Signal(QPointF)

    def __init__(self, document: Document, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFixedSize(*SIZE)
        self.setAccessibleName("Map of the graph")
        self.setToolTip("Click to go there, drag to move the view")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.document = document
        self._states: dict[str, str] = {}
        self._boxes: dict[str, Box] = {}
        self._frames: list[Mark] = []
        self._whole: QRectF | None = None
        self._areas: dict[str, QRectF] = {}
        self._seen = QRectF()
        self._grip: QPointF | None = None
        self._picture: QPixmap | None = None
        self._timer = QTimer(self, singleShot=True, interval=UPDATE_MS)
        self._timer.timeout.connect(self.update)
        document.changed.connect(self._become)
        document.registry_changed.connect(self._measure)
        document.selection_changed.connect(lambda _selection: self._repaint())
        self._measure()

    # ---- what it shows

    def _become(self, old: Any, new: Any) -> None:
        if new.layout is not old.layout or new.nodes is not old.nodes:
            self._measure()

    def _measure(self) -> None:
        self._boxes = boxes(self.document.workflow, self.document.registry)
        self._frames = [mark for mark in marks(self.document.workflow).values() if mark.group == "frames"]
        box = around([*self._boxes.values(), *(mark.box for mark in self._frames)])
        self._whole = QRectF(*box) if box is not None else None
        self._areas = self._laid_out()
        self._repaint()

    def set_states(self, states: Mapping[str, NodeState]) -> None:
        """These nodes are in these states now."""
        self._states |= {name: state.state for name, state in states.items()}
        self._repaint()

    def set_seen(self, seen: QRectF) -> None:
        """The part of the scene that the canvas shows."""
        if seen != self._seen:
            self._seen = QRectF(seen)
            self._soon()

    def _repaint(self) -> None:
        self._picture = None
        self._soon()

    def _soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    # ---- where things are

    @property
    def whole(self) -> QRectF:
        """The part of the scene that the map shows: all boxes, or what is seen of an empty graph."""
        if self._whole is not None:
            return self._whole
        return QRectF(self._seen) if not self._seen.isEmpty() else QRectF(0, 0, 1, 1)

    @property
    def scale(self) -> float:
        """Pixels of the map per pixel of the scene."""
        whole = self.whole
        room = (self.width() - 2 * PAD, self.height() - 2 * PAD)
        return min(room[0] / max(1.0, whole.width()), room[1] / max(1.0, whole.height()), 0.2)

    def to_map(self, at: QPointF) -> QPointF:
        """A point of the scene on the map."""
        middle = QPointF(self.width() / 2, self.height() / 2)
        return (at - self.whole.center()) * self.scale + middle

    def to_scene(self, at: QPointF) -> QPointF:
        """A point of the map in the scene."""
        middle = QPointF(self.width() / 2, self.height() / 2)
        scale = self.scale
        return self.whole.center() + QPointF((at.x() - middle.x()) / scale, (at.y() - middle.y()) / scale)

    @property
    def seen_on_map(self) -> QRectF:
        """The rectangle of what is seen, cut to the map and never too small to grasp."""
        area = QRectF(self.to_map(self._seen.topLeft()), self.to_map(self._seen.bottomRight()))
        area = area.intersected(QRectF(self.rect()).adjusted(4, 4, -4, -4))
        return area.adjusted(-2, -2, 2, 2) if min(area.width(), area.height()) < 4 else area

    # ---- painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The boxes as kept, the rectangle of what is seen fresh."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._picture is None:
            self._picture = self._drawn()
        painter.drawPixmap(0, 0, self._picture)
        if not self._seen.isEmpty():
            accent = QColor(colour("accent"))
            painter.setPen(QPen(accent, 1.2))
            accent.setAlphaF(0.04)
            painter.setBrush(accent)
            painter.drawRoundedRect(self.seen_on_map, 4, 4)
        painter.end()

    def _drawn(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("line"), 1))
        painter.setBrush(colour("panel", 0.94))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        self._draw_frames(painter)
        for shade, areas in self._by_colour().items():
            painter.setBrush(QColor.fromRgba(shade))
            _draw_areas(painter, areas)
        painter.end()
        return picture

    def _draw_frames(self, painter: QPainter) -> None:
        for mark in self._frames:
            area = QRectF(*mark.box)
            painter.setBrush(colour(mark.colour, 0.22))
            painter.drawRoundedRect(QRectF(self.to_map(area.topLeft()), self.to_map(area.bottomRight())), 2, 2)

    def _laid_out(self) -> dict[str, QRectF]:
        """The boxes on the map."""
        scale, whole = self.scale, self.whole.center()
        left, top = self.width() / 2 - whole.x() * scale, self.height() / 2 - whole.y() * scale
        return {
            name: QRectF(left + x * scale, top + y * scale, max(1.5, width * scale), height * scale)
            for name, (x, y, width, height) in self._boxes.items()
        }

    def _by_colour(self) -> Mapping[int, list[QRectF]]:
        chosen, states = self.document.selection.nodes, self._states
        quiet, accent = colour("faint", 0.75).rgba(), colour("accent").rgba()
        known = {state: state_colour(state).rgba() for state in SHOWN_STATES}
        found: dict[int, list[QRectF]] = defaultdict(list)
        for name, area in self._areas.items():
            found[accent if name in chosen else known.get(states.get(name, ""), quiet)].append(area)
        return found

    # ---- hands

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Inside the rectangle: hold it there. Elsewhere: go there first."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        at = event.position()
        middle = self.to_map(self._seen.center())
        self._grip = at - middle if self.seen_on_map.contains(at) else QPointF()
        if not self.seen_on_map.contains(at):
            self.centre_wished.emit(self.to_scene(at))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the view along."""
        if self._grip is not None:
            self.centre_wished.emit(self.to_scene(event.position() - self._grip))

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Let go."""
        self._grip = None

    def changeEvent(self, event: QEvent) -> None:
        """The colours of the present ground."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_timer"):
            self._repaint()


def _draw_areas(painter: QPainter, areas: list[QRectF]) -> None:
    """Round corners while there are few; plain ones are quicker."""
    if len(areas) > 60:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.drawRects(areas)
        return
    for area in areas:
        painter.drawRoundedRect(area, 1.5, 1.5)
