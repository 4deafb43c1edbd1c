"""Rows under a pointer and the arrow keys: what the charts of rows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget


class Entry(Protocol):
    """A row: the name that is told when it is chosen, and what is said about it."""

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str: ...


class WalkedRows(QWidget):
    """Rows of one height from the top. `chosen(str)` tells the row that was clicked or walked to."""

    chosen = Signal(str)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._at = self._picked = -1
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding)

    @property
    def entries(self) -> Sequence[Entry]:
        """The rows."""
        raise NotImplementedError

    @property
    def step(self) -> float:
        """Height of a row in pixels."""
        raise NotImplementedError

    def row_at(self, place: QPoint) -> int:
        """Row under a point, or -1."""
        index = int(place.y() // self.step) if self.entries else -1
        return index if 0 <= index < len(self.entries) else -1

    def note_at(self, place: QPoint) -> str:
        """What is told about a point of the widget."""
        index = self.row_at(place)
        return self.entries[index].note if index >= 0 else ""

    def event(self, event: QEvent) -> bool:
        """Tell about what is under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.note_at(event.pos()), self)
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light up the row under the pointer."""
        self._light(self.row_at(event.position().toPoint()))

    def leaveEvent(self, event: QEvent) -> None:
        """No row is under the pointer."""
        self._light(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a row."""
        self.pick(self.row_at(event.position().toPoint()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and down walk through the rows."""
        steps = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}
        if event.key() in steps and self.entries:
            self.pick(max(0, min(len(self.entries) - 1, self._picked + steps[Qt.Key(event.key())])))
            return
        super().keyPressEvent(event)

    def _light(self, index: int) -> None:
        if index != self._at:
            self._at = index
            self.update()

    def pick(self, index: int) -> None:
        """Choose a row by its number (-1 for none) and tell."""
        self._picked = index
        self.update()
        if index >= 0:
            self.setAccessibleDescription(self.entries[index].note)
            self.chosen.emit(self.entries[index].name)
