"""Search in the graph: a bar over the canvas; what matches stays bright, Enter goes from one to the next."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QToolButton

from studio.canvas.canvas import Canvas
from studio.canvas.field import Field
from studio.canvas.overlay import Overlay
from studio.canvas.veil import Veil
from studio.look.icons import icon
from studio.model.boxes import boxes
from studio.model.find import find

WIDTH = 380
SEEN_ROOM = 24.0


class SearchBar(Overlay):
    """The bar.

    Signals:
        closed()
    """

    closed = Signal()

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas, "Search the graph")
        self.canvas = canvas
        self.document = canvas.document
        self.veil = Veil()
        canvas.viewer.scene().addItem(self.veil)
        self.found: list[str] = []
        self.place = 0
        self.field = Field("Search ids, titles, types, parameters …", self)
        self.field.setMinimumWidth(220)
        self._glass = QAction(icon("search", "mute", 14), "", self.field)
        self.field.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self.count = QLabel()
        self.count.setObjectName("mute")
        self.count.setMinimumWidth(64)
        self.count.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 7, 8, 7)
        row.setSpacing(4)
        row.addWidget(self.field, 1)
        row.addWidget(self.count)
        for text, about, step in (("↑", "Previous (Shift+Enter)", -1), ("↓", "Next (Enter)", 1)):
            row.addWidget(self._button(text, about, step))
        row.addWidget(self._button("✕", "Close (Esc)", 0))
        self.setFixedWidth(WIDTH)
        self.field.textChanged.connect(lambda _text: self._search())
        self.field.pressed.connect(self._key)
        self.document.changed.connect(lambda _old, _new: self._search(keep=True) if self.isVisible() else None)

    def _button(self, text: str, about: str, step: int) -> QToolButton:
        button = QToolButton()
        button.setObjectName("plain")
        button.setText(text)
        button.setToolTip(about)
        button.setAccessibleName(about.partition(" (")[0])
        button.setFixedSize(26, 26)
        button.setStyleSheet("padding: 0")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(lambda: self.step(step) if step else self.close_())
        return button

    def ask(self) -> None:
        """Open it, or go on with the text it has."""
        self.adjustSize()
        self.move((self.canvas.width() - self.width()) // 2, 12)
        self.show()
        self.raise_()
        self.field.setFocus()
        self.field.selectAll()
        self._search()

    def close_(self) -> None:
        """Close it; what was gone to stays selected."""
        if self.isVisible():
            self.hide()
            self.veil.lift()
            self.canvas.viewer.setFocus()
            self.closed.emit()

    def step(self, by: int) -> None:
        """The next match, or the one before; after the last comes the first."""
        if self.found:
            self.place = (self.place + by) % len(self.found)
            self._go()

    def _search(self, *, keep: bool = False) -> None:
        document, text = self.document, self.field.text().strip()
        parts = boxes(document.workflow, document.registry)
        before = self.found[self.place] if self.found else ""
        self.found = find(document.workflow, document.registry, text, parts)
        self.place = self.found.index(before) if before in self.found else 0
        if not text:
            self.veil.lift()
            self._tell("")
        elif not keep and self.found:
            self._go()
        else:
            self._show()

    def _go(self) -> None:
        self.document.select([self.found[self.place]])
        self._show()
        box = boxes(self.document.workflow, self.document.registry)[self.found[self.place]]
        if not self.canvas.viewer.seen().contains(QRectF(*box.grown(SEEN_ROOM))):
            self.canvas.centre_on(self.found[self.place])

    def _show(self) -> None:
        parts = boxes(self.document.workflow, self.document.registry)
        at = self.found[self.place] if self.found else ""
        self.veil.dim(parts, self.found, at)
        self._tell(f"{self.place + 1} of {len(self.found)}" if self.found else "none")

    def _tell(self, text: str) -> None:
        self.count.setText(text)
        is_bad = text == "none"
        if self.field.property("invalid") is not is_bad:
            self.field.setProperty("invalid", is_bad)
            self.field.style().unpolish(self.field)
            self.field.style().polish(self.field)

    def _key(self, key: object) -> None:
        if key == Qt.Key.Key_Escape:
            self.close_()
        else:
            self.step(-1 if key in (Qt.Key.Key_Up, Qt.Key.Key_Backtab, Qt.Key.Key_PageUp) else 1)

    def changeEvent(self, event: QEvent) -> None:
        """The magnifying glass in the colours of the present ground."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_glass"):
            self._glass.setIcon(icon("search", "mute", 14))
