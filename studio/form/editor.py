"""What every editor of a value has in common, and the line of text that most of them are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from engine.problem import Problem
from studio.form.fields import Field
from studio.look.theme import font

HEIGHT: Final = 28
MANY: Final = "—"
"""Shown where several nodes differ."""
AUTO: Final = "auto"


class Editor(QWidget):
    """Edits one JSON value. Fills itself with `inner`, the widget that takes the focus.

    Signals:
        edited(object): the person made this the value.
        unreadable(object): an OssicleError while the text is no value at all, None once it is again.
        height_changed(): it needs more or less room (wide editors).
    """

    edited = Signal(object)
    unreadable = Signal(object)
    height_changed = Signal()
    is_wide = False
    """Stands below its label and takes the whole width."""
    has_frame = True
    """Its row draws the field around it."""

    def __init__(self, field: Field, inner: QWidget | None = None) -> None:
        super().__init__()
        self.field = field
        self.inner: QWidget = inner if inner is not None else self
        if inner is not None:
            inner.setParent(self)
            self.setFocusProxy(inner)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show a value; `hint` is what None stands for."""
        raise NotImplementedError

    def show_many(self) -> None:
        """Show that several nodes differ."""
        raise NotImplementedError

    def show_problems(self, problems: Sequence[tuple[str, Problem]]) -> Sequence[tuple[str, Problem]]:
        """Show problems of parts (path within the value, problem) at their part; gives back the others."""
        return problems

    def step(self, steps: float) -> None:
        """Move a number by some steps (arrow keys, wheel, dragging the label); others do nothing."""

    def focus_part(self, path: str) -> None:
        """Put the cursor into the editor, or into one of its parts ("hop_ms")."""
        self.inner.setFocus(Qt.FocusReason.OtherFocusReason)

    def describe(self, name: str, about: str) -> None:
        """Names for screen readers."""
        self.inner.setAccessibleName(name)
        self.inner.setAccessibleDescription(about)

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(120, HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The inner widget takes all the room."""
        super().resizeEvent(event)
        if self.inner is not self:
            self.inner.setGeometry(self.rect())


UNDO_KEYS: Final = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)


def is_undo(event: QKeyEvent) -> bool:
    """Whether a key is the window's undo or redo."""
    return any(event.matches(key) for key in UNDO_KEYS)


class Line(QLineEdit):
    """One line of text whose undo is the window's.

    Signals:
        stepped(float): up, down, page keys or the wheel (only with the focus).
        escaped(): take back what was typed.
    """

    stepped = Signal(float)
    escaped = Signal()

    def __init__(self, monospace: bool = False) -> None:
        super().__init__()
        self.setObjectName("inner")
        self.setFrame(False)
        if monospace:
            self.setFont(font(12, monospace=True))
        self.takes_steps = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def put(self, text: str) -> None:
        """Change the text; the caret stays where it was."""
        if text == self.text():
            return
        at = self.cursorPosition()
        was_end = at == len(self.text())
        self.setText(text)
        self.setCursorPosition(0 if not self.is_in_use else len(text) if was_end else min(at, len(text)))

    @property
    def is_in_use(self) -> bool:
        """Whether the caret is in it, be its window the active one or not."""
        return self.window().focusWidget() is self

    def event(self, event: QEvent) -> bool:
        """Leave undo and redo to the window."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_undo(event):
            event.ignore()
            return False
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move numbers; Esc takes back."""
        steps = _STEPS.get(Qt.Key(event.key()), 0) if self.takes_steps else 0
        if steps:
            self.stepped.emit(steps * _factor(event.modifiers()))
        elif event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
        elif is_undo(event):
            event.ignore()
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """The wheel moves a number only once it was clicked; otherwise the panel scrolls."""
        if not (self.takes_steps and self.hasFocus()):
            event.ignore()
            return
        self.stepped.emit(event.angleDelta().y() / 120 * _factor(event.modifiers()))
        event.accept()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show the start of a long text again."""
        super().focusOutEvent(event)
        if event.reason() not in (Qt.FocusReason.PopupFocusReason, Qt.FocusReason.ActiveWindowFocusReason):
            self.deselect()
            self.setCursorPosition(0)


_STEPS: Final = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1, Qt.Key.Key_PageUp: 10, Qt.Key.Key_PageDown: -10}


def _factor(modifiers: Qt.KeyboardModifier) -> float:
    """Shift goes ten times as far, Ctrl a tenth."""
    if modifiers & Qt.KeyboardModifier.ShiftModifier:
        return 10.0
    return 0.1 if modifiers & Qt.KeyboardModifier.ControlModifier else 1.0
