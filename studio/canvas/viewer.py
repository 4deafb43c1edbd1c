"""The view: dots, zoom, pan, what lies under the pointer, and which gesture the mouse is making."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from PySide6.QtCore import QEvent, QLineF, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QGraphicsItem, QGraphicsView, QToolTip

from studio.canvas import ink
from studio.canvas.backdrop import Dots, draw_port_names
from studio.canvas.facts import link_tooltip, port_tooltip
from studio.canvas.gesture import Gesture
from studio.canvas.items import Box
from studio.canvas.ngq import NodeViewer
from studio.canvas.pipes import LiveWire, Wire
from studio.canvas.ports import Port
from studio.look.theme import colour

if TYPE_CHECKING:
    from studio.canvas.canvas import Canvas

LEAST, MOST = 0.04, 3.0
MARGIN_PX: Final = 48
FIT_MOST: Final = 1.25
DOTS_FROM: Final = 0.3
WIRE_REACH_PX: Final = 7.0
PORT_REACH_PX: Final = 12.0
Hit = Box | Port | Wire | QGraphicsItem | None
_STEP: Final = 120 / math.log(1.2)
"""One notch of a wheel (120) is a fifth."""


class Viewer(NodeViewer):
    """NodeGraphQt's viewer with our look and our hands. Its menus, tab search and key states are not used.

    Attributes:
        key_hook: asked first for every key; True if it used it.
        begin: makes the gesture for a press (`studio.canvas.mouse.begin`).
    """

    view_changed = Signal()

    def __init__(self, canvas: Canvas, begin: Callable[[Viewer, QMouseEvent], Gesture | None]) -> None:
        self._zoom = 1.0
        self.is_fitted = True
        self._fit: Callable[[], QRectF] = QRectF
        self._started = False
        super().__init__(canvas)
        self.canvas = canvas
        self.begin = begin
        self.key_hook: Callable[[QKeyEvent], bool] | None = None
        self.gesture: Gesture | None = None
        self.hovered: Hit = None
        self.knife: QLineF | None = None
        self.space_down = False
        self._is_foreign = False
        self._started = True
        self._dots = Dots()
        self.live = LiveWire()
        for item in (self._LIVE_PIPE, self._SLICER_PIPE, self._cursor_text):
            self.scene().removeItem(item)
        self.scene().addItem(self.live)
        self._set_up()

    def _set_up(self) -> None:
        self.setObjectName("canvas")
        self.setAccessibleName("Graph canvas")
        self.setFrameShape(QGraphicsView.Shape.NoFrame)
        self.setCacheMode(QGraphicsView.CacheModeFlag.CacheNone)
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.BoundingRectViewportUpdate)
        self.setOptimizationFlag(QGraphicsView.OptimizationFlag.DontSavePainterState, False)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAcceptDrops(True)
        self._ctx_menu_bar.hide()

    # ---- where we look

    @property
    def zoom_factor(self) -> float:
        """Screen pixels per scene unit."""
        return self._zoom

    def seen(self) -> QRectF:
        """The part of the scene in the window."""
        return QRectF(self._scene_range)

    def look(self, top_left: QPointF, zoom: float) -> None:
        """Show the scene from a corner on, at a scale."""
        self._zoom = max(LEAST, min(MOST, zoom))
        size = self.viewport().size()
        self._scene_range = QRectF(top_left.x(), top_left.y(), size.width() / self._zoom, size.height() / self._zoom)
        self._update_scene()

    def _update_scene(self) -> None:
        if not self._started:
            return
        corner, zoom = self._scene_range.topLeft(), self._zoom
        self._scene_range.moveTopLeft(QPointF(round(corner.x() * zoom) / zoom, round(corner.y() * zoom) / zoom))
        self.setTransform(QTransform.fromScale(zoom, zoom))
        self.setSceneRect(self._scene_range.adjusted(0, 0, -1 / zoom, -1 / zoom))
        self.viewport().update()
        self.view_changed.emit()

    def pan(self, delta_px: QPointF) -> None:
        """Move the view by screen pixels."""
        self.is_fitted = False
        self.look(self._scene_range.topLeft() + delta_px / self._zoom, self._zoom)

    def zoom_at(self, factor: float, at_px: QPointF | None = None) -> None:
        """Zoom, keeping a point of the window (its middle unless given) where it is."""
        at = at_px if at_px is not None else QRectF(self.viewport().rect()).center()
        anchor = self._scene_range.topLeft() + at / self._zoom
        zoom = max(LEAST, min(MOST, self._zoom * factor))
        self.is_fitted = False
        self.look(anchor - at / zoom, zoom)

    def fit_rect(self, area: QRectF, most: float = FIT_MOST) -> None:
        """Show all of an area."""
        if area.isEmpty():
            area = QRectF(0, 0, 1, 1)
        size = self.viewport().size()
        room = max(40, size.width() - 2 * MARGIN_PX), max(40, size.height() - 2 * MARGIN_PX)
        zoom = max(LEAST, min(most, room[0] / area.width(), room[1] / area.height()))
        half = QPointF(size.width() / 2, size.height() / 2)
        self.look(area.center() - half / zoom, zoom)

    def centre(self, at: QPointF) -> None:
        """Bring a point to the middle."""
        self.is_fitted = False
        self.look(at - QPointF(self._scene_range.width() / 2, self._scene_range.height() / 2), self._zoom)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep what is in the middle there; a fitted view stays fitted."""
        QGraphicsView.resizeEvent(self, event)
        if not self._started:
            return
        if self.is_fitted:
            self.canvas.fit()
        else:
            middle = self._scene_range.center()
            self.look(self._scene_range.topLeft(), self._zoom)
            self.centre(middle)

    # ---- what is seen

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """The ground with its dots, and the far view."""
        painter.fillRect(rect, colour("canvas"))
        if self._zoom >= DOTS_FROM:
            self._dots.draw(painter, self._scene_range.topLeft(), self.viewport().size(), self._zoom)
        if self.canvas.is_far:
            painter.save()
            self.canvas.far.paint(painter, self.seen(), self._zoom)
            painter.restore()

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Names beside the ports of the box under the pointer and of the selected one; the knife."""
        if self.knife is not None:
            painter.setPen(ink.line_pen(colour("red"), 1.5 / self._zoom, dashed=True))
            painter.drawLine(self.knife)
        if self.canvas.is_far or self._zoom < 0.5:
            return
        named = {box for box in (self.hovered_box(), self.canvas.single()) if box is not None}
        for box in named:
            draw_port_names(painter, box)

    # ---- what lies where

    def to_scene(self, event: QMouseEvent) -> QPointF:
        """Where a mouse event is in the scene, to a fraction of a unit."""
        at: QPointF = self._scene_range.topLeft() + event.position() / self._zoom
        return at

    def to_view(self, at: QPointF) -> QPointF:
        """Where a point of the scene is in the window."""
        spot: QPointF = (at - self._scene_range.topLeft()) * self._zoom
        return spot

    def port_at(self, at: QPointF, reach_px: float = PORT_REACH_PX) -> Port | None:
        """The nearest port within reach."""
        reach = max(reach_px / self._zoom, 8.0)
        found = [item for item in self._near(at, reach) if isinstance(item, Port)]
        near = min(found, key=lambda port: _apart(port.middle(), at), default=None)
        return near if near is not None and _apart(near.middle(), at) <= reach else None

    def box_at(self, at: QPointF) -> Box | None:
        """The topmost box at a point."""
        found = [item for item in self._near(at, 1.0) if isinstance(item, Box) and item.outline().contains(at)]
        return max(found, key=lambda box: box.zValue(), default=None)

    def wire_at(self, at: QPointF) -> Wire | None:
        """The nearest wire within reach."""
        reach = WIRE_REACH_PX / self._zoom
        near = [(item.distance(at), item.link, item) for item in self._near(at, reach) if isinstance(item, Wire)]
        best = min(near, default=None, key=lambda entry: entry[:2])
        return best[2] if best is not None and best[0] <= reach else None

    def _near(self, at: QPointF, reach: float) -> list[QGraphicsItem]:
        area = QRectF(at.x() - reach, at.y() - reach, 2 * reach, 2 * reach)
        return self.scene().items(area, Qt.ItemSelectionMode.IntersectsItemBoundingRect)

    def hit(self, at: QPointF) -> Hit:
        """What a press there would mean: a port, a box, a wire, an item of someone else (a note), or nothing."""
        return (
            self.port_at(at)
            or self.box_at(at)
            or self._foreign_at(at, above=True)
            or self.wire_at(at)
            or self._foreign_at(at)
        )

    def _foreign_at(self, at: QPointF, *, above: bool = False) -> QGraphicsItem | None:
        ours = (Box, Port, Wire, LiveWire)
        found = (item for item in self.scene().items(at) if not isinstance(item, ours))
        return next((item for item in found if not above or item.zValue() > 0), None)

    def hovered_box(self) -> Box | None:
        """The box the pointer is on, or on whose port it is."""
        if isinstance(self.hovered, Port):
            return self.hovered.box
        return self.hovered if isinstance(self.hovered, Box) else None

    def hover(self, found: Hit) -> None:
        """Show what the pointer is on."""
        if found is self.hovered:
            return
        for item, is_on in ((self.hovered, False), (found, True)):
            if isinstance(item, Port):
                item._hovered = is_on
            elif isinstance(item, Box | Wire):
                item.is_hovered = is_on
        self.hovered = found
        shape = Qt.CursorShape.CrossCursor if isinstance(found, Port) else Qt.CursorShape.PointingHandCursor
        self.viewport().setCursor(shape if isinstance(found, Port | Wire) else Qt.CursorShape.ArrowCursor)
        self.viewport().update()

    # ---- mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a gesture; a press on someone else's item goes there."""
        if self.gesture is not None:
            return
        self.canvas.finish()
        at = self.to_scene(event)
        is_alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        is_plain = event.button() == Qt.MouseButton.LeftButton and not self.space_down and not is_alt
        if is_plain and isinstance(found := self.hit(at), QGraphicsItem) and not isinstance(found, Box | Port | Wire):
            self._is_foreign = True
            QGraphicsView.mousePressEvent(self, event)
            return
        self.gesture = self.begin(self, event)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go on with the gesture, or show what the pointer is on."""
        self.canvas.pointer_px = event.position()
        if self.gesture is not None:
            self.gesture.move(self.to_scene(event), event)
            return
        if not self._is_foreign and event.buttons() == Qt.MouseButton.NoButton:
            self.hover(self.hit(self.to_scene(event)))
        QGraphicsView.mouseMoveEvent(self, event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the gesture."""
        if self.gesture is not None:
            gesture, self.gesture = self.gesture, None
            gesture.release(self.to_scene(event), event)
            return
        self._is_foreign = False
        QGraphicsView.mouseReleaseEvent(self, event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open a node; on empty canvas ask what to add."""
        found = self.hit(self.to_scene(event))
        if isinstance(found, Box):
            self.canvas.node_activated.emit(found.node_id)
        elif found is None:
            self.canvas.add_requested.emit(self.to_scene(event), None)
        elif not isinstance(found, Port | Wire):
            QGraphicsView.mouseDoubleClickEvent(self, event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom to the pointer; sideways and with Shift, pan."""
        delta = event.angleDelta()
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier or (delta.x() and not delta.y()):
            self.pan(QPointF(-(delta.x() or delta.y()), 0))
        elif delta.y():
            self.zoom_at(math.exp(delta.y() / _STEP), event.position())
        event.accept()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of a node, or of the canvas."""
        box = self.box_at(self._scene_range.topLeft() + QPointF(event.pos()) / self._zoom)
        if box is not None and box.node_id not in self.canvas.document.selection.nodes:
            self.canvas.document.select([box.node_id])
        self.canvas.menu_requested.emit(box.node_id if box is not None else "", event.globalPos())
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer any more."""
        if self.gesture is None:
            self.hover(None)
        QGraphicsView.leaveEvent(self, event)

    def viewportEvent(self, event: QEvent) -> bool:
        """Tooltips are made when the pointer rests, not kept per item."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._show_tooltip(event.pos(), event.globalPos())
            return True
        return bool(QGraphicsView.viewportEvent(self, event))

    def _show_tooltip(self, at_px: QPoint, at_screen: QPoint) -> None:
        QToolTip.showText(at_screen, self.tooltip_at(self._scene_range.topLeft() + QPointF(at_px) / self._zoom), self)

    def tooltip_at(self, at: QPointF) -> str:
        """What is told about the thing at a point."""
        found = self.hit(at)
        if isinstance(found, Port):
            return port_tooltip(found.spec, found.port_name, found.kind, found.is_output)
        if isinstance(found, Wire):
            return link_tooltip(found.link, found.kind)
        return found.tooltip() if isinstance(found, Box) else found.toolTip() if found is not None else ""

    # ---- keys

    def event(self, event: QEvent) -> bool:
        """Space pans while it is held and adds when it is tapped, and letters on an empty canvas are words."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and self._wants(event):
            event.accept()
            return True
        return bool(QGraphicsView.event(self, event))

    def _wants(self, event: QKeyEvent) -> bool:
        is_plain = not event.modifiers() & ~Qt.KeyboardModifier.ShiftModifier
        is_word = event.text().isprintable() and bool(event.text().strip()) and self.canvas.is_empty
        return is_plain and (event.key() == Qt.Key.Key_Space or is_word)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ask the hook, then do what the canvas itself knows."""
        if event.key() == Qt.Key.Key_Escape and self.gesture is not None:
            gesture, self.gesture = self.gesture, None
            gesture.cancel()
        elif self.key_hook is not None and self.key_hook(event):
            event.accept()
        elif event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.space_down = True
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)
        elif self.canvas.is_empty and self._wants(event):
            self.canvas.typed.emit(event.text())
        elif event.key() != Qt.Key.Key_Space:
            event.ignore()

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """A tap of Space asks what to add."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat() and self.space_down:
            self.space_down = False
            self.viewport().unsetCursor()
            self.canvas.add_requested.emit(self.canvas.scene_position_of_cursor(), None)
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Without NodeGraphQt's hidden menu bar."""
        QGraphicsView.focusInEvent(self, event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Space is no longer held for us."""
        self.space_down = False
        QGraphicsView.focusOutEvent(self, event)

    # ---- what NodeGraphQt's scene calls before our own handling

    def _ignore(self, event: Any) -> None:
        """Nothing: the mouse is ours."""

    sceneMousePressEvent = sceneMouseMoveEvent = sceneMouseReleaseEvent = _ignore  # noqa: N815


def _apart(a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y())
