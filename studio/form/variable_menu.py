"""The menu of a parameter: link it to a workflow variable and back, reset it, copy it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from pydantic import JsonValue
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from studio.form.binding import Binding
from studio.form.changes import fitting_variables, new_variable_name
from studio.form.fields import Field
from studio.form.menus import add, new_menu
from studio.form.row_parts import Shown
from studio.form.values import text_of

MOST: int = 40


def variable_menu(
    parent: QWidget, binding: Binding, field: Field, shown: Shown, go_to: Callable[[str], object]
) -> QMenu:
    """The menu of one parameter."""
    menu = new_menu(parent)
    workflow = binding.document.workflow
    if shown.variable:
        kept = shown.variable_text if shown.variable in workflow.variables else text_of(field.default)
        add(menu, f"Unlink, keep {_short(kept)}", lambda: binding.unlink(field.name))
        add(menu, f"Show the variable {shown.variable}", lambda: go_to(shown.variable))
        menu.addSeparator()
    for name, value in list(fitting_variables(workflow, field))[:MOST]:
        if name != shown.variable:
            title = f"Use {{{name}}}  =  {_short(text_of(value))}"
            add(menu, title, partial(binding.link, field.name, name))
    if not shown.variable and not shown.is_many:
        new = new_variable_name(workflow, field.name)
        title = f"New variable {{{new}}}  =  {_short(text_of(shown.value))}"
        add(menu, title, lambda: binding.link_new(field.name, shown.value))
    menu.addSeparator()
    reset = add(menu, f"Reset to {_short(text_of(field.default))}", lambda: binding.reset([field.name]))
    reset.setEnabled(shown.is_given and not field.is_required)
    add(menu, "Copy the value", lambda: _copy(shown.value))
    add(menu, f"Copy the name {field.name}", lambda: _copy(field.name))
    return menu


def _short(text: str, limit: int = 28) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _copy(value: JsonValue) -> None:
    QGuiApplication.clipboard().setText(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
