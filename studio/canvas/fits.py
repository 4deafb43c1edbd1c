"""What fits a port: node types that could be added there, ports that exist, wires a node can be put into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.artifact import Artifact
from engine.errors import OssicleError
from engine.node import NodeSpec, Port
from engine.problem import LinkError
from engine.registry import Registry
from engine.workflow import Link, Workflow
from studio.canvas.ends import PortEnd, ends_of, link_between
from studio.model import edit
from studio.model.edit import Place
from studio.model.walk import reach


def port_of(workflow: Workflow, registry: Registry, end: PortEnd) -> Port | None:
    """The declared port at an end; None for nodes of unknown type and ports that are not there."""
    spec = registry.find(workflow.nodes[end.node].type) if end.node in workflow.nodes else None
    if spec is None:
        return None
    return spec.output(end.port) if end.is_output else spec.input(end.port)


def best_port(spec: NodeSpec, kind: type[Artifact], name: str, *, is_output: bool) -> Port | None:
    """The port of a node type that fits an end best; None if none does.

    An output asks for inputs that take its type, an input for outputs that give its type. The very type goes before a
    base type, needed before optional, one wire before many, the same name before another.
    """
    ports = spec.inputs if is_output else spec.outputs
    fitting = [port for port in ports if _flows(kind, port.type, is_output)]
    order = {port.name: place for place, port in enumerate(ports)}
    return min(
        fitting,
        key=lambda port: (port.type is not kind, port.optional, port.many, port.name != name, order[port.name]),
        default=None,
    )


def _flows(kind: type[Artifact], other: type[Artifact], is_output: bool) -> bool:
    return issubclass(kind, other) if is_output else issubclass(other, kind)


def fitting_port(workflow: Workflow, registry: Registry, end: PortEnd, spec: NodeSpec) -> Port | None:
    """Where a new node of a type would be wired to an end; None if it does not fit.

    The end of a node of unknown type is given the benefit: the first port on the right side.
    """
    port = port_of(workflow, registry, end)
    if port is None:
        return next(iter(spec.inputs if end.is_output else spec.outputs), None)
    return best_port(spec, port.type, port.name, is_output=end.is_output)


def why_not(workflow: Workflow, registry: Registry, start: PortEnd, other: PortEnd) -> LinkError | None:
    """Why two ends may not be linked; None if they may."""
    link = link_between(start, other)
    if link is None:
        side, wanted = ("an output", "an input") if other.is_output else ("an input", "an output")
        return LinkError("side", f"{other} is {side} too", wanted, f"Drag to {wanted}")
    return edit.why_not(workflow, registry, link)


@dataclass(frozen=True)
class Fitting:
    """Every end that one end may be linked to; made once when a drag starts, asked for every port."""

    workflow: Workflow
    registry: Registry
    start: PortEnd
    _kind: type[Artifact] | None = field(init=False)
    _barred: frozenset[str] = field(init=False)
    _wired: frozenset[Link] = field(init=False)

    def __post_init__(self) -> None:
        port = port_of(self.workflow, self.registry, self.start)
        object.__setattr__(self, "_kind", port.type if port is not None else None)
        object.__setattr__(
            self, "_barred", frozenset(reach(self.workflow, [self.start.node], after=not self.start.is_output))
        )
        object.__setattr__(self, "_wired", frozenset(self.workflow.links))

    def fits(self, other: PortEnd) -> bool:
        """Whether a link may be drawn to that end; the same answer as `why_not`, in constant time."""
        link = link_between(self.start, other)
        if link is None or other.node in self._barred or link in self._wired:
            return False
        port = port_of(self.workflow, self.registry, other)
        spec = self.registry.find(self.workflow.nodes[other.node].type)
        if spec is not None and port is None:
            return False
        return port is None or self._kind is None or _flows(self._kind, port.type, self.start.is_output)


# ---- adding


def add_linked(
    workflow: Workflow, registry: Registry, spec: NodeSpec, at: Place, end: PortEnd | None
) -> tuple[Workflow, str]:
    """Place a node and wire it to an end where it fits; the workflow and the node's id.

    Raises:
        LinkError: the wire may not be made.
    """
    after, name = edit.add_node(workflow, spec, at)
    port = fitting_port(workflow, registry, end, spec) if end is not None else None
    if end is None or port is None:
        return after, name
    link = link_between(end, PortEnd(name, port.name, not end.is_output))
    return (edit.link(after, registry, link) if link is not None else after), name


def through(workflow: Workflow, registry: Registry, link: Link, spec: NodeSpec) -> tuple[Port, Port] | None:
    """Input and output by which a node type fits into a wire; None if it does not."""
    start, end = (port_of(workflow, registry, end) for end in ends_of(link))
    if start is None or end is None:
        return None
    way_in = best_port(spec, start.type, start.name, is_output=True)
    way_out = best_port(spec, end.type, end.name, is_output=False)
    return (way_in, way_out) if way_in is not None and way_out is not None else None


def insert(workflow: Workflow, registry: Registry, link: Link, spec: NodeSpec, at: Place) -> tuple[Workflow, str]:
    """Put a new node into a wire; the workflow and the node's id.

    Raises:
        OssicleError: the type does not fit into it.
    """
    found = through(workflow, registry, link, spec)
    if found is None:
        raise OssicleError(
            f"{spec.title} does not fit into {link}", "an input and an output of the wire's type",
            "Drop it on empty canvas and wire it by hand",
        )  # fmt: skip
    after, name = edit.add_node(edit.remove(workflow, links=[link]), spec, at)
    after = edit.link(after, registry, Link(link.source, link.output, name, found[0].name))
    return edit.link(after, registry, Link(name, found[1].name, link.target, link.input)), name


# ---- bypassing


def passes(spec: NodeSpec) -> bool:
    """Whether a node type can be bypassed: every output has an input whose type flows through it."""
    return bool(spec.outputs) and all(
        any(issubclass(way_in.type, way_out.type) for way_in in spec.inputs) for way_out in spec.outputs
    )


def why_no_bypass(workflow: Workflow, registry: Registry, node: str) -> OssicleError | None:
    """Why a node cannot be bypassed; None if it can. An unknown type cannot be told."""
    spec = registry.find(workflow.nodes[node].type)
    if spec is None or passes(spec):
        return None
    gives, takes = (", ".join(_kinds(ports)) or "nothing" for ports in (spec.outputs, spec.inputs))
    return OssicleError(
        f"{node} gives {gives} but takes {takes}", "an input of the output's type to pass on",
        "Mute it instead (M), or delete it",
    )  # fmt: skip


def _kinds(ports: tuple[Port, ...]) -> Iterator[str]:
    yield from dict.fromkeys(port.type.kind() for port in ports)
