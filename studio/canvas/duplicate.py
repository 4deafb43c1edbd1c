"""A selection once more: new ids, the wires among it, and the wires that come into it from outside."""

from __future__ import annotations

from collections.abc import Collection

from engine.workflow import Link, Workflow
from studio.model import edit, marks
from studio.model.places import GRID, shown_positions

AWAY = 2 * GRID
"""From a thing to its copy, right and down."""


def duplicated(workflow: Workflow, nodes: Collection[str], names: Collection[str]) -> tuple[Workflow, dict[str, str]]:
    """The workflow with copies of some nodes and marks, and the copies' ids by what they are copies of.

    Wires from a node outside into a copied one lead into the copy too: it works at once, as the first one does.
    """
    spots = shown_positions(workflow)
    made: dict[str, str] = {}
    after = workflow
    for name in sorted(nodes):
        fresh = edit.new_id(after, name.rsplit("-", 1)[0] if name.rsplit("-", 1)[-1].isdigit() else name)
        made[name] = fresh
        after = after.model_copy(update={"nodes": {**after.nodes, fresh: workflow.nodes[name]}})
    moved = {made[name]: (spots[name][0] + AWAY, spots[name][1] + AWAY) for name in made}
    links = tuple(
        Link(made.get(k.source, k.source), k.output, made[k.target], k.input)
        for k in workflow.links
        if k.target in made
    )
    after = after.model_copy(update={"links": (*after.links, *links)})
    after = edit.move(after, moved) if moved else after
    known = marks.marks(workflow)
    for name in sorted(names):
        mark = known[name]
        made[name] = edit.new_mark_id(after, mark.group)
        box = mark.box._replace(x=mark.box.x + AWAY, y=mark.box.y + AWAY)
        entry = {"text": mark.text, "colour": mark.colour, **marks.values(box)}
        after = edit.set_mark(after, mark.group, made[name], entry)
    return after, made
