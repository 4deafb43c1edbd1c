"""Notes and frames on the canvas: kept equal to the document, dragged, resized, written in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QEvent, QObject, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from engine.workflow import Workflow
from studio.canvas.field import Field
from studio.canvas.mark_items import MarkItem, NoteItem, item_of, resized
from studio.canvas.viewer import Viewer
from studio.look.theme import font
from studio.model import marks as model
from studio.model.boxes import Box, boxes
from studio.model.document import Document
from studio.model.marks import Mark
from studio.model.places import GRID

MoveBox = Callable[[str, QPointF], None]
LEAST_MOVE: Final = 3.0
"""Scene pixels before a press becomes a drag."""
_TEXT_FLAG: Final = QTextCursor.MoveOperation.End


@dataclass
class _Hold:
    """A mark in the hand: where the press was, and where everything was that moves along."""

    item: MarkItem
    start: QPointF
    is_grip: bool
    marks: Mapping[str, Box]
    nodes: Mapping[str, Box]
    is_moving: bool = False


class Marks(QObject):
    """All notes and frames of the document in one view.

    Signals:
        grasped(): a mark was pressed; whatever else listens closes its popups.
    """

    grasped = Signal()

    def __init__(self, document: Document, view: Viewer, move_box: MoveBox) -> None:
        super().__init__(view)
        self.document = document
        self.view = view
        self.move_box = move_box
        self.items: dict[str, MarkItem] = {}
        self.editor: QWidget | None = None
        self._hold: _Hold | None = None
        document.changed.connect(self._become)
        document.selection_changed.connect(self._choose)
        view.viewport().installEventFilter(self)
        self._show_all()

    # ---- as the document says

    def _become(self, old: Any, new: Any) -> None:
        if new.layout is not old.layout:
            self._show_all()

    def _show_all(self) -> None:
        known = model.marks(self.document.workflow)
        for name in [name for name in self.items if name not in known]:
            self.view.scene().removeItem(self.items.pop(name))
        for name, mark in known.items():
            self._show(name, mark)

    def _show(self, name: str, mark: Mark) -> None:
        item = self.items.get(name)
        if item is None:
            item = self.items[name] = item_of(mark)
            item.set_chosen(name in self.document.selection.marks)
            self.view.scene().addItem(item)
        elif item.mark != mark or item.box != mark.box:
            item.show_mark(mark)

    def _choose(self, _selection: object) -> None:
        chosen = self.document.selection.marks
        for name, item in self.items.items():
            item.set_chosen(name in chosen)

    def at(self, at: QPointF) -> MarkItem | None:
        """The topmost mark that could be grasped at a point of the scene."""
        return next((item for item in self.view.scene().items(at) if isinstance(item, MarkItem)), None)

    def inside(self, area: QRectF) -> set[str]:
        """Marks that lie wholly in an area (a rubber band)."""
        return {name for name, item in self.items.items() if area.contains(item.sceneBoundingRect())}

    # ---- mouse

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Presses that the view would give to a mark, and what follows them, are ours."""
        if not isinstance(event, QMouseEvent) or self.view.gesture is not None:
            return False
        at = self.view.to_scene(event)
        kind, is_left = event.type(), event.button() == Qt.MouseButton.LeftButton
        if self._hold is not None:
            return self._follow(kind, at, event)
        item = self._meant(at, event)
        if item is None:
            return False
        if kind == QEvent.Type.MouseMove:
            return self._point(item, at, event)
        if kind == QEvent.Type.MouseButtonDblClick and is_left:
            self.write_in(item.mark.name)
        elif kind == QEvent.Type.MouseButtonPress and is_left:
            is_more = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.grasp(item, at, is_grip=item.is_grip(at), is_more=is_more)
        return is_left

    def _meant(self, at: QPointF, event: QMouseEvent) -> MarkItem | None:
        """The mark under the pointer unless something lies over it, or the hand pans."""
        is_panning = self.view.space_down or bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        found = None if is_panning else self.view.hit(at)
        return found if isinstance(found, MarkItem) else None

    def _follow(self, kind: QEvent.Type, at: QPointF, event: QMouseEvent) -> bool:
        if kind == QEvent.Type.MouseMove:
            self.drag(at, is_free=bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier))
        elif kind == QEvent.Type.MouseButtonRelease:
            self.let_go()
        return True

    def _point(self, item: MarkItem, at: QPointF, event: QMouseEvent) -> bool:
        """Show what a press would do; the view need not look again."""
        if event.buttons() != Qt.MouseButton.NoButton:
            return False
        self.view.hover(item)
        shape = Qt.CursorShape.SizeFDiagCursor if item.is_grip(at) else Qt.CursorShape.SizeAllCursor
        self.view.viewport().setCursor(shape)
        return True

    # ---- in the hand

    def grasp(self, item: MarkItem, at: QPointF, *, is_grip: bool, is_more: bool) -> None:
        """A press on a mark: select it, be ready to drag."""
        self.finish()
        self.grasped.emit()
        document, name = self.document, item.mark.name
        before = document.selection
        if is_more:
            document.select(before.nodes, before.links, before.marks ^ {name})
        elif name not in before.marks:
            document.select(marks=[name])
        self.view.setFocus()
        parts = boxes(document.workflow, document.registry)
        known = model.marks(document.workflow)
        carried = model.carried(known, parts, document.selection.marks | {name})
        nodes = {} if is_grip else {node: parts[node] for node in carried[0] | document.selection.nodes}
        moved = {name: item.box} if is_grip else {mark: known[mark].box for mark in carried[1]}
        self._hold = _Hold(item, at, is_grip, moved, nodes)

    def drag(self, at: QPointF, *, is_free: bool = False) -> None:
        """The pointer is here now; on the grid unless free."""
        hold = self._hold
        if hold is None:
            return
        by = at - hold.start
        hold.is_moving |= by.manhattanLength() > LEAST_MOVE
        if hold.is_moving:
            self._place(hold, by if is_free else QPointF(round(by.x() / GRID) * GRID, round(by.y() / GRID) * GRID))

    def _place(self, hold: _Hold, by: QPointF) -> None:
        if hold.is_grip:
            hold.item.set_box(resized(hold.marks[hold.item.mark.name], by, hold.item.mark))
            return
        for name, box in hold.marks.items():
            self.items[name].set_box(box._replace(x=box.x + by.x(), y=box.y + by.y()))
        for name, box in hold.nodes.items():
            self.move_box(name, QPointF(box.x + by.x(), box.y + by.y()))

    def let_go(self) -> None:
        """The drag is one edit."""
        hold, self._hold = self._hold, None
        if hold is None or not hold.is_moving:
            return
        name, item = hold.item.mark.name, hold.item
        box = item.box
        if hold.is_grip:
            self.document.edit(f"Resize {item.mark.what}", lambda w: model.set_box(w, name, box))
            return
        by = (box.x - hold.marks[name].x, box.y - hold.marks[name].y)
        self.document.edit(f"Move {item.mark.what}", lambda w: self._moved(w, hold, by))

    def _moved(self, workflow: Workflow, hold: _Hold, by: tuple[float, float]) -> Workflow:
        from studio.model import edit

        for name, box in hold.marks.items():
            workflow = model.set_box(workflow, name, box._replace(x=box.x + by[0], y=box.y + by[1]))
        places = {name: (box.x + by[0], box.y + by[1]) for name, box in hold.nodes.items()}
        return edit.move(workflow, places) if places else workflow

    def cancel(self) -> bool:
        """Put what is dragged back; whether anything was."""
        hold, self._hold = self._hold, None
        if hold is None:
            return False
        self._place(hold, QPointF())
        return True

    # ---- written in

    def write_in(self, name: str) -> None:
        """Edit a note's text or a frame's title in place."""
        self.finish()
        item = self.items.get(name)
        if item is None:
            return
        self._hold = None
        self.document.select(marks=[name])
        editor = NoteEditor(self, item) if isinstance(item, NoteItem) else TitleEditor(self, item)
        self.editor = editor
        editor.show()
        editor.setFocus()

    def finish(self, *, keep: bool = True) -> None:
        """End writing; the text is kept unless told otherwise."""
        editor, self.editor = self.editor, None
        if editor is None:
            return
        assert isinstance(editor, NoteEditor | TitleEditor)
        item, text = editor.item, editor.written
        had_focus = editor.hasFocus()
        editor.hide()
        editor.deleteLater()
        if had_focus:
            self.view.setFocus()
        if keep and item.mark.name in self.items and text != item.mark.text:
            name = item.mark.name
            self.document.edit(f"Write {item.mark.what}", lambda w: self._written(w, name, text))

    def _written(self, workflow: Workflow, name: str, text: str) -> Workflow:
        """The text, and a note large enough for it."""
        return self._roomy(model.set_text(workflow, name, text), name)

    def _roomy(self, after: Workflow, name: str) -> Workflow:
        mark = model.marks(after)[name]
        if mark.group != "notes":
            return after
        probe = NoteItem(mark)
        box, needed = probe.box, round(probe.needed_height)
        return model.set_box(after, name, box._replace(height=needed)) if needed > box.height else after

    # ---- new ones

    def add_note(self, at: QPointF, text: str = "") -> str:
        """Place a note and write in it unless it has a text already; its id."""
        made: list[str] = []

        def change(workflow: Workflow) -> Workflow:
            after, name = model.add_note(workflow, (at.x(), at.y()), text)
            made.append(name)
            return self._roomy(after, name)

        self.document.edit("Add note", change)
        self.document.select(marks=made)
        if not text:
            self.write_in(made[0])
        return made[0]

    def add_frame(self) -> str:
        """A frame around the selection, its title ready to be written; its id.

        Raises:
            OssicleError: nothing is selected.
        """
        document, made = self.document, list[str]()
        parts = boxes(document.workflow, document.registry)
        known = model.marks(document.workflow)
        chosen = [parts[name] for name in document.selection.nodes]
        chosen += [known[name].box for name in document.selection.marks]

        def change(workflow: Workflow) -> Workflow:
            after, name = model.add_frame(workflow, chosen)
            made.append(name)
            return after

        document.edit("Add frame", change)
        self.write_in(made[0])
        return made[0]


