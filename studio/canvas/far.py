"""The canvas from afar: all boxes and wires in a few batches instead of item by item.

It is made from the workflow alone, so the first frame is there before any item is. Moving a box changes its rectangle
in place; only other colours, nodes or links make the batches anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from engine.node import NodeSpec
from engine.registry import Registry
from engine.theme import kind as kind_of
from engine.theme import state as state_of
from engine.workflow import Link, Mode, Workflow
from studio.canvas import ink
from studio.canvas.facts import title_of_unknown
from studio.canvas.graph import Extra
from studio.canvas.items import Box
from studio.canvas.pipes import Wire
from studio.look.theme import colour, ground
from studio.model.edit import Place
from studio.model.places import WIDTH, height_of, port_y
from studio.run.state import NodeState

SCALE: Final = 0.45
"""Below this scale the far view takes over ..."""
SMALL_SCALE: Final = 0.25
"""... or below this one, in a graph so small that painting every box is cheap."""
SMALL: Final = 60
STRIPE: Final = 16.0
TITLES_FROM: Final = 0.2
TITLES_MOST: Final = 400
SMOOTH_MOST: Final = 400
"""Wires up to this many are drawn smooth."""
TINT: Final = 0.42
TINY_PX: Final = 16.0
"""Boxes narrower than this are drawn as plain rectangles: no border, no stripe, but its colour."""
QUIET: Final = frozenset({"never", "waiting"})
TITLE: Final = ink.Face(10)


@dataclass
class Spot:
    """One box from afar."""

    area: QRectF
    stripe: QRectF
    kind: str
    title: str
    state: str = "never"
    mode: Mode = "active"


Batch = tuple[QColor, list[QRectF]]


@dataclass
class _Batches:
    ground: str
    tiny: list[Batch] = field(default_factory=list)
    bodies: list[Batch] = field(default_factory=list)
    stripes: list[Batch] = field(default_factory=list)
    lines: list[tuple[QColor, list[QLineF]]] = field(default_factory=list)


class Far:
    """What the far view paints."""

    def __init__(self) -> None:
        self.spots: dict[str, Spot] = {}
        self.lines: dict[Link, tuple[str, QLineF]] = {}
        self.chosen: frozenset[str] = frozenset()
        self._batches: _Batches | None = None

    # ---- what there is

    def show(
        self, workflow: Workflow, registry: Registry, places: Mapping[str, Place], extra: Mapping[str, Extra]
    ) -> None:
        """Take a whole workflow in."""
        looks: dict[str, tuple[dict[str, int], dict[str, int], str, str]] = {}
        sides: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
        self.spots, self._batches = {}, None
        for name, node in workflow.nodes.items():
            look = looks.get(node.type)
            if look is None:
                spec = registry.find(node.type)
                look = looks[node.type] = (
                    *_sides(spec),
                    _kind(spec),
                    spec.title if spec else title_of_unknown(node.type),
                )
            sides[name] = (_with_extra(look[0], extra, name, 0), _with_extra(look[1], extra, name, 1))
            height = height_of(len(sides[name][0]), len(sides[name][1]))
            x, y = places[name]
            self.spots[name] = Spot(
                QRectF(x, y, WIDTH, height), QRectF(x, y, WIDTH, STRIPE), look[2], look[3], mode=node.mode
            )
        self.lines = {}
        for link in workflow.links:
            self._add_line(link, sides)

    def _add_line(self, link: Link, sides: Mapping[str, tuple[dict[str, int], dict[str, int]]]) -> None:
        if link.source not in sides or link.target not in sides:
            return
        start, end = self.spots[link.source].area, self.spots[link.target].area
        out, into = sides[link.source][1].get(link.output), sides[link.target][0].get(link.input)
        if out is not None and into is not None:
            line = QLineF(start.right(), start.top() + port_y(out), end.left(), end.top() + port_y(into))
            self.lines[link] = (self.spots[link.source].kind, line)

    def put(self, box: Box) -> None:
        """A box is new, or looks different now."""
        area = box.outline()
        stripe = QRectF(area.x(), area.y(), WIDTH, STRIPE)
        self.spots[box.node_id] = Spot(area, stripe, box.kind, box.words.title, box.state.state, box.node.mode)
        self._batches = None

    def wire(self, wire: Wire) -> None:
        """A wire is new."""
        self.lines[wire.link] = (wire.source.box.kind, QLineF(wire.source.middle(), wire.target.middle()))
        self._batches = None

    def forget(self, names: Iterable[str], links: Iterable[Link]) -> None:
        """These boxes and wires are gone."""
        for name in names:
            self.spots.pop(name, None)
        for link in links:
            self.lines.pop(link, None)
        self._batches = None

    def move(self, name: str, at: QPointF) -> None:
        """A box was moved; its wires are told by `route`."""
        spot = self.spots[name]
        spot.area.moveTopLeft(at)
        spot.stripe.moveTopLeft(at)

    def route(self, link: Link, start: QPointF, end: QPointF) -> None:
        """A wire's ends are somewhere else."""
        if link in self.lines:
            self.lines[link][1].setPoints(start, end)

    def set_states(self, states: Mapping[str, NodeState]) -> None:
        """Colour boxes by their states."""
        for name, state in states.items():
            spot = self.spots.get(name)
            if spot is not None and spot.state != state.state:
                spot.state = state.state
                self._batches = None

    def bounds(self, names: Iterable[str] | None = None) -> QRectF:
        """Around all boxes, or some."""
        area = QRectF()
        for spot in self.spots.values() if names is None else (self.spots[n] for n in names if n in self.spots):
            area = area.united(spot.area)
        return area

    # ---- painting

    def paint(self, painter: QPainter, seen: QRectF, scale: float) -> None:
        """Draw all of it."""
        batches = self._ready()
        is_smooth = len(self.lines) <= SMOOTH_MOST
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, is_smooth)
        for shade, lines in batches.lines:
            painter.setPen(_thin(shade, 1.4 if is_smooth else 1.0))
            painter.drawLines(lines)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if scale * WIDTH < TINY_PX:
            _fill(painter, batches.tiny)
        else:
            _fill(painter, batches.bodies, _thin(colour("line")))
            _fill(painter, batches.stripes)
        if self.chosen:
            painter.setBrush(ink.NO_BRUSH)
            painter.setPen(_thin(colour("accent"), 2.0))
            painter.drawRects([self.spots[name].area for name in self.chosen if name in self.spots])
        self._paint_titles(painter, seen, scale)

    def _paint_titles(self, painter: QPainter, seen: QRectF, scale: float) -> None:
        if scale < TITLES_FROM:
            return
        visible = [spot for spot in self.spots.values() if spot.area.intersects(seen)]
        if len(visible) > TITLES_MOST:
            return
        to_device = painter.worldTransform()
        painter.save()
        painter.resetTransform()
        painter.setFont(ink.face(TITLE))
        painter.setPen(colour("text"))
        for spot in visible:
            room = to_device.mapRect(spot.area).adjusted(3, STRIPE * scale, -3, 0)
            mark = "" if spot.state in QUIET else f"{state_of(spot.state).mark} "
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, _short(mark + spot.title, round(room.width())))
        painter.restore()

    def _ready(self) -> _Batches:
        if self._batches is None or self._batches.ground != ground():
            self._batches = self._make()
        return self._batches

    def _make(self) -> _Batches:
        bodies: dict[tuple[str, Mode], list[QRectF]] = defaultdict(list)
        stripes: dict[tuple[str, Mode], list[QRectF]] = defaultdict(list)
        tiny: dict[tuple[str, str, Mode], list[QRectF]] = defaultdict(list)
        lines: dict[str, list[QLineF]] = defaultdict(list)
        for spot in self.spots.values():
            bodies[spot.state, spot.mode].append(spot.area)
            stripes[spot.kind, spot.mode].append(spot.stripe)
            tiny[spot.kind, spot.state, spot.mode].append(spot.area)
        for kind, line in self.lines.values():
            lines[kind].append(line)
        return _Batches(
            ground(),
            [(_tiny_shade(kind, state, mode), areas) for (kind, state, mode), areas in tiny.items()],
            [(_body_shade(state, mode), areas) for (state, mode), areas in bodies.items()],
            [(_dimmed(colour(kind_of(kind).token), mode), areas) for (kind, mode), areas in stripes.items()],
            [(ink.mixed(colour(kind_of(kind).token), colour("canvas"), 0.75), group) for kind, group in lines.items()],
        )


