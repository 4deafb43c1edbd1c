"""The picture of a confusion matrix: truth in rows, prediction in columns, right answers teal, mistakes red."""

from __future__ import annotations

import math
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from studio.look import theme
from studio.views.data.confusion import Confusion, sentence

LARGEST_CELL: Final = 46.0
TEXT_CELL: Final = 17.0
LABEL_CELL: Final = 9.0
FLAT_LABEL_CELL: Final = 40.0
SIDE_PX: Final = 44.0
Cell = tuple[int, int]
_ARROWS: Final = {
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
}


class Matrix(QWidget):
    """Counts or shares of each row. `pointed(str)` says what is under the pointer, `cell_chosen(int, int)` a click."""

    pointed = Signal(str)
    cell_chosen = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Confusion matrix")
        self.found: Confusion | None = None
        self.is_share = False
        self.cell: Cell | None = None
        self._hover: Cell | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(120, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """As large as its cells like."""
        return QSize(420, 360)

    def show_confusion(self, found: Confusion, *, is_share: bool) -> None:
        """Show a matrix as counts, or as shares of each row."""
        if self.found is None or self.found.classes != found.classes:
            self.cell = self._hover = None
        self.found, self.is_share = found, is_share
        self.update()

    # ---- geometry

    def layout_in(self, area: QRectF) -> tuple[QRectF, float]:
        """Where the cells stand, and the size of one."""
        names = self.found.classes if self.found is not None else ()
        metrics = QFontMetricsF(theme.font(11))
        widest = max((metrics.horizontalAdvance(name) for name in names), default=10.0)
        count = max(len(names), 1)
        side = SIDE_PX if area.width() > 260 else 0.0
        left = min(widest + 10, 0.3 * area.width())
        tall = max(min(widest * 0.8 + 8, 0.28 * area.height()), 18.0)
        cell = min((area.width() - left - side) / count, (area.height() - tall - 4) / count, LARGEST_CELL)
        if cell < LABEL_CELL:
            left, tall = 16.0, 16.0
            cell = min((area.width() - left - side) / count, (area.height() - tall - 4) / count)
        elif cell >= FLAT_LABEL_CELL:
            tall = 20.0
            cell = min(LARGEST_CELL, (area.height() - tall - 4) / count, (area.width() - left - side) / count)
        cell = max(cell, 1.0)
        spare = max(0.0, area.width() - left - side - cell * count)
        return QRectF(area.left() + left + 0.5 * spare, area.top() + tall, cell * count, cell * count), cell

    def cell_at(self, place: QPointF) -> Cell | None:
        """The cell under a point."""
        if self.found is None:
            return None
        box, size = self.layout_in(QRectF(self.rect()))
        if not box.contains(place):
            return None
        last = len(self.found.classes) - 1
        return min(int((place.y() - box.top()) / size), last), min(int((place.x() - box.left()) / size), last)

    # ---- painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the matrix."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter, QRectF(self.rect()))

    def draw(self, painter: QPainter, area: QRectF) -> None:
        """Draw into an area."""
        if self.found is None:
            return
        box, size = self.layout_in(area)
        shares = self.found.shares
        for i in range(len(self.found.classes)):
            for j in range(len(self.found.classes)):
                place = QRectF(box.left() + j * size, box.top() + i * size, size, size)
                self._draw_cell(painter, place, int(self.found.counts[i, j]), float(shares[i, j]), i == j)
        self._draw_names(painter, box, size, area)
        for cell, token in ((self._hover, "text"), (self.cell, "accent")):
            if cell is not None:
                painter.setPen(QPen(theme.colour(token), 1.5))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                place = QRectF(box.left() + cell[1] * size, box.top() + cell[0] * size, size, size)
                painter.drawRoundedRect(place.adjusted(0.5, 0.5, -0.5, -0.5), 2.5, 2.5)

    def _draw_cell(self, painter: QPainter, place: QRectF, count: int, share: float, is_right: bool) -> None:
        """Mistakes are drawn by the root of their share: one clip in a hundred must still be seen."""
        strength = share if is_right else math.sqrt(share)
        gap = 0.75 if place.width() > 6 else 0.25
        painter.setPen(Qt.PenStyle.NoPen)
        fill = _blend("teal" if is_right else "red", 0.12 + 0.78 * strength) if count else _blend("line", 0.4)
        painter.setBrush(fill)
        painter.drawRoundedRect(place.adjusted(gap, gap, -gap, -gap), 2.5, 2.5)
        if place.width() < TEXT_CELL or not count:
            return
        text = f"{100 * share:.0f}" if self.is_share else f"{count}" if count < 10_000 else f"{count / 1000:.0f}k"
        painter.setFont(theme.font(11 if place.width() > 28 else 9, monospace=True))
        if QFontMetricsF(painter.font()).horizontalAdvance(text) > place.width() - 2:
            return
        painter.setPen(_readable(fill))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_names(self, painter: QPainter, box: QRectF, size: float, area: QRectF) -> None:
        found = self.found
        if found is None:
            return
        painter.setFont(theme.font(11))
        painter.setPen(theme.colour("mute"))
        if size < LABEL_CELL:
            painter.drawText(QRectF(box.left(), area.top(), box.width(), 14), Qt.AlignmentFlag.AlignLeft, "predicted →")
            painter.save()
            painter.translate(box.left() - 4, box.top())
            painter.rotate(90)
            painter.drawText(QRectF(0, 0, box.height(), 14), Qt.AlignmentFlag.AlignLeft, "truth →")
            painter.restore()
            return
        for index, name in enumerate(found.classes):
            self._draw_row_name(
                painter, name, QRectF(area.left(), box.top() + index * size, box.left() - area.left() - 6, size)
            )
            self._draw_column_name(
                painter,
                name,
                box.left() + index * size,
                size,
                QRectF(box.left(), area.top(), box.width(), box.top() - area.top()),
            )
        if area.width() > 260:
            self._draw_recalls(painter, box, size)

    def _draw_row_name(self, painter: QPainter, name: str, place: QRectF) -> None:
        cut = QFontMetricsF(painter.font()).elidedText(name, Qt.TextElideMode.ElideRight, place.width())
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, cut)

    def _draw_column_name(self, painter: QPainter, name: str, x: float, size: float, head: QRectF) -> None:
        metrics = QFontMetricsF(painter.font())
        if metrics.horizontalAdvance(name) <= size - 2:
            painter.drawText(QRectF(x, head.bottom() - 18, size, 16), Qt.AlignmentFlag.AlignCenter, name)
            return
        if size >= FLAT_LABEL_CELL:
            cut = metrics.elidedText(name, Qt.TextElideMode.ElideRight, size - 3)
            painter.drawText(QRectF(x, head.bottom() - 18, size, 16), Qt.AlignmentFlag.AlignCenter, cut)
            return
        painter.save()
        painter.translate(x + 0.5 * size + 2, head.bottom() - 4)
        painter.rotate(-52)
        cut = metrics.elidedText(name, Qt.TextElideMode.ElideRight, head.height() / 0.8)
        painter.drawText(QPointF(0, 0), cut)
        painter.restore()

    def _draw_recalls(self, painter: QPainter, box: QRectF, size: float) -> None:
        found = self.found
        if found is None:
            return
        painter.setFont(theme.font(10.5, monospace=True))
        shares, rows = found.shares, found.counts.sum(1)
        for index in range(len(found.classes)):
            text = f"{100 * shares[index, index]:.0f} %" if rows[index] else "–"
            place = QRectF(box.right() + 4, box.top() + index * size, SIDE_PX - 6, size)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)

    # ---- hands

    def event(self, event: QEvent) -> bool:
        """Say what a cell holds."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            cell = self.cell_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self._words(cell), self)
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what is under the pointer."""
        self._point(self.cell_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing is under the pointer."""
        self._point(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a cell."""
        cell = self.cell_at(event.position())
        if cell is not None:
            self.choose(cell)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows walk from cell to cell."""
        step = _ARROWS.get(Qt.Key(event.key()))
        if step is None or self.found is None:
            super().keyPressEvent(event)
            return
        last = len(self.found.classes) - 1
        row, column = self.cell or (0, 0)
        walked = (row + step[0], column + step[1]) if self.cell is not None else (0, 0)
        self.choose((max(0, min(last, walked[0])), max(0, min(last, walked[1]))))

    def choose(self, cell: Cell) -> None:
        """Make a cell the chosen one and tell."""
        self.cell = cell
        self.setAccessibleDescription(self._words(cell))
        self.update()
        self.pointed.emit(self._words(cell))
        self.cell_chosen.emit(*cell)

    def _point(self, cell: Cell | None) -> None:
        if cell != self._hover:
            self._hover = cell
            self.update()
            self.pointed.emit(self._words(cell or self.cell))

    def _words(self, cell: Cell | None) -> str:
        return sentence(self.found, *cell) if cell is not None and self.found is not None else ""


def _blend(token: str, share: float) -> QColor:
    """A token's colour over the card's ground."""
    over, under = theme.colour(token), theme.colour("canvas")
    pairs = zip(over.getRgb()[:3], under.getRgb()[:3], strict=True)
    return QColor(*(round(share * a + (1 - share) * b) for a, b in pairs))


def _readable(ground: QColor) -> QColor:
    """Dark or light text, whichever stands out more on a ground."""
    return QColor("#14100a") if ground.lightnessF() > 0.52 else QColor("#f4f6fa")
