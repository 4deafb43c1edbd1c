"""Sub-graphs: a workflow file with an interface that is used as a node type.

The file `subgraphs/NAME.subgraph.json` beside a workflow (or in the user's data folder) is an ordinary workflow plus
`interface`: which inner ports and parameters show outside.

    "interface": {
      "inputs": {"audio": "mfcc-1.audio", "features": ["train-1.features", "benchmark-1.features"]},
      "outputs": {"model": "train-1.model"},
      "params": {"width": "train-1.width", "seed": ["partition-1.seed", "train-1.seed"]}
    }

An input or a parameter may lead to several places inside. A parameter that the box leaves unset keeps the value it has
inside. Variables of the file are its own; a box takes a variable of the workflow as the value of a parameter.

`engine.library` makes the node type `subgraph.NAME` of it. Before a workflow is checked or run, each such box gives way
to its inner nodes, with ids "BOX--INNER" (`expansion`): runners, cache keys and artifacts know no sub-graphs, so a
collapsed graph and the same graph drawn out share every result. A muted or bypassed box stays a box; a bypassed one
hands on its first fitting input, as every node does.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from engine import workflow as wf
from engine.errors import OssicleError
from engine.node import NodeSpec
from engine.registry import Registry
from engine.resource import SUBGRAPHS
from engine.variables import fill
from engine.workflow import Link, Node, Workflow

SUFFIX: Final = ".subgraph.json"
FOLDER: Final = SUBGRAPHS
PREFIX: Final = "subgraph."
SEPARATOR: Final = "--"
"""Between the id of a box and the id of a node in it."""
MOST_NODES: Final = 20_000
"""Nodes of a graph drawn out; a few small files that hold each other many times would fill any memory."""
DEEPEST: Final = 32
NAME: Final = r"^[a-z][a-z0-9_]*$"
END: Final = r"^[^.\s]+\.[^.\s]+$"


def _ends(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


End = Annotated[str, Field(pattern=END)]
Ends = Annotated[
    tuple[End, ...],
    Field(min_length=1),
    BeforeValidator(_ends),
    PlainSerializer(lambda ends: ends[0] if len(ends) == 1 else list(ends)),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Name = Annotated[str, Field(pattern=NAME)]


class Interface(BaseModel):
    """What shows outside, in the order in which it is shown: names, and the places "node.port" they lead to."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    inputs: dict[Name, Ends] = {}
    outputs: dict[Name, End] = {}
    params: dict[Name, Ends] = {}


class Subgraph(Workflow):
    """A sub-graph as its file holds it."""

    model_config = ConfigDict(title="Ossicle sub-graph")
    interface: Interface = Field(default_factory=Interface)


@dataclass(frozen=True)
class SubgraphSpec(NodeSpec):
    """A node type made of a sub-graph.

    Attributes:
        inside: its graph; parameters brought to the present versions of their node types.
        path: its file.
        size: how many nodes it stands for, those of inner sub-graphs included.
    """

    inside: Subgraph = field(default_factory=Subgraph)
    path: Path = Path()
    size: int = 0


# ---- file


def parse(raw: Any, origin: str = "sub-graph") -> Subgraph:
    """Build a sub-graph from plain values.

    Raises:
        WorkflowError: not a sub-graph; names every faulty place.
    """
    return wf.parse_as(Subgraph, raw, origin)


def load(path: Path) -> Subgraph:
    """Read a sub-graph file.

    Raises:
        OssicleError: missing, unreadable, truncated or not a sub-graph.
    """
    return parse(wf.read_json(path), str(path))


def schema() -> dict[str, Any]:
    """The JSON Schema of the file format."""
    return Subgraph.model_json_schema()


def name_of(type_id: str) -> str:
    """ "subgraph.front_end" gives "front_end"."""
    return type_id.removeprefix(PREFIX)


def split_end(end: str) -> tuple[str, str]:
    """ "mfcc-1.audio" gives ("mfcc-1", "audio")."""
    node, _, port = end.partition(".")
    return node, port


