"""What a hand does with the mouse: pan, rubber band, move, draw and re-draw a wire, cut wires. Each is one edit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QLineF, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QMouseEvent, QPolygonF

from engine.workflow import Link, Workflow
from studio.canvas.ends import link_between
from studio.canvas.items import Box
from studio.canvas.pipes import Wire
from studio.canvas.ports import Port
from studio.model import edit
from studio.model.document import Selection

if TYPE_CHECKING:
    from studio.canvas.canvas import Canvas
    from studio.canvas.gesture import Gesture
    from studio.canvas.viewer import Viewer

SNAP: Final = 11.0
"""Boxes moved by hand stand on this grid: half the distance of the dots."""
PICK_UP: Final = 30.0
"""A wire is picked up at its input end, this near to it."""
_SHIFT: Final = Qt.KeyboardModifier.ShiftModifier
_CTRL: Final = Qt.KeyboardModifier.ControlModifier
_ALT: Final = Qt.KeyboardModifier.AltModifier


def begin(viewer: Viewer, event: QMouseEvent) -> Gesture | None:
    """The gesture a press begins; None for presses that are none (the right button)."""
    at, held = viewer.to_scene(event), event.modifiers()
    if event.button() == Qt.MouseButton.MiddleButton:
        return Pan(viewer, event)
    if event.button() != Qt.MouseButton.LeftButton:
        return None
    if held & _ALT and held & _SHIFT:
        return Slice(viewer, at)
    if held & _ALT or viewer.space_down:
        return Pan(viewer, event)
    found = viewer.hit(at)
    if isinstance(found, Port):
        return _from_port(viewer, found)
    if isinstance(found, Box):
        return _from_box(viewer, found, at, event)
    if isinstance(found, Wire):
        return Pick(viewer, found, at)
    return Band(viewer, event)


def _from_port(viewer: Viewer, port: Port) -> Gesture:
    """A new wire; from an input that takes one and has one, that wire."""
    wires = port.wires
    if not port.is_output and not port.takes_many and wires:
        return Draw(viewer, wires[0].source, wires[0])
    return Draw(viewer, port)


def _from_box(viewer: Viewer, box: Box, at: QPointF, event: QMouseEvent) -> Gesture:
    document = viewer.canvas.document
    chosen = document.selection
    is_adding = bool(event.modifiers() & (_SHIFT | _CTRL))
    was_chosen = box.node_id in chosen.nodes
    if is_adding:
        document.select(chosen.nodes ^ {box.node_id}, chosen.links, chosen.marks)
    elif not was_chosen:
        document.select([box.node_id])
    return Move(viewer, box, at, will_single=was_chosen and not is_adding)


class Pan:
    """The view follows the hand."""

    def __init__(self, viewer: Viewer, event: QMouseEvent) -> None:
        self.viewer = viewer
        self.last = event.position()
        self.button = event.button()
        self.corner = viewer.seen().topLeft()
        viewer.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """Follow."""
        self.viewer.pan(self.last - event.position())
        self.last = event.position()
        if self.viewer.space_down:
            self.viewer.space_down = False  # Space was held for this, not tapped

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """Stop."""
        self.viewer.viewport().unsetCursor()

    def cancel(self) -> None:
        """Go back to where it was."""
        self.viewer.viewport().unsetCursor()
        self.viewer.look(self.corner, self.viewer.zoom_factor)


class Band:
    """A rubber band; with Shift or Ctrl it adds to what is selected. A mere click selects nothing."""

    def __init__(self, viewer: Viewer, event: QMouseEvent) -> None:
        self.viewer = viewer
        self.start = event.position().toPoint()
        self.before = viewer.canvas.document.selection
        self.is_adding = bool(event.modifiers() & (_SHIFT | _CTRL))
        self.band = viewer._rubber_band
        if not self.is_adding:
            viewer.canvas.document.select()

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """Select the boxes and notes it touches."""
        area = QRect(self.start, QSize()).united(QRect(event.position().toPoint(), QSize())).normalized()
        self.band.setGeometry(area)
        self.band.show()
        corner, zoom = self.viewer.seen().topLeft(), self.viewer.zoom_factor
        seen = QRectF(corner + QPointF(area.topLeft()) / zoom, QRectF(area).size() / zoom)
        names = self.viewer.canvas.boxes_in(seen)
        marks = self.viewer.canvas.marks_in(seen)
        kept = self.before if self.is_adding else Selection()
        self.viewer.canvas.document.select(names | kept.nodes, kept.links, marks | kept.marks)

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """The selection stands."""
        self.band.hide()

    def cancel(self) -> None:
        """What was selected before."""
        self.band.hide()
        self.viewer.canvas.document.select(self.before.nodes, self.before.links, self.before.marks)


class Move:
    """Boxes follow the hand on a grid; letting go is one edit."""

    def __init__(self, viewer: Viewer, box: Box, at: QPointF, *, will_single: bool) -> None:
        self.viewer = viewer
        self.box = box
        self.start = at
        self.will_single = will_single
        self.is_moving = False
        self.delta = QPointF()
        self.before: dict[str, QPointF] = {}

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """Follow, in steps of the grid."""
        if not self.is_moving:
            if _far_px(self.viewer, at, self.start) < 4:
                return
            self.is_moving = True
            boxes = self.viewer.canvas.graph.boxes
            names = self.viewer.canvas.document.selection.nodes or {self.box.node_id}
            self.before = {name: QPointF(boxes[name].pos()) for name in names}
        home = self.before.get(self.box.node_id)
        if home is None:
            return
        goal = home + at - self.start
        self.delta = QPointF(_snap(goal.x()), _snap(goal.y())) - home
        self.viewer.canvas.move_boxes({name: spot + self.delta for name, spot in self.before.items()})

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """One edit, if anything moved; a click on one of several selects it alone."""
        canvas = self.viewer.canvas
        if self.is_moving and not self.delta.isNull():
            canvas.commit_move(self.before, self.delta)
        elif not self.is_moving and self.will_single:
            canvas.document.select([self.box.node_id])

    def cancel(self) -> None:
        """Back to where they were."""
        self.viewer.canvas.move_boxes(self.before)


class Draw:
    """A wire from a port to wherever it is let go; or one that is there, taken off its input."""

    def __init__(self, viewer: Viewer, fixed: Port, old: Wire | None = None) -> None:
        self.viewer = viewer
        self.canvas: Canvas = viewer.canvas
        self.fixed = fixed
        self.old = old.link if old is not None else None
        self.old_wire = old
        self.over: Port | None = None
        self.can = False
        self.is_drawn = False
        self.press: QPointF | None = None
        self.base = edit.remove(self.canvas.document.workflow, links=[self.old]) if self.old else None

    @property
    def workflow(self) -> Workflow:
        """The workflow without the wire that was taken off."""
        return self.base if self.base is not None else self.canvas.document.workflow

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """Draw the wire to the pointer; say what letting go here would do."""
        self.press = self.press if self.press is not None else at
        if not self.is_drawn:
            if _far_px(self.viewer, at, self.press) < 3 and self.viewer.port_at(at) in (self.fixed, self._old_end()):
                return
            self._start()
        port = self._target(at)
        if port is not self.over:
            self.over = port
            self.can = port is not None and self._may(port)
            self.viewer.hover(port)
        self.viewer.live.show_between(self.fixed, port.middle() if port else at, self.can if port else None)
        if self.canvas.drag_feedback is not None:
            is_new = port is not None and link_between(self.fixed.end, port.end) != self.old
            self.canvas.drag_feedback.over(port.end if port is not None and is_new else None, at)

    def _old_end(self) -> Port | None:
        return self.old_wire.target if self.old_wire is not None else None

    def _start(self) -> None:
        self.is_drawn = True
        if self.old_wire is not None:
            self.old_wire.setVisible(False)
        if self.canvas.drag_feedback is not None:
            self.canvas.drag_feedback.start(self.fixed.end)

    def _target(self, at: QPointF) -> Port | None:
        """The port under the pointer, or the best one of the box under it."""
        port = self.viewer.port_at(at, 16.0)
        if port is not None and port is not self.fixed:
            return port
        box = self.viewer.box_at(at)
        if box is None or box is self.fixed.box:
            return None
        side = [port for port in box.ports() if port.is_output != self.fixed.is_output]
        fitting = [port for port in side if self._may(port)]
        free = [port for port in fitting if port.takes_many or not port.wires]
        return next(iter(free or fitting or side), None)

    def _may(self, port: Port) -> bool:
        link = link_between(self.fixed.end, port.end)
        return link is not None and (
            link == self.old or edit.why_not(self.workflow, self.canvas.document.registry, link) is None
        )

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """Make, re-make or remove the link; over nothing, ask what to add there."""
        over, can, is_drawn = self.over, self.can, self.is_drawn
        self._stop()
        if not is_drawn:
            return
        if over is not None and can:
            self._make(link_between(self.fixed.end, over.end))
        elif over is None and self.old is not None:
            gone = [self.old]
            self.canvas.document.edit("Remove wire", lambda workflow: edit.remove(workflow, links=gone))
        elif over is None:
            self.canvas.add_requested.emit(at, self.fixed.end)

    def _make(self, link: Link | None) -> None:
        if link is None or link == self.old:
            return
        registry, old = self.canvas.document.registry, self.old

        def change(workflow: Workflow) -> Workflow:
            without = edit.remove(workflow, links=[old]) if old is not None else workflow
            return edit.link(without, registry, link)

        self.canvas.document.edit("Move wire" if old else f"Wire {link.source} to {link.target}", change)

    def cancel(self) -> None:
        """As it was."""
        self._stop()

    def _stop(self) -> None:
        self.viewer.live.setVisible(False)
        if self.old_wire is not None and self.old_wire.scene() is not None:
            self.old_wire.setVisible(True)
        if self.is_drawn and self.canvas.drag_feedback is not None:
            self.canvas.drag_feedback.stop()
        self.viewer.hover(None)


class Pick:
    """A press on a wire: a click selects it and shows what flows; dragged near its input end it is taken off."""

    def __init__(self, viewer: Viewer, wire: Wire, at: QPointF) -> None:
        self.viewer = viewer
        self.wire = wire
        self.start = at
        self.draw: Draw | None = None

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """Beyond a few pixels it is a drag."""
        if self.draw is None and _far_px(self.viewer, at, self.start) >= 4 and self._is_near_end():
            self.draw = Draw(self.viewer, self.wire.source, self.wire)
            self.draw._start()
        if self.draw is not None:
            self.draw.move(at, event)

    def _is_near_end(self) -> bool:
        return _far_px(self.viewer, self.wire.target.middle(), self.start) <= PICK_UP

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """Select it, or end the drag."""
        if self.draw is not None:
            self.draw.release(at, event)
            return
        document = self.viewer.canvas.document
        kept = document.selection.links if event.modifiers() & (_SHIFT | _CTRL) else frozenset()
        nodes = document.selection.nodes if kept else ()
        document.select(nodes, kept | {self.wire.link})
        self.viewer.canvas.wire_clicked.emit(self.wire.link)

    def cancel(self) -> None:
        """As it was."""
        if self.draw is not None:
            self.draw.cancel()


class Slice:
    """Alt+Shift: wires that the drawn line crosses are cut."""

    def __init__(self, viewer: Viewer, at: QPointF) -> None:
        self.viewer = viewer
        self.start = at
        self.viewer.knife = QLineF(at, at)

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """Draw the line."""
        self.viewer.knife = QLineF(self.start, at)
        self.viewer.viewport().update()

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """Cut, in one edit."""
        knife, self.viewer.knife = QLineF(self.start, at), None
        cut = [link for link, wire in self.viewer.canvas.graph.wires.items() if _crosses(knife, wire)]
        self.viewer.viewport().update()
        if cut:
            text = "Cut wire" if len(cut) == 1 else f"Cut {len(cut)} wires"
            self.viewer.canvas.document.edit(text, lambda workflow: edit.remove(workflow, links=cut))

    def cancel(self) -> None:
        """Nothing is cut."""
        self.viewer.knife = None
        self.viewer.viewport().update()


def _crosses(knife: QLineF, wire: Wire) -> bool:
    if not QRectF(knife.p1(), knife.p2()).normalized().adjusted(-1, -1, 1, 1).intersects(wire.boundingRect()):
        return False
    points = QPolygonF([wire.path().pointAtPercent(step / 24) for step in range(25)]).toList()
    crossing = QLineF.IntersectionType.BoundedIntersection
    return any(knife.intersects(QLineF(a, b))[0] == crossing for a, b in zip(points, points[1:], strict=False))


def _snap(value: float) -> float:
    return round(value / SNAP) * SNAP


def _far_px(viewer: Viewer, a: QPointF, b: QPointF) -> float:
    return math.hypot(a.x() - b.x(), a.y() - b.y()) * viewer.zoom_factor
