"""A small list to choose from by typing: a field, rows with shape, title and one line of help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QLabel, QWidget

from studio.canvas.finder import Finder
from studio.canvas.match_list import RowLook
from studio.look.paint import draw_kind, draw_lit, draw_marked, draw_text
from studio.look.theme import font
from studio.model.rank import Entry, Match

WIDTH: Final = 392
ROW_PX: Final = 46
CLEAR: Final = 35.0
"""Points of a row that matches by its title or an alias, not by its description alone."""
MOST_ROWS: Final = 7
"""Rows seen at once; the others are scrolled to."""


@dataclass(frozen=True)
class Row:
    """One line of the list.

    Attributes:
        key: what `chosen` tells.
        kind: artifact type whose shape and colour stand in front; "" for none.
        tag: a word at the right end.
        aliases: other words it is found by.
    """

    key: str
    title: str
    about: str = ""
    tag: str = ""
    kind: str = ""
    aliases: tuple[str, ...] = ()
    is_likely: bool = False
    """Of rows made from the text: whether they go before those found by their description alone."""


def _texts(row: Row) -> tuple[str, str, str]:
    return row.title, row.about, f"{row.title}, {row.tag}. {row.about}"


def _draw_row(painter: QPainter, area: QRectF, match: Match[Row], is_chosen: bool, _is_under: bool) -> None:
    row = match.item
    if is_chosen:
        draw_lit(painter, area, is_chosen=True, has_bar=True)
    if row.kind:
        draw_kind(painter, QPointF(area.left() + 18, area.top() + 14.5), row.kind, 5)
    line = QRectF(area.left() + 34, area.top() + 5, area.width() - 46, 20)
    used = draw_text(painter, line, row.tag, font(11), "mute", at_right=True)
    title = line.adjusted(0, 0, -8 - used, 0)
    if row.about:
        draw_text(painter, line.translated(0, 17), row.about, font(11.5), "mute")
    else:
        title.translate(0, 8)
    draw_marked(painter, title, row.title, match.marks, font(bold=True))


_LOOK: Final = RowLook(ROW_PX, _texts, _draw_row)


class Chooser(Finder[Row]):
    """The list.

    Signals:
        chosen(str): Enter or a click on a row, with its key; the list has closed.
        moved(str): the row that is marked now, or "".
        closed(): closed without a choice.
    """

    chosen = Signal(str)
    moved = Signal(str)
    closed = Signal()

    def __init__(self, parent: QWidget, name: str, placeholder: str, act: str = "add") -> None:
        super().__init__(parent, name, placeholder, _LOOK, f"↵ {act}   ↑ ↓ choose   Esc close")
        self.setFixedWidth(WIDTH)
        self.extra: Callable[[str], Sequence[Row]] = lambda _text: ()
        self.favour: Mapping[str, float] = {}
        self._at = QPoint()
        self.heading = QLabel()
        self.heading.setObjectName("mute")
        self.heading.setContentsMargins(6, 2, 6, 0)
        self.none.setWordWrap(True)
        self.none.setContentsMargins(6, 4, 6, 4)
        self.hint.setObjectName("faint")
        self._stack((self.heading, self.field, self.list, self.none), margin=8, spacing=6)
        self.list.selectionModel().currentChanged.connect(lambda *_: self.moved.emit(self.marked))

    # ---- asking

    def ask(self, rows: Sequence[Row], at: QPoint, *, heading: str = "", text: str = "", back_to: QWidget) -> None:
        """Show these rows at a point of the parent; the focus goes to `back_to` when it closes."""
        self._entries = [Entry(row, row.title, (*row.aliases, row.tag), row.about) for row in rows]
        self._back_to = back_to
        self._at = at
        self.heading.setText(heading)
        self.heading.setVisible(bool(heading))
        self.field.setText(text)
        self._search()
        self.show_near(at)
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)
        self.moved.emit(self.marked)

    @property
    def keys(self) -> list[str]:
        """Keys of the rows that are listed, in order."""
        return [row.key for row in self.list.items]

    @property
    def marked(self) -> str:
        """Key of the marked row, or ""."""
        row = self.list.marked
        return row.key if row is not None else ""

    def _search(self) -> None:
        favour = {entry.item: self.favour.get(entry.item.key, 0.0) for entry in self._entries}
        typed = self.field.text().strip()
        extra = [Match(row, CLEAR if row.is_likely else 0.0) for row in self.extra(typed)]
        text = self._list_found(favour, extra)
        self.none.setText(f"Nothing is called “{text}”." if text else "There is nothing to choose from.")
        self.list.setFixedHeight(max(1, min(len(self.list.items), MOST_ROWS)) * ROW_PX + 2)
        self.adjustSize()
        if self.isVisible():
            self.show_near(self._at)

    # ---- hands

    def choose(self) -> None:
        """Take the marked row."""
        key = self.marked
        if key:
            self._leave()
            self.chosen.emit(key)

    def close_(self) -> None:
        """Close without a choice."""
        if self.isVisible():
            self._leave()
            self.closed.emit()
