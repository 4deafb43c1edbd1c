"""A list of things found by typing, the best first; the keys that walk through it come from the field above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.model.rank import Match

T = TypeVar("T")
Index = QModelIndex | QPersistentModelIndex
PAGE_ROWS: Final = 8


@dataclass(frozen=True)
class RowLook(Generic[T]):
    """How the rows of a list look and read.

    Attributes:
        texts: title, tooltip ("" for none) and what a screen reader says.
        draw: paints a row; it is told whether the row is marked, and whether the pointer is on it.
    """

    height_px: int
    texts: Callable[[T], tuple[str, str, str]]
    draw: Callable[[QPainter, QRectF, Match[T], bool, bool], None]


class _Rows(QAbstractListModel, Generic[T]):
    """The things that match."""

    def __init__(self, texts: Callable[[T], tuple[str, str, str]]) -> None:
        super().__init__()
        self._texts = texts
        self.found: list[Match[T]] = []

    def show(self, found: Sequence[Match[T]]) -> None:
        """List these."""
        self.beginResetModel()
        self.found = list(found)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many there are."""
        return 0 if parent is not None and parent.isValid() else len(self.found)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Texts of a row; the whole match under UserRole."""
        match = self.found[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return match
        title, tip, spoken = self._texts(match.item)
        texts = {
            int(Qt.ItemDataRole.DisplayRole): title,
            int(Qt.ItemDataRole.ToolTipRole): tip or None,
            int(Qt.ItemDataRole.AccessibleTextRole): spoken,
        }
        return texts.get(int(role))


class _Paint(QStyledItemDelegate, Generic[T]):
    """Paints rows as their look says."""

    def __init__(self, look: RowLook[T], parent: QWidget) -> None:
        super().__init__(parent)
        self._look = look

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        """All rows are equally tall; the list gives them its width."""
        return QSize(100, self._look.height_px)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row."""
        match: Match[T] = index.data(Qt.ItemDataRole.UserRole)
        state, area = option.state, QRectF(option.rect).adjusted(0, 1, 0, -1)
        is_marked, is_under = state & QStyle.StateFlag.State_Selected, state & QStyle.StateFlag.State_MouseOver
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._look.draw(painter, area, match, bool(is_marked), bool(is_under))
        painter.restore()


class MatchList(QListView, Generic[T]):
    """The list."""

    def __init__(self, name: str, look: RowLook[T], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = _Rows(look.texts)
        self.setModel(self.rows)
        self.setItemDelegate(_Paint(look, self))
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMouseTracking(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QListView.SelectionMode.SingleSelection)

    @property
    def items(self) -> list[T]:
        """What is listed, in order."""
        return [match.item for match in self.rows.found]

    @property
    def marked(self) -> T | None:
        """The row where the keyboard is."""
        index = self.currentIndex()
        return self.rows.found[index.row()].item if index.isValid() else None

    def show_found(self, found: Sequence[Match[T]]) -> None:
        """List these, the first one marked."""
        self.rows.show(found)
        self.mark(0)

    def mark(self, row: int) -> None:
        """Put the keyboard on a row; past the end goes on at the start."""
        if self.rows.found:
            self.setCurrentIndex(self.rows.index(row % len(self.rows.found)))

    def walk(self, key: object) -> bool:
        """Move with a key; False if it is none that moves."""
        row, last = self.currentIndex().row(), len(self.rows.found) - 1
        steps: dict[object, int] = {
            Qt.Key.Key_Up: row - 1, Qt.Key.Key_Backtab: row - 1, Qt.Key.Key_Down: row + 1, Qt.Key.Key_Tab: row + 1,
            Qt.Key.Key_PageUp: max(0, row - PAGE_ROWS), Qt.Key.Key_PageDown: min(last, row + PAGE_ROWS),
        }  # fmt: skip
        if key in steps:
            self.mark(steps[key])
        return key in steps
