"""Small pieces of SVG as text: elements, axes, pixel images, artifact shapes. Pure functions, no dependency."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from engine.theme import SIGNED, VIRIDIS, variables

Value = str | float | int
Colours = Callable[[float], tuple[int, int, int]]
Place = tuple[float, float]
STYLE: Final = (
    "svg text{font:11px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--mute)}"
    "svg .n{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-variant-numeric:tabular-nums}"
    "svg .s{font-size:10px}svg .x{font-size:9.5px}svg .b{font-size:12px;font-weight:600}"
    "svg .h{font-size:13px;font-weight:600;fill:var(--text)}"
    "svg .t{fill:var(--text)}svg .i{fill:var(--background);font-weight:600}"
    "svg .e{text-anchor:end}svg .m{text-anchor:middle}"
    "svg .g{stroke:var(--line);stroke-width:1;shape-rendering:crispEdges}svg .w{stroke:var(--gold);stroke-width:1.6}"
    "svg .l{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}"
)
"""Classes shared by all drawings; a page that embeds them includes this once."""


@dataclass(frozen=True)
class Figure:
    """A finished drawing. `body` is SVG markup without the outer element; sizes are in px."""

    title: str
    caption: str
    body: str
    width: float
    height: float

    def inline(self) -> str:
        """For a page that already defines the tokens and STYLE."""
        box = f"0 0 {number(self.width)} {number(self.height)}"
        return element("svg", self.body, viewBox=box, role="img", aria_label=self.title, width="100%")

    def standalone(self) -> str:
        """A file of its own: title on top, tokens and style inside, light or dark as the viewer asks."""
        top = 44
        box = f"0 0 {number(self.width + 24)} {number(self.height + top + 12)}"
        head = text((12, 20), self.title, "h") + text((12, 36), self.caption, "s")
        return element(
            "svg",
            element("style", variables("svg") + STYLE),
            element("rect", width="100%", height="100%", fill="var(--panel)", rx=10),
            head,
            element("g", self.body, transform=f"translate(12 {top})"),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=box,
            width=self.width + 24,
            height=self.height + top + 12,
        )


def number(value: float) -> str:
    """At most two decimals, no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def element(name: str, *children: str, **attributes: Value) -> str:
    """One element. Attribute names: `_` becomes `-`, a trailing `_` is dropped (`class_`); viewBox stays."""
    words = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(value if isinstance(value, str) else number(value))}"'
        for key, value in attributes.items()
    ]
    inner = "".join(children)
    return f"<{name}{''.join(words)}>{inner}</{name}>" if inner else f"<{name}{''.join(words)}/>"


def text(at: Place, content: str, class_: str = "", **attributes: Value) -> str:
    """A line of text."""
    more: dict[str, Value] = {"class_": class_} if class_ else {}
    return element("text", escape(content, quote=False), x=at[0], y=at[1], **more, **attributes)


def tip(content: str) -> str:
    """What shows when the pointer rests on the parent element."""
    return element("title", escape(content, quote=False))


def line(start: Place, end: Place, class_: str) -> str:
    """A straight line."""
    return element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], class_=class_)


