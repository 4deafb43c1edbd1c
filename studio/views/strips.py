"""Rows of points on one logarithmic axis: what each thing took among all it could have taken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from studio.look import theme
from studio.views.walk import WalkedRows

TALLEST, SHORTEST, AXIS = 30.0, 20.0, 20.0
MOST_LABEL: Final = 120.0
MOST_END: Final = 210.0
MOST_RANGE: Final = 3000.0
"""From the axis' start to its end: what is less is nothing."""
NEAR_PX: Final = 7.0
NARROW_PX: Final = 400
LEFT: Final = Qt.AlignmentFlag.AlignLeft
FACTORS: Final = (1.0, 2.0, 5.0)
Shape = Literal["circle", "square"]


@dataclass(frozen=True)
class Spot:
    """One point; the chosen one of a row is drawn large."""

    value: float
    token: str
    note: str
    shape: Shape = "circle"
    is_chosen: bool = False


@dataclass(frozen=True)
class Strip:
    """One row: its points, a limit no point should pass, and what is said at its end."""

    name: str
    spots: tuple[Spot, ...]
    limit: float | None = None
    end: str = ""
    note: str = ""
    short: str = ""
    """Said at the end where there is little room."""
    label: str = ""
    """Shown instead of the name, quietly: for a row that only serves the others."""


