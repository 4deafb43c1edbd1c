"""A quiet table of plain values: sorts by any column, elides, copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView, QWidget

from studio.look import theme

Index = QModelIndex | QPersistentModelIndex
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
VALUE_ROLE: Final = Qt.ItemDataRole.UserRole


class Rows(QAbstractTableModel):
    """Read-only rows of plain values. Cells: a value, or (shown text, value to sort by)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.headers: Sequence[str] = ()
        self.rows: Sequence[Sequence[object]] = ()
        self.numbers: frozenset[int] = frozenset()
        self.tips: Callable[[int], str] | None = None

    def fill(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self.headers, self.rows = tuple(headers), tuple(rows)
        columns = range(len(self.headers))
        self.numbers = frozenset(c for c in columns if all(_is_number(row[c]) for row in self.rows[:200]))
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """Rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """Columns."""
        return 0 if parent.isValid() else len(self.headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Column names."""
        if orientation == Qt.Orientation.Horizontal and section < len(self.headers):
            if role == Qt.ItemDataRole.DisplayRole:
                return self.headers[section]
            if role == Qt.ItemDataRole.TextAlignmentRole:
                return RIGHT if section in self.numbers else LEFT
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        """One cell."""
        cell = self.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(cell)
        if role == VALUE_ROLE:
            return value_of(cell)
        if role == Qt.ItemDataRole.ToolTipRole:
            return (self.tips(index.row()) if self.tips is not None else "") or shown(cell)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT if index.column() in self.numbers else LEFT
        if role == Qt.ItemDataRole.FontRole and index.column() in self.numbers:
            return theme.font(11.5, monospace=True)
        return None


def _is_number(cell: object) -> bool:
    value = cell[1] if isinstance(cell, tuple) else cell
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def shown(cell: object) -> str:
    """A cell's text."""
    if isinstance(cell, tuple):
        return str(cell[0])
    if isinstance(cell, bool) or cell is None:
        return {True: "yes", False: "no", None: "–"}[cell]
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:,.0f}" if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.4g}"
    return str(cell)


def value_of(cell: object) -> Any:
    """What a cell is sorted by."""
    return cell[1] if isinstance(cell, tuple) else cell


class _Sorted(QSortFilterProxyModel):
    def lessThan(self, left: Index, right: Index) -> bool:
        """Missing values first, else as numbers or texts."""
        a, b = left.data(VALUE_ROLE), right.data(VALUE_ROLE)
        if a is None or b is None:
            return a is None and b is not None
        return bool(a < b) if type(a) is type(b) or _both_numbers(a, b) else str(a) < str(b)


def _both_numbers(a: object, b: object) -> bool:
    return isinstance(a, (int, float)) and isinstance(b, (int, float))


class Table(QTableView):
    """A quiet table: sorts by any column, copies with Ctrl+C. `chosen(int)` tells the row, as given."""

    chosen = Signal(int)

    def __init__(self, name: str, parent: QWidget | None = None, *, is_sortable: bool = True) -> None:
        self._ground = ""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.source = Rows(self)
        self._order = _Sorted(self)
        self._order.setSourceModel(self.source)
        self.setModel(self._order)
        self.setSortingEnabled(is_sortable)
        if is_sortable:
            self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.verticalHeader().setMinimumSectionSize(20)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(36)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.setAutoFillBackground(False)
        self._restyle()
        self.selectionModel().currentRowChanged.connect(self._tell)

    def _restyle(self) -> None:
        """On a card's ground the chosen row needs more than the style sheet's shade."""
        self._ground = theme.ground()
        self.setStyleSheet(
            "QTableView, QHeaderView, QHeaderView::section { background: transparent; }"
            "QAbstractScrollArea::corner { background: transparent; border: none; }"
            f"QTableView {{ selection-background-color: {theme.colour('line').name()}; }}"
            f"QTableView::item:selected {{ background: {theme.colour('line').name()}; }}"
        )

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._ground != theme.ground():
            self._restyle()

    def fill(self, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Show other rows, in the given order until a header is clicked."""
        self.source.fill(headers, rows)
        self.resizeColumnsToContents()
        self._stretch()

    def _stretch(self) -> None:
        """The first column takes what is left over."""
        header = self.horizontalHeader()
        if not header.count():
            return
        others = sum(header.sectionSize(column) for column in range(1, header.count()))
        wanted = self.sizeHintForColumn(0) + 12
        spare = self.viewport().width() - others
        header.resizeSection(0, max(min(wanted, 220) if spare < wanted else spare, 48))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the width used."""
        super().resizeEvent(event)
        self._stretch()

    def _tell(self, current: QModelIndex) -> None:
        if current.isValid():
            self.chosen.emit(self._order.mapToSource(current).row())

    def choose(self, row: int) -> None:
        """Make a row (as given) the current one."""
        index = self._order.mapFromSource(self.source.index(row, 0))
        self.setCurrentIndex(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+C copies the current row, or the whole table if there is none."""
        if event.matches(QKeySequence.StandardKey.Copy):
            row = self.currentIndex()
            rows = [self._order.mapToSource(row).row()] if row.isValid() else range(len(self.source.rows))
            lines = ["\t".join(shown(cell) for cell in self.source.rows[r]) for r in rows]
            QApplication.clipboard().setText("\n".join(lines))
            return
        super().keyPressEvent(event)
