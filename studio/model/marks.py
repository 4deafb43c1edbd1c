"""Notes and frames: text on the canvas and titled areas behind nodes, kept in the workflow's layout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.workflow import Workflow
from studio.model import edit
from studio.model.boxes import Box, around
from studio.model.edit import Place

Group = Literal["notes", "frames"]
COLOURS: Final = ("mute", "blue", "teal", "gold", "rose", "violet")
"""Tokens a mark may have, the usual one first."""
BAR: Final = 30.0
"""Height of a frame's title bar."""
MARGIN: Final = 22.0
"""From a frame's edge to the boxes it is made around."""
NOTE_SIZE: Final = (220.0, 110.0)
FRAME_SIZE: Final = (440.0, 264.0)
LEAST: Final[Mapping[Group, tuple[float, float]]] = {"notes": (110.0, 48.0), "frames": (154.0, 88.0)}
"""Smallest width and height."""


@dataclass(frozen=True)
class Mark:
    """A note or a frame."""

    name: str
    group: Group
    text: str
    box: Box
    colour: str

    @property
    def what(self) -> str:
        """What people call it."""
        return "note" if self.group == "notes" else "frame"


def marks(workflow: Workflow) -> dict[str, Mark]:
    """Every note and frame the file holds, frames first; entries that are none are left out."""
    found: dict[str, Mark] = {}
    for group in ("frames", "notes"):
        entries = workflow.layout.get(group)
        for name, raw in entries.items() if isinstance(entries, dict) else ():
            if isinstance(raw, dict):
                found[name] = read(name, "notes" if group == "notes" else "frames", raw)
    return found


def read(name: str, group: Group, raw: Mapping[str, JsonValue]) -> Mark:
    """A mark from its values; what is missing or no number takes the usual value."""
    width, height = NOTE_SIZE if group == "notes" else FRAME_SIZE
    least = LEAST[group]
    box = Box(
        _number(raw.get("x"), 0.0),
        _number(raw.get("y"), 0.0),
        max(least[0], _number(raw.get("width"), width)),
        max(least[1], _number(raw.get("height"), height)),
    )
    text, shade = str(raw.get("text") or ""), str(raw.get("colour"))
    return Mark(name, group, text, box, shade if shade in COLOURS else COLOURS[0])


def _number(value: JsonValue, usual: float) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e7 else usual


def values(box: Box) -> dict[str, JsonValue]:
    """A box as the file holds it, in whole pixels."""
    return {"x": round(box.x), "y": round(box.y), "width": round(box.width), "height": round(box.height)}


# ---- edits


def add_note(workflow: Workflow, at: Place, text: str = "") -> tuple[Workflow, str]:
    """A note with its top left corner at a place; the workflow and the note's id."""
    name = edit.new_mark_id(workflow, "notes")
    box = Box(*at, *NOTE_SIZE)
    return edit.set_mark(workflow, "notes", name, {"text": text, **values(box), "colour": "gold"}), name


def add_frame(workflow: Workflow, parts: Collection[Box], text: str = "Frame") -> tuple[Workflow, str]:
    """A frame around boxes; the workflow and the frame's id.

    Raises:
        OssicleError: there is nothing to make it around.
    """
    box = around(parts)
    if box is None:
        raise OssicleError("nothing is selected", "the nodes a frame should hold", "Select some nodes first")
    name = edit.new_mark_id(workflow, "frames")
    room = box.grown(MARGIN)
    area = Box(room.x, room.y - BAR, room.width, room.height + BAR)
    return edit.set_mark(workflow, "frames", name, {"text": text, **values(area), "colour": "blue"}), name


def set_box(workflow: Workflow, name: str, box: Box) -> Workflow:
    """Put a mark elsewhere or give it another size, not smaller than the least."""
    mark = marks(workflow)[name]
    least = LEAST[mark.group]
    area = Box(box.x, box.y, max(least[0], box.width), max(least[1], box.height))
    return edit.set_mark(workflow, mark.group, name, values(area))


def set_text(workflow: Workflow, name: str, text: str) -> Workflow:
    """Give a note its text or a frame its title."""
    return edit.set_mark(workflow, marks(workflow)[name].group, name, {"text": text})


def set_colour(workflow: Workflow, names: Iterable[str], colour: str) -> Workflow:
    """Colour marks."""
    known = marks(workflow)
    for name in names:
        workflow = edit.set_mark(workflow, known[name].group, name, {"colour": colour})
    return workflow


def shift(
    workflow: Workflow, parts: Mapping[str, Box], nodes: Iterable[str], names: Iterable[str], by: Place
) -> Workflow:
    """Move nodes and marks; what lies in a moved frame moves along.

    Args:
        parts: the box of every node.
    """
    known = marks(workflow)
    gone = carried(known, parts, names)
    moved = {name: (parts[name].x + by[0], parts[name].y + by[1]) for name in {*nodes, *gone[0]}}
    for name in gone[1]:
        box = known[name].box
        workflow = set_box(workflow, name, box._replace(x=box.x + by[0], y=box.y + by[1]))
    return edit.move(workflow, moved) if moved else workflow


def carried(
    known: Mapping[str, Mark], parts: Mapping[str, Box], names: Iterable[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Nodes and marks that move when some marks do: what has its middle in a moved frame, and so on."""
    nodes: set[str] = set()
    moved = {name for name in names if name in known}
    todo = list(moved)
    while todo:
        mark = known[todo.pop()]
        if mark.group != "frames":
            continue
        nodes |= {name for name, box in parts.items() if mark.box.holds(box.middle)}
        inner = {name for name, other in known.items() if name not in moved and _lies_in(other.box, mark.box)}
        moved |= inner
        todo += inner
    return frozenset(nodes), frozenset(moved)


def _lies_in(box: Box, frame: Box) -> bool:
    """Whether a mark lies in a frame: its middle does and it is no larger."""
    return frame.holds(box.middle) and box.width * box.height <= frame.width * frame.height