def outer_of(node: str, known: Container[str] = ()) -> str:
    """The box that a node of events and records belongs to; itself if it is one of `known` or in no sub-graph."""
    return node if node in known else node.partition(SEPARATOR)[0]


def leaf_of(node: str) -> str:
    """The innermost part of an id: what the node is called in its own file."""
    return node.rpartition(SEPARATOR)[2]


# ---- drawing out


@dataclass(frozen=True)
class Expansion:
    """A workflow with every active sub-graph drawn out.

    Attributes:
        outer: per inner node the box of the given workflow that stands for it.
        faults: boxes that cannot be drawn out, and why; then `workflow` is only part of the whole.
    """

    workflow: Workflow
    outer: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[tuple[str, OssicleError], ...] = ()

    def expanded(self, names: Container[str]) -> frozenset[str]:
        """Those nodes, boxes replaced by all they stand for."""
        return frozenset(n for n in self.workflow.nodes if n in names or self.outer.get(n, n) in names)


def expansion(workflow: Workflow, registry: Registry) -> Expansion:
    """Replace boxes by what they stand for, nested ones too. A graph without active boxes comes back as it is."""
    now, outer = workflow, dict[str, str]()
    for _ in range(DEEPEST):
        boxes = _boxes(now, registry)
        if not boxes:
            return Expansion(now, outer)
        fault = _too_many(now, boxes) or _taken(now, boxes)
        if fault is not None:
            return Expansion(now, outer, ((outer.get(fault[0], fault[0]), fault[1]),))
        for name, spec in boxes.items():
            outer |= {inner: outer.get(name, name) for inner in _inner_ids(name, spec)}
        now = _draw_out(now, boxes)
    box = next(iter(_boxes(now, registry)))
    deep = OssicleError(f"sub-graphs lie {DEEPEST} deep in each other", "fewer", "Expand some of them")
    return Expansion(now, outer, ((outer.get(box, box), deep),))


def expand(workflow: Workflow, registry: Registry) -> Workflow:
    """The workflow with every active sub-graph drawn out.

    Raises:
        OssicleError: a box cannot be drawn out.
    """
    found = expansion(workflow, registry)
    if found.faults:
        raise found.faults[0][1]
    return found.workflow


def _boxes(workflow: Workflow, registry: Registry) -> dict[str, SubgraphSpec]:
    placed = {name: node for name, node in workflow.nodes.items() if node.type.startswith(PREFIX)}
    specs = {name: registry.find(node.type) for name, node in placed.items() if node.mode == "active"}
    return {name: spec for name, spec in specs.items() if isinstance(spec, SubgraphSpec)}


def _inner_ids(box: str, spec: SubgraphSpec) -> Iterator[str]:
    return (f"{box}{SEPARATOR}{name}" for name in spec.inside.nodes)


def _too_many(workflow: Workflow, boxes: Mapping[str, SubgraphSpec]) -> tuple[str, OssicleError] | None:
    count = len(workflow.nodes) + sum(spec.size for spec in boxes.values())
    if count <= MOST_NODES:
        return None
    largest = max(boxes, key=lambda name: boxes[name].size)
    return largest, OssicleError(
        f"the sub-graphs stand for {count:,} nodes together", f"at most {MOST_NODES:,}", "Use fewer of them"
    )


def _taken(workflow: Workflow, boxes: Mapping[str, SubgraphSpec]) -> tuple[str, OssicleError] | None:
    for name, spec in boxes.items():
        for inner in _inner_ids(name, spec):
            if inner in workflow.nodes:
                what = f"{inner} is the id of a node beside the sub-graph and of one in it"
                return name, OssicleError(what, "each id once", f"Rename one of {inner} and {name}")
    return None


def _draw_out(workflow: Workflow, boxes: Mapping[str, SubgraphSpec]) -> Workflow:
    """One level."""
    nodes: dict[str, Node] = {}
    requires = dict(workflow.requires)
    for name, node in workflow.nodes.items():
        if name in boxes:
            requires = {**boxes[name].inside.requires, **requires}
            nodes |= {f"{name}{SEPARATOR}{key}": value for key, value in inner_nodes(boxes[name], node).items()}
        else:
            nodes[name] = node
    links = [link for given in workflow.links for link in _through(given, boxes)]
    for name, spec in boxes.items():
        links += [_prefixed(link, name) for link in spec.inside.links]
    return workflow.model_copy(update={"nodes": nodes, "links": tuple(links), "requires": requires})


