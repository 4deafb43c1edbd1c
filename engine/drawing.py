"""The graph of a run as a drawing: a box per node with its state and facts, wires in the colours of their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.console import duration
from engine.layout import Layout, Spot, place
from engine.svg import Figure, Place, element, number, shape, text, tip
from engine.theme import kind, state

BOX_W, BOX_H, GAP_X, GAP_Y, EDGE = 140.0, 72.0, 40.0, 26.0, 14.0


@dataclass(frozen=True)
class Box:
    """One node: title, state, what a person reads on it, and its ports as name -> artifact type."""

    node: str
    title: str
    state: str
    seconds: float = 0.0
    lines: Sequence[str] = ()
    tooltip: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wire:
    """One link between ports."""

    source: str
    output: str
    target: str
    input: str


def graph(boxes: Sequence[Box], wires: Sequence[Wire], title: str) -> Figure:
    """Draw nodes from left to right."""
    layout = place([box.node for box in boxes], [(wire.source, wire.target) for wire in wires])
    known = {box.node: box for box in boxes}
    lines = [_wire(wire, known, layout) for wire in wires if {wire.source, wire.target} <= known.keys()]
    drawn = [_box(box, _corner(layout.spots[box.node])) for box in boxes]
    width = 2 * EDGE + layout.columns * (BOX_W + GAP_X) - GAP_X
    height = 2 * EDGE + layout.rows * (BOX_H + GAP_Y) - GAP_Y
    return Figure(title, f"{len(boxes)} nodes, {len(wires)} links", "".join([*lines, *drawn]), width, max(height, 40.0))


def _corner(spot: Spot) -> Place:
    column, row = spot
    return EDGE + column * (BOX_W + GAP_X), EDGE + row * (BOX_H + GAP_Y)


def _port(box: Box, layout: Layout, ports: Sequence[str], name: str, is_output: bool) -> Place:
    x, y = _corner(layout.spots[box.node])
    index = ports.index(name) if name in ports else 0
    return x + (BOX_W if is_output else 0), y + BOX_H * (index + 1) / (max(len(ports), 1) + 1)


def _wire(wire: Wire, known: Mapping[str, Box], layout: Layout) -> str:
    source, target = known[wire.source], known[wire.target]
    start = _port(source, layout, list(source.outputs), wire.output, True)
    end = _port(target, layout, list(target.inputs), wire.input, False)
    ways = [_corner(spot) for spot in layout.routes.get((wire.source, wire.target), ())]
    points = [start]
    for x, y in ways:
        points += [(x, y + BOX_H / 2), (x + BOX_W, y + BOX_H / 2)]
    points.append(end)
    token = kind(source.outputs.get(wire.output, "")).token
    name = tip(f"{wire.source}.{wire.output} → {wire.target}.{wire.input}")
    return element("path", name, d=_smooth(points), class_="l", stroke=f"var(--{token})", opacity=0.85)


def _smooth(points: Sequence[Place]) -> str:
    """Curves with level ends between every second pair of points, straight lines through the way-points."""
    data = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for index, ((x0, y0), (x1, y1)) in enumerate(zip(points, points[1:], strict=False)):
        if index % 2:
            data.append(f"L{number(x1)} {number(y1)}")
            continue
        bend = max(18.0, abs(x1 - x0) / 2)
        data.append(f"C{number(x0 + bend)} {number(y0)} {number(x1 - bend)} {number(y1)} {number(x1)} {number(y1)}")
    return "".join(data)


def _box(box: Box, at: Place) -> str:
    x, y = at
    look = state(box.state)
    token = kind(next(iter(box.outputs.values()), "")).token
    is_quiet = box.state in ("skipped", "muted", "never")
    took = duration(box.seconds) if box.state == "done" or box.seconds else ""
    parts = [
        tip(box.tooltip or f"{box.title} ({box.node}): {look.word}"),
        element("rect", x=x, y=y, width=BOX_W, height=BOX_H, rx=10, fill="var(--panel)", stroke="var(--line)"),
        element("path", d=_stripe(x, y), fill=f"var(--{token})"),
        text((x + 10, y + 20), elide(box.title, 13), "b t"),
        text((x + BOX_W - 9, y + 20), f"{look.mark} {look.word}", "s e", style=f"fill:var(--{look.token})"),
        *(text((x + 10, y + 36 + 13 * i), elide(told, 23), "s") for i, told in enumerate(box.lines[:2])),
        text((x + 10, y + BOX_H - 7), elide(box.node, 14), "n x"),
        text((x + BOX_W - 9, y + BOX_H - 7), took, "n x e"),
    ]
    for names, ports, offset in ((list(box.inputs), box.inputs, 0.0), (list(box.outputs), box.outputs, BOX_W)):
        for index, name in enumerate(names):
            look_of = kind(ports[name])
            centre = (x + offset, y + BOX_H * (index + 1) / (len(names) + 1))
            parts.append(shape(look_of.shape, centre, f"var(--{look_of.token})"))
    return element("g", *parts, opacity=0.55 if is_quiet else 1)


def _stripe(x: float, y: float) -> str:
    """The upper edge in the colour of the node's main output, following the round corners."""
    flat = number(BOX_W - 20)
    start = f"M{number(x)} {number(y + 10)}"
    return f"{start}a10 10 0 0 1 10-10h{flat}a10 10 0 0 1 10 10a10 7 0 0 0-10-7h-{flat}a10 7 0 0 0-10 7z"


def elide(words: str, most: int) -> str:
    """A text that fits; the rest is dots."""
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"
