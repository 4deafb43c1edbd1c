"""Edits of parameters and variables as pure functions, and what they find in a workflow. No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.variables import VARIABLE
from engine.workflow import Workflow
from studio.form.fields import Field
from studio.form.values import in_range, same, variable_in
from studio.model.edit import reset_params, set_params, set_variable

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Use(NamedTuple):
    """Where a variable is used."""

    node: str
    parameter: str


def assign(workflow: Workflow, nodes: Iterable[str], name: str, value: JsonValue) -> Workflow:
    """Give one parameter of some nodes a value."""
    for node in nodes:
        workflow = set_params(workflow, node, {name: value})
    return workflow


def reset(workflow: Workflow, nodes: Iterable[str], names: Sequence[str]) -> Workflow:
    """Put parameters of some nodes back to their defaults."""
    for node in nodes:
        workflow = reset_params(workflow, node, names)
    return workflow


def link_to(workflow: Workflow, nodes: Iterable[str], name: str, variable: str) -> Workflow:
    """Make a parameter follow a variable."""
    return assign(workflow, nodes, name, f"{{{variable}}}")


def link_to_new(workflow: Workflow, nodes: Iterable[str], name: str, value: JsonValue, variable: str) -> Workflow:
    """Make a new variable of a parameter's value, and the parameter follow it."""
    return link_to(set_variable(workflow, check_name(workflow, variable), value), nodes, name, variable)


def unlink(workflow: Workflow, nodes: Iterable[str], name: str) -> Workflow:
    """Give a parameter its variable's present value; one whose variable is missing goes back to its default."""
    for node in nodes:
        variable = variable_in(workflow.nodes[node].params.get(name))
        if variable in workflow.variables:
            workflow = set_params(workflow, node, {name: workflow.variables[variable]})
        elif variable:
            workflow = reset_params(workflow, node, [name])
    return workflow


def new_variable_name(workflow: Workflow, wish: str) -> str:
    """A free name for a variable: the wish, or the wish and a number."""
    stem = re.sub(r"\W", "_", wish, flags=re.ASCII) or "value"
    stem = f"_{stem}" if stem[0].isdigit() else stem
    name, number = stem, 2
    while name in workflow.variables:
        name, number = f"{stem}_{number}", number + 1
    return name


def check_name(workflow: Workflow, name: str) -> str:
    """The name, if a new variable may have it.

    Raises:
        OssicleError: it is no name, or it is taken.
    """
    if not NAME.fullmatch(name):
        raise OssicleError(f"{name!r} is no name of a variable", "letters, digits and _", "Choose another name")
    if name in workflow.variables:
        raise OssicleError(f"the variable {name} exists already", "a name of its own", "Choose another name")
    return name


def rename_variable(workflow: Workflow, old: str, new: str) -> Workflow:
    """Give a variable another name; every parameter that uses it follows, and the order stays.

    Raises:
        OssicleError: the name is none, or it is taken.
    """
    if new == old:
        return workflow
    check_name(workflow, new)
    nodes = {
        name: node.model_copy(update={"params": {key: _renamed(value, old, new) for key, value in node.params.items()}})
        if any(old in _names_in(value) for value in node.params.values())
        else node
        for name, node in workflow.nodes.items()
    }
    variables = {new if name == old else name: value for name, value in workflow.variables.items()}
    return workflow.model_copy(update={"nodes": nodes, "variables": variables})


def _renamed(value: JsonValue, old: str, new: str) -> JsonValue:
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: f"{{{new}}}" if found[1] == old else found[0], value)
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    return value


def _names_in(value: JsonValue) -> set[str]:
    if isinstance(value, str):
        return set(VARIABLE.findall(value))
    children = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else []
    return {name for child in children for name in _names_in(child)}


def uses_of(workflow: Workflow, variable: str) -> list[Use]:
    """Every parameter that a variable goes into."""
    return [
        Use(node, key)
        for node, placed in workflow.nodes.items()
        for key, value in placed.params.items()
        if variable in _names_in(value)
    ]


def fitting_variables(workflow: Workflow, field: Field) -> Iterator[tuple[str, JsonValue]]:
    """Variables whose present value a parameter could take, by name."""
    for name in sorted(workflow.variables):
        value = workflow.variables[name]
        if fits(field, value):
            yield name, value


def fits(field: Field, value: JsonValue) -> bool:
    """Whether a value could be a field's; says nothing about rules between parameters."""
    if value is None:
        return field.is_nullable
    if field.is_number:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and in_range(field, float(value))  # type: ignore[arg-type]
    if field.kind == "choice":
        return any(same(choice, value) for choice in field.choices)
    wanted = _TYPES.get(field.kind)
    return wanted is None or isinstance(value, wanted)


_TYPES: Final[Mapping[str, type]] = {
    "switch": bool, "text": str, "lines": str, "path": str, "secret": str,
    "tags": list, "numbers": list, "table": list, "mapping": dict, "group": dict, "variant": dict,
}  # fmt: skip
