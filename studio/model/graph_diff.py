"""What differs between two graphs: nodes, parameters (defaults and variables filled in), wires. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from engine.node import NodeSpec
from engine.registry import Registry
from engine.variables import fill
from engine.workflow import Node, Workflow

LONGEST: Final = 48
_NONE: Final = object()


@dataclass(frozen=True)
class Difference:
    """One thing that is another one.

    Attributes:
        node: its id; "" for the wires.
        name: the parameter, "type" or "mode"; "" for a node that is only on one side.
        before, after: both values in words; "" where there is none.
    """

    node: str
    name: str
    before: str
    after: str

    @property
    def where(self) -> str:
        """ "train-1.epochs"."""
        return ".".join(part for part in (self.node, self.name) if part)


def differences(before: Workflow, after: Workflow, registry: Registry) -> tuple[Difference, ...]:
    """What differs, node by node in the order of `before`; positions, notes and names do not count."""
    found: list[Difference] = []
    for name in dict.fromkeys([*before.nodes, *after.nodes]):
        a, b = before.nodes.get(name), after.nodes.get(name)
        if a is None or b is None:
            found.append(Difference(name, "", a.type if a is not None else "", b.type if b is not None else ""))
        elif a is not b or before.variables != after.variables:
            found += _of_node(name, a, b, before, after, registry)
    both = before.nodes.keys() & after.nodes.keys()
    if any(link.source in both and link.target in both for link in set(before.links) ^ set(after.links)):
        found.append(Difference("", "wires", str(len(before.links)), str(len(after.links))))
    return tuple(found)


def _of_node(
    name: str, a: Node, b: Node, before: Workflow, after: Workflow, registry: Registry
) -> Iterator[Difference]:
    if a.type != b.type:
        yield Difference(name, "type", a.type, b.type)
        return
    if a.mode != b.mode:
        yield Difference(name, "mode", a.mode, b.mode)
    spec = registry.find(a.type)
    for key in dict.fromkeys([*a.params, *b.params]):
        old, new = _value(a, key, before, spec), _value(b, key, after, spec)
        if old != new:
            yield Difference(name, key, words(old), words(new))


def _value(node: Node, key: str, workflow: Workflow, spec: NodeSpec | None) -> JsonValue | object:
    if key in node.params:
        return fill(node.params[key], workflow.variables)
    field = spec.params.model_fields.get(key) if spec is not None else None
    if field is None or field.is_required():
        return _NONE
    default: JsonValue = to_jsonable_python(field.get_default(call_default_factory=True))
    return default


def words(value: object) -> str:
    """A value for a table: texts as they are, the rest as JSON, long ones cut."""
    text = "" if value is _NONE else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def summary(found: tuple[Difference, ...], *, most: int = 3) -> str:
    """In one line, as `before` had it: "epochs 3 · width 1.5 · without nas-1"."""
    told = [_told(item) for item in found[:most]]
    more = len(found) - most
    return " · ".join([*told, *([f"{more} more"] if more > 0 else [])])


def _told(item: Difference) -> str:
    if not item.name:
        return f"with {item.node}" if item.before else f"without {item.node}"
    if not item.node:
        return "other wires"
    return f"{item.name} {item.before or 'unset'}"
