"""Walking the graph: the nearest box in a direction, the next along the wires, everything before or after a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from engine.workflow import Workflow
from studio.model.boxes import Box
from studio.model.edit import Place

Direction = Literal["left", "right", "up", "down"]
STEPS: Final[Mapping[Direction, tuple[int, int]]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
WIDEST: Final = 4.0
"""Farther across than this many times the way along, a box lies beside, not ahead."""
SIDEWAYS: Final = 2.0
"""How much more a pixel across the direction counts than one along it."""


def nearest(parts: Mapping[str, Box], start: str, direction: Direction) -> str:
    """The box a person would call next in that direction; "" if there is none.

    A box counts when its middle lies beyond the start's, at most four times as far across as along; the one with the
    least way wins, ways across counting double, and boxes inside a 45 degree cone go before all others.
    """
    ahead = {name: _way(parts[start].middle, box.middle, direction) for name, box in parts.items() if name != start}
    ranked = [
        (across > along, along + SIDEWAYS * across, name)
        for name, (along, across) in ahead.items()
        if along > 0 and across <= WIDEST * along
    ]
    return min(ranked)[2] if ranked else ""


def nearest_to(parts: Mapping[str, Box], at: Place) -> str:
    """The box whose middle is nearest to a point; "" if there are none."""
    ranked = [((x - at[0]) ** 2 + (y - at[1]) ** 2, name) for name, box in parts.items() for x, y in [box.middle]]
    return min(ranked)[1] if ranked else ""


def _way(start: Place, end: Place, direction: Direction) -> tuple[float, float]:
    """Way along the direction and across it."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    step_x, step_y = STEPS[direction]
    return dx * step_x + dy * step_y, abs(dx * step_y) + abs(dy * step_x)


def along(workflow: Workflow, parts: Mapping[str, Box], start: str, direction: Direction) -> str:
    """The next node along the wires: right and left follow links, up and down go to the neighbour on the same level.

    Neighbours on the same level are the nodes that share a source or a target with the start. Of several the highest
    is taken.
    """
    if direction in ("left", "right"):
        found = neighbours(workflow, start, after=direction == "right")
        return min(found, key=lambda name: (abs(parts[name].y - parts[start].y), name), default="")
    level = siblings(workflow, start)
    sign = 1 if direction == "down" else -1
    beyond = [name for name in level if (parts[name].y - parts[start].y) * sign > 0]
    return min(beyond, key=lambda name: (abs(parts[name].y - parts[start].y), name), default="")


def neighbours(workflow: Workflow, node: str, *, after: bool) -> set[str]:
    """Nodes one link after a node, or one before."""
    if after:
        return {link.target for link in workflow.links if link.source == node} & workflow.nodes.keys()
    return {link.source for link in workflow.links if link.target == node} & workflow.nodes.keys()


def siblings(workflow: Workflow, node: str) -> set[str]:
    """Nodes that share a source or a target with a node."""
    sources, targets = neighbours(workflow, node, after=False), neighbours(workflow, node, after=True)
    found = {link.target for link in workflow.links if link.source in sources}
    found |= {link.source for link in workflow.links if link.target in targets}
    return (found & workflow.nodes.keys()) - {node}


def reach(workflow: Workflow, nodes: Iterable[str], *, after: bool) -> set[str]:
    """Everything that depends on some nodes (after), or that they depend on; the nodes themselves included."""
    steps: dict[str, list[str]] = {}
    for link in workflow.links:
        start, end = (link.source, link.target) if after else (link.target, link.source)
        steps.setdefault(start, []).append(end)
    seen = set(nodes) & workflow.nodes.keys()
    todo = list(seen)
    while todo:
        fresh = [name for name in steps.get(todo.pop(), []) if name not in seen and name in workflow.nodes]
        seen.update(fresh)
        todo.extend(fresh)
    return seen


def ends(parts: Mapping[str, Box], *, last: bool) -> str:
    """The leftmost node, or the rightmost; the highest of several."""
    sign = -1 if last else 1
    return min(parts, key=lambda name: (sign * parts[name].x, parts[name].y, name), default="")
