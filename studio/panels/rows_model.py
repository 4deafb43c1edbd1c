"""What tables of a panel share: rows that are listed, columns that know how to tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt

Index = QModelIndex | QPersistentModelIndex
LEFT: Final = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
RIGHT: Final = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class Heading(Protocol):
    """A column as its head shows it."""

    @property
    def name(self) -> str:
        """Its head."""
        ...

    @property
    def about(self) -> str:
        """Its tool tip; empty for none."""
        ...


class RowsModel(QAbstractTableModel):
    """Rows under headings; subclasses tell what a cell holds."""

    def __init__(self, headings: Sequence[Heading], to_the_right: frozenset[str]) -> None:
        """
        Args:
            to_the_right: names of the columns whose heads stand at the right, as their numbers do.
        """
        super().__init__()
        self._headings, self._to_the_right = headings, to_the_right

    def listed(self) -> Sequence[object]:
        """What the rows stand for."""
        raise NotImplementedError

    def rowCount(self, parent: Index | None = None) -> int:
        """Rows; a cell has none below it."""
        return 0 if parent is not None and parent.isValid() else len(self.listed())

    def columnCount(self, parent: Index | None = None) -> int:
        """Columns; a cell has none below it."""
        return 0 if parent is not None and parent.isValid() else len(self._headings)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Names of columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self._headings[section]
        found: Mapping[int, Any] = {
            int(Qt.ItemDataRole.DisplayRole): column.name,
            int(Qt.ItemDataRole.ToolTipRole): column.about or None,
            int(Qt.ItemDataRole.TextAlignmentRole): RIGHT if column.name in self._to_the_right else LEFT,
        }
        return found.get(int(role))


class RowsOrder(QSortFilterProxyModel):
    """Rows sorted by any column; only those in which every word of the filter occurs."""

    def __init__(self, source: RowsModel, sort_role: int) -> None:
        """
        Args:
            sort_role: under which a cell tells what its row is sorted by.
        """
        super().__init__()
        self._words: tuple[str, ...] = ()
        self.setSourceModel(source)
        self.setSortRole(sort_role)

    def told(self, row: int) -> str:
        """Everything that is known about a row of the source, for the filter."""
        raise NotImplementedError

    def set_text(self, text: str) -> None:
        """Show only rows that hold these words."""
        self._words = tuple(text.casefold().split())
        self.invalidate()

    def place(self, row: int) -> int:
        """Where the source has a row as shown."""
        return self.mapToSource(self.index(row, 0)).row()

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        """Names of columns; an arrow at the one that is sorted by."""
        found = super().headerData(section, orientation, role)
        is_sorted = section == self.sortColumn() and role == Qt.ItemDataRole.DisplayRole and found
        return f"{found} {'↑' if self.sortOrder() == Qt.SortOrder.AscendingOrder else '↓'}" if is_sorted else found

    def filterAcceptsRow(self, row: int, _parent: Index) -> bool:
        """Whether every word occurs in what is known about a row."""
        if not self._words:
            return True
        whole = self.told(row).casefold()
        return all(word in whole for word in self._words)
