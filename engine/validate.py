"""Static checks: every problem of a workflow at once, and the steps to run where there is none. Runs nothing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import JsonValue, ValidationError

from engine.errors import OssicleError, sentence
from engine.migrate import upgrade_params
from engine.node import NodeSpec, Port
from engine.params import Params
from engine.registry import Registry
from engine.steps import Source, find_steps
from engine.steps import Step as Step
from engine.subgraph import PREFIX, SEPARATOR, Expansion, Subgraph, expansion, shown_as
from engine.variables import VARIABLE as VARIABLE
from engine.variables import fill as fill
from engine.variables import variables_in
from engine.workflow import Link, Node, Workflow, order

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding. `node` and `field` say where; `code` is stable, for programs."""

    code: str
    node: str
    field: str
    what: str
    expected: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        place = ".".join(part for part in (self.node, self.field) if part)
        return f"{place}: " * bool(place) + " ".join(
            sentence(part) for part in (self.what, f"Expected: {self.expected}", self.remedy)
        )


class InvalidError(OssicleError):
    """A workflow that cannot run; `problems` holds every reason."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(
            f"{count} problem{'s' * (count != 1)}: " + " | ".join(str(problem) for problem in self.problems[:20]),
            "a workflow without problems",
            "Correct them; `ossicle validate FILE` lists all",
        )


class LinkError(OssicleError):
    """A link that may not be made; `code` says why in one word."""

    def __init__(self, code: str, what: str, expected: str, remedy: str) -> None:
        self.code = code
        super().__init__(what, expected, remedy)


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
    wires, link_problems = _check_links(workflow, specs)
    problems += cycle + link_problems
    outside = _outside(workflow)
    problems += [p for name in sequence for p in _missing_inputs(name, specs[name], wires, outside)]
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


# ---- links


def check_link(workflow: Workflow, registry: Registry, link: Link) -> None:
    """Say whether a new link may be made.

    Raises:
        LinkError: with code unknown-node, unknown-port, type, duplicate, occupied or cycle.
    """
    specs = {
        name: registry.find(node.type) for name, node in workflow.nodes.items() if name in (link.source, link.target)
    }
    for name in (link.source, link.target):
        if name not in workflow.nodes:
            raise LinkError("unknown-node", f"there is no node {name}", "an existing node", "Correct the link")
    _check_types(link, specs)
    if link in workflow.links:
        raise LinkError("duplicate", f"{link} exists already", "each link once", "Nothing needs to be done")
    port = _port(specs[link.target], link.input)
    if (
        port is not None
        and not port.many
        and any((k.target, k.input) == (link.target, link.input) for k in workflow.links)
    ):
        raise LinkError("occupied", f"{link.target}.{link.input} is taken", "one wire", "Remove the other wire first")
    if link.source == link.target or _reaches(workflow, link.target, link.source):
        raise LinkError(
            "cycle", f"{link} would close a circle", "a graph without cycles", "Wire it the other way round"
        )


def can_link(workflow: Workflow, registry: Registry, link: Link) -> bool:
    """`check_link` as a yes or no."""
    try:
        check_link(workflow, registry, link)
    except LinkError:
        return False
    return True


def _port(spec: NodeSpec | None, name: str) -> Port | None:
    return spec.input(name) if spec is not None else None


def _reaches(workflow: Workflow, start: str, goal: str) -> bool:
    followers: dict[str, list[str]] = {}
    for link in workflow.links:
        followers.setdefault(link.source, []).append(link.target)
    seen, todo = {start}, [start]
    while todo:
        fresh = [name for name in followers.get(todo.pop(), []) if name not in seen]
        seen.update(fresh)
        todo.extend(fresh)
    return goal in seen


def _check_types(link: Link, specs: Mapping[str, NodeSpec | None]) -> None:
    """Ports exist and the output's type may flow into the input; a node of unknown type is given the benefit."""
    source, target = specs[link.source], specs[link.target]
    output = source.output(link.output) if source is not None else None
    wanted = target.input(link.input) if target is not None else None
    if source is not None and output is None:
        raise _no_port(link.source, link.output, "output", source.outputs)
    if target is not None and wanted is None:
        raise _no_port(link.target, link.input, "input", target.inputs)
    if output is not None and wanted is not None and not issubclass(output.type, wanted.type):
        raise LinkError(
            "type", f"{link.source}.{link.output} is {_a(output)}", f"{_a(wanted)} at {link.target}.{link.input}",
            "Put a node between them that makes one from the other",
        )  # fmt: skip


def _a(port: Port) -> str:
    name = port.type.kind()
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _no_port(node: str, name: str, direction: str, ports: tuple[Port, ...]) -> LinkError:
    known = ", ".join(port.name for port in ports) or "none"
    return LinkError("unknown-port", f"{node} has no {direction} {name!r}", f"one of: {known}", "Correct the link")


def _check_links(
    workflow: Workflow, specs: Mapping[str, NodeSpec | None]
) -> tuple[dict[str, dict[str, list[Source]]], list[Problem]]:
    wires: dict[str, dict[str, list[Source]]] = {name: {} for name in workflow.nodes}
    problems: list[Problem] = []
    for link in workflow.links:
        try:
            _check_link_in_file(link, specs, wires)
        except LinkError as error:
            problems.append(_link_problem(link, error, specs))
        else:
            wires[link.target].setdefault(link.input, []).append((link.source, link.output))
    return wires, problems


def _link_problem(link: Link, error: LinkError, specs: Mapping[str, NodeSpec | None]) -> Problem:
    place = (link.target, link.input) if link.target in specs else ("", str(link))
    return Problem(error.code, *place, error.what, error.expected, error.remedy)


def _check_link_in_file(
    link: Link, specs: Mapping[str, NodeSpec | None], wires: Mapping[str, Mapping[str, list[Source]]]
) -> None:
    for name in (link.source, link.target):
        if name not in specs:
            raise LinkError(
                "unknown-node", f"there is no node {name}", "an existing node", "Remove or correct the link"
            )
    _check_types(link, specs)
    present = wires[link.target].get(link.input, [])
    port = _port(specs[link.target], link.input)
    if (link.source, link.output) in present:
        raise LinkError("duplicate", f"{link} stands twice", "each link once", "Remove one of the two")
    if present and port is not None and not port.many:
        raise LinkError("occupied", f"{link.target}.{link.input} has two wires", "one wire", "Remove one of the two")


def _outside(workflow: Workflow) -> dict[str, str]:
    """Inputs that get their wire from outside, if the workflow is a sub-graph opened by itself."""
    faces = workflow.interface.inputs if isinstance(workflow, Subgraph) else {}
    return {end: name for name, ends in faces.items() for end in ends}


def _missing_inputs(
    name: str,
    spec: NodeSpec | None,
    wires: Mapping[str, Mapping[str, list[Source]]],
    outside: Mapping[str, str],
) -> Iterator[Problem]:
    for port in spec.inputs if spec is not None else ():
        if port.optional or wires[name].get(port.name):
            continue
        if f"{name}.{port.name}" in outside:
            yield Problem(
                "outside", name, port.name, f"this is the sub-graph's input {outside[f'{name}.{port.name}']}",
                "a workflow that uses the sub-graph", "Run that workflow; a sub-graph does not run by itself",
            )  # fmt: skip
        else:
            yield Problem(
                "missing-input", name, port.name, "nothing is wired to this input", _a(port),
                f"Link an output of type {port.type.kind()} to {name}.{port.name}",
            )  # fmt: skip
