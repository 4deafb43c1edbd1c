"""Boxes of nodes as plain numbers: where each is and how large, for everything that measures the graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.registry import Registry
from engine.workflow import Workflow
from studio.model.edit import Place
from studio.model.places import WIDTH, height_of, ports_of, shown_positions


class Box(NamedTuple):
    """A rectangle in scene pixels; x and y are its top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> Place:
        """Its middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def holds(self, at: Place) -> bool:
        """Whether a point lies in it."""
        return self.x <= at[0] <= self.right and self.y <= at[1] <= self.bottom

    def grown(self, by: float) -> Box:
        """The same with a margin on every side."""
        return Box(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)


def boxes(workflow: Workflow, registry: Registry) -> dict[str, Box]:
    """The box of every node."""
    heights: dict[str, float] = {}
    found: dict[str, Box] = {}
    for name, (x, y) in shown_positions(workflow).items():
        kind = workflow.nodes[name].type
        height = heights.get(kind)
        if height is None:
            inputs, outputs = ports_of(workflow, registry, name)
            height = height_of(len(inputs), len(outputs))
            if registry.find(kind) is not None:  # an unknown type has the ports its own links name
                heights[kind] = height
        found[name] = Box(x, y, WIDTH, height)
    return found


def around(parts: Iterable[Box]) -> Box | None:
    """The smallest box around some; None around nothing."""
    known = list(parts)
    if not known:
        return None
    left, top = min(box.x for box in known), min(box.y for box in known)
    return Box(left, top, max(box.right for box in known) - left, max(box.bottom for box in known) - top)
