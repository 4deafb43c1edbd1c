"""A line of text over the canvas that keeps its keys: while it is typed in, letters and Enter are no shortcuts."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

_COMMAND = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


class Field(QLineEdit):
    """A QLineEdit for overlays.

    Signals:
        pressed(Qt.Key): a key that edits nothing: arrows up and down, pages, Enter, Tab, Escape.
        left(): the cursor went elsewhere in the window.
    """

    pressed = Signal(object)
    left = Signal()
    GIVEN = (
        Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Return, Qt.Key.Key_Enter,
        Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Escape,
    )  # fmt: skip

    def __init__(self, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(placeholder.rstrip(" …"))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)

    def event(self, event: QEvent) -> bool:
        """Claim keys before the window's shortcuts do; Tab before it moves the focus."""
        if isinstance(event, QKeyEvent):
            is_plain = not event.modifiers() & _COMMAND
            if event.type() == QEvent.Type.ShortcutOverride and is_plain:
                event.accept()
                return True
            if event.type() == QEvent.Type.KeyPress and is_plain and Qt.Key(event.key()) in self.GIVEN:
                self.pressed.emit(self._named(event))
                return True
        return super().event(event)

    def _named(self, event: QKeyEvent) -> Qt.Key:
        """Shift+Enter as Backtab is for Tab: the way back."""
        key = Qt.Key(event.key())
        is_enter = key in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if is_enter and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            return Qt.Key.Key_Backtab
        return Qt.Key.Key_Return if is_enter else key

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Tell when another widget took over; another window does not count."""
        super().focusOutEvent(event)
        if event.reason() not in (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason):
            self.left.emit()
