"""Static checks: every problem of a workflow at once, and the steps to run where there is none. Runs nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import JsonValue, ValidationError

from engine.errors import OssicleError
from engine.links import check_links, missing_inputs, outside_inputs
from engine.migrate import upgrade_params
from engine.node import NodeSpec
from engine.params import Params
from engine.problem import InvalidError, Problem
from engine.registry import Registry
from engine.steps import Step, find_steps
from engine.subgraph import PREFIX, SEPARATOR, Expansion, expansion, shown_as
from engine.variables import fill, variables_in
from engine.workflow import Node, Workflow, order


@dataclass(frozen=True)
class Checked:
    """All problems, and the steps in running order (only nodes without problems; muted ones are left out)."""

    problems: tuple[Problem, ...]
    steps: tuple[Step, ...]
    skipped: tuple[str, ...] = field(default=())
    """Muted nodes and those that lack an input because of one."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that forbid running."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


Known = tuple[Node, NodeSpec, Mapping[str, JsonValue], "Params | list[Any]"]
Memo = dict[str, Known]
"""Parameters by node as they were resolved the last time: whoever checks after every edit keeps one."""


def check(workflow: Workflow, registry: Registry, memo: Memo | None = None) -> Checked:
    """Find all problems of a workflow and the steps that would run.

    Sub-graphs are drawn out: steps have the ids of inner nodes, problems those of their boxes.
    """
    memo = memo if memo is not None else {}
    drawn = expansion(workflow, registry)
    shown = _with_extras(_check(workflow, registry, memo), workflow, registry)
    if drawn.workflow is workflow and not drawn.faults:
        return shown
    if drawn.faults:
        faults = (Problem("sub-graph", box, "", e.what, e.expected, e.remedy) for box, e in drawn.faults)
        return Checked((*shown.problems, *faults), ())
    inner = _check(drawn.workflow, registry, memo)
    known = {(problem.node, problem.field) for problem in shown.problems}
    told = (_at_box(problem, drawn, workflow, registry) for problem in inner.problems)
    more = [problem for problem in told if (problem.node, problem.field) not in known]
    return Checked((*shown.problems, *more), inner.steps, inner.skipped)


def _with_extras(found: Checked, workflow: Workflow, registry: Registry) -> Checked:
    """With what is wrong with sweep and claims: warnings, since the graph itself can be run all the same."""
    if not workflow.sweep and not workflow.claims:
        return found
    from engine.claim_check import claim_problems
    from engine.sweep_check import sweep_problems

    more = (*sweep_problems(workflow, registry, workflow.sweep), *claim_problems(workflow, registry))
    return replace(found, problems=(*found.problems, *(replace(each, severity="warning") for each in more)))


def _at_box(problem: Problem, drawn: Expansion, workflow: Workflow, registry: Registry) -> Problem:
    """A problem of an inner node as its box shows it."""
    box = drawn.outer.get(problem.node)
    if box is None:
        return problem
    inner = problem.node.removeprefix(f"{box}{SEPARATOR}")
    name = shown_as(workflow, registry, box, problem.node, problem.field)
    what = f"{inner.replace(SEPARATOR, ' / ')}{'.' * bool(problem.field)}{problem.field}: {problem.what}"
    return replace(problem, node=box, field=name or f"{inner}.{problem.field}".strip("."), what=what)


def _check(workflow: Workflow, registry: Registry, memo: Memo) -> Checked:
    try:
        sequence = order(workflow)
        cycle: list[Problem] = []
    except OssicleError as error:
        sequence, cycle = (
            sorted(workflow.nodes),
            [Problem("cycle", "", "links", error.what, error.expected, error.remedy)],
        )
    specs = {name: registry.find(node.type) for name, node in workflow.nodes.items()}
    params: dict[str, Params] = {}
    problems: list[Problem] = list(_variable_problems(workflow))
    for name in sequence:
        problems += _node_problems(name, workflow, registry, specs[name], params, memo)
    wires, link_problems = check_links(workflow, specs)
    problems += cycle + link_problems
    outside = outside_inputs(workflow)
    problems += [p for name in sequence for p in missing_inputs(name, specs[name], wires, outside)]
    steps, skipped = ([], []) if cycle else find_steps(workflow, sequence, specs, params, wires)
    return Checked(tuple(problems), tuple(steps), tuple(skipped))


