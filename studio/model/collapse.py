"""Collapsing a selection into a sub-graph and drawing one out again: pure edits, inverse to each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from engine import subgraph as sg
from engine.errors import OssicleError
from engine.node import NodeSpec, Port
from engine.params import Params, descriptions
from engine.registry import Registry
from engine.subgraph import PREFIX, SEPARATOR, Interface, Subgraph, SubgraphSpec
from engine.variables import VARIABLE, fill
from engine.workflow import SLUG, Link, Node, Workflow, no_such_node, order
from studio.model.edit import Place, move, new_id, remove
from studio.model.fragment import NUMBER
from studio.model.places import GRID, HEIGHT, WIDTH, shown_positions

Sources = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Offer:
    """A parameter that a sub-graph may show: where it is, what it is called, what it is now.

    Attributes:
        is_needed: it takes a workflow variable, so it must show outside to go on doing so.
    """

    end: str
    node: str
    title: str
    name: str
    value: JsonValue
    is_set: bool
    is_needed: bool = False
    about: str = ""


def offers(workflow: Workflow, registry: Registry, nodes: Collection[str]) -> tuple[Offer, ...]:
    """Every parameter of some nodes, in running order; those that take a variable are needed."""
    return tuple(offer for name in _sequence(workflow, nodes) for offer in _offers(workflow, registry, name))


def _offers(workflow: Workflow, registry: Registry, name: str) -> Iterator[Offer]:
    node = workflow.nodes[name]
    spec = registry.find(node.type)
    about = descriptions(spec.params) if spec is not None else {}
    fields = spec.params.model_fields if spec is not None else {}
    for key in dict.fromkeys([*fields, *node.params]):
        value = node.params.get(key, fields[key].default if key in fields and not fields[key].is_required() else None)
        title = spec.title if spec is not None else node.type
        yield Offer(
            f"{name}.{key}", name, title, key, value, key in node.params, _takes_variable(workflow, value),
            about.get(key, ""),
        )  # fmt: skip


def _takes_variable(workflow: Workflow, value: object) -> bool:
    return any(name in workflow.variables for name in VARIABLE.findall(value if isinstance(value, str) else str(value)))


@dataclass(frozen=True)
class Collapsed:
    """What collapsing gives: the workflow with the box, the box's id, and the sub-graph's file."""

    workflow: Workflow
    box: str
    inside: Subgraph


def collapse(
    workflow: Workflow,
    registry: Registry,
    nodes: Collection[str],
    name: str,
    exposed: Iterable[str] = (),
    title: str = "",
) -> Collapsed:
    """Replace some nodes by one box that stands for them.

    Wires over the border become ports, inputs that nothing is wired to and outputs that lead nowhere too. Parameters
    that take a variable of the workflow are exposed, so that they go on doing so.

    Args:
        name: of the file and the node type ("front_end").
        exposed: more parameters to show, as "node.parameter".

    Raises:
        OssicleError: a bad name, nothing selected, a node of unknown type, or the box would close a circle.
    """
    check_name(name)
    chosen = _sequence(workflow, nodes)
    if not chosen:
        raise OssicleError("no node is selected", "the nodes to put into a sub-graph", "Select some first")
    specs = {key: _known(workflow, registry, key) for key in chosen}
    _check_no_face(workflow, chosen)
    _check_no_detour(workflow, set(chosen))
    border = _Border(workflow, specs)
    params, values = _exposed(workflow, specs, exposed)
    rest = remove(workflow, nodes=chosen)
    box, at = new_id(workflow, name.replace("_", "-")), _free_middle(workflow, chosen)
    inside = _inside(workflow, chosen, Interface(inputs=border.inputs, outputs=border.outputs, params=params), at)
    inside = inside.model_copy(update={"name": title or _title(name)})
    placed = {**rest.nodes, box: Node(type=f"{PREFIX}{name}", params=values)}
    after = rest.model_copy(update={"nodes": placed, "links": (*rest.links, *border.links(box))})
    return Collapsed(move(after, {box: at}), box, inside)


def check_name(name: str) -> None:
    """Whether a sub-graph may be called so.

    Raises:
        OssicleError: it may not.
    """
    if not re.match(SLUG, name) or SEPARATOR in name:
        raise OssicleError(
            f"{name!r} is no name for a sub-graph", f"small letters, digits, - and _, no {SEPARATOR}", "Choose another"
        )


def _title(name: str) -> str:
    words = re.sub(r"[-_]+", " ", name)
    return words[:1].upper() + words[1:]


def _sequence(workflow: Workflow, nodes: Collection[str]) -> list[str]:
    for name in nodes:
        if name not in workflow.nodes:
            raise no_such_node(workflow, name)
    return [name for name in order(workflow) if name in nodes]


def _known(workflow: Workflow, registry: Registry, node: str) -> NodeSpec:
    kind = workflow.nodes[node].type
    spec = registry.find(kind)
    if spec is None:
        raise OssicleError(
            f"the type of {node}, {kind}, is not installed", "nodes of known types", "Leave it out of the selection"
        )
    if SEPARATOR in node:
        raise OssicleError(f"the id {node} holds {SEPARATOR}", "ids without it in a sub-graph", "Rename the node first")
    return spec


def _check_no_face(workflow: Workflow, nodes: Collection[str]) -> None:
    """In an opened sub-graph: what its interface leads to must stay where it is."""
    for name, end in _faces(workflow):
        if sg.split_end(end)[0] in nodes:
            raise OssicleError(
                f"{end} shows outside as {name}", "nodes that the sub-graph's interface does not lead to",
                "Leave it out of the selection, or correct the interface in the file",
            )  # fmt: skip


def _faces(workflow: Workflow) -> Iterator[tuple[str, str]]:
    if isinstance(workflow, Subgraph):
        face = workflow.interface
        for group in (face.inputs, face.params):
            yield from ((name, end) for name, ends in group.items() for end in ends)
        yield from face.outputs.items()


def _check_no_detour(workflow: Workflow, chosen: set[str]) -> None:
    """No way may lead out of the selection and back in: the box would need its own result."""
    ahead: dict[str, list[Link]] = {}
    for link in workflow.links:
        ahead.setdefault(link.source, []).append(link)
    for first in (link for name in sorted(chosen) for link in ahead.get(name, ()) if link.target not in chosen):
        came: dict[str, Link] = {first.target: first}
        todo = [first.target]
        while todo:
            for link in ahead.get(todo.pop(), ()):
                if link.target in chosen:
                    raise _detour_error(first, link, came)
                if link.target not in came:
                    came[link.target] = link
                    todo.append(link.target)


def _detour_error(first: Link, last: Link, came: Mapping[str, Link]) -> OssicleError:
    way = [last.source]
    while way[-1] != first.target:
        way.append(came[way[-1]].source)
    outside = ", ".join(reversed(way))
    return OssicleError(
        f"the wire {first} leads out of the selection, and {last} leads back in",
        "a selection that no way leaves and enters again, or the box would need its own result",
        f"Select {outside} too",
    )


# ---- the border


@dataclass(frozen=True)
class _Border:
    """Ports of the box, and the wires that go over them."""

    workflow: Workflow
    specs: Mapping[str, NodeSpec]
    inputs: Sources = field(init=False)
    outputs: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", self._inputs())
        object.__setattr__(self, "outputs", self._outputs())

    def links(self, box: str) -> list[Link]:
        """The wires over the border as they are at the box, each once."""
        entry = {end: name for name, ends in self.inputs.items() for end in ends}
        leaving = {end: name for name, end in self.outputs.items()}
        found: dict[Link, None] = {}
        for link in self.workflow.links:
            is_in, is_out = link.target in self.specs, link.source in self.specs
            if is_in and not is_out:
                found[Link(link.source, link.output, box, entry[f"{link.target}.{link.input}"])] = None
            elif is_out and not is_in:
                found[Link(box, leaving[f"{link.source}.{link.output}"], link.target, link.input)] = None
        return list(found)

    def _inputs(self) -> Sources:
        """One input per outside output that feeds single inputs, one per input that takes many wires."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, spec in self.specs.items():
            for port in spec.inputs:
                end = f"{name}.{port.name}"
                for key in self._feeds(name, port):
                    groups.setdefault(key, [])
                    groups[key] += [end] if end not in groups[key] else []
        names = _Names()
        return {names.take(ends[0]): tuple(ends) for ends in self._of_one_type(groups.values())}

    def _feeds(self, name: str, port: Port) -> Iterator[tuple[str, ...]]:
        """What groups this input with others: the source of its wire, itself, or nothing if it stays inside."""
        wires = [link for link in self.workflow.links if (link.target, link.input) == (name, port.name)]
        outside = [link for link in wires if link.source not in self.specs]
        if port.many and outside:
            yield (name, port.name)
        elif outside:
            yield from {(link.source, "->", link.output): None for link in outside}
        elif not wires and not port.optional:
            yield (name, port.name)

    def _of_one_type(self, groups: Iterable[list[str]]) -> Iterator[list[str]]:
        """Inputs share a port only if one type fits all of them."""
        for ends in groups:
            kinds = [self._port(end).type for end in ends]
            fits = any(all(issubclass(kind, other) for other in kinds) for kind in kinds)
            yield from ([ends] if fits else [[end] for end in ends])

    def _port(self, end: str) -> Port:
        node, name = sg.split_end(end)
        found = self.specs[node].input(name)
        if found is None:
            raise OssicleError(f"{node} has no input {name!r}", "wires to ports that exist", "Remove that wire first")
        return found

    def _outputs(self) -> dict[str, str]:
        """Outputs that lead outside or nowhere."""
        names, found = _Names(), dict[str, str]()
        for name, spec in self.specs.items():
            for port in spec.outputs:
                ends = [k.target for k in self.workflow.links if (k.source, k.output) == (name, port.name)]
                if not ends or any(target not in self.specs for target in ends):
                    found[names.take(f"{name}.{port.name}")] = f"{name}.{port.name}"
        return found


