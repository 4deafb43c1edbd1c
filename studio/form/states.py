"""What the rows of a form show for some nodes: values, marks, hints. No widgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.migrate import upgrade_params
from engine.node import NodeSpec
from engine.problem import Problem
from engine.workflow import Node, Workflow
from studio.form.fields import Field
from studio.form.implied import hints_of
from studio.form.row_parts import Shown
from studio.form.values import same, text_of, variable_in


def params_of(node: Node, spec: NodeSpec) -> Mapping[str, JsonValue]:
    """A node's parameters as today's version of its type names them."""
    if node.version >= spec.version:
        return node.params
    try:
        return upgrade_params(spec, node.params, node.version)
    except (OssicleError, ValueError, KeyError, TypeError):
        return node.params


def up_to_date(workflow: Workflow, spec: NodeSpec, nodes: Sequence[str]) -> Workflow:
    """Nodes that were saved by an older version of their type, as today's version has them; others as they are."""
    changed = {
        name: node.model_copy(update={"params": dict(params_of(node, spec)), "version": spec.version})
        for name in nodes
        if (node := workflow.nodes[name]).version < spec.version
    }
    return workflow.model_copy(update={"nodes": {**workflow.nodes, **changed}}) if changed else workflow


def states_of(workflow: Workflow, spec: NodeSpec, names: Sequence[str], fields: tuple[Field, ...]) -> dict[str, Shown]:
    """What each row shows for one node, or for several of one type."""
    nodes = [workflow.nodes[name] for name in names]
    params = [params_of(node, spec) for node in nodes]
    hints = hints_of(fields, nodes[0], spec, workflow.variables)
    return {field.name: _shown(field, params, workflow.variables, hints.get(field.name, "")) for field in fields}


def _shown(
    field: Field, params: Sequence[Mapping[str, JsonValue]], variables: Mapping[str, JsonValue], hint: str
) -> Shown:
    values = [given.get(field.name, field.default) for given in params]
    is_given = [field.name in given for given in params]
    is_changed = any(
        given and not field.is_required and not same(value, field.default)
        for given, value in zip(is_given, values, strict=True)
    )
    if not all(same(value, values[0]) for value in values):
        return Shown(None, is_many=True, is_given=any(is_given), is_changed=is_changed, hint=hint)
    variable = variable_in(values[0])
    return Shown(
        values[0],
        is_given=any(is_given),
        is_changed=is_changed and not variable,
        hint=hint,
        variable=variable,
        variable_text=text_of(variables[variable]) if variable in variables else "missing",
    )


def unknown_fields(params: Mapping[str, JsonValue], fields: Sequence[Field]) -> tuple[Field, ...]:
    """Parameters in the file that the type does not have (any more), as JSON fields that can be taken out."""
    known = {field.name for field in fields}
    about = "The node type has no such parameter; the file holds it. Reset takes it out."
    return tuple(Field(name, "json", name, about) for name in params if name not in known)


def problems_of(problems: Sequence[Problem], names: Sequence[str]) -> list[Problem]:
    """The problems of some nodes; what several have alike is told once."""
    wanted = set(names)
    found: dict[tuple[str, str, str], Problem] = {}
    for problem in problems:
        if problem.node in wanted:
            found.setdefault((problem.code, problem.field, problem.what), problem)
    return list(found.values())