def require(checked: Checked) -> tuple[Step, ...]:
    """The steps of a workflow without errors.

    Raises:
        InvalidError: there are problems; carries all of them.
    """
    if checked.errors:
        raise InvalidError(checked.errors)
    return checked.steps


# ---- nodes and parameters


def _node_problems(
    name: str, workflow: Workflow, registry: Registry, spec: NodeSpec | None, params: dict[str, Params], memo: Memo
) -> list[Problem]:
    node = workflow.nodes[name]
    if spec is None:
        return [_unknown_type(name, node, registry, workflow.requires)]
    if node.version > spec.version:
        return [
            Problem(
                "newer-node", name, "version", f"{node.type} was saved by version {node.version}",
                f"at most version {spec.version}", f"Update {spec.package} or set the node up again",
            )
        ]  # fmt: skip
    found = _resolved(name, node, spec, workflow.variables, memo)
    if isinstance(found, Params):
        params[name] = found
        return []
    return [params_problem(name, spec, error) for error in found]


def _resolved(
    name: str, node: Node, spec: NodeSpec, variables: Mapping[str, JsonValue], memo: Memo
) -> Params | list[Any]:
    known = memo.get(name)
    if known is None or known[0] is not node or known[1] is not spec or known[2] != variables:
        known = memo[name] = (node, spec, variables, resolve(node, spec, variables))
    return known[3]


def resolve(node: Node, spec: NodeSpec, variables: Mapping[str, JsonValue]) -> Params | list[Any]:
    """A node's parameters with variables filled in, or pydantic's list of errors."""
    raw = upgrade_params(spec, node.params, node.version)
    try:
        return spec.params.model_validate({key: fill(value, variables) for key, value in raw.items()})
    except ValidationError as error:
        return list(error.errors(include_url=False))


def _variable_problems(workflow: Workflow) -> Iterator[Problem]:
    for name, node in workflow.nodes.items():
        for key, value in node.params.items():
            for variable in variables_in(value):
                if variable not in workflow.variables:
                    yield Problem(
                        "unknown-variable", name, key, f"the variable {{{variable}}} does not exist",
                        f"one of {sorted(workflow.variables)}", "Add it to the variables or correct its name",
                    )  # fmt: skip


def _unknown_type(name: str, node: Node, registry: Registry, requires: Mapping[str, str]) -> Problem:
    if node.type.startswith(PREFIX):
        return _unknown_subgraph(name, node, registry)
    near = difflib.get_close_matches(node.type, registry.specs, n=3)
    wanted = ", ".join(f"{plugin} {version}" for plugin, version in requires.items())
    remedy = f"Install its plugin ({wanted})" if wanted else "Install the plugin that brings it"
    return Problem(
        "unknown-type", name, "type", f"the node type {node.type} is not installed",
        f"one of {near}" if near else "an installed node type (`ossicle nodes` lists them)",
        f"{remedy}, or delete the node; until then it stays in the file unchanged",
    )  # fmt: skip


def _unknown_subgraph(name: str, node: Node, registry: Registry) -> Problem:
    short = node.type.removeprefix(PREFIX)
    bad = next((error for error in registry.errors if error.name == node.type), None)
    what = f"the sub-graph {short} cannot be used: {bad.error}" if bad else f"there is no sub-graph {short}"
    remedy = bad.remedy if bad else "Put the file there, or delete the node; until then it stays as it is"
    return Problem("unknown-type", name, "type", what, f"a good file subgraphs/{short}.subgraph.json", remedy)


def params_problem(name: str, spec: NodeSpec, error: Mapping[str, Any]) -> Problem:
    """One of pydantic's errors about a node's parameters."""
    field_name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = list(spec.params.model_fields)
        near = difflib.get_close_matches(field_name, known, n=1)
        remedy = f"Did you mean {near[0]}?" if near else "Remove it or correct its name"
        return Problem("unknown-parameter", name, field_name, "there is no such parameter", f"one of {known}", remedy)
    context = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, OssicleError):
        return Problem("parameter", name, field_name, cause.what, cause.expected, cause.remedy)
    given = "" if isinstance(error["input"], dict) and not field_name else f"{error['input']!r}"
    expected = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    what = f"the value is {given}" if given else "the parameters do not fit together"
    return Problem(
        "parameter", name, field_name, what, expected, f"`ossicle describe {spec.id}` explains the parameter"
    )