class Strips(WalkedRows):
    """The rows over an axis. `chosen(str)` tells the row that was clicked or walked to."""

    def __init__(self, name: str, unit: str, parent: QWidget | None = None) -> None:
        super().__init__(name, parent)
        self.unit = unit
        self.strips: tuple[Strip, ...] = ()
        self.span = (1.0, 10.0)

    def show_strips(self, strips: Sequence[Strip], picked: str = "") -> None:
        """Show other rows; `picked` is the name of the one that is lit."""
        self.strips = tuple(strips)
        self.span = _span([spot.value for strip in strips for spot in strip.spots])
        self._at = -1
        self._picked = next((i for i, strip in enumerate(self.strips) if strip.name == picked), -1)
        self.setMinimumHeight(round(SHORTEST * len(self.strips) + AXIS))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """As tall as the rows like."""
        return QSize(320, round(TALLEST * max(len(self.strips), 1) + AXIS))

    @property
    def entries(self) -> tuple[Strip, ...]:
        """The rows."""
        return self.strips

    @property
    def step(self) -> float:
        """Height of a row."""
        return max(SHORTEST, min(TALLEST, (self.height() - AXIS) / max(len(self.strips), 1)))

    @property
    def is_narrow(self) -> bool:
        """Whether the short ends are said."""
        return self.width() < NARROW_PX

    # ---- drawing

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows in sight and the axis."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_lines(painter)
        for index, strip in enumerate(self.strips):
            box = QRectF(0, index * self.step, self.width(), self.step)
            if event.rect().intersects(box.toAlignedRect()):
                self._draw_strip(painter, strip, box, is_lit=index in (self._at, self._picked))
        self._draw_axis(painter, self._axis_top(event.rect()))

    def _field(self) -> QRectF:
        """Where points are drawn: between the names and what is said at the end."""
        names, ends = QFontMetricsF(theme.font(11)), QFontMetricsF(theme.font(10.5, monospace=True))
        label = max((names.horizontalAdvance(strip.label or strip.name) for strip in self.strips), default=20.0) + 14
        said = [strip.short if self.is_narrow else strip.end for strip in self.strips]
        end = max((ends.horizontalAdvance(text) for text in said), default=0.0) + 20
        label, end = min(label, MOST_LABEL, 0.3 * self.width()), min(end, MOST_END, 0.4 * self.width())
        return QRectF(label, 0, max(self.width() - label - end, 20.0), self.step * len(self.strips))

    def _x(self, value: float, field: QRectF) -> float:
        """Where a value is drawn; what is below the axis, at its start."""
        low, high = self.span
        value = max(value, low)
        return field.left() + field.width() * (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))

    def _draw_lines(self, painter: QPainter) -> None:
        field = self._field()
        painter.setPen(QPen(theme.colour("line", 0.8), 1))
        for value in _marks(*self.span):
            x = self._x(value, field)
            painter.drawLine(QPointF(x, 0), QPointF(x, field.bottom()))

    def _axis_top(self, painted: QRect) -> float:
        """Under the last row; at the lower edge of what is seen where that is scrolled out of sight."""
        rows = self.step * len(self.strips)
        seen = self.visibleRegion().boundingRect()
        is_screen = not seen.isEmpty() and seen.contains(painted)  # a picture is painted as a whole
        return min(rows, seen.bottom() + 1 - AXIS) if is_screen else rows

    def _draw_axis(self, painter: QPainter, top: float) -> None:
        field, font = self._field(), theme.font(10, monospace=True)
        painter.fillRect(QRectF(0, top, self.width(), self.height() - top), theme.colour("canvas"))
        painter.setFont(font)
        painter.setPen(theme.colour("mute"))
        wide, last = QFontMetricsF(font), -1e9
        for value in _marks(*self.span):
            text = f"{value:g}"
            left = self._x(value, field) - wide.horizontalAdvance(text) / 2
            if left > last + 8:
                last = left + wide.horizontalAdvance(text)
                painter.drawText(QPointF(left, top + 14), text)
        painter.drawText(QPointF(field.right() + 14, top + 14), self.unit)

    def _draw_strip(self, painter: QPainter, strip: Strip, box: QRectF, *, is_lit: bool) -> None:
        field, middle = self._field(), box.center().y()
        if is_lit:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("raised"))
            painter.drawRoundedRect(box, 5, 5)
        self._draw_words(painter, strip, box, field, is_lit=is_lit)
        xs = [self._x(spot.value, field) for spot in strip.spots]
        if len(xs) > 1:
            painter.setPen(QPen(theme.colour("line"), 1.5))
            painter.drawLine(QPointF(min(xs), middle), QPointF(max(xs), middle))
        if strip.limit is not None:
            x = self._x(strip.limit, field)
            painter.setPen(QPen(theme.colour("mute"), 2))
            painter.drawLine(QPointF(x, middle - 0.32 * box.height()), QPointF(x, middle + 0.32 * box.height()))
        for spot, x in sorted(zip(strip.spots, xs, strict=True), key=lambda pair: pair[0].is_chosen):
            _draw_spot(painter, spot, QPointF(x, middle))

    def _draw_words(self, painter: QPainter, strip: Strip, box: QRectF, field: QRectF, *, is_lit: bool) -> None:
        quiet, end = "faint" if strip.label else "mute", strip.short if self.is_narrow else strip.end
        left = QRectF(4, box.top(), field.left() - 14, box.height())
        right = QRectF(field.right() + 14, box.top(), self.width() - field.right() - 16, box.height())
        for text, font, token, place, edge in (
            (strip.label or strip.name, theme.font(11), "text" if is_lit else quiet, left, Qt.AlignmentFlag.AlignRight),
            (end, theme.font(10.5, monospace=True), quiet if strip.label else "text", right, LEFT),
        ):
            painter.setFont(font)
            painter.setPen(theme.colour(token))
            cut = QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideMiddle, place.width())
            painter.drawText(place, edge | Qt.AlignmentFlag.AlignVCenter, cut)

    # ---- hands

    def note_at(self, place: QPoint) -> str:
        """What is told about a point of the widget: the nearest spot of the row, else the row."""
        index = self.row_at(place)
        if index < 0:
            return ""
        strip, field = self.strips[index], self._field()
        by_distance = sorted(strip.spots, key=lambda spot: abs(self._x(spot.value, field) - place.x()))
        is_near = bool(by_distance) and abs(self._x(by_distance[0].value, field) - place.x()) <= NEAR_PX
        return by_distance[0].note if is_near else strip.note


def _draw_spot(painter: QPainter, spot: Spot, at: QPointF) -> None:
    half = 5.5 if spot.is_chosen else 3.6
    painter.setPen(QPen(theme.colour("canvas"), 1.5) if spot.is_chosen else Qt.PenStyle.NoPen)
    painter.setBrush(theme.colour(spot.token, 1.0 if spot.is_chosen else 0.5))
    if spot.shape == "square":
        painter.drawRoundedRect(QRectF(at.x() - half, at.y() - half, 2 * half, 2 * half), 1.5, 1.5)
    else:
        painter.drawEllipse(at, half, half)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The axis' ends: all positive values with some room, but no more than is told apart."""
    known = [value for value in values if value > 0]
    if not known:
        return 1.0, 10.0
    return max(min(known), max(known) / MOST_RANGE) / 1.25, max(known) * 1.25


def _marks(low: float, high: float) -> Iterator[float]:
    """1, 2 and 5 of every power of ten between two values; powers alone over many decades."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = FACTORS if last - first <= 4 else FACTORS[:1]
    values = (factor * 10.0**power for power in range(first, last + 1) for factor in factors)
    return (value for value in values if low <= value <= high)
