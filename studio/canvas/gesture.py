"""What every gesture of the mouse can do."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QPointF
from PySide6.QtGui import QMouseEvent


class Gesture(Protocol):
    """What the mouse is doing between press and release."""

    def move(self, at: QPointF, event: QMouseEvent) -> None:
        """The pointer moved with the button down."""

    def release(self, at: QPointF, event: QMouseEvent) -> None:
        """The button was let go."""

    def cancel(self) -> None:
        """Escape: nothing has happened."""
