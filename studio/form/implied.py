"""What empty parameters stand for: the values of the chosen preset or recipe, as far as the node type tells.

A Params class may offer `implied(self) -> Mapping[str, JsonValue]`: the value that each empty parameter takes.
It has to be cheap and may not import more than the module that declares it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from engine.node import NodeSpec
from engine.params import Params
from engine.validate import resolve
from engine.variables import fill
from engine.workflow import Node
from studio.form.editor import AUTO
from studio.form.fields import LEADING, Field
from studio.form.values import text_of


def implied_by(node: Node, spec: NodeSpec, variables: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The values that a node's empty parameters take; none for invalid parameters and types that do not tell."""
    if not hasattr(spec.params, "implied"):
        return {}
    found = resolve(node, spec, variables)
    if not isinstance(found, Params):  # hints do not vanish because of one invalid value
        wrong = {str(error["loc"][0]) for error in found if error["loc"]}
        valid = {name: value for name, value in node.params.items() if name not in wrong}
        found = resolve(node.model_copy(update={"params": valid}), spec, variables)
    if not isinstance(found, Params):
        return {}
    try:
        told = found.implied()  # type: ignore[attr-defined]
        return dict(told) if isinstance(told, Mapping) else {}
    except Exception:  # the plugin border: a hint that cannot be made is no hint
        return {}


def hints_of(
    fields: tuple[Field, ...], node: Node, spec: NodeSpec, variables: Mapping[str, JsonValue]
) -> dict[str, str]:
    """By parameter: the words shown where a value is None."""
    implied = implied_by(node, spec, variables)
    leader = next((field for field in fields if field.name in LEADING), None)
    source = fill(node.params.get(leader.name, leader.default), variables) if leader is not None else None
    other = f"as {source}" if isinstance(source, str) and source else AUTO
    return {
        field.name: text_of(implied[field.name]) if implied.get(field.name) is not None else other
        for field in fields
        if field.is_nullable
    }