def inner_nodes(spec: SubgraphSpec, box: Node) -> dict[str, Node]:
    """The nodes of a sub-graph with the parameters that a box gives them; the file's variables filled in."""
    inside = spec.inside
    given: dict[str, dict[str, Any]] = {name: {} for name in inside.nodes}
    for name, ends in inside.interface.params.items():
        for node, parameter in map(split_end, ends if name in box.params else ()):
            given[node][parameter] = box.params[name]
    return {
        name: node.model_copy(
            update={"params": {**{k: fill(v, inside.variables) for k, v in node.params.items()}, **given[name]}}
        )
        for name, node in inside.nodes.items()
    }


def _through(link: Link, boxes: Mapping[str, SubgraphSpec]) -> Iterator[Link]:
    """A link with its ends inside the boxes; none for a port that a box does not have (the check tells of it)."""
    for source, output in inner_ends(link.source, link.output, boxes.get(link.source), is_output=True):
        for target, port in inner_ends(link.target, link.input, boxes.get(link.target), is_output=False):
            yield Link(source, output, target, port)


def inner_ends(node: str, port: str, spec: SubgraphSpec | None, *, is_output: bool) -> list[tuple[str, str]]:
    """Where a port of a box leads to once it is drawn out: pairs of node id and port."""
    if spec is None:
        return [(node, port)]
    face = spec.inside.interface
    output = face.outputs.get(port)
    ends = ((output,) if output is not None else ()) if is_output else face.inputs.get(port, ())
    return [(f"{node}{SEPARATOR}{inner}", name) for inner, name in map(split_end, ends)]


def inner_output(spec: NodeSpec | None, port: str, registry: Registry) -> str:
    """Where an output of a box comes from, seen from the box: "mfcc-1.features", or "tail-1--train-1.model" if nested.

    "" for what is no box, has no such output, or hands it on from a muted or bypassed box in it.
    """
    end = spec.inside.interface.outputs.get(port, "") if isinstance(spec, SubgraphSpec) else ""
    if not isinstance(spec, SubgraphSpec) or not end:
        return ""
    node, name = split_end(end)
    inner = registry.find(spec.inside.nodes[node].type)
    if not isinstance(inner, SubgraphSpec):
        return end
    deeper = inner_output(inner, name, registry) if spec.inside.nodes[node].mode == "active" else ""
    return f"{node}{SEPARATOR}{deeper}" if deeper else ""


def _prefixed(link: Link, box: str) -> Link:
    return Link(f"{box}{SEPARATOR}{link.source}", link.output, f"{box}{SEPARATOR}{link.target}", link.input)


# ---- from inner nodes back to their box


def shown_as(workflow: Workflow, registry: Registry, box: str, inner: str, place: str) -> str:
    """The name under which a box shows a parameter or an input of an inner node; "" if it does not.

    Args:
        inner: id in the drawn out graph ("tail-1--train-1").
        place: name of the parameter or port ("width").
    """
    spec = registry.find(workflow.nodes[box].type)
    return _shown_as(spec, inner.removeprefix(f"{box}{SEPARATOR}"), place.partition(".")[0], registry)


def _shown_as(spec: NodeSpec | None, path: str, place: str, registry: Registry) -> str:
    if not isinstance(spec, SubgraphSpec):
        return ""
    node, _, rest = path.partition(SEPARATOR)
    if rest:
        deeper = spec.inside.nodes.get(node)
        place = _shown_as(registry.find(deeper.type) if deeper is not None else None, rest, place, registry)
    face = spec.inside.interface
    found = (name for group in (face.params, face.inputs) for name, ends in group.items() if f"{node}.{place}" in ends)
    return next(found, "")
