"""The graph canvas: shows a document's workflow, and turns what hands do into edits of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Protocol

from PySide6.QtCore import QEvent, QPointF, QRectF, QTimer, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QGraphicsItem, QVBoxLayout, QWidget

from engine.workflow import Workflow
from studio.canvas import far as far_view
from studio.canvas.areas import marks_in, moved_marks
from studio.canvas.ends import PortEnd
from studio.canvas.far import Far
from studio.canvas.graph import Difference, Graph, extra_ports
from studio.canvas.items import NO_LINES, Box
from studio.canvas.mouse import begin
from studio.canvas.thumb import Thumb
from studio.canvas.viewer import Viewer
from studio.commands import Command
from studio.model import edit
from studio.model.document import Document, Selection, marks_of
from studio.run.state import NEVER, NodeState

SLICE_S: Final = 0.012
"""Items are made in slices of this long, so that the window answers meanwhile."""
NO_CONTENTS: Final = QGraphicsItem.GraphicsItemFlag.ItemHasNoContents


class DragFeedback(Protocol):
    """Who shows, while a wire is drawn, what fits and why something does not."""

    def start(self, end: PortEnd) -> None:
        """A wire is drawn from here."""

    def over(self, end: PortEnd | None, at: QPointF) -> None:
        """The pointer is at a point of the scene, over a port or over none."""

    def stop(self) -> None:
        """It was let go."""


class Canvas(QWidget):
    """The view of one document.

    Attributes:
        viewer: the NodeGraphQt view; `viewer.key_hook` is asked first for every key.
        drag_feedback: told while a wire is drawn.
        pointer_px: where the pointer was last, in the view.
    """

    wire_clicked = Signal(object)
    node_activated = Signal(str)
    add_requested = Signal(object, object)
    files_dropped = Signal(object, object)
    typed = Signal(str)
    menu_requested = Signal(str, object)
    view_changed = Signal()
    built = Signal()

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.is_far = False
        self.far = Far()
        self.drag_feedback: DragFeedback | None = None
        self.pointer_px = QPointF()
        self._far_wanted: bool | None = None
        self._states: dict[str, NodeState] = {}
        self._thumbs: dict[str, Thumb] = {}
        self._building: Iterator[object] | None = None
        self._has_first = False
        self._shown_selection = Selection()
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._build_some)
        self.viewer = Viewer(self, begin)
        self.graph = Graph(self.viewer.scene(), document.registry)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.viewer)
        self.setFocusProxy(self.viewer)
        self.viewer.view_changed.connect(self._view_changed)
        document.changed.connect(self.changed)
        document.selection_changed.connect(self._show_selection)
        document.registry_changed.connect(self._registry_changed)
        self.show_workflow(document.workflow)

    # ---- building

    def show_workflow(self, workflow: Workflow, *, fit: bool = True) -> None:
        """Show another workflow. The far view is there at once; items follow, those in the window first."""
        self._timer.stop()
        self.viewer.hover(None)
        self._states = {name: state for name, state in self._states.items() if name in workflow.nodes}
        self._thumbs = {name: thumb for name, thumb in self._thumbs.items() if name in workflow.nodes}
        self.graph.begin(workflow, self.document.registry)
        self._show_far()
        if fit:
            self.viewer.is_fitted = True
            self.fit()
        self._update_far()
        self._building, self._has_first = self.graph.build(self._first()), False
        self._build_some()
        self._show_selection(self.document.selection)

    def _show_far(self) -> None:
        graph = self.graph
        self.far.show(graph.head, graph.registry, graph.places, extra_ports(graph.head, graph.registry))
        self.far.set_states(self._states)

    def _first(self) -> frozenset[str]:
        """Nodes whose items must be there for the first frame: those in the window, if it shows items at all."""
        return frozenset() if self.is_far else self.boxes_in(self.viewer.seen())

    def _build_some(self) -> None:
        """Make items for one slice of time, but first all that the window shows."""
        if self._building is None:
            self._timer.stop()
            return
        end = time.perf_counter() + SLICE_S
        for made in self._building:
            if isinstance(made, Box):
                self._dress(made)
            if self.is_far and isinstance(made, QGraphicsItem):
                made.setFlag(NO_CONTENTS)
            self._has_first = self._has_first or made is None
            if self._has_first and time.perf_counter() > end:
                self._timer.start()
                return
        self._building = None
        self._timer.stop()
        self._show_selection(self.document.selection)
        self.built.emit()

    def finish(self) -> None:
        """Make all items now."""
        while self._building is not None:
            self._build_some()

    def _dress(self, box: Box) -> None:
        box.state = self._states.get(box.node_id, NEVER)
        box.set_thumb(self._thumbs.get(box.node_id, NO_LINES))
        box.is_chosen = False
        box.set_chosen(box.node_id in self.document.selection.nodes)

    def changed(self, _old: object, new: object) -> None:
        """The document is another one now: show the difference, or all of it if the document was just opened."""
        assert isinstance(new, Workflow)
        if not self.document.undo_text and not self.document.redo_text:
            self.show_workflow(new)
            return
        self.finish()
        self.viewer.hover(None)
        self._show_difference(self.graph.become(new))
        self._update_far()
        self.viewer.viewport().update()

    def _show_difference(self, difference: Difference) -> None:
        graph, far = self.graph, self.far
        far.forget(difference.gone, difference.cut)
        for name in difference.made:
            self._dress(graph.boxes[name])
        for name in difference.made | difference.changed:
            far.put(graph.boxes[name])
        for link in difference.wired:
            far.wire(graph.wires[link])
            graph.wires[link].set_chosen(link in self.document.selection.links)
        self._move_far(difference.moved)
        if self.is_far:
            for item in (*map(graph.boxes.get, difference.made), *map(graph.wires.get, difference.wired)):
                if item is not None:
                    item.setFlag(NO_CONTENTS)

    def _move_far(self, names: Iterable[str]) -> None:
        """The far view follows boxes that were moved."""
        for name in names:
            box = self.graph.boxes[name]
            self.far.move(name, box.pos())
            for wire in box.wires():
                self.far.route(wire.link, wire.source.middle(), wire.target.middle())

    def _registry_changed(self) -> None:
        self.show_workflow(self.document.workflow, fit=False)

    def to_workflow(self) -> Workflow:
        """The workflow as the items show it."""
        self.finish()
        return self.graph.to_workflow()

    @property
    def is_empty(self) -> bool:
        """Whether there is no node."""
        return not self.document.workflow.nodes

    # ---- what it shows

    def set_states(self, states: Mapping[str, NodeState]) -> None:
        """Show the states of some nodes; the others stay."""
        self._states |= states
        self.far.set_states(states)
        for name, state in states.items():
            box = self.graph.boxes.get(name)
            if box is not None:
                box.set_state(state)
        if self.is_far:
            self.viewer.viewport().update()

    def set_thumbs(self, thumbs: Mapping[str, Thumb]) -> None:
        """Show facts or pictures of some nodes' results; the others stay."""
        self._thumbs |= thumbs
        for name, thumb in thumbs.items():
            box = self.graph.boxes.get(name)
            if box is not None:
                box.set_thumb(thumb)

    def _show_selection(self, selection: object) -> None:
        assert isinstance(selection, Selection)
        before, boxes, wires = self._shown_selection, self.graph.boxes, self.graph.wires
        for name in (before.nodes | selection.nodes) & boxes.keys():
            boxes[name].set_chosen(name in selection.nodes)
        for link in (before.links | selection.links) & wires.keys():
            wires[link].set_chosen(link in selection.links)
        self._shown_selection, self.far.chosen = selection, selection.nodes
        self.viewer.viewport().update()

    def show_fitting(self, ends: Iterable[PortEnd] | None) -> None:
        """While a wire is drawn: these ports glow, all others fade; None ends it."""
        fitting = None if ends is None else set(ends)
        for box in self.graph.boxes.values():
            for port in box.ports():
                port.glow = 0 if fitting is None else 1 if port.end in fitting else -1
        self.viewer.viewport().update()

    def single(self) -> Box | None:
        """The box of the one selected node."""
        return self.graph.boxes.get(self.document.selection.node)

    # ---- near and far

    def set_far(self, is_far: bool | None) -> None:
        """Far or near view whatever the scale; None lets the scale decide."""
        self._far_wanted = is_far
        self._update_far()

    def _view_changed(self) -> None:
        self._update_far()
        self.view_changed.emit()

    def _update_far(self) -> None:
        least = far_view.SMALL_SCALE if len(self.far.spots) <= far_view.SMALL else far_view.SCALE
        is_far = self._far_wanted if self._far_wanted is not None else self.viewer.zoom_factor < least
        if is_far != self.is_far:
            self.is_far = is_far
            self._set_contents(not is_far)
            self.viewer.viewport().update()

    def _set_contents(self, has_contents: bool) -> None:
        for item in (*self.graph.boxes.values(), *self.graph.wires.values()):
            item.setFlag(NO_CONTENTS, not has_contents)

    def fit(self) -> None:
        """Show the whole graph."""
        self.viewer.fit_rect(self.far.bounds())
        self.viewer.is_fitted = True

    def fit_selection(self) -> None:
        """Show the selected nodes; without any, the whole graph."""
        chosen = self.document.selection.nodes
        if not chosen:
            self.fit()
            return
        self.viewer.is_fitted = False
        self.viewer.fit_rect(self.far.bounds(chosen))

    @property
    def zoom(self) -> float:
        """Screen pixels per scene unit; 1 is 100 %."""
        return self.viewer.zoom_factor

    @zoom.setter
    def zoom(self, value: float) -> None:
        self.viewer.zoom_at(value / self.viewer.zoom_factor)

    def zoom_by(self, factor: float) -> None:
        """Zoom around the middle of the window."""
        self.viewer.zoom_at(factor)

    def centre_on(self, node: str) -> None:
        """Bring a node to the middle of the window."""
        if node in self.far.spots:
            self.viewer.centre(self.far.spots[node].area.center())

    def scene_position_of_cursor(self) -> QPointF:
        """Where the pointer is in the scene; the middle of the window if it is elsewhere."""
        at = self.viewer.viewport().mapFromGlobal(QCursor.pos())
        inside = self.viewer.viewport().rect()
        found = QPointF(at) if inside.contains(at) else self.pointer_px
        if not inside.contains(found.toPoint()) or found.isNull():
            found = QPointF(inside.center())
        corner: QPointF = self.viewer.seen().topLeft()
        spot: QPointF = corner + found / self.viewer.zoom_factor
        return spot

    # ---- what hands do

    def boxes_in(self, area: QRectF) -> frozenset[str]:
        """Nodes whose box an area touches."""
        return frozenset(name for name, spot in self.far.spots.items() if spot.area.intersects(area))

    def marks_in(self, area: QRectF) -> frozenset[str]:
        """Notes that an area touches, and frames that lie in it."""
        return marks_in(self.document.workflow, area)

    def move_boxes(self, places: Mapping[str, QPointF]) -> None:
        """Show boxes elsewhere; the document is not changed yet."""
        for name, at in places.items():
            self.graph.move(name, at)
        self._move_far(places)
        if self.is_far:
            self.viewer.viewport().update()

    def commit_move(self, before: Mapping[str, QPointF], delta: QPointF) -> None:
        """Write a move into the document as one step; nodes the file had no place for stay where they are shown."""
        marks = self.document.selection.marks
        stay = set(edit.positions(self.document.workflow)) - set(before)
        shown = {name: (box.x(), box.y()) for name, box in self.graph.boxes.items() if name not in stay}

        def change(workflow: Workflow) -> Workflow:
            return moved_marks(edit.move(workflow, shown), marks, delta)

        names = sorted(before)
        self.document.edit(f"Move {names[0]}" if len(names) == 1 else f"Move {len(names)} nodes", change)

    def delete_selection(self) -> None:
        """Take what is selected out, in one step."""
        chosen = self.document.selection
        if chosen.is_empty:
            return
        count = len(chosen.nodes) + len(chosen.links) + len(chosen.marks)
        text = f"Delete {chosen.node or f'{count} things'}" if not chosen.links or chosen.node else "Remove wire"
        self.document.edit(text, lambda workflow: edit.remove(workflow, chosen.nodes, chosen.links, chosen.marks))

    def select_all(self) -> None:
        """Select every node, note and frame."""
        self.document.select(self.document.workflow.nodes, (), marks_of(self.document.workflow))

    # ---- window

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "viewer"):
            self.viewer.viewport().update()

    def commands(self) -> list[Command]:
        """What can be done here."""
        has_nodes: Callable[[], bool] = lambda: not self.is_empty  # noqa: E731
        has_selection: Callable[[], bool] = lambda: not self.document.selection.is_empty  # noqa: E731
        return [
            Command("view.fit", "Fit graph", "View", self.fit, ("F",), has_nodes, on_canvas=True),
            Command("view.fit-selection", "Fit selection", "View", self.fit_selection, ("Shift+F",), has_selection,
                    on_canvas=True),
            Command("view.zoom-in", "Zoom in", "View", lambda: self.zoom_by(1.2), ("Ctrl++", "Ctrl+=")),
            Command("view.zoom-out", "Zoom out", "View", lambda: self.zoom_by(1 / 1.2), ("Ctrl+-",)),
            Command("view.zoom-100", "Zoom to 100 %", "View", lambda: setattr(self, "zoom", 1.0), ("Ctrl+0",)),
            Command("edit.select-all", "Select all", "Edit", self.select_all, ("Ctrl+A",), has_nodes, on_canvas=True),
            Command("edit.delete", "Delete", "Edit", self.delete_selection, ("Del", "Backspace"), has_selection,
                    on_canvas=True),
        ]  # fmt: skip


__all__ = ["Canvas", "DragFeedback"]
