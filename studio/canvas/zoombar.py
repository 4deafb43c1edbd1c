"""Zoom out, the zoom in per cent, zoom in, fit: the four buttons in the canvas's corner."""

from __future__ import annotations

from typing import Final, Protocol

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from studio.look.icons import icon

STEP: Final = 1.25
HEIGHT_PX: Final = 28


class Zoomable(Protocol):
    """What the buttons act on."""

    @property
    def zoom(self) -> float:
        """Pixels of the screen per pixel of the scene."""

    def zoom_by(self, factor: float) -> None:
        """Zoom in or out around the middle."""

    def fit(self) -> None:
        """Show the whole graph."""


class ZoomBar(QWidget):
    """The buttons."""

    def __init__(self, canvas: Zoomable, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName("Zoom")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._canvas = canvas
        self.less = _button("", "Zoom out (Ctrl+-)", "minus")
        self.percent = _button("100 %", "Back to 100 % (Ctrl+0)")
        self.more = _button("", "Zoom in (Ctrl++)", "plus")
        self.whole = _button(" Fit", "Show the whole graph (F)", "fit")
        self.percent.setFixedWidth(64)
        self.less.clicked.connect(lambda: canvas.zoom_by(1 / STEP))
        self.more.clicked.connect(lambda: canvas.zoom_by(STEP))
        self.percent.clicked.connect(self.reset)
        self.whole.clicked.connect(canvas.fit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for button in (self.less, self.percent, self.more, self.whole):
            row.addWidget(button)
        self.adjustSize()

    def reset(self) -> None:
        """Back to 100 %."""
        self._canvas.zoom_by(1 / self._canvas.zoom)

    def show_zoom(self) -> None:
        """Show the present zoom."""
        self.percent.setText(f"{max(1, round(self._canvas.zoom * 100))} %")

    def changeEvent(self, event: QEvent) -> None:
        """Icons in the colours of the present ground."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "whole"):
            for button, name in ((self.less, "minus"), (self.more, "plus"), (self.whole, "fit")):
                button.setIcon(icon(name))


def _button(text: str, about: str, picture: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setFixedHeight(HEIGHT_PX)
    button.setToolTip(about)
    button.setAccessibleName(about.partition(" (")[0])
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # clicking leaves the keyboard with the graph
    if picture:
        button.setIcon(icon(picture))
    if not text:
        button.setFixedWidth(32)
    return button