def _on_view(layer: Marks, area: QRectF) -> QRect:
    """An area of the scene in pixels of the viewport."""
    return layer.view.mapFromScene(area).boundingRect()


def _zoom(layer: Marks) -> float:
    return layer.view.transform().m11()


class NoteEditor(QPlainTextEdit):
    """Writes in a note: Escape or a click elsewhere ends and keeps the text; undo takes it back."""

    def __init__(self, layer: Marks, item: MarkItem) -> None:
        super().__init__(layer.view.viewport())
        self.layer, self.item = layer, item
        self.setAccessibleName("Text of the note")
        self.setPlaceholderText("Write; Markdown is understood")
        self.setFont(font(max(11.0, 12.5 * _zoom(layer))))
        self.setPlainText(item.mark.text)
        self.moveCursor(_TEXT_FLAG)
        area = _on_view(layer, item.mapRectToScene(item.area))
        lines = item.mark.text.count("\n") + 2
        needed = min(260, max(84, lines * self.fontMetrics().lineSpacing() + 24))
        self.setGeometry(QRect(area.topLeft(), area.size().expandedTo(QSize(230, needed))))

    @property
    def written(self) -> str:
        """The text as it stands."""
        return self.toPlainText()

    def event(self, event: QEvent) -> bool:
        """Claim all keys without Control before the window's shortcuts do."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape and Ctrl+Enter end."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        is_control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if event.key() == Qt.Key.Key_Escape or (is_enter and is_control):
            self.layer.finish()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A click elsewhere ends."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.ActiveWindowFocusReason and self.layer.editor is self:
            self.layer.finish()


class TitleEditor(Field):
    """Writes a frame's title: Enter keeps it, Escape does not."""

    def __init__(self, layer: Marks, item: MarkItem) -> None:
        super().__init__("Title", layer.view.viewport())
        self.layer, self.item = layer, item
        self.setAccessibleName("Title of the frame")
        self.setText(item.mark.text)
        self.selectAll()
        bar = QRectF(item.area.left(), item.area.top(), item.area.width(), model.BAR)
        area = _on_view(layer, item.mapRectToScene(bar))
        self.setGeometry(QRect(area.topLeft(), area.size()).adjusted(4, 0, -4, 0))
        self.setFixedHeight(max(28, self.height()))
        self.setMinimumWidth(120)
        self.pressed.connect(lambda key: layer.finish(keep=key != Qt.Key.Key_Escape))
        self.left.connect(lambda: layer.finish() if layer.editor is self else None)

    @property
    def written(self) -> str:
        """The title as it stands."""
        return self.text().strip()
