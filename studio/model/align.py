"""Aligning and distributing boxes: positions in, positions out. One table entry per command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from engine.errors import OssicleError
from studio.model.boxes import Box
from studio.model.edit import Place
from studio.model.places import ALIGNMENTS, GRID

Parts = Mapping[str, Box]
Places = dict[str, Place]


def align(how: str, parts: Parts) -> Places:
    """New positions of boxes; those that stay are named too.

    Raises:
        OssicleError: fewer boxes than the alignment needs, or no such alignment.
    """
    if how not in _WAYS:
        raise OssicleError(f"there is no alignment {how!r}", f"one of {', '.join(_WAYS)}", "Choose one of these")
    least = LEAST.get(how, 2)
    if len(parts) < least:
        raise OssicleError(
            f"{len(parts)} node{'s' * (len(parts) != 1)} selected", f"at least {least}", "Select more nodes first"
        )
    return _WAYS[how](parts)


def snap(at: Place, step: float = GRID) -> Place:
    """The nearest point of the grid."""
    return round(at[0] / step) * step, round(at[1] / step) * step


def _left(parts: Parts) -> Places:
    edge = min(box.x for box in parts.values())
    return {name: (edge, box.y) for name, box in parts.items()}


def _right(parts: Parts) -> Places:
    edge = max(box.right for box in parts.values())
    return {name: (edge - box.width, box.y) for name, box in parts.items()}


def _top(parts: Parts) -> Places:
    edge = min(box.y for box in parts.values())
    return {name: (box.x, edge) for name, box in parts.items()}


def _bottom(parts: Parts) -> Places:
    edge = max(box.bottom for box in parts.values())
    return {name: (box.x, edge - box.height) for name, box in parts.items()}


def _row(parts: Parts) -> Places:
    """Middles on one line across, halfway between the highest and the lowest."""
    line = _halfway(box.middle[1] for box in parts.values())
    return {name: (box.x, line - box.height / 2) for name, box in parts.items()}


def _column(parts: Parts) -> Places:
    line = _halfway(box.middle[0] for box in parts.values())
    return {name: (line - box.width / 2, box.y) for name, box in parts.items()}


def _spread_x(parts: Parts) -> Places:
    """Equal gaps between neighbours; the outermost two stay."""
    names = sorted(parts, key=lambda name: (parts[name].middle[0], name))
    starts = _evenly([parts[name].x for name in names], [parts[name].width for name in names])
    return {name: (x, parts[name].y) for name, x in zip(names, starts, strict=True)}


def _spread_y(parts: Parts) -> Places:
    names = sorted(parts, key=lambda name: (parts[name].middle[1], name))
    starts = _evenly([parts[name].y for name in names], [parts[name].height for name in names])
    return {name: (parts[name].x, y) for name, y in zip(names, starts, strict=True)}


def _evenly(starts: list[float], sizes: list[float]) -> list[float]:
    """Starts of intervals with equal gaps between the first and the last; gaps are negative where there is no room."""
    room = starts[-1] - starts[0] - sum(sizes[:-1])
    gap = room / (len(starts) - 1)
    return [starts[0] + sum(sizes[:k]) + gap * k for k in range(len(starts))]


def _halfway(values: Iterable[float]) -> float:
    known = list(values)
    return (min(known) + max(known)) / 2


LEAST: Final[Mapping[str, int]] = {"spread-x": 3, "spread-y": 3}
"""Boxes an alignment needs; two where it is not named."""
_WAYS: Final[Mapping[str, Callable[[Parts], Places]]] = {
    "left": _left, "right": _right, "top": _top, "bottom": _bottom,
    "row": _row, "column": _column, "spread-x": _spread_x, "spread-y": _spread_y,
}  # fmt: skip
assert _WAYS.keys() == ALIGNMENTS.keys()
