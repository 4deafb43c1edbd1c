"""Editors in rows and columns: a list of objects, and a mapping from names to values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QToolButton

from engine.errors import OssicleError
from studio.form.editor import MANY, Editor
from studio.form.fields import Field
from studio.form.values import number_text, parse_number, same
from studio.look.icons import icon

ROW_PX: Final = 26
FOOT_PX: Final = 26
MOST_ROWS: Final = 6
ON: Final = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def cell_text(value: JsonValue) -> str:
    """A value as a cell shows it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else number_text(value) if isinstance(value, int | float) else str(value)


def cell_value(field: Field, text: str) -> JsonValue:
    """The value of a cell's text; text that does not fit its column stays text, and the engine says what is wrong."""
    words = text.strip()
    if not words and field.is_nullable:
        return None
    if field.is_number:
        try:
            return parse_number(field, words)
        except OssicleError:
            return text
    if field.kind == "switch":
        return ON.get(words.lower(), text)
    return next((choice for choice in field.choices if cell_text(choice) == words), text)


class _Grid(QTableWidget):
    """A small table; Delete takes the chosen row out."""

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__(0, len(titles))
        self.setObjectName("grid")
        self.setHorizontalHeaderLabels(list(titles))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_PX)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setFixedHeight(ROW_PX)
        self.horizontalHeader().setHighlightSections(False)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes the row out."""
        if event.key() == Qt.Key.Key_Delete and self.currentRow() >= 0:
            self.removeRow(self.currentRow())
            self.cellChanged.emit(-1, -1)
        else:
            super().keyPressEvent(event)


class GridEditor(Editor):
    """What tables share: cells, a button for a new row and one that takes the chosen row out."""

    is_wide = True

    def __init__(self, field: Field, columns: Sequence[Field]) -> None:
        self.columns = columns
        self.grid = _Grid([f"{c.label}  {c.unit}".strip() for c in columns])
        super().__init__(field, self.grid)
        self._value: JsonValue = None
        self.hint = ""
        self.add = self._button("plus", "Add a row", self._append)
        self.drop = self._button("minus", "Take the chosen row out", self._drop)
        self.grid.cellChanged.connect(self._changed)

    def _button(self, look: str, name: str, act: Callable[[], None]) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName("mini")
        button.setIcon(icon(look, "mute", 12))
        button.setAccessibleName(f"{self.field.label}: {name}")
        button.setToolTip(name)
        button.clicked.connect(lambda: act())
        return button

    def value(self) -> JsonValue:
        """The cells as a value."""
        raise NotImplementedError

    def rows_of(self, value: JsonValue) -> list[list[JsonValue]]:
        """A value as cells."""
        raise NotImplementedError

    def cell(self, row: int, column: int) -> str:
        """A cell's text."""
        item = self.grid.item(row, column)
        return item.text() if item is not None else ""

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Fill the cells; those that mean the same already are left."""
        self.hint = hint
        if self._value is not None and same(self._value, value):
            return
        self._value = value
        self._fill(self.rows_of(value))

    def show_many(self) -> None:
        """Several nodes differ."""
        self._value, self.hint = None, MANY
        self._fill([])

    def _fill(self, rows: list[list[JsonValue]]) -> None:
        self.grid.blockSignals(True)
        self.grid.setRowCount(len(rows))
        for at, row in enumerate(rows):
            for column, value in enumerate(row):
                self.grid.setItem(at, column, QTableWidgetItem(cell_text(value)))
        self.grid.blockSignals(False)
        self.height_changed.emit()

    def _changed(self, *_: int) -> None:
        self._value = self.value()
        self.height_changed.emit()
        self.edited.emit(self._value)

    def _append(self) -> None:
        at = self.grid.rowCount()
        self.grid.blockSignals(True)
        self.grid.insertRow(at)
        for column, field in enumerate(self.columns):
            self.grid.setItem(at, column, QTableWidgetItem(cell_text(_first(field))))
        self.grid.blockSignals(False)
        self._changed()
        self.grid.setCurrentCell(at, 0)
        self.grid.setFocus()

    def _drop(self) -> None:
        at = self.grid.currentRow() if self.grid.currentRow() >= 0 else self.grid.rowCount() - 1
        if at >= 0:
            self.grid.removeRow(at)
            self._changed()

    def sizeHint(self) -> QSize:
        """Up to six rows, then it scrolls."""
        return QSize(120, ROW_PX * (1 + min(max(self.grid.rowCount(), 1), MOST_ROWS)) + FOOT_PX + 4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Table above, buttons below."""
        super().resizeEvent(event)
        self.grid.setGeometry(2, 2, self.width() - 4, self.height() - FOOT_PX - 2)
        for place, button in enumerate((self.add, self.drop)):
            button.setGeometry(4 + 26 * place, self.height() - FOOT_PX + 2, 22, 22)


class TableEditor(GridEditor):
    """A list of objects, one per row."""

    def __init__(self, field: Field) -> None:
        super().__init__(field, field.parts)

    def value(self) -> JsonValue:
        """One object per row."""
        return [
            {part.name: cell_value(part, self.cell(row, column)) for column, part in enumerate(self.columns)}
            for row in range(self.grid.rowCount())
        ]

    def rows_of(self, value: JsonValue) -> list[list[JsonValue]]:
        """The parts of each object; a missing one is its default."""
        rows = value if isinstance(value, list) else []
        return [[row.get(part.name, part.default) for part in self.columns] for row in rows if isinstance(row, dict)]


class MappingEditor(GridEditor):
    """Names and their values."""

    def __init__(self, field: Field) -> None:
        item = field.item or Field("", "text")
        self.item = Field(
            "value", item.kind, "Value", unit=item.unit, choices=item.choices, is_nullable=item.is_nullable
        )
        super().__init__(field, (Field("name", "text", "Name"), self.item))

    def value(self) -> JsonValue:
        """Rows without a name are not counted yet."""
        rows = range(self.grid.rowCount())
        return {
            self.cell(row, 0).strip(): cell_value(self.item, self.cell(row, 1))
            for row in rows
            if self.cell(row, 0).strip()
        }

    def rows_of(self, value: JsonValue) -> list[list[JsonValue]]:
        """A row per name."""
        return [[name, item] for name, item in value.items()] if isinstance(value, dict) else []


def _first(field: Field) -> JsonValue:
    """What a new cell holds."""
    if not field.is_required and field.default is not None:
        return field.default
    empty: dict[str, JsonValue] = {"number": 0.0, "integer": 0, "switch": False}
    return field.choices[0] if field.choices else empty.get(field.kind, "")
