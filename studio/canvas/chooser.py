"""A small list to choose from by typing: a field, rows with shape, title and one line of help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from studio.canvas.field import Field
from studio.canvas.overlay import Overlay
from studio.look.shapes import kind_shape
from studio.look.theme import colour, font, kind_colour
from studio.model.rank import Entry, Match, ranked

Index = QModelIndex | QPersistentModelIndex
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


class _Rows(QAbstractListModel):
    """The rows that match, the best first."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Match[Row]] = []

    def show(self, found: Sequence[Match[Row]]) -> None:
        self.beginResetModel()
        self.found = list(found)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.found)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        match = self.found[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return match
        row = match.item
        texts = {
            Qt.ItemDataRole.DisplayRole: row.title,
            Qt.ItemDataRole.ToolTipRole: row.about,
            Qt.ItemDataRole.AccessibleTextRole: f"{row.title}, {row.tag}. {row.about}",
        }
        return texts.get(Qt.ItemDataRole(role))


class _Paint(QStyledItemDelegate):
    """Paints a row."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(100, ROW_PX)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        match: Match[Row] = index.data(Qt.ItemDataRole.UserRole)
        state, area = option.state, QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _draw_row(painter, area.adjusted(0, 1, 0, -1), match, bool(state & QStyle.StateFlag.State_Selected))
        painter.restore()


def _draw_row(painter: QPainter, area: QRectF, match: Match[Row], is_chosen: bool) -> None:
    row = match.item
    painter.setPen(Qt.PenStyle.NoPen)
    if is_chosen:
        painter.setBrush(colour("raised"))
        painter.drawRoundedRect(area, 7, 7)
        painter.setBrush(colour("accent"))
        painter.drawRoundedRect(QRectF(area.left(), area.top() + 10, 3, area.height() - 20), 1.5, 1.5)
    left = area.left() + 12
    if row.kind:
        painter.setBrush(kind_colour(row.kind))
        painter.translate(left + 6, area.top() + 14.5)
        painter.drawPath(kind_shape(row.kind, 5))
        painter.translate(-left - 6, -area.top() - 14.5)
    left += 22
    tag_width = _draw_right(painter, QRectF(left, area.top() + 5, area.right() - 12 - left, 20), row.tag)
    title = QRectF(left, area.top() + 5, area.right() - 20 - tag_width - left, 20)
    if row.about:
        _draw_title(painter, title, row.title, match.marks)
        small = font(11.5)
        painter.setFont(small)
        painter.setPen(colour("mute"))
        line = QRectF(left, area.top() + 23, area.right() - 12 - left, 18)
        text = QFontMetricsF(small).elidedText(row.about, Qt.TextElideMode.ElideRight, line.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, text)
    else:
        _draw_title(painter, title.translated(0, 8), row.title, match.marks)


def _draw_right(painter: QPainter, area: QRectF, text: str) -> float:
    small = font(11)
    painter.setFont(small)
    painter.setPen(colour("mute"))
    painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
    return QFontMetricsF(small).horizontalAdvance(text)


def _draw_title(painter: QPainter, area: QRectF, title: str, marks: tuple[int, ...]) -> None:
    """The title, letters that matched in amber."""
    bold: QFont = font(bold=True)
    measure = QFontMetricsF(bold)
    shown = measure.elidedText(title, Qt.TextElideMode.ElideRight, area.width())
    painter.setFont(bold)
    for start, end, is_marked in _runs(len(shown), set(marks)):
        painter.setPen(colour("amber-text" if is_marked else "text"))
        spot = area.adjusted(measure.horizontalAdvance(shown[:start]), 0, 4, 0)
        painter.drawText(spot, Qt.AlignmentFlag.AlignVCenter, shown[start:end])


def _runs(length: int, marks: set[int]) -> list[tuple[int, int, bool]]:
    """Stretches of letters that all matched or all did not."""
    cuts = [k for k in range(1, length) if (k in marks) != (k - 1 in marks)]
    bounds = [0, *cuts, length]
    return [(a, b, a in marks) for a, b in zip(bounds, bounds[1:], strict=False) if b > a]


class Chooser(Overlay):
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
        super().__init__(parent, name)
        self.setFixedWidth(WIDTH)
        self.extra: Callable[[str], Sequence[Row]] = lambda _text: ()
        self.favour: Mapping[str, float] = {}
        self._entries: list[Entry[Row]] = []
        self._back_to: QWidget | None = None
        self._at = QPoint()
        self.heading = QLabel()
        self.heading.setObjectName("mute")
        self.field = Field(placeholder, self)
        self.rows = _Rows()
        self.list = self._make_list()
        self.none = QLabel()
        self.none.setObjectName("mute")
        self.none.setWordWrap(True)
        self.hint = QLabel(f"↵ {act}   ↑ ↓ choose   Esc close")
        self.hint.setObjectName("faint")
        self._put_together()
        self.field.textChanged.connect(self._search)
        self.field.pressed.connect(self._key)
        self.field.left.connect(self.close_)
        self.list.clicked.connect(lambda _index: self.choose())
        self.list.selectionModel().currentChanged.connect(lambda *_: self.moved.emit(self.marked))

    def _make_list(self) -> QListView:
        view = QListView()
        view.setModel(self.rows)
        view.setItemDelegate(_Paint(view))
        view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        view.setMouseTracking(True)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setUniformItemSizes(True)
        view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        view.setAccessibleName(self.accessibleName())
        return view

    def _put_together(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        foot = QHBoxLayout()
        foot.setContentsMargins(6, 0, 6, 0)
        foot.addWidget(self.hint)
        foot.addStretch(1)
        self.heading.setContentsMargins(6, 2, 6, 0)
        self.none.setContentsMargins(6, 4, 6, 4)
        for widget in (self.heading, self.field, self.list, self.none):
            column.addWidget(widget)
        column.addLayout(foot)

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
        return [match.item.key for match in self.rows.found]

    @property
    def marked(self) -> str:
        """Key of the marked row, or ""."""
        index = self.list.currentIndex()
        return self.rows.found[index.row()].item.key if index.isValid() else ""

    def _search(self) -> None:
        text = self.field.text().strip()
        favour = {entry.item: self.favour.get(entry.item.key, 0.0) for entry in self._entries}
        found = ranked(text, self._entries, favour)
        extra = [Match(row, CLEAR if row.is_likely else 0.0) for row in self.extra(text)]
        self.rows.show(sorted([*found, *extra], key=lambda match: -match.score))
        count = len(self.rows.found)
        self.list.setVisible(count > 0)
        self.none.setVisible(count == 0)
        self.none.setText(f"Nothing is called “{text}”." if text else "There is nothing to choose from.")
        self.list.setFixedHeight(max(1, min(count, MOST_ROWS)) * ROW_PX + 2)
        self._mark(0)
        self.adjustSize()
        if self.isVisible():
            self.show_near(self._at)

    def _mark(self, row: int) -> None:
        count = len(self.rows.found)
        if count:
            self.list.setCurrentIndex(self.rows.index(row % count))

    # ---- hands

    def _key(self, key: object) -> None:
        row = self.list.currentIndex().row()
        steps: dict[object, int] = {
            Qt.Key.Key_Up: row - 1, Qt.Key.Key_Backtab: row - 1, Qt.Key.Key_Down: row + 1, Qt.Key.Key_Tab: row + 1,
            Qt.Key.Key_PageUp: max(0, row - MOST_ROWS),
            Qt.Key.Key_PageDown: min(len(self.rows.found) - 1, row + MOST_ROWS),
        }  # fmt: skip
        if key in steps:
            self._mark(steps[key])
        elif key == Qt.Key.Key_Escape:
            self.close_()
        else:
            self.choose()

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

    def _leave(self) -> None:
        had_focus = self.field.hasFocus()
        self.hide()
        if self._back_to is not None and had_focus:
            self._back_to.setFocus()

    def changeEvent(self, event: QEvent) -> None:
        """Paint the rows anew in the colours of the present ground."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "list"):
            self.list.viewport().update()