@dataclass
class _Names:
    """Names given so far: the port's own, else with the node before it, else with a number."""

    taken: set[str] = field(default_factory=set)

    def take(self, end: str, wished: str = "") -> str:
        """A free name for a port or parameter."""
        node, port = sg.split_end(end)
        stem = NUMBER.sub("", node)
        wishes = [wished or port, f"{stem}_{port}", *(f"{stem}_{port}_{number}" for number in range(2, 10_000))]
        name = next(name for name in map(_identifier, wishes) if name not in self.taken and not hasattr(Params, name))
        self.taken.add(name)
        return name


def _identifier(text: str) -> str:
    name = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_") or "port"
    return name if name[0].isalpha() else f"p_{name}"


# ---- parameters and the inside


def _exposed(
    workflow: Workflow, specs: Mapping[str, NodeSpec], wanted: Iterable[str]
) -> tuple[Sources, dict[str, JsonValue]]:
    """Exposed parameters, and the values that the box starts with (those that take a variable)."""
    ends: dict[str, list[str]] = {}
    values: dict[str, JsonValue] = {}
    names, by_value = _Names(), dict[str, str]()
    for name in specs:
        for key, value in workflow.nodes[name].params.items():
            if not _takes_variable(workflow, value):
                continue
            whole = VARIABLE.fullmatch(value) if isinstance(value, str) else None
            shared = f"{key} {value}" if whole else f"{name}.{key}"
            if shared not in by_value:
                by_value[shared] = names.take(f"{name}.{key}")
                values[by_value[shared]] = value
            ends.setdefault(by_value[shared], []).append(f"{name}.{key}")
    known = {end for found in ends.values() for end in found}
    for end in dict.fromkeys(wanted):
        node, key = sg.split_end(end)
        if end not in known and node in specs and key in specs[node].params.model_fields:
            ends[names.take(end)] = [end]
    return {name: tuple(found) for name, found in ends.items()}, values


