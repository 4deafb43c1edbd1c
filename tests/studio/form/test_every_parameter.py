"""Every parameter of every installed node type: shown, set, reset, undone, told what is wrong, linked.

One test per type goes through all its parameters, so that a type is tested because it exists.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import JsonValue

from engine.registry import load_registry
from studio.form.fields import Field
from studio.form.panel import PropertyPanel
from studio.form.row import Row
from studio.form.values import in_range, same, stepped, text_of
from studio.model.document import Document
from studio.model.edit import set_params

Make = Callable[..., tuple[Document, PropertyPanel]]
SPECS = load_registry().specs
every_type = pytest.mark.parametrize("type_id", list(SPECS))


def another(field: Field) -> JsonValue:
    """A valid value that is not the default; a choice of one has none."""
    if field.is_number:
        start = field.default if isinstance(field.default, int | float) else field.low or 1
        moved = [stepped(field, float(start), steps) for steps in (1, -1, 0)]
        return next(value for value in moved if not same(value, field.default) and in_range(field, float(str(value))))
    if field.kind in ("switch", "choice"):
        options: list[JsonValue] = [True, False] if field.kind == "switch" else list(field.choices)
        return next((value for value in options if not same(value, field.default)), options[0])
    if field.item is not None and field.kind in HOLDERS:
        return HOLDERS[field.kind](field)
    return {"tags": ["one", "two words"], "path": "data/x.wav", "json": [0.25, 0.5]}.get(field.kind, "0" * 64)


HOLDERS: dict[str, Callable[[Field], JsonValue]] = {
    "tags": lambda field: list(field.item.choices[:2]) if field.item and field.item.choices else ["one", "two words"],
    "numbers": lambda field: [another(field.item)] if field.item else [],
    "table": lambda field: [{part.name: part.default for part in field.parts}],
    "mapping": lambda field: {"a": another(field.item)} if field.item else {},
}
"""Lists of words, of numbers, of objects, and names with values."""


def rows_of(panel: PropertyPanel) -> dict[str, Row]:
    """The rows shown, by parameter."""
    assert panel.node_page.form is not None
    return panel.node_page.form.rows


@every_type
def test_each_parameter_has_an_editor_with_its_default(make_panel: Make, shown: Any, type_id: str) -> None:
    _document, panel = make_panel(type_id)
    rows = rows_of(panel)
    assert set(rows) == set(SPECS[type_id].params.model_fields)
    for name, row in rows.items():
        assert same(shown(row.editor), row.field.default), name
        assert row.editor.inner.accessibleName() == row.field.label
        assert row.label.buddy() is row.editor.inner
        assert row.field.about
        assert not row.shown.is_changed
        assert not row.is_wrong


@every_type
def test_values_go_into_the_document_and_back(make_panel: Make, put: Any, shown: Any, type_id: str) -> None:
    document, panel = make_panel(type_id)
    node = document.selection.node
    for name, row in rows_of(panel).items():
        value = another(row.field)
        put(row.editor, value)
        if same(value, row.field.default):
            assert row.field.choices == (value,)
            continue
        assert same(document.workflow.nodes[node].params[name], value), name
        assert row.shown.is_changed
        assert row.toolTip() == f"default {text_of(row.field.default)}"
        row.reset.emit(name)
        assert name not in document.workflow.nodes[node].params
        assert same(shown(row.editor), row.field.default), name
        document.undo()
        assert same(shown(row.editor), value), name
        while document.undo_text:
            document.undo()
        assert same(shown(row.editor), row.field.default), name
        assert document.workflow.nodes[node].params == {}


@every_type
def test_what_is_invalid_is_told_in_the_engines_words(make_panel: Make, type_id: str) -> None:
    document, panel = make_panel(type_id)
    node = document.selection.node
    for name, row in rows_of(panel).items():
        document.edit("Break it", lambda workflow, name=name: set_params(workflow, node, {name: {"no": ["value"]}}))
        panel.node_page.check()
        problem = next(p for p in document.checked.problems if p.field.split(".")[0] == name)
        assert problem.what[1:] in row.error_text, name
        assert problem.expected in row.error_text
        assert document.workflow.nodes[node].params[name] == {"no": ["value"]}
        document.undo()
        panel.node_page.check()
        assert not row.is_wrong, name


@every_type
def test_each_parameter_is_linked_to_a_variable_and_back(make_panel: Make, type_id: str) -> None:
    document, panel = make_panel(type_id)
    node, binding = document.selection.node, panel.node_page.binding
    for name, row in rows_of(panel).items():
        value = another(row.field)
        binding.set_value(name, value)
        variable = binding.link_new(name, value)
        assert document.workflow.nodes[node].params[name] == f"{{{variable}}}"
        assert (row.shown.variable, row.shown.variable_text) == (variable, text_of(value))
        assert row.editor.isHidden()
        assert not [p for p in document.checked.problems if p.field == name]
        binding.unlink(name)
        assert same(document.workflow.nodes[node].params[name], value), name
        assert not row.editor.isHidden()
        binding.reset([name])


@every_type
def test_every_type_has_help_and_ports(make_panel: Make, type_id: str) -> None:
    _document, panel = make_panel(type_id)
    head, spec = panel.node_page.head, SPECS[type_id]
    assert head.title.text() == spec.title
    assert spec.about.split("\n", 1)[0][:24] in head.about.text()
    head.unfold(True)
    assert not head.rest.isHidden()
    assert head.port_names == [port.name for port in (*spec.inputs, *spec.outputs)]
