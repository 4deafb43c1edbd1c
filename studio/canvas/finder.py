"""What every list over the window shares: a field to type in, the rows found, and the keys from one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.canvas.field import Field
from studio.canvas.match_list import MatchList, RowLook
from studio.canvas.overlay import Overlay
from studio.model.rank import Entry, Match, ranked

T = TypeVar("T")


class Finder(Overlay, Generic[T]):
    """A field over a list.

    Attributes:
        none: a line that says why nothing is listed.
    """

    def __init__(self, parent: QWidget, name: str, placeholder: str, look: RowLook[T], hint: str) -> None:
        super().__init__(parent, name)
        self._entries: list[Entry[T]] = []
        self._back_to: QWidget | None = None
        self.field = Field(placeholder, self)
        self.list: MatchList[T] = MatchList(name, look, self)
        self.none = QLabel()
        self.none.setObjectName("mute")
        self.hint = QLabel(hint)
        self.field.textChanged.connect(lambda _text: self._search())
        self.field.pressed.connect(self._key)
        self.field.left.connect(self.close_)
        self.list.clicked.connect(lambda _index: self.choose())

    def _stack(self, widgets: Sequence[QWidget], margin: int, spacing: int, at_end: QWidget | None = None) -> None:
        """Put widgets under each other, the hint at the foot."""
        column = QVBoxLayout(self)
        column.setContentsMargins(margin, margin, margin, 8)
        column.setSpacing(spacing)
        foot = QHBoxLayout()
        foot.setContentsMargins(6, 0, 6, 0)
        foot.addWidget(self.hint)
        foot.addStretch(1)
        if at_end is not None:
            foot.addWidget(at_end)
        for widget in widgets:
            column.addWidget(widget)
        column.addLayout(foot)

    def _list_found(self, favour: Mapping[T, float], extra: Sequence[Match[T]] = ()) -> str:
        """List what the text finds, the best first; the text."""
        text = self.field.text().strip()
        found = [*ranked(text, self._entries, favour), *extra]
        self.list.show_found(sorted(found, key=lambda match: -match.score) if extra else found)
        self.list.setVisible(bool(found))
        self.none.setVisible(not found)
        return text

    def _search(self) -> None:
        raise NotImplementedError

    def choose(self) -> None:
        """Take the marked row."""
        raise NotImplementedError

    def _key(self, key: object) -> None:
        if self.list.walk(key):
            return
        if key == Qt.Key.Key_Escape:
            self.close_()
        else:
            self.choose()

    def close_(self) -> None:
        """Close without a choice."""
        if self.isVisible():
            self._leave()

    def _leave(self) -> None:
        """Hide; the focus goes back if it is still here."""
        had_focus = self.field.hasFocus()
        self.hide()
        if self._back_to is not None and had_focus:
            self._back_to.setFocus()

    def changeEvent(self, event: QEvent) -> None:
        """Paint the rows anew in the colours of the present ground."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "list"):
            self.list.viewport().update()