def _inside(workflow: Workflow, chosen: Sequence[str], face: Interface, at: Place) -> Subgraph:
    """The file: nodes with variables filled in, links among them, positions as seen from the box."""
    nodes = {
        name: workflow.nodes[name].model_copy(
            update={"params": {k: fill(v, workflow.variables) for k, v in workflow.nodes[name].params.items()}}
        )
        for name in chosen
    }
    links = tuple(link for link in workflow.links if link.source in nodes and link.target in nodes)
    spots = {name: at for name, at in shown_positions(workflow).items() if name in nodes}
    inside = Subgraph(nodes=nodes, links=links, requires=dict(workflow.requires), interface=face)
    placed = move(inside, {name: (x - at[0], y - at[1]) for name, (x, y) in spots.items()})
    return Subgraph.model_validate(placed.model_dump())


def _free_middle(workflow: Workflow, chosen: Sequence[str]) -> Place:
    """The middle of the chosen nodes; where another box is in the way, the place of the one nearest to it."""
    before = shown_positions(workflow)
    own = [before[name] for name in chosen]
    others = [at for name, at in before.items() if name not in chosen]
    xs, ys = [x for x, _ in own], [y for _, y in own]
    middle = float(round((min(xs) + max(xs)) / 2)), float(round((min(ys) + max(ys)) / 2))
    near = sorted(own, key=lambda at: (at[0] - middle[0]) ** 2 + (at[1] - middle[1]) ** 2)
    free = (at for at in (middle, *near) if not any(_overlap(at, other) for other in others))
    return next(free, middle)


