"""The plots of reports and of `ossicle show --plots`: plain data in, drawings out. Units on every axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.svg import Axes, Figure, Place, element, line, number, path, pixels, short, text, tip

WIDTH = 440.0
LEFT = 46.0
PLOT = WIDTH - LEFT - 14
Rows = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Sound:
    """One clip to draw: samples in [-1, 1], and features (rows, frames) if there are any."""

    name: str
    samples: Sequence[float]
    rate_hz: int
    features: Rows = ()
    rows_name: str = "coefficient"
    clip_s: float = 0.0
    """Length that the features span; the samples' own length if zero."""

    @property
    def seconds(self) -> float:
        """Length of the time axis."""
        return self.clip_s or len(self.samples) / self.rate_hz


def sound(clip: Sound, title: str) -> Figure:
    """A waveform above its features, on one time axis."""
    wave = Axes(LEFT, 14, PLOT, 84, (0, clip.seconds), (-1, 1))
    parts = [_wave(clip, wave)] if len(clip.samples) else []
    if not len(clip.features):
        return Figure(title, clip.name, "".join([*parts, wave.grid("time / s", "")]), WIDTH, 132)
    top = wave.top + wave.height + 14 if parts else 14
    low, high = _limits(clip.features[1:] if clip.rows_name == "coefficients" else clip.features)
    area = Axes(LEFT, top, PLOT, 170, (0, clip.seconds), (0, len(clip.features)))
    map_ = element(
        "image", x=area.left, y=area.top, width=area.width, height=area.height, preserveAspectRatio="none",
        href=pixels(clip.features, low, high), style="image-rendering:pixelated",
    )  # fmt: skip
    labels = _row_labels(area, len(clip.features), clip.rows_name)
    axis = Axes(area.left, area.top, area.width, area.height, area.x_range, (0, 0)).grid("time / s", "", y_count=0)
    return Figure(title, clip.name, "".join([*parts, map_, labels, axis]), WIDTH, top + 170 + 34)


def _wave(clip: Sound, axes: Axes) -> str:
    """Lowest and highest sample per pixel as one filled outline, scaled to the clip's peak."""
    columns = int(axes.width)
    peak = max((abs(v) for v in clip.samples), default=0.0) or 1.0
    per_column = max(1.0, clip.seconds * clip.rate_hz / columns)
    tops: list[Place] = []
    bottoms: list[Place] = []
    for column in range(columns):
        part = clip.samples[
            int(column * per_column) : max(int((column + 1) * per_column), int(column * per_column) + 1)
        ]
        if not len(part):
            break
        tops.append((axes.left + column, axes.y(max(part) / peak)))
        bottoms.append((axes.left + column, axes.y(min(part) / peak)))
    middle = line((axes.left, axes.y(0)), (axes.left + axes.width, axes.y(0)), "g")
    drawn = element(
        "path", d=path([*tops, *reversed(bottoms)]) + "Z", fill="var(--teal)", stroke="var(--teal)", stroke_width=0.6
    )
    label = text((axes.left - 6, axes.top + 8), f"±{peak:.2g}", "n s e")
    return middle + drawn + label + text((axes.left - 6, axes.y(0) + 3.5), "0", "n s e")


def _limits(rows: Rows) -> tuple[float, float]:
    """2nd and 98th percentile, so that one loud frame (or the loudness row of an MFCC) does not darken all others."""
    values = sorted(v for row in rows for v in row if math.isfinite(v))
    if not values:
        return 0.0, 1.0
    last = len(values) - 1
    return values[int(0.02 * last)], values[math.ceil(0.98 * last)]


def _row_labels(area: Axes, rows: int, name: str) -> str:
    step = max(1, round(rows / 4))
    marks = [text((area.left - 6, area.y(row + 0.5) + 3.5), str(row), "n s e") for row in range(0, rows, step)]
    middle = area.top + area.height / 2
    turned = text((12, middle), name, "s m", transform=f"rotate(-90 12 {number(middle)})")
    return "".join(marks) + turned


@dataclass(frozen=True)
class Series:
    """One line of a curve plot: (step, value) points."""

    name: str
    points: Sequence[Place]
    token: str
    is_judged: bool = True
    """Whether its best point is marked."""


@dataclass(frozen=True)
class Panel:
    """Lines that share one unit. `best` says which end of the scale is good, "" for neither."""

    name: str
    unit: str
    series: Sequence[Series]
    best: str = ""


