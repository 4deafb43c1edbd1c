"""Small drawings that several panels share: a title with its matched letters, key caps, a type's shape, a badge."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter

from studio.look.shapes import kind_shape
from studio.look.theme import colour, font, kind_colour

LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
CAP_PX: Final = 18.0


def draw_text(painter: QPainter, area: QRectF, text: str, face: QFont, token: str, *, at_right: bool = False) -> float:
    """One line, elided to its room; the width it took."""
    measure = QFontMetricsF(face)
    shown = measure.elidedText(text, Qt.TextElideMode.ElideRight, area.width())
    painter.setFont(face)
    painter.setPen(colour(token))
    painter.drawText(area, RIGHT if at_right else LEFT, shown)
    return measure.horizontalAdvance(shown)


def draw_marked(
    painter: QPainter, area: QRectF, text: str, marks: Collection[int], face: QFont, token: str = "text"
) -> float:
    """One line with the letters at `marks` in amber; the width it took."""
    measure = QFontMetricsF(face)
    shown = measure.elidedText(text, Qt.TextElideMode.ElideRight, area.width())
    painter.setFont(face)
    for start, end, is_marked in _stretches(len(shown), frozenset(marks)):
        painter.setPen(colour("amber-text" if is_marked else token))
        painter.drawText(area.adjusted(measure.horizontalAdvance(shown[:start]), 0, 4, 0), LEFT, shown[start:end])
    return measure.horizontalAdvance(shown)


def _stretches(length: int, marks: frozenset[int]) -> list[tuple[int, int, bool]]:
    """Runs of letters that are all marked or all not."""
    cuts = [k for k in range(1, length) if (k in marks) != (k - 1 in marks)]
    ends = [0, *cuts, length]
    return [(a, b, a in marks) for a, b in zip(ends, ends[1:], strict=False) if b > a]


def draw_caps(painter: QPainter, area: QRectF, text: str, token: str = "mute") -> float:
    """A shortcut as a key cap at the right end of an area; the width it took, its margin included."""
    if not text:
        return 0.0
    face = font(11)
    width = QFontMetricsF(face).horizontalAdvance(text) + 12
    cap = QRectF(area.right() - width, area.center().y() - CAP_PX / 2, width, CAP_PX)
    painter.setPen(colour("line"))
    painter.setBrush(colour("canvas"))
    painter.drawRoundedRect(cap, 5, 5)
    painter.setFont(face)
    painter.setPen(colour(token))
    painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, text)
    return width + 8


def draw_kind(painter: QPainter, middle: QPointF, kind: str, radius: float, token: str = "") -> None:
    """An artifact type's shape in its colour, or in a token's."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(token) if token else kind_colour(kind))
    painter.translate(middle)
    painter.drawPath(kind_shape(kind, radius))
    painter.translate(-middle)


def draw_lit(painter: QPainter, area: QRectF, *, is_chosen: bool, has_bar: bool = False) -> None:
    """The ground of a row under the pointer or chosen; with a bar it shows where the keyboard is."""
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour("raised", 1.0 if is_chosen else 0.55))
    painter.drawRoundedRect(area, 7, 7)
    if has_bar and is_chosen:
        painter.setBrush(colour("accent"))
        painter.drawRoundedRect(QRectF(area.left(), area.top() + 7, 3, area.height() - 14), 1.5, 1.5)
