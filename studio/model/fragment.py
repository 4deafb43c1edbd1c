"""Parts of a workflow: cut out as a small workflow of their own, written as text, read back, put in elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.variables import VARIABLE
from engine.workflow import Link, Node, Workflow, parse, to_text
from studio.model.edit import MARKS, Place, move, new_id, new_mark_id, positions, set_mark
from studio.model.places import GRID, shown_positions

MIME: Final = "application/x-ossicle-workflow"
LARGEST: Final = 16_000_000
"""Letters; more is no part of a graph that a person copied."""
NUMBER: Final = re.compile(r"-\d+$")
Names = dict[str, str]


def part_of(workflow: Workflow, nodes: Collection[str], marks: Collection[str] = ()) -> Workflow:
    """Some nodes with the links among them, their positions and the variables they use; some notes and frames."""
    kept = {name: node for name, node in workflow.nodes.items() if name in nodes}
    links = tuple(link for link in workflow.links if link.source in kept and link.target in kept)
    texts = json.dumps([node.params for node in kept.values()])
    used = {name: workflow.variables[name] for name in VARIABLE.findall(texts) if name in workflow.variables}
    layout: dict[str, JsonValue] = {group: found for group in MARKS if (found := _marks(workflow, group, marks))}
    spots = {name: at for name, at in shown_positions(workflow).items() if name in kept}
    requires = workflow.requires if kept else {}
    small = Workflow(
        name=workflow.name, variables=used, nodes=kept, links=links, requires=dict(requires), layout=layout
    )
    return move(small, spots) if spots else small


def _marks(workflow: Workflow, group: str, names: Collection[str]) -> dict[str, JsonValue]:
    entries = workflow.layout.get(group)
    found = entries if isinstance(entries, dict) else {}
    return {name: value for name, value in found.items() if name in names and isinstance(value, dict)}


def read(text: str) -> Workflow:
    """The part that a text holds; a whole workflow file is one too.

    Raises:
        OssicleError: the text holds none; says what it holds instead.
    """
    if not text.strip():
        raise _no_part("the clipboard holds no text")
    if len(text) > LARGEST:
        raise _no_part(f"the clipboard holds {len(text):,} letters")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_part(f"the clipboard holds {_short(text)!r}, which is no graph") from error
    found = parse(raw, "the clipboard")
    if not found.nodes and not any(found.layout.get(group) for group in MARKS):
        raise _no_part("the clipboard holds a workflow without nodes")
    return found


def _no_part(what: str) -> OssicleError:
    return OssicleError(what, "nodes copied here, or the text of a workflow file", "Copy some nodes first (Ctrl+C)")


def _short(text: str, limit: int = 40) -> str:
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def write(part: Workflow) -> str:
    """As text: a workflow file."""
    return to_text(part)


# ---- putting it in


def merge(workflow: Workflow, part: Workflow, by: Place = (0.0, 0.0)) -> tuple[Workflow, Names]:
    """Put a part in, moved by so many pixels; the workflow, and the new id of each node and mark of the part.

    Ids that are free stay; others get the next free number. Variables that the workflow lacks come along.
    """
    names: Names = {}
    nodes: dict[str, Node] = dict(workflow.nodes)
    taken = workflow
    for name, node in part.nodes.items():
        names[name] = name if name not in nodes else new_id(taken, NUMBER.sub("", name))
        nodes[names[name]] = node
        taken = taken.model_copy(update={"nodes": nodes})
    links = [_renamed(link, names) for link in part.links if link.source in names and link.target in names]
    after = workflow.model_copy(
        update={
            "nodes": nodes,
            "links": (*workflow.links, *links),
            "variables": {**part.variables, **workflow.variables},
            "requires": {**part.requires, **workflow.requires},
        }
    )
    spots = {names[name]: (x + by[0], y + by[1]) for name, (x, y) in shown_positions(part).items()}
    after = move(after, spots) if spots else after
    for group in MARKS:
        after = _merge_marks(after, part, group, by, names)
    return after, names


def _renamed(link: Link, names: Mapping[str, str]) -> Link:
    return Link(names[link.source], link.output, names[link.target], link.input)


def _merge_marks(workflow: Workflow, part: Workflow, group: str, by: Place, names: Names) -> Workflow:
    entries = part.layout.get(group)
    for name, raw in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(raw, dict):
            continue
        known = workflow.layout.get(group)
        is_taken = isinstance(known, dict) and name in known
        names[name] = new_mark_id(workflow, group) if is_taken or name in workflow.nodes else name
        values = {**raw, "x": _moved(raw.get("x"), by[0]), "y": _moved(raw.get("y"), by[1])}
        workflow = set_mark(workflow, group, names[name], values)
    return workflow


def _moved(value: Any, by: float) -> JsonValue:
    start = value if isinstance(value, int | float) and abs(value) < 1e7 else 0
    return round(start + by)


def corners(part: Workflow) -> list[Place]:
    """Top left corners of everything in a part."""
    spots = list(shown_positions(part).values())
    for group in MARKS:
        entries = part.layout.get(group)
        for raw in entries.values() if isinstance(entries, dict) else ():
            if isinstance(raw, dict):
                spots.append((float(str(_moved(raw.get("x"), 0))), float(str(_moved(raw.get("y"), 0)))))
    return spots


def shift_to(workflow: Workflow, part: Workflow, at: Place | None) -> Place:
    """By how much to move a part so that it begins at a place (where it was, if None) and hides nothing exactly."""
    found = corners(part)
    left, top = min(x for x, _ in found), min(y for _, y in found)
    x, y = (round(at[0] - left), round(at[1] - top)) if at is not None else (0, 0)
    taken = {(round(a), round(b)) for a, b in positions(workflow).values()} | set(_rounded(corners(workflow)))
    while any((round(a) + x, round(b) + y) in taken for a, b in found):
        x, y = x + GRID, y + GRID
    return float(x), float(y)


def _rounded(places: Iterable[Place]) -> list[tuple[int, int]]:
    return [(round(x), round(y)) for x, y in places]