def curves(panels: Sequence[Panel], title: str, x_name: str = "step") -> Figure:
    """Panels one above the other on one x axis; the best point of a line is marked where the panel has a good end."""
    height, gap, top = (118.0 if len(panels) > 1 else 200.0), 34.0, 26.0
    xs = [x for panel in panels for series in panel.series for x, _ in series.points]
    parts: list[str] = []
    for index, panel in enumerate(panels):
        axes = Axes(LEFT, top + index * (height + gap), PLOT, height, _range(xs, 0.0), _y_range(panel))
        last = index == len(panels) - 1
        parts.append(axes.grid(x_name if last else "", "", y_count=3))
        parts.append(_legend(panel, axes))
        parts += [_curve(series, axes, panel.best if series.is_judged else "") for series in panel.series]
    caption = ", ".join(panel.name for panel in panels)
    return Figure(title, caption, "".join(parts), WIDTH, top + len(panels) * (height + gap) + 2)


def _y_range(panel: Panel) -> tuple[float, float]:
    return _range([y for series in panel.series for _, y in series.points], 0.06)


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    spare = (high - low) * margin or (abs(high) * 0.05 or 1.0 if high == low else 0.0)
    return low - spare, high + spare


def _legend(panel: Panel, axes: Axes) -> str:
    unit = f" / {panel.unit}" if panel.unit else ""
    parts = [text((axes.left, axes.top - 9), f"{panel.name}{unit}", "s")]
    x = axes.left + axes.width
    for series in reversed(panel.series if len(panel.series) > 1 else ()):
        x -= 6.2 * len(series.name) + 4
        parts.append(text((x, axes.top - 9), series.name, "s t"))
        x -= 20
        parts.append(_stroke(f"M{number(x)} {number(axes.top - 12.5)}h14", series))
    return "".join(parts)


def _stroke(data: str, series: Series) -> str:
    return element("path", d=data, class_="l", stroke=f"var(--{series.token})")


def _curve(series: Series, axes: Axes, best: str) -> str:
    points = [(x, y) for x, y in series.points if math.isfinite(y)]
    drawn = _stroke(path([(axes.x(x), axes.y(y)) for x, y in points]), series)
    if not points or not best:
        return drawn
    x, y = (max if best == "high" else min)(points, key=lambda point: point[1])
    dot = element(
        "circle", tip(f"best {series.name}: {short(y)} at {short(x)}"), cx=axes.x(x), cy=axes.y(y), r=3.6,
        fill=f"var(--{series.token})", stroke="var(--panel)", stroke_width=1.5,
    )  # fmt: skip
    at_right = axes.x(x) > axes.left + axes.width - 60
    place = (axes.x(x) + (-7 if at_right else 7), axes.y(y) + (13 if best == "high" else -6))
    return drawn + dot + text(place, short(y), "n s t e" if at_right else "n s t")


def confusion(matrix: Rows, labels: Sequence[str], title: str) -> Figure:
    """Truth in rows, prediction in columns: right answers teal, mistakes red, both by share of the row."""
    count = len(labels)
    left = min(110.0, 24 + 6.4 * max((len(name) for name in labels), default=1))
    cell = min(44.0, (WIDTH - left - 48) / max(count, 1))
    top = min(96.0, 20 + 4.8 * max((len(name) for name in labels), default=1)) if cell < 40 else 36.0
    parts: list[str] = []
    for i, row in enumerate(matrix):
        total = sum(row) or 1.0
        parts += [_cell((left + j * cell, top + i * cell), cell, v, v / total, i == j) for j, v in enumerate(row)]
        parts.append(text((left - 6, top + (i + 0.5) * cell + 3.5), labels[i], "s e"))
        recall = f"{100 * row[i] / total:.0f} %" if sum(row) else "-"
        parts.append(text((left + count * cell + 6, top + (i + 0.5) * cell + 3.5), recall, "n s"))
        parts.append(_column_label(labels[i], left + (i + 0.5) * cell, top - 6, cell))
    right = left + count * cell + 6
    parts.append(text((right, top - 6), "recall", "s"))
    parts.append(text((left - 6, top + count * cell + 15), "truth ↓  predicted →", "s e" if left > 100 else "s"))
    total, right_ones = sum(map(sum, matrix)), sum(row[i] for i, row in enumerate(matrix))
    caption = f"{right_ones:,.0f} of {total:,.0f} clips right"
    return Figure(title, caption, "".join(parts), WIDTH, top + count * cell + 24)


def _column_label(name: str, x: float, y: float, cell: float) -> str:
    if cell >= 40:
        return text((x, y), name if len(name) < 8 else name[:7] + "…", "s m")
    return text((x + 3, y), name, "s", transform=f"rotate(-50 {number(x + 3)} {number(y)})")


