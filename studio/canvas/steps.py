"""Walking and moving by arrow keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from PySide6.QtCore import QObject, QRectF

from engine.errors import OssicleError
from studio.canvas.canvas import Canvas
from studio.commands import Command
from studio.model import walk
from studio.model.boxes import Box, around, boxes
from studio.model.marks import shift
from studio.model.places import GRID
from studio.model.walk import STEPS, Direction

KEYS: Final[tuple[tuple[Direction, str, str], ...]] = (
    ("left", "Left", "to the left"), ("right", "Right", "to the right"),
    ("up", "Up", "above"), ("down", "Down", "below"),
)  # fmt: skip
FAR_STEP: Final = 5
"""Steps of the grid that Shift makes of one."""
SEEN_ROOM: Final = 24.0


class Steps(QObject):
    """The arrow keys. The node last walked to is where the next step starts."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.document = canvas.document
        self._last = ""

    @property
    def parts(self) -> dict[str, Box]:
        """The box of every node."""
        return boxes(self.document.workflow, self.document.registry)

    @property
    def here(self) -> str:
        """Where a step starts: the node last walked to if it is still selected, else any selected one."""
        chosen = self.document.selection.nodes
        return self._last if self._last in chosen else min(chosen, default="")

    def go(self, node: str, *, extend: bool = False) -> None:
        """Select a node and show it; "" stays."""
        if not node:
            return
        kept = self.document.selection.nodes if extend else frozenset()
        self._last = node
        self.document.select({*kept, node})
        self.reveal(node)

    def reveal(self, node: str) -> None:
        """Move the view only if not all of the box is seen."""
        box = self.parts[node].grown(SEEN_ROOM)
        if not self.canvas.viewer.seen().contains(QRectF(*box)):
            self.canvas.centre_on(node)

    def walk(self, direction: Direction, *, extend: bool = False) -> None:
        """To the nearest node in a direction; into the graph if nothing is selected."""
        parts = self.parts
        start = self.here
        self.go(walk.nearest(parts, start, direction) if start else self._first(parts), extend=extend)

    def follow(self, direction: Direction, *, extend: bool = False) -> None:
        """Along the wires; up and down to the neighbour on the same level."""
        parts = self.parts
        start = self.here
        found = walk.along(self.document.workflow, parts, start, direction) if start else self._first(parts)
        self.go(found, extend=extend)

    def _first(self, parts: dict[str, Box]) -> str:
        middle = self.canvas.viewer.seen().center()
        return walk.nearest_to(parts, (middle.x(), middle.y()))

    def end(self, *, last: bool) -> None:
        """To the leftmost node or to the rightmost."""
        self.go(walk.ends(self.parts, last=last))

    def move(self, direction: Direction, by: int = 1) -> None:
        """Move what is selected on the grid; what lies in a selected frame moves along."""
        chosen = self.document.selection
        if not (chosen.nodes or chosen.marks):
            raise OssicleError("nothing is selected", "nodes, notes or frames to move", "Select some first")
        step = STEPS[direction]
        away = (step[0] * GRID * by, step[1] * GRID * by)
        parts = self.parts
        names = ", ".join(sorted(chosen.nodes | chosen.marks)[:3])
        self.document.edit(
            f"Move {names}", lambda w: shift(w, parts, chosen.nodes, chosen.marks, away), f"step {names}"
        )
        box = around(self.parts[name] for name in chosen.nodes)
        if box is not None and not self.canvas.viewer.seen().intersects(QRectF(*box)):
            self.canvas.viewer.centre(QRectF(*box).center())

    def commands(self) -> list[Command]:
        """Four kinds of step in four directions, and the ends."""
        has_nodes: Callable[[], bool] = lambda: bool(self.document.workflow.nodes)  # noqa: E731
        found = [
            Command(id, title, menu, run, (key,), has_nodes, on_canvas=True)
            for direction, key_name, where in KEYS
            for id, title, menu, run, key in (
                (f"walk.{direction}", f"To the node {where}", "View/Walk", partial(self.walk, direction), key_name),
                (
                    f"walk.extend-{direction}", f"Select also the node {where}", "View/Walk",
                    partial(self.walk, direction, extend=True), f"Shift+{key_name}",
                ),
                (
                    f"walk.follow-{direction}", f"Along the wires, {where}", "View/Walk",
                    partial(self.follow, direction), f"Ctrl+{key_name}",
                ),
                (
                    f"move.{direction}", f"Move {_way(direction)}", "Node/Move",
                    partial(self.move, direction), f"Alt+{key_name}",
                ),
                (
                    f"move.far-{direction}", f"Move far {_way(direction)}", "Node/Move",
                    partial(self.move, direction, FAR_STEP), f"Alt+Shift+{key_name}",
                ),
            )
        ]  # fmt: skip
        ends = [
            Command(f"walk.{name}", f"To the {name} node", "View/Walk", run, (key,), has_nodes, on_canvas=True)
            for name, key, run in (
                ("first", "Home", partial(self.end, last=False)),
                ("last", "End", partial(self.end, last=True)),
            )
        ]
        return [*found, *ends]


def _way(direction: Direction) -> str:
    return direction if direction in ("up", "down") else f"to the {direction}"