def _overlap(a: Place, b: Place) -> bool:
    return abs(a[0] - b[0]) < WIDTH + GRID and abs(a[1] - b[1]) < HEIGHT + GRID


# ---- drawing out


def expand_node(workflow: Workflow, registry: Registry, node: str) -> tuple[Workflow, tuple[str, ...]]:
    """Replace a box by the nodes it stands for, where they were before, seen from it; the workflow and the new ids.

    Raises:
        OssicleError: the node is no sub-graph, or its file cannot be read.
    """
    if node not in workflow.nodes:
        raise no_such_node(workflow, node)
    box = workflow.nodes[node]
    spec = registry.find(box.type)
    if not isinstance(spec, SubgraphSpec):
        raise OssicleError(f"{node} is no sub-graph that can be read", "a sub-graph", "Select a sub-graph first")
    _check_no_face(workflow, [node])
    rest = remove(workflow, nodes=[node])
    names: dict[str, str] = {}
    nodes = dict(rest.nodes)
    for inner, value in sg.inner_nodes(spec, box).items():
        taken = rest.model_copy(update={"nodes": nodes})
        names[inner] = inner if inner not in nodes else new_id(taken, NUMBER.sub("", inner))
        nodes[names[inner]] = value if box.mode == "active" else value.model_copy(update={"mode": box.mode})
    links = [*rest.links, *_drawn_links(workflow, node, spec, names)]
    after = rest.model_copy(
        update={"nodes": nodes, "links": tuple(links), "requires": {**spec.inside.requires, **workflow.requires}}
    )
    here = shown_positions(workflow)[node]
    spots = {names[key]: (x + here[0], y + here[1]) for key, (x, y) in shown_positions(spec.inside).items()}
    return move(after, spots), tuple(names.values())


def _drawn_links(workflow: Workflow, box: str, spec: SubgraphSpec, names: Mapping[str, str]) -> Iterator[Link]:
    def inner(end: tuple[str, str]) -> tuple[str, str]:
        return names[end[0].removeprefix(f"{box}{SEPARATOR}")], end[1]

    for link in workflow.links:
        if link.target == box:
            for end in sg.inner_ends(box, link.input, spec, is_output=False):
                yield Link(link.source, link.output, *inner(end))
        elif link.source == box:
            for end in sg.inner_ends(box, link.output, spec, is_output=True):
                yield Link(*inner(end), link.target, link.input)
    for link in spec.inside.links:
        yield Link(names[link.source], link.output, names[link.target], link.input)
