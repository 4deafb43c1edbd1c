"""Horizontal bars, one row per thing: ours, the peer's behind it, and what is said at the end of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from studio.look import theme
from studio.views.walk import WalkedRows

TALLEST, SHORTEST = 24.0, 16.0
MOST_LABEL: Final = 130.0


@dataclass(frozen=True)
class BarRow:
    """One row; values share one unit. None: there is no such bar."""

    name: str
    value: float | None
    peer: float | None = None
    end: str = ""
    note: str = ""
    token: str = ""
    """Colour of the value's bar; the chart's own if empty."""


class Bars(WalkedRows):
    """The rows, as tall as they may be. `chosen(str)` tells the row that was clicked or walked to."""

    def __init__(
        self, name: str, token: str = "rose", peer_token: str = "faint", parent: QWidget | None = None
    ) -> None:
        super().__init__(name, parent)
        self.token, self.peer_token = token, peer_token
        self.rows: tuple[BarRow, ...] = ()

    def show_rows(self, rows: Sequence[BarRow]) -> None:
        """Show other rows."""
        self.rows = tuple(rows)
        self._at = self._picked = -1
        self.setMinimumHeight(round(SHORTEST * len(self.rows)) + 2)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """As tall as the rows like."""
        return QSize(240, round(TALLEST * max(len(self.rows), 1)))

    @property
    def entries(self) -> tuple[BarRow, ...]:
        """The rows."""
        return self.rows

    @property
    def step(self) -> float:
        """Height of a row."""
        return max(SHORTEST, min(TALLEST, self.height() / max(len(self.rows), 1)))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows in sight."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter, QRectF(self.rect()), QRectF(event.rect()))

    def draw(self, painter: QPainter, area: QRectF, sight: QRectF | None = None) -> None:
        """Draw into an area; rows out of sight are left out."""
        small, tiny = theme.font(11), theme.font(10.5, monospace=True)
        label, end = self._columns(QFontMetricsF(small), QFontMetricsF(tiny), area.width())
        most = max((v for row in self.rows for v in (row.value, row.peer) if v is not None), default=0.0) or 1.0
        step, wide = self.step, max(area.width() - label - end - 14, 10.0)
        for index, row in enumerate(self.rows):
            box = QRectF(area.left(), area.top() + index * step, area.width(), step)
            if sight is not None and not sight.intersects(box):
                continue
            if index in (self._at, self._picked):
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(theme.colour("raised"))
                painter.drawRoundedRect(box, 5, 5)
            painter.setFont(small)
            painter.setPen(theme.colour("text" if index == self._at else "mute"))
            name = QFontMetricsF(small).elidedText(row.name, Qt.TextElideMode.ElideMiddle, label - 8)
            painter.drawText(
                QRectF(box.left(), box.top(), label - 8, step),
                Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
                name,
            )
            self._bars(painter, row, QRectF(box.left() + label, box.top(), wide, step), most, tiny)

    def _bars(self, painter: QPainter, row: BarRow, box: QRectF, most: float, tiny: object) -> None:
        thick = min(7.0, (box.height() - 4) / 2 - 0.5) if row.peer is not None else min(10.0, box.height() - 6)
        own = (row.value, row.token or self.token)
        pairs = [(row.peer, self.peer_token), own] if row.peer is not None else [own]
        spare = box.height() - len(pairs) * thick - (len(pairs) - 1)
        y = box.top() + spare / 2
        painter.setPen(Qt.PenStyle.NoPen)
        for value, token in pairs:
            if value is not None:
                painter.setBrush(theme.colour(token, 0.62 if token == "faint" else 1.0))
                painter.drawRoundedRect(QRectF(box.left(), y, max(box.width() * value / most, 2.0), thick), 2.5, 2.5)
            y += thick + 1
        longest = max(value or 0.0 for value, _ in pairs)
        painter.setFont(theme.font(10.5, monospace=True))
        painter.setPen(theme.colour("mute"))
        right = box.left() + max(box.width() * longest / most, 2.0) + 6
        painter.drawText(QPointF(right, box.center().y() + 3.8), row.end)

    def _columns(self, names: QFontMetricsF, ends: QFontMetricsF, width: float) -> tuple[float, float]:
        label = max((names.horizontalAdvance(row.name) for row in self.rows), default=20.0) + 10
        end = max((ends.horizontalAdvance(row.end) for row in self.rows), default=0.0)
        return min(label, MOST_LABEL, 0.42 * width), end


def scrolled(widget: QWidget) -> QScrollArea:
    """A widget that scrolls up and down where it is taller than its place."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(widget)
    area.setMinimumHeight(32)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return area
