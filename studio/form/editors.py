"""Which editor a parameter gets: one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from studio.form.edit_choice import chooser
from studio.form.edit_group import GroupEditor, VariantEditor
from studio.form.edit_line import LineEditor, NumberEditor, NumbersEditor, SecretEditor
from studio.form.edit_path import PathEditor
from studio.form.edit_table import MappingEditor, TableEditor
from studio.form.edit_tags import TagsEditor
from studio.form.edit_text import JsonEditor, LinesEditor
from studio.form.editor import Editor
from studio.form.fields import Field, Kind
from studio.form.row import Row

Base = Callable[[], Path]
_SIMPLE: Final[Mapping[Kind, Callable[[Field], Editor]]] = {
    "number": NumberEditor,
    "integer": NumberEditor,
    "switch": chooser,
    "choice": chooser,
    "text": LineEditor,
    "lines": LinesEditor,
    "secret": SecretEditor,
    "tags": TagsEditor,
    "numbers": NumbersEditor,
    "table": TableEditor,
    "mapping": MappingEditor,
    "json": JsonEditor,
}


def make_editor(field: Field, base: Base) -> Editor:
    """The editor of a field. `base` tells the folder that relative paths start from."""
    if field.kind == "path":
        return PathEditor(field, base)
    if field.kind in ("group", "variant"):
        make = GroupEditor if field.kind == "group" else VariantEditor
        return make(field, lambda part: make_row(part, base))
    if field.is_nullable and field.kind in ("table", "mapping"):
        return JsonEditor(field)
    return _SIMPLE[field.kind](field)


def make_row(field: Field, base: Base, *, can_link: bool = True, is_bare: bool = False) -> Row:
    """A row with the editor of a field; a bare one has no label."""
    return Row(field, make_editor(field, base), can_link=can_link, is_bare=is_bare)
