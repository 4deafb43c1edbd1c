"""Figures of a sweep: a line each with all points as dots, the mean with its interval, and both in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from studio.look import theme
from studio.model.sweep import Figure

ROW_PX: Final = 30.0
NAME_PX: Final = 170.0
TEXT_PX: Final = 150.0
DOT_PX: Final = 3.2


class Figures(QWidget):
    """Dots on a line per figure, each line in the range of its own values."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Figures of the sweep")
        self.figures: tuple[Figure, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_figures(self, figures: Sequence[Figure]) -> None:
        """Show other figures."""
        self.figures = tuple(figures)
        self.setAccessibleDescription("\n".join(tip_of(figure) for figure in self.figures))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """A row per figure."""
        return QSize(420, round(ROW_PX * len(self.figures)))

    def event(self, event: QEvent) -> bool:
        """The pointer on a line: the whole of it in words."""
        if isinstance(event, QHelpEvent):
            row = int(event.pos().y() // ROW_PX)
            QToolTip.showText(event.globalPos(), tip_of(self.figures[row]) if row < len(self.figures) else "")
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for row, figure in enumerate(self.figures):
            self._paint(painter, QRectF(0, row * ROW_PX, self.width(), ROW_PX), figure)
        painter.end()

    def _paint(self, painter: QPainter, box: QRectF, figure: Figure) -> None:
        centre = Qt.AlignmentFlag.AlignVCenter
        painter.setFont(theme.font(11.5))
        painter.setPen(theme.colour("text"))
        name = f"{figure.name.replace('_', ' ')} · {figure.place.partition('.')[0]}"
        metrics = QFontMetricsF(painter.font())
        elided = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, NAME_PX - 8)
        painter.drawText(QRectF(box.left(), box.top(), NAME_PX, ROW_PX), centre | Qt.AlignmentFlag.AlignLeft, elided)
        painter.setFont(theme.font(11, monospace=True))
        right = QRectF(box.right() - TEXT_PX, box.top(), TEXT_PX - 4, ROW_PX)
        painter.drawText(right, centre | Qt.AlignmentFlag.AlignRight, figure.text)
        strip = QRectF(NAME_PX, box.top(), max(box.width() - NAME_PX - TEXT_PX - 12, 20), ROW_PX)
        _paint_strip(painter, strip, figure)


def _paint_strip(painter: QPainter, box: QRectF, figure: Figure) -> None:
    spread = figure.spread
    ends = [value for value in (spread.min, spread.max, spread.low, spread.high) if value is not None]
    low, high = min(ends), max(ends)
    middle = box.center().y()

    def at(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return box.left() + DOT_PX + share * (box.width() - 2 * DOT_PX)

    painter.setPen(QPen(theme.colour("line"), 1))
    painter.drawLine(QPointF(box.left(), middle), QPointF(box.right(), middle))
    painter.setPen(Qt.PenStyle.NoPen)
    if spread.low is not None and spread.high is not None:
        painter.setBrush(theme.colour("gold", 0.22))
        painter.drawRect(QRectF(at(spread.low), middle - 7, max(at(spread.high) - at(spread.low), 1.0), 14))
    painter.setBrush(theme.colour("blue", 0.75))
    for value in figure.values:
        painter.drawEllipse(QPointF(at(value), middle), DOT_PX, DOT_PX)
    painter.setPen(QPen(theme.colour("gold"), 1.8))
    painter.drawLine(QPointF(at(spread.mean), middle - 8), QPointF(at(spread.mean), middle + 8))


def tip_of(figure: Figure) -> str:
    """All about a figure in words."""
    spread = figure.spread
    interval = ""
    if spread.low is not None and spread.high is not None:
        interval = f", 95 % of the mean: {spread.low:.4g} to {spread.high:.4g}"
    ends = f"{spread.min:.4g} to {spread.max:.4g}"
    return f"{figure.name.replace('_', ' ')} of {figure.place}: {figure.text}, {ends}, n = {spread.n}{interval}"
