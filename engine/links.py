"""Links: which may be made, which of a file are good, and which inputs lack one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.node import NodeSpec, Port
from engine.problem import LinkError, Problem
from engine.registry import Registry
from engine.steps import Source
from engine.subgraph import Subgraph
from engine.workflow import Link, Workflow

Wires = dict[str, dict[str, list[Source]]]
"""Where each input of each node gets its artifacts from."""


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


def check_links(workflow: Workflow, specs: Mapping[str, NodeSpec | None]) -> tuple[Wires, list[Problem]]:
    """The good links as wires by node and input, and what is wrong with the others."""
    wires: Wires = {name: {} for name in workflow.nodes}
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


def outside_inputs(workflow: Workflow) -> dict[str, str]:
    """Inputs that get their wire from outside, if the workflow is a sub-graph opened by itself."""
    faces = workflow.interface.inputs if isinstance(workflow, Subgraph) else {}
    return {end: name for name, ends in faces.items() for end in ends}


def missing_inputs(
    name: str,
    spec: NodeSpec | None,
    wires: Mapping[str, Mapping[str, list[Source]]],
    outside: Mapping[str, str],
) -> Iterator[Problem]:
    """Inputs of a node that have to have a wire and have none; `outside` as `outside_inputs` gives it."""
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
