"""The form of one node type: its sections and rows, kept for every node of that type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from engine.problem import Problem
from studio.form.editors import Base, make_row
from studio.form.fields import Field, Section
from studio.form.row import Row
from studio.form.row_parts import Shown
from studio.look.icons import icon


class Heading(QWidget):
    """A section's title, with what can be done to the section at its right."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = QLabel(title.upper())
        self.title.setObjectName("section")
        self.title.setAccessibleName(title)
        self.bar = QHBoxLayout(self)
        self.bar.setContentsMargins(0, 8, 0, 6)
        self.bar.setSpacing(4)
        self.bar.addWidget(self.title, 1)


class Form(QWidget):
    """Sections of rows.

    Signals:
        edited(str, object), reset(str), menu(str, object): as rows tell them.
        reset_all(): every parameter back to its default.
    """

    edited = Signal(str, object)
    reset = Signal(str)
    reset_all = Signal()
    menu = Signal(str, object)

    def __init__(self, sections: Sequence[Section], base: Base) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self._sections: list[tuple[QWidget, list[Row], QToolButton | None]] = []
        self._filter = ""
        self.clear = QPushButton("Reset all")
        self.clear.setObjectName("link")
        self.clear.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clear.setToolTip("Put every parameter of this node back to its default")
        self.clear.clicked.connect(self.reset_all)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        for section in sections:
            self._add(section, base)
        self._chain()

    @property
    def fields(self) -> tuple[Field, ...]:
        """All parameters, as they stand."""
        return tuple(row.field for row in self.rows.values())

    def _add(self, section: Section, base: Base) -> None:
        heading = Heading(section.title)
        fold: QToolButton | None = None
        if section.is_rare:
            fold = QToolButton()
            fold.setObjectName("mini")
            fold.setCheckable(True)
            fold.setFixedSize(20, 20)
            fold.setAccessibleName(section.title)
            fold.toggled.connect(lambda _on: self.show_filtered(self._filter))
            heading.bar.addWidget(fold)
        elif not self._sections:
            heading.bar.addWidget(self.clear)
        self._column.addWidget(heading)
        rows = [make_row(field, base) for field in section.fields]
        for row in rows:
            self.rows[row.field.name] = row
            row.edited.connect(self.edited)
            row.reset.connect(self.reset)
            row.menu.connect(self.menu)
            self._column.addWidget(row)
        self._sections.append((heading, rows, fold))
        if fold is not None:
            self.show_filtered("")

    def _chain(self) -> None:
        """Tab walks the fields from top to bottom."""
        fields = [row.editor.inner for row in self.rows.values()]
        for first, second in zip(fields, fields[1:], strict=False):
            QWidget.setTabOrder(first, second)

    def show_states(self, states: Mapping[str, Shown]) -> None:
        """Show the values of the selected nodes."""
        for name, shown in states.items():
            if name in self.rows:
                self.rows[name].show_state(shown)
        self.clear.setVisible(any(shown.is_changed for shown in states.values()))

    def show_problems(self, problems: Sequence[Problem]) -> tuple[Problem, ...]:
        """Show problems at their rows; those of no row are given back."""
        found: dict[str, list[tuple[str, Problem]]] = {name: [] for name in self.rows}
        rest = []
        for problem in problems:
            name, _, path = problem.field.partition(".")
            if name in found:
                found[name].append((path, problem))
            else:
                rest.append(problem)
        for name, entries in found.items():
            self.rows[name].show_problems(entries)
        return tuple(rest)

    def show_filtered(self, text: str) -> int:
        """Show the rows that have the words in name, label or help; how many."""
        self._filter = text
        words = text.lower().split()
        count = 0
        for heading, rows, fold in self._sections:
            is_open = fold is None or fold.isChecked() or bool(words)
            hits = [row for row in rows if _has(row.field, words)]
            for row in rows:
                row.setVisible(is_open and row in hits)
            heading.setVisible(bool(hits))
            if fold is not None:
                fold.setText("−" if is_open else "+")
                fold.setToolTip("Fold" if is_open else f"Show {len(rows)} more")
            count += len(hits)
        return count

    def unfold(self, name: str) -> None:
        """Make sure that a row can be seen."""
        for _heading, rows, fold in self._sections:
            if fold is not None and self.rows[name] in rows:
                fold.setChecked(True)

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        for row in self.findChildren(Row):
            row.restyle()
        for button, name in _folders(self):
            button.setIcon(icon(name, "mute", 14))


def _folders(form: Form) -> Iterator[tuple[QToolButton, str]]:
    from studio.form.edit_path import PathEditor

    for row in form.rows.values():
        if isinstance(row.editor, PathEditor):
            yield row.editor.button, "folder"


def _has(field: Field, words: Sequence[str]) -> bool:
    text = f"{field.name} {field.label} {field.about}".lower()
    return all(word in text for word in words)
