"""Pens, paths and letters of the canvas, made once: what boxes, wires and the far view draw with."""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPainterPath, QPen, QPixmap, QStaticText

from studio.canvas.thumb import HEIGHT_PX, WIDTH_PX
from studio.look.theme import colour, font, ground
from studio.model.places import WIDTH

RADIUS: Final = 10.0
STRIPE: Final = 3.0
EDGE: Final = 3.0
DIM: Final = 0.4
SHADOWS: Final = (6.0, 3.0, 1.0)
NO_PEN: Final = Qt.PenStyle.NoPen
NO_BRUSH: Final = Qt.BrushStyle.NoBrush


class Face(NamedTuple):
    """One of the fonts of a box."""

    px: float
    bold: bool = False
    monospace: bool = False


TITLE: Final = Face(13, bold=True)
STATE: Final = Face(11, bold=True)
FACT: Final = Face(12)
FOOT: Final = Face(11)
TIME: Final = Face(11.5, monospace=True)


@functools.cache
def face(which: Face) -> QFont:
    """The font itself; do not change it."""
    return font(which.px, bold=which.bold, monospace=which.monospace)


@functools.cache
def metrics(which: Face) -> QFontMetricsF:
    """Its measures."""
    return QFontMetricsF(face(which))


class Letters(NamedTuple):
    """A piece of text, laid out once and drawn often."""

    text: QStaticText
    at: QPointF
    face: Face
    token: str


def letters(
    text: str, x: float, baseline: float, width: float, which: Face, token: str, *, right: bool = False
) -> Letters:
    """Text that fits into a width, elided if it must be; `right` ends it at `x`."""
    measure = metrics(which)
    if measure.horizontalAdvance(text) > width:
        text = measure.elidedText(text, Qt.TextElideMode.ElideRight, width)
    left = x - measure.horizontalAdvance(text) if right else x
    made = QStaticText(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
    return Letters(made, QPointF(left, baseline - measure.ascent()), which, token)


def two_lines(text: str, width: float, which: Face) -> list[str]:
    """Text broken at a space so that the first line fits; the second is elided where it is laid out."""
    measure, words = metrics(which), text.split()
    for count in range(len(words), 1, -1):
        first = " ".join(words[:count])
        if measure.horizontalAdvance(first) <= width:
            return [first, " ".join(words[count:])] if count < len(words) else [first]
    return [text]


def rounded(picture: QImage) -> QPixmap:
    """A picture for a box, at twice its room, with round corners."""
    size = QSize(2 * WIDTH_PX, 2 * HEIGHT_PX)
    made = QPixmap(size)
    made.fill(Qt.GlobalColor.transparent)
    path = QPainterPath()
    path.addRoundedRect(QRectF(QPointF(), QSizeF(size)), 10, 10)
    painter = QPainter(made)
    painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
    painter.setClipPath(path)
    painter.drawImage(QRectF(QPointF(), QSizeF(size)), picture)
    painter.end()
    return made


def write(painter: QPainter, written: list[Letters]) -> None:
    """Draw pieces of text."""
    for text, at, which, token in written:
        painter.setFont(face(which))
        painter.setPen(colour(token))
        painter.drawStaticText(at, text)


# ---- paths


@functools.cache
def outline(height: float, grown: float = 0.0) -> QPainterPath:
    """A box's outline, grown on every side; do not change it."""
    path = QPainterPath()
    area = QRectF(-grown, -grown, WIDTH + 2 * grown, height + 2 * grown)
    path.addRoundedRect(area, RADIUS + grown, RADIUS + grown)
    return path


@functools.cache
def stripe() -> QPainterPath:
    """The coloured stripe along the top."""
    band = QPainterPath()
    band.addRect(QRectF(0, 0, WIDTH, STRIPE))
    return outline(4 * RADIUS).intersected(band)


@functools.cache
def lower_edge(height: float, width: float) -> QPainterPath:
    """The bar of progress along the lower edge, as long as `width`."""
    band = QPainterPath()
    band.addRect(QRectF(0, height - EDGE, width, EDGE))
    return outline(height).intersected(band)


def line_pen(shade: QColor, width: float = 1.0, *, dashed: bool = False) -> QPen:
    """A pen with round ends."""
    pen = QPen(shade, width)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap if dashed else Qt.PenCapStyle.RoundCap)
    if dashed:
        pen.setDashPattern([4.0, 3.0])
    return pen


def clear(shade: QColor, alpha: float) -> QColor:
    """The same colour, translucent."""
    made = QColor(shade)
    made.setAlphaF(alpha)
    return made


def shadow() -> QColor:
    """One layer of the shadow under a box."""
    return _SHADES[ground()]


def mixed(one: QColor, other: QColor, part: float) -> QColor:
    """`part` of one colour over the rest of another, solid: cheaper to draw than a translucent one."""
    back = 1.0 - part
    return QColor(
        round(one.red() * part + other.red() * back),
        round(one.green() * part + other.green() * back),
        round(one.blue() * part + other.blue() * back),
    )


_SHADES: Final = {"dark": QColor(0, 0, 0, 26), "light": QColor(30, 45, 70, 9)}
