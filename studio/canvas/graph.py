"""The workflow as items, and items back as the workflow. The document is the truth; this is what is seen of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QGraphicsScene

from engine.node import NodeSpec
from engine.registry import Registry
from engine.workflow import Link, Workflow
from studio.canvas.ends import PortEnd
from studio.canvas.items import Box
from studio.canvas.pipes import Wire
from studio.canvas.ports import Port
from studio.model.edit import Place, positions
from studio.model.places import shown_positions

Extra = tuple[tuple[str, ...], tuple[str, ...]]


def extra_ports(workflow: Workflow, registry: Registry) -> dict[str, Extra]:
    """Ports that links name but types do not declare: all those of unknown types, and mistakes. Sorted by name."""
    inputs: dict[str, set[str]] = defaultdict(set)
    outputs: dict[str, set[str]] = defaultdict(set)
    specs = {name: registry.find(node.type) for name, node in workflow.nodes.items()}
    for link in workflow.links:
        for node, port, found in ((link.source, link.output, outputs), (link.target, link.input, inputs)):
            if node in specs and not _declares(specs[node], port, is_output=found is outputs):
                found[node].add(port)
    return {name: (tuple(sorted(inputs[name])), tuple(sorted(outputs[name]))) for name in {*inputs, *outputs}}


def _declares(spec: NodeSpec | None, port: str, *, is_output: bool) -> bool:
    return spec is not None and (spec.output(port) if is_output else spec.input(port)) is not None


@dataclass(frozen=True)
class Difference:
    """What changed from one workflow to the next: ids of boxes, and links; a wire to a new box is a new wire."""

    gone: set[str]
    made: set[str]
    changed: set[str]
    moved: set[str]
    cut: set[Link]
    wired: set[Link]


class Graph:
    """Boxes by id and wires by link in one scene.

    Attributes:
        places: where every node is, items or not.
        loose: links an end of which is missing, with their places among the file's links: kept, not drawn.
    """

    def __init__(self, scene: QGraphicsScene, registry: Registry) -> None:
        self.scene = scene
        self.registry = registry
        self.head = Workflow()
        self.boxes: dict[str, Box] = {}
        self.wires: dict[Link, Wire] = {}
        self.loose: dict[Link, list[int]] = {}
        self.places: dict[str, Place] = {}
        self._extra: dict[str, Extra] = {}

    # ---- building

    def clear(self) -> None:
        """Take everything out."""
        for wire in self.wires.values():
            self.scene.removeItem(wire)
        for box in self.boxes.values():
            self.scene.removeItem(box)
        for entries in (self.boxes, self.wires, self.loose):
            entries.clear()  # others hold on to these mappings

    def begin(self, workflow: Workflow, registry: Registry) -> None:
        """Get ready to build another workflow; no item exists yet."""
        self.clear()
        self.head, self.registry = workflow, registry
        self.places = shown_positions(workflow)
        self._extra = extra_ports(workflow, registry)

    def add_box(self, name: str) -> Box:
        """Make the item of one of the workflow's nodes."""
        node = self.head.nodes[name]
        box = Box(name, node, self.registry.find(node.type), self._extra.get(name, ((), ())))
        box.values = self.head.variables
        box.home = QPointF(*self.places[name])
        box.setPos(box.home)
        self.boxes[name] = box
        self.scene.addItem(box)
        return box

    def add_link(self, link: Link, rank: int) -> Wire | None:
        """Make the wire of one of the workflow's links; None if an end is missing or it is there already."""
        known = self.wires.get(link)
        if known is not None:
            known.ranks.append(rank)
            return None
        source = self.port(PortEnd(link.source, link.output, True))
        target = self.port(PortEnd(link.target, link.input, False))
        if source is None or target is None:
            self.loose.setdefault(link, []).append(rank)
            return None
        wire = Wire(link, source, target)
        wire.ranks.append(rank)
        wire.route()
        self.wires[link] = wire
        self.scene.addItem(wire)
        return wire

    def build(self, first: Container[str]) -> Iterator[Box | Wire | Link | None]:
        """Make every item, one at a time: some boxes and the wires between them, None, then all others."""
        early = [name for name in self.head.nodes if name in first]
        late = [name for name in self.head.nodes if name not in first]
        inner = {rank for rank, link in enumerate(self.head.links) if link.source in first and link.target in first}
        for name in early:
            yield self.add_box(name)
        for rank in sorted(inner):
            yield self.add_link(self.head.links[rank], rank) or self.head.links[rank]
        yield None
        for name in late:
            yield self.add_box(name)
        for rank, link in enumerate(self.head.links):
            if rank not in inner:
                yield self.add_link(link, rank) or link

    # ---- asking

    def port(self, end: PortEnd) -> Port | None:
        """The port at an end."""
        box = self.boxes.get(end.node)
        return box.port(end.port, is_output=end.is_output) if box is not None else None

    # ---- changing

    def move(self, name: str, at: QPointF) -> None:
        """Put a box elsewhere; its wires follow."""
        box = self.boxes[name]
        if box.pos() == at:
            return
        box.setPos(at)
        self.places[name] = (at.x(), at.y())
        for wire in box.wires():
            wire.route()

    def remove_wire(self, link: Link) -> None:
        """Take a wire out."""
        wire = self.wires.pop(link)
        wire.detach()
        self.scene.removeItem(wire)

    def remove_box(self, name: str) -> None:
        """Take a box and its wires out."""
        box = self.boxes.pop(name)
        for wire in box.wires():
            self.remove_wire(wire.link)
        self.places.pop(name, None)
        self.scene.removeItem(box)

    # ---- from one workflow to the next

    def become(self, new: Workflow) -> Difference:
        """Change only what differs, and say what that was. Everything must be built."""
        old, self.head = self.head, new
        changed = {name for name, node in new.nodes.items() if old.nodes.get(name) is not node}
        gone = {name for name in old.nodes if name not in new.nodes}
        is_relinked = new.links is not old.links and new.links != old.links
        is_rebuilt = bool(gone) or is_relinked or any(_type(old, name) != new.nodes[name].type for name in changed)
        before = set(self.wires)
        made = self._boxes_become(new, gone, changed) if is_rebuilt else set()
        moved = self._places_become(old, new) - made if new.layout is not old.layout else set()
        self._refresh(new, set(new.nodes) if new.variables != old.variables else changed - made)
        if is_rebuilt:
            self._links_become(new)
        anew = {wire.link for name in made for wire in self.boxes[name].wires()}
        after = set(self.wires)
        return Difference(gone, made, changed - made, moved, before - after, (after - before) | anew)

    def _boxes_become(self, new: Workflow, gone: Iterable[str], changed: Iterable[str]) -> set[str]:
        """Take boxes out, make new ones, and those anew that have another type or other ports now."""
        extra = extra_ports(new, self.registry)
        other = {name for name in {*extra, *self._extra} if extra.get(name) != self._extra.get(name)}
        other |= {name for name in changed if name in self.boxes and self.boxes[name].node.type != new.nodes[name].type}
        self._extra = extra
        places = {name: self.places[name] for name in other if name in self.places}
        for name in {*gone, *other} & set(self.boxes):
            self.remove_box(name)
        self.places |= {name: at for name, at in places.items() if name in new.nodes}
        made = {name: None for name in new.nodes if name not in self.boxes}
        self._place_made(new, made)
        for name in made:
            self.add_box(name)
        return set(made)

    def _place_made(self, new: Workflow, made: Iterable[str]) -> None:
        """Places for new boxes: the file's, or laid out; boxes that are there stay where they are."""
        known = positions(new)
        lost = [name for name in made if name not in known and name not in self.places]
        laid_out = shown_positions(new) if lost else {}
        self.places |= {name: known.get(name) or self.places.get(name) or laid_out[name] for name in made}

    def _places_become(self, old: Workflow, new: Workflow) -> set[str]:
        """Move boxes whose place in the file is another one now; those it holds none for stay."""
        before, raw = _raw_positions(old), _raw_positions(new)
        other: dict[str, JsonValue] = {name: at for name, at in raw.items() if before.get(name) != at}
        moved = set()
        for name, place in positions(new.model_copy(update={"layout": {"positions": other}})).items():
            box, at = self.boxes.get(name), QPointF(*place)
            if box is not None:
                box.home = at
                self.move(name, at)
                moved.add(name)
        for name in before.keys() - raw.keys() & self.boxes.keys():
            self.boxes[name].home = self.boxes[name].pos()
        return moved

    def _refresh(self, new: Workflow, names: Iterable[str]) -> None:
        for name in names:
            box = self.boxes[name]
            box.node, box.values = new.nodes[name], new.variables
            box.refresh()
            for wire in box.wires():
                wire.update()

    def _links_become(self, new: Workflow) -> None:
        wanted = set(new.links)
        for link in [link for link in self.wires if link not in wanted]:
            self.remove_wire(link)
        self.loose.clear()
        for wire in self.wires.values():
            wire.ranks.clear()
        for rank, link in enumerate(new.links):
            self.add_link(link, rank)

    # ---- back

    def to_workflow(self) -> Workflow:
        """What the items say: the workflow they were made from, with every box where it is now."""
        ranked = [(rank, wire.link) for wire in self.wires.values() for rank in wire.ranks]
        ranked += [(rank, link) for link, ranks in self.loose.items() for rank in ranks]
        return self.head.model_copy(
            update={
                "nodes": {name: self.boxes[name].node for name in self.head.nodes},
                "links": tuple(link for _rank, link in sorted(ranked)),
                "layout": self._layout(),
            }
        )

    def _layout(self) -> dict[str, JsonValue]:
        written = dict(_raw_positions(self.head))
        here = [box for box in self.boxes.values() if box.pos() != box.home]
        written |= {box.node_id: [round(box.x()), round(box.y())] for box in here}
        return {**self.head.layout, "positions": written} if here else self.head.layout


def _type(workflow: Workflow, name: str) -> str:
    return workflow.nodes[name].type if name in workflow.nodes else ""


def _raw_positions(workflow: Workflow) -> dict[str, JsonValue]:
    found = workflow.layout.get("positions")
    return found if isinstance(found, dict) else {}
