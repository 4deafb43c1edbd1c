"""What kind of value a workflow variable has: that of the parameter it is used for, else what its value looks like."""

from __future__ import annotations

import functools
from dataclasses import replace

from pydantic import JsonValue

from engine.node import NodeSpec
from engine.params import schema
from engine.registry import Registry
from engine.workflow import Workflow
from studio.form.changes import fits, uses_of
from studio.form.fields import Field, Kind, fields_of
from studio.form.values import variable_in


def field_of_variable(workflow: Workflow, registry: Registry, name: str) -> Field:
    """The field that edits a variable."""
    value = workflow.variables[name]
    for use in uses_of(workflow, name):
        node = workflow.nodes[use.node]
        spec = registry.find(node.type)
        if spec is None or variable_in(node.params[use.parameter]) != name:
            continue
        found = next((field for field in _fields(spec) if field.name == use.parameter), None)
        if found is not None and _is_of_kind(found, value):
            return replace(found, name=name, label=name, default=None, is_required=True, section="", is_rare=False)
    return Field(
        name, _kind(value), name, is_required=True, item=Field("", "text") if isinstance(value, list) else None
    )


@functools.lru_cache(maxsize=256)
def _cached(spec: int, params: type) -> tuple[Field, ...]:
    return fields_of(schema(params))


def _fields(spec: NodeSpec) -> tuple[Field, ...]:
    return _cached(id(spec), spec.params)


def _is_of_kind(field: Field, value: JsonValue) -> bool:
    """Whether the field's editor can show a value, be it in range or not."""
    wide = replace(field, low=None, high=None)
    if field.kind == "choice":
        return isinstance(value, str) or fits(field, value)
    return fits(wide, value)


def _kind(value: JsonValue) -> Kind:
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int):
        return "number"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "lines" if "\n" in value else "text"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "tags"
    return "json"