def _cell(at: Place, cell: float, value: float, share: float, is_right: bool) -> str:
    """Mistakes are drawn by the root of their share: one clip in a hundred must still be seen."""
    strength = share if is_right else math.sqrt(share)
    box = element(
        "rect", tip(f"{value:g} clips, {100 * share:.1f} % of the row"), x=at[0] + 0.5, y=at[1] + 0.5, width=cell - 1,
        height=cell - 1, rx=2, fill=f"var(--{'teal' if is_right else 'red'})" if value else "var(--raised)",
        fill_opacity=round(0.12 + 0.78 * strength, 3) if value else 1,
    )  # fmt: skip
    if cell < 17 or not value:
        return box
    dark = "t" if strength < 0.55 else "i"
    return box + text((at[0] + cell / 2, at[1] + cell / 2 + 3.5), f"{value:g}", f"n s m {dark}")


@dataclass(frozen=True)
class Bar:
    """One bar: a name, its value, what is said when the pointer rests on it, and a peer's value if there is one."""

    name: str
    value: float
    note: str = ""
    peer: float | None = None


def bars(
    rows: Sequence[Bar], title: str, unit: str, token: str = "rose", peer_name: str = "", is_share: bool = True
) -> Figure:
    """Horizontal bars in the given order, each with its figure and (if they add up to something) its share."""
    total = sum(row.value for row in rows) or 1.0
    most = max([row.value for row in rows] + [row.peer or 0.0 for row in rows], default=1.0) or 1.0
    left = min(150.0, 24 + 6.6 * max((len(row.name) for row in rows), default=4))
    step = 22.0 if len(rows) <= 24 else 16.0
    width = WIDTH - left - 96
    parts: list[str] = []
    for index, row in enumerate(rows):
        y = 10 + index * step
        parts.append(text((left - 8, y + 10), row.name, "s t e"))
        body = _bar((left, y + 2), width * row.value / most, 10.0 if row.peer is None else 6.0, token)
        if row.peer is not None:
            body += _bar((left, y + 9), width * row.peer / most, 5.0, "faint")
        parts.append(element("g", tip(row.note or f"{row.value:.4g} {unit}"), body))
        x = left + width * max(row.value, row.peer or 0.0) / most + 7
        parts.append(text((x, y + 10), short(row.value), "n s t"))
        if row.peer and row.value:
            parts.append(text((WIDTH - 6, y + 10), f"{row.peer / row.value:.1f}×", "n s e"))
        elif is_share:
            parts.append(text((WIDTH - 6, y + 10), f"{100 * row.value / total:.0f} %", "n s e"))
    told = [unit, f"{total:,.0f} {unit} in all" if is_share else "", f"grey: {peer_name}" if peer_name else ""]
    caption = "; ".join(filter(None, told[1:] if is_share else told))
    return Figure(title, caption, "".join(parts), WIDTH, 18 + len(rows) * step)


def _bar(at: Place, width: float, height: float, token: str) -> str:
    return element("rect", x=at[0], y=at[1], width=max(width, 1.0), height=height, rx=2, fill=f"var(--{token})")


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval, all as shares in [0, 1]."""

    name: str
    value: float
    low: float
    high: float
    note: str = ""


def intervals(rows: Sequence[Interval], title: str, caption: str) -> Figure:
    """A dot with whiskers per row, in percent; the axis starts where it is needed."""
    left = min(150.0, 24 + 6.6 * max((len(row.name) for row in rows), default=4))
    step = 20.0
    lowest = min((row.low for row in rows), default=0.0)
    floor = max(0.0, math.floor((100 * lowest - 1) / 10) * 10)
    axes = Axes(left, 12, WIDTH - left - 90, step * len(rows), (floor, 100), (0, 1))
    parts = [Axes(axes.left, axes.top, axes.width, axes.height, axes.x_range, (0, 0)).grid("%", "", y_count=0)]
    for index, row in enumerate(rows):
        y = axes.top + (index + 0.5) * step
        a, b = axes.x(100 * row.low), axes.x(100 * row.high)
        whisker = element(
            "path", d=f"M{number(a)} {number(y)}H{number(b)}", class_="l", stroke="var(--gold)", opacity=0.55
        )
        ends = "".join(line((x, y - 3.5), (x, y + 3.5), "w") for x in (a, b))
        dot = element("circle", cx=axes.x(100 * row.value), cy=y, r=4, fill="var(--gold)")
        parts.append(text((left - 8, y + 3.5), row.name, "s t e"))
        told = row.note or f"{100 * row.value:.1f} % ({100 * row.low:.1f} to {100 * row.high:.1f})"
        parts.append(element("g", tip(told), whisker, ends, dot))
        parts.append(text((WIDTH - 10, y + 3.5), f"{100 * row.value:.1f} %", "n s t e"))
    return Figure(title, caption, "".join(parts), WIDTH, axes.top + axes.height + 34)
