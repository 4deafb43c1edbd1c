"""What lies over the canvas: small frames with a shadow that stay inside it."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QGraphicsDropShadowEffect, QWidget

MARGIN: Final = 12
"""Distance of overlays from the canvas's edges."""


NOT_AWAY: Final = QPoint(0, 0)


class Overlay(QFrame):
    """A frame over its parent, raised, in the popup's look; hidden until shown."""

    def __init__(self, parent: QWidget, name: str, *, shadow: bool = True) -> None:
        super().__init__(parent)
        self.setObjectName("popup")
        self.setAccessibleName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        if shadow:
            self.setGraphicsEffect(_shadow(self))
        self.hide()

    def show_near(self, at: QPoint, away: QPoint = NOT_AWAY) -> None:
        """Show with the top left corner at a point of the parent; flipped or moved so that all of it is seen."""
        layout = self.layout()
        if layout is not None:
            layout.activate()  # what was shown or hidden while the frame was hidden counts now
        self.adjustSize()
        parent = self.parentWidget()
        assert parent is not None
        self.move(inside(at, self.size(), parent.rect(), away))
        self.show()
        self.raise_()


def inside(at: QPoint, size: QSize, room: QRect, away: QPoint = NOT_AWAY) -> QPoint:
    """Top left corner for a frame at a point plus an offset; on the other side of the point where there is no room."""
    x, y = at.x() + away.x(), at.y() + away.y()
    if x + size.width() > room.right() - MARGIN and away.x():
        x = at.x() - away.x() - size.width()
    if y + size.height() > room.bottom() - MARGIN and away.y():
        y = at.y() - away.y() - size.height()
    x = max(room.left() + MARGIN, min(x, room.right() - MARGIN - size.width()))
    y = max(room.top() + MARGIN, min(y, room.bottom() - MARGIN - size.height()))
    return QPoint(x, y)


def _shadow(owner: QObject) -> QGraphicsDropShadowEffect:
    effect = QGraphicsDropShadowEffect(owner)
    effect.setBlurRadius(28)
    effect.setOffset(0, 8)
    effect.setColor(QColor(0, 0, 0, 90))
    return effect


class Corner(QObject):
    """Keeps widgets in a corner of their parent as it changes its size."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._kept: list[tuple[QWidget, Qt.AlignmentFlag]] = []
        parent.installEventFilter(self)

    def keep(self, widget: QWidget, corner: Qt.AlignmentFlag) -> None:
        """Keep a widget there; it is put in place now."""
        self._kept.append((widget, corner))
        self.place()

    def place(self) -> None:
        """Put all where they belong."""
        room = self._widget.rect().adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        for widget, corner in self._kept:
            size = widget.size()
            x, y = room.left(), room.top()
            if corner & Qt.AlignmentFlag.AlignHCenter:
                x = room.center().x() - size.width() // 2
            elif corner & Qt.AlignmentFlag.AlignRight:
                x = room.right() - size.width() + 1
            if corner & Qt.AlignmentFlag.AlignBottom:
                y = room.bottom() - size.height() + 1
            widget.move(max(0, x), max(0, y))

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Follow the parent's size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self.place()
        return False
