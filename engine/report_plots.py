"""What any report may ask to be drawn: lines (`plots` of report.json), maps (`maps`, over arrays of arrays.npz), shares
with whiskers (`intervals`: see `interval_figure`).

A plot: `{"title", "caption", "x": axis, "y": axis, "lines": [...], "points": [...]}`. An axis is `{"name", "scale"}`,
its scale linear, log or normal (normal deviates, as on DET plots); a line `{"name", "x", "y"}`, with `low` and `high`
if there is a band around it; a point `{"name", "x", "y"}`.

A picture of maps: `{"title", "caption", "x": {"name", "end"}, "y": {"name", "size"}, "columns": [...]}`. A column is
`{"name", "panels": [...]}`, a panel `{"name", "array", "colours"}`: the name of an array (rows, columns) in arrays.npz,
drawn with its first row at the bottom, in "viridis" or, with zero in the middle, "signed". `limits_from_row` leaves the
rows below it out of the colours' range (the first coefficient of an MFCC is the loudness, far from all others).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

from engine import plot
from engine.svg import (
    Axes,
    Colours,
    Figure,
    element,
    line,
    number,
    path,
    pixels,
    short,
    signed,
    text,
    ticks,
    tip,
    viridis,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDTH, LEFT, HEIGHT = 440.0, 46.0, 190.0
PLOT = WIDTH - LEFT - 14
LINE_TOKENS: Final = ("accent", "blue", "teal", "violet", "rose", "lime", "gold", "orange")
MOST_PLOTS, MOST_LINES, MOST_MAPS = 12, 16, 24
_DEVIATE: Final = NormalDist().inv_cdf
_RATES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
Point = tuple[float, float]
Json = Mapping[str, Any]


def figures(raw: Json, folder: Path) -> Iterator[Figure]:
    """The drawings that a report asks for; `folder` holds its arrays.npz.

    Raises:
        KeyError, TypeError, ValueError, OSError: the report is not of the documented form.
    """
    yield from (interval_figure(entry) for entry in (raw.get("intervals") or ())[:MOST_PLOTS])
    yield from (line_figure(drawing(entry)) for entry in (raw.get("plots") or ())[:MOST_PLOTS])
    pictures = (raw.get("maps") or ())[:MOST_MAPS]
    if pictures:
        arrays = read_arrays(folder / "arrays.npz", pictures)
        yield from (map_figure(picture, arrays) for picture in pictures)


def interval_figure(raw: Json) -> Figure:
    """Shares with whiskers: `{"title", "caption", "rows": [{"name", "value", "low", "high"}]}`."""
    rows = [plot.Interval(row["name"], row["value"], row["low"], row["high"]) for row in raw["rows"]]
    return plot.intervals(rows, str(raw["title"]), str(raw.get("caption", "")))


# ---- lines


@dataclass(frozen=True)
class Scale:
    """How values become places on an axis (None where they have none), and the ticks between two values."""

    place: Callable[[float], float | None]
    marks: Callable[[float, float], Sequence[float]]


def _log_marks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(powers) > 4 else (1, 2, 5)
    return [f * 10.0**p for p in powers for f in factors if low * 0.999 <= f * 10.0**p <= high * 1.001]


SCALES: Final[Mapping[str, Scale]] = {
    "linear": Scale(lambda value: value, ticks),
    "log": Scale(lambda value: math.log10(value) if value > 0 else None, _log_marks),
    "normal": Scale(
        lambda rate: _DEVIATE(rate) if 0 < rate < 1 else None,
        lambda low, high: [rate for rate in _RATES if low * 0.99 <= rate <= high * 1.01],
    ),
}


@dataclass(frozen=True)
class Drawing:
    """A plot ready to be drawn: everything as places on its axes."""

    title: str
    caption: str
    names: tuple[str, str]
    lines: Mapping[str, Sequence[Point]]
    bands: Mapping[str, Sequence[Point]]
    """Closed outlines around lines of the same name."""
    points: Mapping[str, Point]
    spans: tuple[Point, Point]
    """Lowest and highest place, across and up."""
    marks: tuple[Mapping[float, str], Mapping[float, str]]
    """Ticks: places with their words."""


def drawing(raw: Json) -> Drawing:
    """Read one plot of a report.

    Raises:
        KeyError, TypeError, ValueError: it is not of the documented form.
    """
    entries = raw["lines"][:MOST_LINES]
    x, y = (SCALES[raw[side].get("scale", "linear")] for side in ("x", "y"))
    bands = {entry["name"]: _band(entry, x, y) for entry in entries if "low" in entry and "high" in entry}
    points = {e["name"]: _places([e["x"]], [e["y"]], x, y) for e in raw.get("points", ())}
    known = [pair for entry in (*entries, *_as_lines(raw)) for pair in _pairs(entry) if None not in _place(pair, x, y)]
    across, up = ([pair[side] for pair in known] for side in (0, 1))
    ranges = (_span(across, x), _span(up, y))
    return Drawing(
        str(raw["title"]),
        str(raw.get("caption", "")),
        (str(raw["x"]["name"]), str(raw["y"]["name"])),
        {entry["name"]: _places(entry["x"], entry["y"], x, y) for entry in entries},
        bands,
        {name: found[0] for name, found in points.items() if found},
        (ranges[0][0], ranges[1][0]),
        (ranges[0][1], ranges[1][1]),
    )


def _as_lines(raw: Json) -> list[Json]:
    return [{"x": [entry["x"]], "y": [entry["y"]]} for entry in raw.get("points", ())]


def _pairs(entry: Json) -> Iterator[Point]:
    """All that a line and its band go through."""
    return (pair for key in ("y", "low", "high") if key in entry for pair in zip(entry["x"], entry[key], strict=True))


def _place(pair: Point, x: Scale, y: Scale) -> tuple[float | None, float | None]:
    return x.place(pair[0]), y.place(pair[1])


def _places(xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale) -> list[Point]:
    found = (_place(pair, x, y) for pair in zip(xs, ys, strict=True))
    return [(a, b) for a, b in found if a is not None and b is not None]


def _band(entry: Json, x: Scale, y: Scale) -> list[Point]:
    there, back = (_places(entry["x"], entry[end], x, y) for end in ("low", "high"))
    return [*there, *reversed(back)]


def _span(values: Sequence[float], scale: Scale) -> tuple[Point, Mapping[float, str]]:
    """Lowest and highest place with a little room, and the ticks between them."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    ends = [place for value in (low, high) if (place := scale.place(value)) is not None] or [0.0, 1.0]
    room = 0.02 * (ends[-1] - ends[0]) or 0.5
    marks = {place: short(v) for v in scale.marks(low, high) if (place := scale.place(v)) is not None} if values else {}
    return (ends[0] - room, ends[-1] + room), marks


