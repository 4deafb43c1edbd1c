"""Edits of a workflow as pure functions: one workflow in, another out. Undo is keeping the old one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.links import check_link
from engine.node import NodeSpec
from engine.problem import LinkError
from engine.registry import Registry
from engine.subgraph import SEPARATOR, Interface, Subgraph, split_end
from engine.variables import fill
from engine.workflow import SLUG, Link, Mode, Node, Workflow, no_such_node

Place = tuple[float, float]
MARKS = ("notes", "frames")
FARTHEST = 1e7
"""Pixels; a position beyond it (or none at all: NaN) is a mistake in the file."""


def new_id(workflow: Workflow, stem: str) -> str:
    """The first free id of a stem: "mfcc" gives "mfcc-1"."""
    number = 1
    while f"{stem}-{number}" in workflow.nodes:
        number += 1
    return f"{stem}-{number}"


def add_node(
    workflow: Workflow, spec: NodeSpec, at: Place, params: Mapping[str, JsonValue] | None = None, name: str = ""
) -> tuple[Workflow, str]:
    """Place a new node with its top left corner at `at`; the workflow and the node's id."""
    name = name or new_id(workflow, spec.slug)
    node = Node(type=spec.id, version=spec.version, params=dict(params or {}))
    return move(_with(workflow, nodes={**workflow.nodes, name: node}), {name: at}), name


def remove(
    workflow: Workflow, nodes: Iterable[str] = (), links: Iterable[Link] = (), marks: Iterable[str] = ()
) -> Workflow:
    """Take nodes (with their links and positions), links, notes and frames out."""
    gone, cut, unmarked = set(nodes), set(links), set(marks)
    kept = tuple(k for k in workflow.links if k not in cut and k.source not in gone and k.target not in gone)
    layout = {
        group: {name: value for name, value in entries.items() if name not in (unmarked if group in MARKS else gone)}
        if isinstance(entries, dict) and group in (*MARKS, "positions")
        else entries
        for group, entries in workflow.layout.items()
    }
    left = {name: node for name, node in workflow.nodes.items() if name not in gone}
    after = _with(workflow, nodes=left, links=kept, layout=_without_empty(layout, workflow))
    return _with_face(after, lambda node: None if node in gone else node)


def link(workflow: Workflow, registry: Registry, new: Link) -> Workflow:
    """Make a link; a wire already at a single input gives way.

    Raises:
        LinkError: it may not be made; says why.
    """
    try:
        check_link(workflow, registry, new)
    except LinkError as error:
        if error.code != "occupied":
            raise
        freed = tuple(k for k in workflow.links if (k.target, k.input) != (new.target, new.input))
        return link(_with(workflow, links=freed), registry, new)
    return _with(workflow, links=(*workflow.links, new))


def why_not(workflow: Workflow, registry: Registry, new: Link) -> LinkError | None:
    """Why a link may not be drawn; None if it may (a wire at a single input would give way)."""
    try:
        link(workflow, registry, new)
    except LinkError as error:
        return error
    return None


def set_params(workflow: Workflow, node: str, values: Mapping[str, JsonValue]) -> Workflow:
    """Give parameters values; the others stay."""
    return _with_node(workflow, node, lambda old: {"params": {**old.params, **values}})


def reset_params(workflow: Workflow, node: str, names: Iterable[str]) -> Workflow:
    """Put parameters back to their defaults by taking them out of the file."""
    gone = set(names)
    return _with_node(workflow, node, lambda old: {"params": {k: v for k, v in old.params.items() if k not in gone}})


def set_mode(workflow: Workflow, nodes: Iterable[str], mode: Mode) -> Workflow:
    """Make nodes active, muted or bypassed."""
    for name in nodes:
        workflow = _with_node(workflow, name, lambda _old: {"mode": mode})
    return workflow


def toggle_mode(workflow: Workflow, nodes: Iterable[str], mode: Mode) -> Workflow:
    """Mute or bypass nodes; if all are so already, make them active."""
    names = list(nodes)
    is_all = all(workflow.nodes[name].mode == mode for name in names)
    return set_mode(workflow, names, "active" if is_all else mode)


def set_variable(workflow: Workflow, name: str, value: JsonValue) -> Workflow:
    """Give a workflow variable a value; a new one comes into being."""
    return _with(workflow, variables={**workflow.variables, name: value})


def remove_variable(workflow: Workflow, name: str) -> Workflow:
    """Take a variable out; parameters that used it get its last value.

    A parameter that only holds "{name}" takes the value itself, as running would have.
    """
    value = {name: workflow.variables[name]}
    nodes = {
        key: node.model_copy(update={"params": {k: fill(v, value) for k, v in node.params.items()}})
        for key, node in workflow.nodes.items()
    }
    left = {key: kept for key, kept in workflow.variables.items() if key != name}
    return _with(workflow, nodes=nodes, variables=left)


