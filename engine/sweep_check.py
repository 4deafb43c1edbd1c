"""What is wrong with a sweep: every problem at once, before anything runs."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.params import Params
from engine.problem import Problem
from engine.registry import Registry
from engine.sweep_record import Over, Values, points_of, value_text
from engine.validate import check, params_problem, resolve
from engine.variables import variables_in_text
from engine.workflow import Workflow, upto, with_values

MOST_POINTS: Final = 10_000


def sweep_problems(workflow: Workflow, registry: Registry, over: Over) -> list[Problem]:
    """What is wrong with the variables and their values, looked at one by one; nothing of the graph."""
    found: list[Problem] = []
    for name, values in over.items():
        found += _name_problems(name, workflow, registry)
        found += _list_problems(name, values)
    return [*found, *_size_problems(over)]


def all_problems(workflow: Workflow, registry: Registry, over: Over, to: str | None = None) -> list[Problem]:
    """The same, what is wrong with the graph, and values that the nodes they reach would refuse.

    Values are tried one variable at a time; a combination that fits nowhere is found when its point is run.

    Raises:
        OssicleError: there is no node `to`.
    """
    if not over:
        return [_nothing_to_sweep(workflow)]
    found = sweep_problems(workflow, registry, over)
    plain = workflow.model_copy(update={"sweep": {}})
    if found:
        return [*found, *check(plain, registry).errors]
    first = with_values(plain, points_of({name: values[:1] for name, values in over.items()})[0].values)
    part = first if to is None else upto(first, to)
    graph = check(part, registry).errors
    refused = [problem for name, values in over.items() for problem in _refused(part, plain, registry, name, values)]
    return [*(problem for problem in graph if not _is_due(problem, plain, over)), *refused]


def _nothing_to_sweep(workflow: Workflow) -> Problem:
    names = ", ".join(workflow.variables) or "none yet"
    return Problem(
        "sweep-empty", "", "sweep", "there is no variable to sweep over", f"values for a variable (it has: {names})",
        "Write --over seed=1..5, or give the file a sweep",
    )  # fmt: skip


def _name_problems(name: str, workflow: Workflow, registry: Registry) -> Iterator[Problem]:
    node, dot, parameter = name.partition(".")
    if dot:
        yield from _parameter_problems(name, node, parameter, workflow, registry)
    elif name not in workflow.variables:
        near = difflib.get_close_matches(name, workflow.variables, n=1)
        yield Problem(
            "sweep-variable", "", f"sweep.{name}", f"the variable {name!r} does not exist",
            f"one of {sorted(workflow.variables)}, or node.parameter",
            f"Did you mean {near[0]}?" if near else "Add it to the variables, or correct its name",
        )  # fmt: skip
    elif name not in used_variables(workflow):
        yield Problem(
            "sweep-unused", "", f"sweep.{name}", f"no node uses the variable {name!r}: all its points would be equal",
            f'a parameter with the value "{{{name}}}"', "Link a parameter to it, or take it out of the sweep",
        )  # fmt: skip


def _parameter_problems(
    name: str, node: str, parameter: str, workflow: Workflow, registry: Registry
) -> Iterator[Problem]:
    if node not in workflow.nodes:
        near = difflib.get_close_matches(node, workflow.nodes, n=3) or sorted(workflow.nodes)[:10]
        yield Problem(
            "sweep-variable", "", f"sweep.{name}", f"there is no node {node!r}", f"a node id, such as {near}",
            "Correct the name",
        )  # fmt: skip
        return
    spec = registry.find(workflow.nodes[node].type)
    if spec is not None and parameter not in spec.params.model_fields:
        known = list(spec.params.model_fields)
        near = difflib.get_close_matches(parameter, known, n=1)
        yield Problem(
            "sweep-variable", "", f"sweep.{name}", f"{node} has no parameter {parameter!r}", f"one of {known}",
            f"Did you mean {node}.{near[0]}?" if near else "Correct the name",
        )  # fmt: skip


def used_variables(workflow: Workflow) -> set[str]:
    """Variables that stand in a parameter of a node that runs, alone or within a text."""
    active = (node for node in workflow.nodes.values() if node.mode == "active")
    return {name for node in active for value in node.params.values() for name in variables_in_text(value)}


def _list_problems(name: str, values: Sequence[JsonValue]) -> Iterator[Problem]:
    if not values:
        yield Problem(
            "sweep-empty", "", f"sweep.{name}", f"{name} has no values", "one value or more",
            f"Write --over {name}=1..5, or take it out of the sweep",
        )  # fmt: skip
    seen: set[str] = set()
    twice: dict[str, str] = {}
    for value in values:
        key = json.dumps(value, sort_keys=True)
        if key in seen:
            twice[key] = value_text(value)
        seen.add(key)
    if twice:
        shown = ", ".join([*twice.values()][:5]) + (", …" if len(twice) > 5 else "")
        yield Problem(
            "sweep-duplicate", "", f"sweep.{name}", f"{name} has the value {shown} more than once",
            "each value once", "Take the second one out: an equal point would count double in the mean",
        )  # fmt: skip


def _size_problems(over: Over) -> Iterator[Problem]:
    number = math.prod(len(values) for values in over.values())
    if number > MOST_POINTS:
        sizes = " x ".join(f"{len(values):,} {name}" for name, values in over.items())
        yield Problem(
            "sweep-size", "", "sweep", f"{sizes} are {number:,} points", f"at most {MOST_POINTS:,}",
            "Take fewer values, or sweep over one variable at a time",
        )  # fmt: skip


def _refused(
    first: Workflow, plain: Workflow, registry: Registry, name: str, values: Sequence[JsonValue]
) -> Iterator[Problem]:
    """Values that a node would refuse, said of the sweep's variable."""
    for value in values:
        for problem in _problems_at(first, registry, {name: value}):
            if _is_due(problem, plain, [name]):
                place = f"{problem.node}.{problem.field}".strip(".")
                what = f"{name}={value_text(value)}: {place}: {problem.what}"
                yield replace(problem, node="", field=f"sweep.{name}", what=what)


def _is_due(problem: Problem, plain: Workflow, names: Iterable[str]) -> bool:
    """Whether a node's problem comes from the value of one of the names; one of fields that do not fit may."""
    node = plain.nodes.get(problem.node)
    if node is None or problem.code != "parameter":
        return False
    head = problem.field.partition(".")[0]
    used = set(variables_in_text(node.params[head] if head in node.params else list(node.params.values())))
    return any(name in used or name == f"{problem.node}.{head}" for name in names)


def _problems_at(first: Workflow, registry: Registry, values: Values) -> Iterator[Problem]:
    try:
        workflow = with_values(first, values)
    except OssicleError as error:
        yield Problem("sweep-variable", "", "", error.what, error.expected, error.remedy)
        return
    for node, placed in workflow.nodes.items():
        spec = registry.find(placed.type)
        if spec is None or not _concerns(node, placed.params, values):
            continue
        found = resolve(placed, spec, workflow.variables)
        if not isinstance(found, Params):
            yield from (params_problem(node, spec, error) for error in found)


def _concerns(node: str, params: Mapping[str, JsonValue], values: Values) -> bool:
    used = {name for value in params.values() for name in variables_in_text(value)}
    return any(name in used or name.partition(".")[0] == node for name in values)