def _sides(spec: NodeSpec | None) -> tuple[dict[str, int], dict[str, int]]:
    if spec is None:
        return {}, {}
    return (
        {port.name: index for index, port in enumerate(spec.inputs)},
        {port.name: index for index, port in enumerate(spec.outputs)},
    )


def _with_extra(known: dict[str, int], extra: Mapping[str, Extra], name: str, side: int) -> dict[str, int]:
    more = extra.get(name)
    if more is None or not more[side]:
        return known
    return known | {port: len(known) + index for index, port in enumerate(more[side])}


def _kind(spec: NodeSpec | None) -> str:
    ports = (*spec.outputs, *spec.inputs) if spec is not None else ()
    return ports[0].type.kind() if ports else ""


def _body_shade(state: str, mode: Mode) -> QColor:
    shade = colour("panel") if state in QUIET else ink.mixed(colour(state_of(state).token), colour("panel"), TINT)
    return _dimmed(shade, mode)


def _tiny_shade(kind: str, state: str, mode: Mode) -> QColor:
    token = kind_of(kind).token if state in QUIET else state_of(state).token
    return _dimmed(ink.mixed(colour(token), colour("panel"), 0.5 if state in QUIET else 0.8), mode)


def _fill(painter: QPainter, batches: Iterable[Batch], pen: QPen | None = None) -> None:
    painter.setPen(pen if pen is not None else ink.NO_PEN)
    for shade, areas in batches:
        painter.setBrush(shade)
        painter.drawRects(areas)


def _dimmed(shade: QColor, mode: Mode) -> QColor:
    return ink.mixed(shade, colour("canvas"), ink.DIM) if mode == "muted" else shade


def _thin(shade: QColor, width: float = 1.0) -> QPen:
    pen = QPen(shade, width)
    pen.setCosmetic(True)
    return pen


def _short(text: str, width: int) -> str:
    return ink.metrics(TITLE).elidedText(text, Qt.TextElideMode.ElideRight, width)
