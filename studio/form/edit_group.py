"""Editors made of rows: an object with named parts, and one of several such objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import JsonValue
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from engine.problem import Problem
from studio.form.edit_choice import chooser
from studio.form.editor import Editor
from studio.form.fields import Field
from studio.form.row import Row
from studio.form.row_parts import Shown
from studio.form.values import same, variable_in
from studio.look.theme import colour

INDENT: Final = 10
Make = Callable[[Field], Row]
Found = Sequence[tuple[str, Problem]]


class GroupEditor(Editor):
    """An object: a row for each part, indented. If the object may be missing, a choice of that comes first."""

    is_wide = True
    has_frame = False

    def __init__(self, field: Field, make: Make, parts: Sequence[Field] | None = None) -> None:
        super().__init__(field)
        self.value: Mapping[str, JsonValue] | None = {}
        self.rows: dict[str, Row] = {}
        self.head: Editor | None = None
        self._make = make
        if field.is_nullable:
            self.head = chooser(Field(field.name, "choice", field.label, choices=("auto", "set")))
            self.head.setParent(self)
            self.head.edited.connect(self._switch)
        self._set_parts(field.parts if parts is None else parts)

    def _set_parts(self, parts: Sequence[Field]) -> None:
        for row in self.rows.values():
            row.hide()
            row.deleteLater()
        self.rows = {part.name: self._make(part) for part in parts}
        for row in self.rows.values():
            row.setParent(self)
            row.edited.connect(self._part_edited)
            row.reset.connect(self._part_reset)
            row.resized.connect(self._fit)
            row.show()
        first = next(iter(self.rows.values()), None)
        self.inner = self.head.inner if self.head is not None else first.editor.inner if first is not None else self
        self.setFocusProxy(self.inner if self.inner is not self else None)  # type: ignore[arg-type]

    def describe(self, name: str, about: str) -> None:
        """The group's own name; its rows have theirs."""
        self.setAccessibleName(name)
        self.setAccessibleDescription(about)

    # ---- value

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show each part; a missing one by its default."""
        self.value = value if isinstance(value, dict) else None
        if self.head is not None:
            self.head.show_value("auto" if value is None else "set")
        given = self.value or {}
        for name, row in self.rows.items():
            part = row.field
            now = given.get(name, part.default)
            is_given = name in given
            is_changed = is_given and not part.is_required and not same(now, part.default)
            row.show_state(Shown(now, is_given=is_given, is_changed=is_changed, variable=variable_in(now)))
            row.setVisible(not (self.field.is_nullable and value is None))
        self._fit()

    def show_many(self) -> None:
        """Several nodes differ: each part shows so."""
        self.value = {}
        for row in self.rows.values():
            row.show_state(Shown(is_many=True))

    def _switch(self, choice: Any) -> None:
        value: JsonValue = None if choice == "auto" else {}
        self.show_value(value)
        self.edited.emit(value)

    def _part_edited(self, name: str, value: Any) -> None:
        self._become({**(self.value or {}), name: value})

    def _part_reset(self, name: str) -> None:
        self._become({key: value for key, value in (self.value or {}).items() if key != name})

    def _become(self, value: dict[str, JsonValue]) -> None:
        self.show_value(value)
        self.edited.emit(value)

    # ---- problems, focus

    def show_problems(self, problems: Found) -> Found:
        """Each part shows its own; the others are given back."""
        for name, row in self.rows.items():
            row.show_problems([(_below(path, name), problem) for path, problem in problems if _is_in(path, name)])
        return [(path, problem) for path, problem in problems if not any(_is_in(path, name) for name in self.rows)]

    def focus_part(self, path: str) -> None:
        """Into the part that a path names, or the first."""
        name = path.split(".", 1)[0]
        if name in self.rows:
            self.rows[name].focus_field(_below(path, name))
        else:
            self.inner.setFocus(Qt.FocusReason.OtherFocusReason)

    # ---- room

    def _lines(self) -> list[tuple[QWidget, int]]:
        head = [(self.head, self.head.sizeHint().height() + 6)] if self.head is not None else []
        return [*head, *((row, row.height()) for row in self.rows.values() if not row.isHidden())]

    def sizeHint(self) -> QSize:
        """All rows."""
        return QSize(160, max(sum(height for _, height in self._lines()), 8))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Rows below each other, indented."""
        super().resizeEvent(event)
        self._stack()

    def _stack(self) -> None:
        y = 0
        for widget, height in self._lines():
            widget.setGeometry(INDENT, y, self.width() - INDENT, height if isinstance(widget, Row) else height - 6)
            y += height

    def _fit(self) -> None:
        self._stack()
        self.height_changed.emit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A line at the left that holds the rows together."""
        painter = QPainter(self)
        painter.fillRect(0, 2, 2, max(self.height() - 8, 0), colour("line"))


class VariantEditor(GroupEditor):
    """One of several objects, told apart by a tag: a choice of the tag, and the rows of that object."""

    def __init__(self, field: Field, make: Make) -> None:
        self._tag_now = next(iter(field.variants), "")
        super().__init__(
            Field(field.name, "variant", field.label, field.about), make, field.variants.get(self._tag_now, ())
        )
        self.field = field
        names: tuple[JsonValue, ...] = tuple(field.variants)
        self.head = chooser(Field(field.tag, "choice", field.tag, choices=names, is_nullable=field.is_nullable))
        self.head.setParent(self)
        self.head.edited.connect(self._choose)
        self.inner = self.head.inner
        self.setFocusProxy(self.inner)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show the tag and its object's rows."""
        tag = value.get(self.field.tag) if isinstance(value, dict) else None
        if isinstance(tag, str) and tag != self._tag_now and tag in self.field.variants:
            self._tag_now = tag
            self._set_parts(self.field.variants[tag])
        super().show_value(value, hint)
        if self.head is not None:
            self.head.show_value(tag, hint)

    def _choose(self, tag: Any) -> None:
        """Another object; parts of the same name keep their values."""
        if tag is None:
            self.show_value(None)
            self.edited.emit(None)
            return
        names = {part.name for part in self.field.variants[tag]}
        self._become({self.field.tag: tag, **{k: v for k, v in (self.value or {}).items() if k in names}})

    def show_problems(self, problems: Found) -> Found:
        """The engine names the tag before the part."""
        return super().show_problems([(_below(path, self._tag_now), problem) for path, problem in problems])


def _is_in(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _below(path: str, name: str) -> str:
    return path[len(name) :].lstrip(".") if _is_in(path, name) else path