def line_figure(drawn: Drawing) -> Figure:
    """A plot as a figure: lines, bands, marked points, a legend below."""
    axes = Axes(LEFT, 20, PLOT, HEIGHT, *drawn.spans)
    parts = [_grid(axes, drawn)]
    for token, (name, places) in zip(_tokens(), drawn.lines.items(), strict=False):
        parts += [_outline(drawn.bands[name], axes, token)] if drawn.bands.get(name) else []
        parts.append(_stroke([(axes.x(a), axes.y(b)) for a, b in places], token, name))
    parts += [_dot((axes.x(a), axes.y(b)), name) for name, (a, b) in drawn.points.items()]
    legend, bottom = _legend(list(drawn.lines), axes.top + axes.height + 46)
    return Figure(drawn.title, drawn.caption, "".join([*parts, legend]), WIDTH, bottom)


def _tokens() -> list[str]:
    return [token for _ in range(-(-MOST_LINES // len(LINE_TOKENS))) for token in LINE_TOKENS]


def _grid(axes: Axes, drawn: Drawing) -> str:
    right, bottom = axes.left + axes.width, axes.top + axes.height
    across, up = drawn.marks
    parts = [line((axes.left, axes.y(place)), (right, axes.y(place)), "g") for place in up]
    parts += [text((axes.left - 6, axes.y(place) + 3.5), word, "n s e") for place, word in up.items()]
    parts += [text((axes.x(place), bottom + 14), word, "n s m") for place, word in across.items()]
    names = text((right, bottom + 28), drawn.names[0], "s e"), text((4, axes.top - 8), drawn.names[1], "s")
    return "".join([*parts, *names])


def _stroke(places: Sequence[Point], token: str, name: str) -> str:
    return element("path", tip(name), d=path(places), class_="l", stroke=f"var(--{token})") if places else ""


def _outline(places: Sequence[Point], axes: Axes, token: str) -> str:
    data = path([(axes.x(a), axes.y(b)) for a, b in places]) + "Z"
    return element("path", d=data, fill=f"var(--{token})", opacity=0.16)


def _dot(at: Point, name: str) -> str:
    return element(
        "circle", tip(name), cx=at[0], cy=at[1], r=4, fill="var(--panel)", stroke="var(--gold)", stroke_width=2
    )


def _legend(names: Sequence[str], top: float) -> tuple[str, float]:
    """Names with their colours in rows, and where the figure ends."""
    x, y = LEFT, top
    parts = []
    for token, name in zip(_tokens(), names, strict=False):
        width = 24 + 6.0 * len(name)
        if x > LEFT and x + width > WIDTH:
            x, y = LEFT, y + 15
        parts.append(element("path", d=f"M{number(x)} {number(y - 3.5)}h14", class_="l", stroke=f"var(--{token})"))
        parts.append(text((x + 18, y), name, "s t"))
        x += width
    return "".join(parts), y + 10


# ---- maps

COLOURS: Final[Mapping[str, Colours]] = {"viridis": viridis, "signed": signed}
PANEL_GAP, BAR = 22.0, 9.0


def read_arrays(path: Path, pictures: Sequence[Json]) -> Mapping[str, NDArray[np.float64]]:
    """The arrays that pictures of maps are made of."""
    import numpy as np

    wanted = {panel["array"] for picture in pictures for column in picture["columns"] for panel in column["panels"]}
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name].astype(np.float64) for name in sorted(wanted)}


def limits(values: NDArray[np.float64], colours: str) -> tuple[float, float]:
    """The range that colours span, single extremes left out: from low to high, or as far below zero as above it."""
    import numpy as np

    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    if colours == "signed":
        most = float(np.percentile(np.abs(finite), 99.5)) or float(np.abs(finite).max()) or 1.0
        return -most, most
    low, high = (float(end) for end in np.percentile(finite, [1, 99]))
    return (low, high) if high > low else (low, low + 1.0)


def map_figure(raw: Json, arrays: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Columns of maps on common axes, each with a colour bar that shows its range."""
    columns = raw["columns"]
    wide = (WIDTH - LEFT) / max(len(columns), 1)
    tall = 88.0
    rows = max((len(column["panels"]) for column in columns), default=0)
    parts = []
    for place, column in enumerate(columns):
        left = LEFT + place * wide
        parts.append(text((left, 12), column["name"], "s t"))
        for row, panel in enumerate(column["panels"]):
            area = Axes(
                left, 34 + row * (tall + PANEL_GAP), wide - 52, tall, (0, raw["x"]["end"]), (0, raw["y"]["size"])
            )
            parts.append(_panel(panel, area, arrays[panel["array"]]))
            parts.append(_map_axes(area, raw, is_left=place == 0, is_lowest=row == len(column["panels"]) - 1))
    return Figure(
        str(raw["title"]), str(raw.get("caption", "")), "".join(parts), WIDTH, 34 + rows * (tall + PANEL_GAP) + 14
    )


def _panel(panel: Json, area: Axes, values: NDArray[np.float64]) -> str:
    low, high = limits(values[panel.get("limits_from_row", 0) :], panel["colours"])
    colours = COLOURS[panel["colours"]]
    map_ = _image(area, pixels(values.tolist(), low, high, colours))
    bar = Axes(area.left + area.width + 5, area.top, BAR, area.height, (0, 1), (low, high))
    ramp = _image(bar, pixels([[low + (high - low) * step / 63] for step in range(64)], low, high, colours))
    marks = sorted({low, high, *([0.0] if panel["colours"] == "signed" else [])})
    words = [
        text((bar.left + BAR + 3, bar.y(value) + (8 if value == high else 0)), f"{value:.3g}", "n x") for value in marks
    ]
    name = text((area.left, area.top - 5), panel["name"], "x")
    return "".join([name, map_, ramp, *words])


def _image(area: Axes, address: str) -> str:
    return element(
        "image", x=area.left, y=area.top, width=area.width, height=area.height, preserveAspectRatio="none",
        href=address, style="image-rendering:pixelated",
    )  # fmt: skip


def _map_axes(area: Axes, raw: Json, *, is_left: bool, is_lowest: bool) -> str:
    bottom = area.top + area.height
    parts = []
    if is_left:
        steps = [value for value in ticks(0, raw["y"]["size"], 3) if value < raw["y"]["size"]]
        parts += [text((area.left - 5, area.y(value) + 3.5), short(value), "n x e") for value in steps]
        middle = area.top + area.height / 2
        parts.append(text((10, middle), raw["y"]["name"], "x m", transform=f"rotate(-90 10 {number(middle)})"))
    if is_lowest:
        across = ticks(0, raw["x"]["end"], 3)
        parts += [text((area.x(value), bottom + 12), short(value), "n x m") for value in across]
        parts.append(text((area.left + area.width, bottom + 24), raw["x"]["name"], "x e"))
    return "".join(parts)
