"""One-click fixes: what to do about a problem where it is certain enough to offer. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from engine.links import can_link
from engine.problem import Problem
from engine.registry import Registry
from engine.variables import VARIABLE, fill
from engine.workflow import Link, Workflow
from studio.model import edit

Change = Callable[[Workflow], Workflow]
Find = Callable[[Problem, Workflow, Registry], Iterator["Fix"]]
ALIKE: Final = 0.6
LONGEST: Final = 24


@dataclass(frozen=True)
class Fix:
    """One way to mend a problem; the label says exactly what it does."""

    label: str
    change: Change


def fixes_of(problem: Problem, workflow: Workflow, registry: Registry) -> tuple[Fix, ...]:
    """What can be done with one click, the likeliest first; a fix that would change nothing is left out."""
    find = FIXES.get(problem.code)
    return tuple(find(problem, workflow, registry)) if find is not None else ()


def told_once(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Without what only follows from a missing variable: the value that it leaves cannot be read."""
    lacking = {(p.node, p.field) for p in problems if p.code == "unknown-variable"}
    return tuple(p for p in problems if p.code != "parameter" or (p.node, p.field.partition(".")[0]) not in lacking)


# ---- parameters and variables


def _unknown_parameter(problem: Problem, workflow: Workflow, _registry: Registry) -> Iterator[Fix]:
    node, name = problem.node, problem.field
    if node not in workflow.nodes or name not in workflow.nodes[node].params:
        return
    found = re.match(r"Did you mean (\w+)\?", problem.remedy)
    if found is not None and found[1] not in workflow.nodes[node].params:
        yield Fix(f"Rename to {found[1]}", lambda now: _renamed(now, node, name, found[1]))
    yield Fix("Remove it", lambda now: edit.reset_params(now, node, [name]))


def _renamed(workflow: Workflow, node: str, name: str, wanted: str) -> Workflow:
    value = workflow.nodes[node].params[name]
    return edit.set_params(edit.reset_params(workflow, node, [name]), node, {wanted: value})


def _unknown_variable(problem: Problem, workflow: Workflow, registry: Registry) -> Iterator[Fix]:
    found = re.search(r"\{(\w+)\}", problem.what)
    if found is None or problem.node not in workflow.nodes:
        return
    lacking = found[1]
    near = next(iter(difflib.get_close_matches(lacking, workflow.variables, n=1, cutoff=ALIKE)), "")
    if near:
        yield Fix(f"Use {{{near}}}", lambda now: _with_other(now, problem, lacking, near))
    value = _default(problem.node, problem.field, workflow, registry)
    is_whole = workflow.nodes[problem.node].params.get(problem.field) == f"{{{lacking}}}"
    yield Fix(f"Add {{{lacking}}}", lambda now: edit.set_variable(now, lacking, value if is_whole else ""))


def _with_other(workflow: Workflow, problem: Problem, old: str, new: str) -> Workflow:
    value = workflow.nodes[problem.node].params[problem.field]
    return edit.set_params(workflow, problem.node, {problem.field: fill(value, {old: f"{{{new}}}"})})


def _default(node: str, name: str, workflow: Workflow, registry: Registry) -> JsonValue:
    spec = registry.find(workflow.nodes[node].type)
    field = spec.params.model_fields.get(name) if spec is not None else None
    if field is None or field.is_required():
        return ""
    value: JsonValue = to_jsonable_python(field.get_default(call_default_factory=True))
    return value


def _bad_value(problem: Problem, workflow: Workflow, registry: Registry) -> Iterator[Fix]:
    node, name = problem.node, problem.field.partition(".")[0]
    if node not in workflow.nodes or name not in workflow.nodes[node].params:
        return
    value = workflow.nodes[node].params[name]
    choices = re.findall(r"'([^']*)'", problem.expected)
    if isinstance(value, str) and not VARIABLE.search(value) and choices:
        near = next(iter(difflib.get_close_matches(value, choices, n=1, cutoff=ALIKE)), "")
        if near:
            yield Fix(f"Set to {near}", lambda now: edit.set_params(now, node, {name: near}))
    default = _default(node, name, workflow, registry)
    if default != value:
        yield Fix(_reset_label(default), lambda now: edit.reset_params(now, node, [name]))


def _reset_label(default: JsonValue) -> str:
    shown = default if isinstance(default, str) else "" if default is None else str(default)
    return f"Back to {shown}" if 0 < len(shown) <= LONGEST else "Back to the default"


# ---- wires


def _bad_wire(problem: Problem, workflow: Workflow, _registry: Registry) -> Iterator[Fix]:
    """Take the wire out that the problem is about; of several at a port, the one it names."""
    there = [k for k in workflow.links if (k.target, k.input) == (problem.node, problem.field)]
    bad = [k for k in workflow.links if str(k) == problem.field] or [
        k for k in there if f"{k.source}.{k.output}" in problem.what or k.source in problem.what.split()
    ]
    if bad or there:
        gone = (bad or there)[-1]
        yield Fix("Remove the wire", lambda now: edit.remove(now, links=[gone]))


def _twice(_problem: Problem, workflow: Workflow, _registry: Registry) -> Iterator[Fix]:
    once = tuple(dict.fromkeys(workflow.links))
    if once != workflow.links:
        yield Fix("Keep it once", lambda now: now.model_copy(update={"links": tuple(dict.fromkeys(now.links))}))


def _occupied(problem: Problem, workflow: Workflow, _registry: Registry) -> Iterator[Fix]:
    """Two wires at one input: keep either."""
    there = [k for k in workflow.links if (k.target, k.input) == (problem.node, problem.field)]
    for kept in there[:2] if len(there) == 2 else ():
        gone = [k for k in there if k != kept]
        yield Fix(f"Keep {kept.source}", lambda now, gone=gone: edit.remove(now, links=gone))  # type: ignore[misc]


def _missing_input(problem: Problem, workflow: Workflow, registry: Registry) -> Iterator[Fix]:
    """The wire that is missing, where only one output of the graph fits."""
    fitting = [link for link in _fitting(problem, workflow, registry) if can_link(workflow, registry, link)]
    if len(fitting) == 1:
        only = fitting[0]
        label = f"Wire {only.source}.{only.output}"
        yield Fix(label, lambda now: edit.link(now, registry, only))


def _fitting(problem: Problem, workflow: Workflow, registry: Registry) -> Iterator[Link]:
    target = registry.find(workflow.nodes[problem.node].type) if problem.node in workflow.nodes else None
    wanted = target.input(problem.field) if target is not None else None
    for name, node in workflow.nodes.items() if wanted is not None else ():
        spec = registry.find(node.type)
        for port in spec.outputs if spec is not None and name != problem.node else ():
            if wanted is not None and issubclass(port.type, wanted.type):
                yield Link(name, port.name, problem.node, problem.field)


FIXES: Final[Mapping[str, Find]] = {
    "unknown-parameter": _unknown_parameter,
    "unknown-variable": _unknown_variable,
    "parameter": _bad_value,
    "type": _bad_wire,
    "unknown-port": _bad_wire,
    "unknown-node": _bad_wire,
    "duplicate": _twice,
    "occupied": _occupied,
    "missing-input": _missing_input,
}