def path(points: Sequence[Place]) -> str:
    """Path data through points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) if points else ""


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers (steps of 1, 2, 2.5 or 5 times a power of ten) within [low, high], about `count` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    found = [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]
    return [round(value, 12) for value in found] or [low]


def short(value: float) -> str:
    """A number for an axis: four digits, thousands as k, millions as M."""
    size = abs(value)
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= limit:
            scale = {"G": 1e9, "M": 1e6, "k": 1e3}[unit]
            return f"{value / scale:.4g} {unit}"
    return f"{value:.4g}"


@dataclass(frozen=True)
class Axes:
    """A plotting area: left, top, width, height in px, and the data range it shows."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: float) -> float:
        """Place of a value on the x axis."""
        low, high = self.x_range
        return self.left + self.width * (value - low) / ((high - low) or 1)

    def y(self, value: float) -> float:
        """Place of a value on the y axis (up is more)."""
        low, high = self.y_range
        return self.top + self.height * (1 - (value - low) / ((high - low) or 1))

    def grid(self, x_unit: str, y_unit: str, *, y_count: int = 4, x_count: int = 6) -> str:
        """Quiet grid lines and tick labels; the last label of each axis carries the unit."""
        right, bottom = self.left + self.width, self.top + self.height
        ys = ticks(*self.y_range, y_count) if y_count else []
        xs = ticks(*self.x_range, x_count)
        parts = [line((self.left, self.y(v)), (right, self.y(v)), "g") for v in ys]
        parts += [text((self.left - 6, self.y(v) + 3.5), short(v), "n s e") for v in ys]
        parts += [text((self.x(v), bottom + 14), short(v), "n s m") for v in xs]
        if y_unit:
            parts.append(text((self.left - 6, self.top - 8), y_unit, "s e"))
        if x_unit:
            parts.append(text((right, bottom + 27), x_unit, "s e"))
        return "".join(parts)


def pixels(rows: Sequence[Sequence[float]], low: float, high: float, colours: Colours | None = None) -> str:
    """A picture as a PNG data address, in viridis unless told otherwise; the first row is at the bottom.

    NaN is drawn as the lowest value.
    """
    height, width = len(rows), len(rows[0]) if rows else 0
    scale = 255 / ((high - low) or 1)
    lines = bytearray()
    for row in reversed(rows):
        lines.append(0)
        lines += bytes(int(min(max((v - low) * scale, 0), 255)) if v == v else 0 for v in row)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", bytes(_palette(colours or viridis))),
        (b"IDAT", zlib.compress(bytes(lines), 9)),
        (b"IEND", b""),
    ]
    return (
        "data:image/png;base64,"
        + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*c) for c in chunks)).decode()
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _palette(colours: Colours) -> list[int]:
    return [channel for step in range(256) for channel in colours(step / 255)]


def viridis(share: float) -> tuple[int, int, int]:
    """Red, green, blue (0 to 255) at `share` (0 to 1) of the colour map."""
    return _between(VIRIDIS, share)


def signed(share: float) -> tuple[int, int, int]:
    """Red, green, blue at `share` of a map for values of both signs: blue below the middle, red above it."""
    return _between(SIGNED, share)


def _between(stops: Sequence[str], share: float) -> tuple[int, int, int]:
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    a, b = (bytes.fromhex(stops[index][1:]) for index in (first, first + 1))
    red, green, blue = (round(p + (q - p) * (place - first)) for p, q in zip(a, b, strict=True))
    return red, green, blue


def _polygon(corners: int, turn: float, radius: float) -> list[Place]:
    angles = [turn + 2 * math.pi * index / corners for index in range(corners)]
    return [(radius * math.cos(angle), radius * math.sin(angle)) for angle in angles]


def _star(radius: float) -> list[Place]:
    outer, inner = _polygon(5, -math.pi / 2, radius), _polygon(5, -math.pi / 2 + math.pi / 5, radius * 0.5)
    return [point for pair in zip(outer, inner, strict=True) for point in pair]


SHAPES: Final[Mapping[str, Sequence[Place]]] = {
    "diamond": _polygon(4, 0, 5.6),
    "square": _polygon(4, math.pi / 4, 6.2),
    "triangle": _polygon(3, -math.pi / 2, 6),
    "hexagon": _polygon(6, 0, 5.4),
    "pentagon": _polygon(5, -math.pi / 2, 5.6),
    "star": _star(6.4),
}


def shape(name: str, at: Place, colour: str) -> str:
    """An artifact type's mark, about 10 px wide, centred at a place."""
    if name == "ring":
        return element("circle", cx=at[0], cy=at[1], r=3.6, fill="var(--panel)", stroke=colour, stroke_width=2.4)
    if name == "circle":
        return element("circle", cx=at[0], cy=at[1], r=4.8, fill=colour)
    points = " ".join(f"{number(at[0] + x)},{number(at[1] + y)}" for x, y in SHAPES[name])
    return element("polygon", points=points, fill=colour)
