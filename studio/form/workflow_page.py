"""The panel's page where nothing is selected: the workflow's name, description, variables and plugins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from pydantic import JsonValue
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QToolButton, QVBoxLayout, QWidget

from engine.errors import OssicleError
from engine.workflow import Workflow
from studio.form import changes
from studio.form.editors import make_row
from studio.form.fields import Field
from studio.form.form import Heading
from studio.form.head import NameLine
from studio.form.menus import add, new_menu
from studio.form.row import Row
from studio.form.row_parts import Shown
from studio.form.variable_field import field_of_variable
from studio.look.icons import icon
from studio.model import edit
from studio.model.document import Document

NEW_KINDS: Final[tuple[tuple[str, JsonValue], ...]] = (
    ("Number", 0.0), ("Whole number", 0), ("Text", ""), ("Yes or no", False), ("List of words", []),
)  # fmt: skip


class VariableRow(QWidget):
    """One variable: its name, where it is used, and its value in an editor that knows what it is used for.

    Signals:
        edited(str, object), renamed(str, str), removed(str), go_to(str, str): variable and what becomes of it;
        the last one names a node and a parameter.
    """

    edited = Signal(str, object)
    renamed = Signal(str, str)
    removed = Signal(str)
    go_to = Signal(str, str)

    def __init__(self, field: Field, base: Callable[[], Any]) -> None:
        super().__init__()
        self.field = field
        self._uses: list[changes.Use] = []
        self.name = NameLine(f"Name of the variable {field.name}")
        self.name.setToolTip("Click to rename; every parameter that uses it follows")
        self.name.show_name(field.name)
        self.name.named.connect(lambda new: self.renamed.emit(field.name, new))
        self.uses = QToolButton()
        self.uses.setObjectName("badge")
        self.uses.clicked.connect(self._ask)
        self.drop = QToolButton()
        self.drop.setObjectName("mini")
        self.drop.setFixedSize(20, 20)
        self.drop.setIcon(icon("close", "mute", 11))
        self.drop.setToolTip("Remove the variable; parameters that use it keep its value")
        self.drop.setAccessibleName(f"Remove the variable {field.name}")
        self.drop.clicked.connect(lambda: self.removed.emit(field.name))
        self.row = make_row(field, base, can_link=False, is_bare=True)
        self.row.edited.connect(self.edited)
        line = QHBoxLayout()
        line.setSpacing(4)
        line.addWidget(self.name)
        line.addStretch(1)
        line.addWidget(self.uses)
        line.addWidget(self.drop)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 2)
        column.setSpacing(2)
        column.addLayout(line)
        column.addWidget(self.row)

    def show_variable(self, value: JsonValue, uses: list[changes.Use]) -> None:
        """Show the value and how often it is used."""
        self._uses = uses
        self.row.show_state(Shown(value, is_given=True))
        self.uses.setText(f"used {len(uses)}×" if uses else "not used")
        told = "\n".join(f"{use.node}.{use.parameter}" for use in uses) or "No parameter uses it"
        self.uses.setToolTip(told)
        self.uses.setAccessibleName(f"{self.field.name} is used {len(uses)} times")
        self.uses.setEnabled(bool(uses))

    def uses_menu(self) -> QMenu:
        """Go to where it is used."""
        menu = new_menu(self)
        for use in self._uses:
            add(menu, f"{use.node}.{use.parameter}", partial(self.go_to.emit, use.node, use.parameter))
        return menu

    def _ask(self) -> None:
        self.uses_menu().popup(self.uses.mapToGlobal(self.uses.rect().bottomLeft()))


class WorkflowPage(QWidget):
    """The workflow itself.

    Signals:
        go_to(str, str): a node and a parameter that uses a variable.
    """

    go_to = Signal(str, str)

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.variables: dict[str, VariableRow] = {}
        self.rows = {field.name: make_row(field, lambda: document.base, can_link=False) for field in _FIELDS}
        for row in self.rows.values():
            row.edited.connect(self._describe)
        self.requires = self.rows["requires"]
        self.count = QLabel()
        self.count.setObjectName("mute")
        self.hint = QLabel("A variable gives several parameters one value: link them with {} at a parameter.")
        self.hint.setObjectName("mute")
        self.hint.setWordWrap(True)
        self.error = QLabel()
        self.error.setObjectName("error")
        self.error.setWordWrap(True)
        self.error.hide()
        self.add = QToolButton()
        self.add.setObjectName("mini")
        self.add.setFixedSize(20, 20)
        self.add.setIcon(icon("plus", "mute", 12))
        self.add.setToolTip("Add a variable")
        self.add.setAccessibleName("Add a variable")
        self.add.clicked.connect(lambda: self.add_menu().popup(self.add.mapToGlobal(self.add.rect().bottomLeft())))
        self._lay_out()

    def _lay_out(self) -> None:
        title = QLabel("Workflow")
        title.setObjectName("title")
        heading = Heading("Variables")
        heading.bar.addWidget(self.add)
        self._list = QVBoxLayout()
        self._list.setSpacing(6)
        self._needs = Heading("Plugins it needs")
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 14)
        column.setSpacing(0)
        column.addWidget(title)
        column.addWidget(self.count)
        column.addSpacing(10)
        for widget in (self.rows["name"], self.rows["about"], heading, self.hint, self.error):
            column.addWidget(widget)
        column.addLayout(self._list)
        column.addWidget(self._needs)
        column.addWidget(self.requires)
        column.addStretch(1)

    def show_workflow(self) -> None:
        """Show the document's workflow as it is now."""
        workflow = self.document.workflow
        self.count.setText(f"{_count(len(workflow.nodes), 'node')} · {_count(len(workflow.links), 'link')}")
        self.rows["name"].show_state(Shown(workflow.name, is_given=True))
        self.rows["about"].show_state(Shown(workflow.about, is_given=True))
        self._needs.setVisible(bool(workflow.requires))
        self.requires.setVisible(bool(workflow.requires))
        self.requires.show_state(Shown(dict(workflow.requires), is_given=True))
        self._show_variables(workflow)

    def _show_variables(self, workflow: Workflow) -> None:
        fields = {name: field_of_variable(workflow, self.document.registry, name) for name in workflow.variables}
        if {name: row.field for name, row in self.variables.items()} != fields or list(self.variables) != list(fields):
            self._make_variables(fields)
        for name, row in self.variables.items():
            row.show_variable(workflow.variables[name], changes.uses_of(workflow, name))
        self.hint.setVisible(not fields)

    def _make_variables(self, fields: dict[str, Field]) -> None:
        kept = {name: row for name, row in self.variables.items() if fields.get(name) == row.field}
        for name, row in self.variables.items():
            self._list.removeWidget(row)
            if name not in kept:
                row.hide()
                row.deleteLater()
        self.variables = {name: kept.get(name) or self._made(field) for name, field in fields.items()}
        for row in self.variables.values():
            self._list.addWidget(row)

    def _made(self, field: Field) -> VariableRow:
        row = VariableRow(field, lambda: self.document.base)
        row.edited.connect(self.set_variable)
        row.renamed.connect(self.rename)
        row.removed.connect(self.remove)
        row.go_to.connect(self.go_to)
        return row

    # ---- edits

    def _describe(self, name: str, value: Any) -> None:
        if name == "requires" and isinstance(value, dict):
            needs = {key: str(version) for key, version in value.items()}
            self.document.edit(
                "Set the plugins it needs", lambda w: w.model_copy(update={"requires": needs}), "requires"
            )
        else:
            self.document.edit(
                f"Set the workflow's {name}", lambda w: edit.describe(w, **{name: str(value or "")}), f"workflow.{name}"
            )

    def set_variable(self, name: str, value: Any) -> None:
        """Give a variable a value."""
        self.document.edit(f"Set variable {name}", lambda w: edit.set_variable(w, name, value), f"variable {name}")

    def rename(self, old: str, new: str) -> None:
        """Give a variable another name; says why if it cannot have it."""
        try:
            self.document.edit(f"Rename variable {old} to {new}", lambda w: changes.rename_variable(w, old, new))
        except OssicleError as error:
            self._tell(error)
        else:
            self._tell(None)

    def remove(self, name: str) -> None:
        """Take a variable out; parameters keep its value."""
        self.document.edit(f"Remove variable {name}", lambda w: edit.remove_variable(w, name))

    def add_variable(self, value: JsonValue, wish: str = "variable") -> str:
        """Add a variable; its name."""
        name = changes.new_variable_name(self.document.workflow, wish)
        self.document.edit(f"Add variable {name}", lambda w: edit.set_variable(w, name, value))
        return name

    def add_menu(self) -> QMenu:
        """What kind of variable to add."""
        menu = new_menu(self)
        for title, value in NEW_KINDS:
            add(menu, title, partial(self._add, value))
        return menu

    def _add(self, value: JsonValue) -> None:
        self.focus(self.add_variable(value))

    def _tell(self, error: OssicleError | None) -> None:
        self.error.setText(str(error or ""))
        self.error.setVisible(error is not None)

    def focus(self, variable: str) -> QWidget | None:
        """Put the cursor into a variable's value."""
        row = self.variables.get(variable)
        if row is not None:
            row.row.focus_field()
        return row

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        self.add.setIcon(icon("plus", "mute", 12))
        for row in self.variables.values():
            row.drop.setIcon(icon("close", "mute", 11))
        for part in self.findChildren(Row):
            part.restyle()


_FIELDS: Final = (
    Field("name", "text", "Name", "What the workflow is called.", default="untitled"),
    Field("about", "lines", "About", "What it is for, in a sentence or two.", default=""),
    Field("requires", "mapping", "Distributions and versions", item=Field("version", "text"), default={}),
)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
