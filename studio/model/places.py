"""Where and how large boxes are: the file's positions, and a layered layout for those it holds none for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from engine.layout import place
from engine.node import NodeSpec
from engine.registry import Registry
from engine.workflow import Workflow
from studio.model.edit import Place, move, positions

WIDTH: Final = 186
HEIGHT: Final = 104
HEADER: Final = 34
FOOT: Final = 26
PORT_STEP: Final = 22
GRID: Final = 22
COLUMN: Final = WIDTH + 66
ROW: Final = HEIGHT + 40


def height_of(inputs: int, outputs: int) -> int:
    """Height of a box; more than three ports on a side make it taller. Ports start below the header."""
    return max(HEIGHT, HEADER + PORT_STEP * max(inputs, outputs) + 8)


def port_y(index: int) -> float:
    """Middle of the index-th port below a box's top."""
    return HEADER + 14 + index * PORT_STEP


def ports_of(workflow: Workflow, registry: Registry, node: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a node's inputs and outputs; an unknown type has those its links name."""
    spec: NodeSpec | None = registry.find(workflow.nodes[node].type)
    if spec is not None:
        return tuple(port.name for port in spec.inputs), tuple(port.name for port in spec.outputs)
    inputs = dict.fromkeys(link.input for link in workflow.links if link.target == node)
    outputs = dict.fromkeys(link.output for link in workflow.links if link.source == node)
    return tuple(sorted(inputs)), tuple(sorted(outputs))


def layered(workflow: Workflow, nodes: Iterable[str] | None = None) -> dict[str, Place]:
    """A deterministic layered layout of all nodes, or of some of them."""
    names = set(workflow.nodes) if nodes is None else set(nodes)
    pairs = [(k.source, k.target) for k in workflow.links if k.source in names and k.target in names]
    spots = place(names, pairs).spots
    return {name: (column * COLUMN, row * ROW) for name, (column, row) in spots.items()}


def shown_positions(workflow: Workflow) -> dict[str, Place]:
    """A position for every node: the file's own, the others laid out below them."""
    known = {name: at for name, at in positions(workflow).items() if name in workflow.nodes}
    lost = [name for name in workflow.nodes if name not in known]
    if not lost:
        return known
    top = max((y for _x, y in known.values()), default=-ROW) + ROW
    left = min((x for x, _y in known.values()), default=0.0)
    return known | {name: (left + x, top + y) for name, (x, y) in layered(workflow, lost).items()}


def arrange(workflow: Workflow, nodes: Iterable[str] | None = None) -> Workflow:
    """Lay the graph out anew; some nodes only: around the middle where they were."""
    places = layered(workflow, nodes)
    if nodes is None or not places:
        return move(workflow, places)
    before = shown_positions(workflow)
    old, new = _middle([before[name] for name in places]), _middle(list(places.values()))
    return move(workflow, {name: (x + old[0] - new[0], y + old[1] - new[1]) for name, (x, y) in places.items()})


def free_place(workflow: Workflow, wished: Place) -> Place:
    """The wished place, or the nearest below it (then to the right of it) where no box is in the way."""
    taken = list(shown_positions(workflow).values())
    x, y = wished
    for _ in range(len(taken) + 1):
        if not any(abs(x - a) < WIDTH + GRID and abs(y - b) < HEIGHT + GRID for a, b in taken):
            break
        y += GRID * 6
    return round(x / GRID) * GRID, round(y / GRID) * GRID


def _middle(places: list[Place]) -> Place:
    xs, ys = [x for x, _ in places], [y for _, y in places]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


ALIGNMENTS: Final[Mapping[str, str]] = {
    "left": "Align left", "right": "Align right", "top": "Align top", "bottom": "Align bottom",
    "row": "Align in a row", "column": "Align in a column", "spread-x": "Spread across", "spread-y": "Spread down",
}  # fmt: skip