def rename(workflow: Workflow, old: str, new: str) -> Workflow:
    """Give a node another id; its links, its position and the claims about it follow.

    Raises:
        OssicleError: no such node, a bad id, or the id is taken.
    """
    if old not in workflow.nodes:
        raise no_such_node(workflow, old)
    if not re.match(SLUG, new):
        raise OssicleError(f"{new!r} is no id", "small letters, digits, - and _", "Choose another name")
    if SEPARATOR in new:
        raise OssicleError(
            f"{new!r} holds {SEPARATOR}", "an id without it: it marks nodes in sub-graphs", "Choose another"
        )
    if new in workflow.nodes and new != old:
        raise OssicleError(f"the id {new} is taken", "an id of its own", "Choose another name")
    nodes = {new if name == old else name: node for name, node in workflow.nodes.items()}
    links = tuple(
        Link(new if k.source == old else k.source, k.output, new if k.target == old else k.target, k.input)
        for k in workflow.links
    )
    spots = {new if name == old else name: at for name, at in positions(workflow).items()}
    claims = tuple(claim.renamed(old, new) for claim in workflow.claims)
    after = _with(workflow, nodes=nodes, links=links, claims=claims, layout=_with_positions(workflow, spots))
    return _with_face(after, lambda node: new if node == old else node)


def describe(workflow: Workflow, *, name: str | None = None, about: str | None = None) -> Workflow:
    """Change the workflow's own name or description."""
    given = {"name": name, "about": about}
    return _with(workflow, **{key: value for key, value in given.items() if value is not None})


# ---- places


def positions(workflow: Workflow) -> dict[str, Place]:
    """The positions the file holds; nodes it holds none for are left out."""
    raw = workflow.layout.get("positions")
    found: dict[str, Place] = {}
    for name, at in raw.items() if isinstance(raw, dict) else ():
        if isinstance(at, list) and len(at) == 2 and all(isinstance(v, int | float) and abs(v) < FARTHEST for v in at):
            found[name] = (float(at[0]), float(at[1]))  # type: ignore[arg-type]
    return found


def move(workflow: Workflow, places: Mapping[str, Place]) -> Workflow:
    """Put nodes somewhere else; whole pixels, so that files stay easy to compare."""
    if not places:
        return workflow
    return _with(workflow, layout=_with_positions(workflow, {**positions(workflow), **places}))


def _with_positions(workflow: Workflow, places: Mapping[str, Place]) -> dict[str, JsonValue]:
    """The layout with these positions; entries that stay are shared with the old one, so an undo step is small."""
    raw = workflow.layout.get("positions")
    old: Mapping[str, JsonValue] = raw if isinstance(raw, dict) else {}
    spots: dict[str, JsonValue] = {}
    for name, (x, y) in sorted(places.items()):
        spot: list[JsonValue] = [round(x), round(y)]
        known = old.get(name)
        spots[name] = known if known == spot else spot
    return {**workflow.layout, "positions": spots}


def set_mark(workflow: Workflow, group: str, name: str, values: Mapping[str, JsonValue]) -> Workflow:
    """Add or change a note ("notes") or a frame ("frames"): text, x, y, width, height, colour."""
    entries = workflow.layout.get(group)
    known: dict[str, Any] = dict(entries) if isinstance(entries, dict) else {}
    known[name] = {**(known.get(name) or {}), **values}
    return _with(workflow, layout={**workflow.layout, group: known})


def new_mark_id(workflow: Workflow, group: str) -> str:
    """The first free id of a note ("note:1") or a frame ("frame:1"); a colon, so that no node has it."""
    entries = workflow.layout.get(group)
    known = entries if isinstance(entries, dict) else {}
    number = 1
    while f"{group[:-1]}:{number}" in known:
        number += 1
    return f"{group[:-1]}:{number}"


# ---- building blocks


def _with(workflow: Workflow, **changes: Any) -> Workflow:
    return workflow.model_copy(update=changes)


def _with_node(workflow: Workflow, name: str, change: Callable[[Node], dict[str, Any]]) -> Workflow:
    if name not in workflow.nodes:
        raise no_such_node(workflow, name)
    old = workflow.nodes[name]
    return _with(workflow, nodes={**workflow.nodes, name: old.model_copy(update=change(old))})


def _with_face(workflow: Workflow, moved: Callable[[str], str | None]) -> Workflow:
    """In an opened sub-graph: its interface follows its nodes; what leads to a removed one goes with it."""
    if not isinstance(workflow, Subgraph):
        return workflow
    face = workflow.interface

    def follow(ends: tuple[str, ...]) -> tuple[str, ...]:
        pairs = ((moved(node), port) for node, port in map(split_end, ends))
        return tuple(f"{node}.{port}" for node, port in pairs if node is not None)

    def several(group: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {name: found for name, ends in group.items() if (found := follow(ends))}

    outputs = {name: found[0] for name, end in face.outputs.items() if (found := follow((end,)))}
    now = Interface(inputs=several(face.inputs), outputs=outputs, params=several(face.params))
    return workflow if now == face else _with(workflow, interface=now)


def _without_empty(layout: dict[str, Any], workflow: Workflow) -> dict[str, Any]:
    """Groups that an edit emptied vanish; those the file held empty stay."""
    return {key: value for key, value in layout.items() if value != {} or workflow.layout.get(key) == {}}
