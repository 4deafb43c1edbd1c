"""Where notes and frames lie, and moving them together with boxes."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF

from engine.workflow import Workflow
from studio.model import edit


def marks_in(workflow: Workflow, area: QRectF) -> frozenset[str]:
    """Notes that an area touches, and frames that lie in it."""
    found = set()
    for group in edit.MARKS:
        entries = workflow.layout.get(group)
        for name, value in entries.items() if isinstance(entries, dict) else ():
            spot = _mark_area(value)
            if spot is not None and (area.intersects(spot) if group == "notes" else area.contains(spot)):
                found.add(name)
    return frozenset(found)


def moved_marks(workflow: Workflow, marks: Iterable[str], delta: QPointF) -> Workflow:
    """Move notes and frames."""
    for group in edit.MARKS:
        entries = workflow.layout.get(group)
        for name in sorted(set(marks) & set(entries if isinstance(entries, dict) else ())):
            spot = _mark_area(entries[name]) if isinstance(entries, dict) else None
            if spot is not None:
                place = {"x": round(spot.x() + delta.x()), "y": round(spot.y() + delta.y())}
                workflow = edit.set_mark(workflow, group, name, place)
    return workflow


def _mark_area(value: object) -> QRectF | None:
    if not isinstance(value, dict):
        return None
    sides = [value.get(key, 0) for key in ("x", "y", "width", "height")]
    if not all(isinstance(side, int | float) for side in sides):
        return None
    return QRectF(*(float(side) for side in sides))
