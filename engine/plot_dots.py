"""Dots on a line, a row per group: how far single figures lie apart, and how sure their mean is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.plot import LEFT, WIDTH
from engine.svg import Axes, Figure, element, line, number, short, text, tip

ROW_PX: Final = 20.0
TOP_PX: Final = 20.0
RIGHT_PX: Final = 62.0


@dataclass(frozen=True)
class Dot:
    """One figure, and what is said when the pointer rests on it."""

    value: float
    note: str


@dataclass(frozen=True)
class Row:
    """Figures that belong together; the interval of their mean if there is one."""

    name: str
    dots: Sequence[Dot]
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Band:
    """The mean over all rows and its interval, drawn behind them."""

    mean: float
    low: float | None = None
    high: float | None = None


def dots(rows: Sequence[Row], band: Band, title: str, caption: str, unit: str = "") -> Figure:
    """A row of dots per group, its mean as a bar with whiskers; the mean of all as a line with its interval."""
    left = max(LEFT, min(150.0, 24 + 6.6 * max((len(row.name) for row in rows), default=4)))
    axes = Axes(left, TOP_PX, WIDTH - left - RIGHT_PX, ROW_PX * len(rows), _range(rows, band), (0, 1))
    scale = Axes(axes.left, axes.top, axes.width, axes.height, axes.x_range, (0, 0))
    parts = [_band(axes, band), scale.grid(unit, "", y_count=0)]
    for index, row in enumerate(rows):
        parts += _row(axes, axes.top + (index + 0.5) * ROW_PX, row)
    return Figure(title, caption, "".join(parts), WIDTH, axes.top + axes.height + 34)


def _range(rows: Sequence[Row], band: Band) -> tuple[float, float]:
    ends = [end for row in rows for end in (row.low, row.high)] + [band.low, band.high, band.mean]
    values = [value for row in rows for dot in row.dots if math.isfinite(value := dot.value)]
    values += [end for end in ends if end is not None]
    low, high = min(values, default=0.0), max(values, default=1.0)
    spare = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - spare, high + spare


def _band(axes: Axes, band: Band) -> str:
    bottom = axes.top + axes.height
    x = axes.x(band.mean)
    middle = line((x, axes.top - 4), (x, bottom), "w")
    label = text((x, axes.top - 8), short(band.mean), "n s m t")
    if band.low is None or band.high is None:
        return middle + label
    left, right = axes.x(band.low), axes.x(band.high)
    box = element(
        "rect", x=left, y=axes.top, width=max(right - left, 1.0), height=axes.height, fill="var(--gold)",
        fill_opacity=0.13,
    )  # fmt: skip
    told = f"mean {short(band.mean)}, 95 %: {short(band.low)} to {short(band.high)}"
    return element("g", tip(told), box, middle) + label


def _row(axes: Axes, y: float, row: Row) -> list[str]:
    parts = [text((axes.left - 8, y + 3.5), row.name, "s t e")]
    if row.low is not None and row.high is not None:
        a, b = axes.x(row.low), axes.x(row.high)
        ends = "".join(line((x, y - 3.5), (x, y + 3.5), "w") for x in (a, b))
        whisker = element("path", d=f"M{number(a)} {number(y)}H{number(b)}", class_="l", stroke="var(--gold)")
        told = f"{row.name}: mean {short(row.mean)}, 95 %: {short(row.low)} to {short(row.high)}"
        parts.append(element("g", tip(told), whisker, ends, opacity=0.6))
    for dot in row.dots:
        circle = element(
            "circle", tip(dot.note), cx=axes.x(dot.value), cy=y, r=4 if len(row.dots) < 20 else 2.6,
            fill="var(--blue)", fill_opacity=0.75,
        )  # fmt: skip
        parts.append(circle)
    parts.append(text((WIDTH - 8, y + 3.5), short(row.mean), "n s t e"))
    return parts
