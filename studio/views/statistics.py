"""The card of a set of clips in numbers: bars per class, speaker or length, each in parts by subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QToolTip, QWidget

from engine.artifact import AudioSet
from engine.audio import SUBSETS
from studio.look.theme import colour, font
from studio.views.bars import scrolled
from studio.views.data.statistics import Row, Statistics, read_statistics
from studio.views.parts import Choice, ElidedLabel, LoadedCard
from studio.views.viewer import viewer

TOKENS: Final[Mapping[str, str]] = dict(zip(SUBSETS, ("teal", "blue", "gold"), strict=True))
OTHER: Final = "violet"
STEP_PX, LEGEND_PX = 20, 22
WIDE_PX: Final = 420


class StackedBars(QWidget):
    """Horizontal bars, each in parts by subset."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Sequence[Row] = ()
        self.subsets: tuple[str, ...] = ()
        self.setAccessibleName("Clips by subset")

    def show_rows(self, rows: Sequence[Row], subsets: tuple[str, ...]) -> None:
        """Draw other rows."""
        self.rows, self.subsets = rows, subsets
        self.setMinimumHeight(LEGEND_PX + STEP_PX * len(rows))
        self.setAccessibleDescription("; ".join(f"{row.name} {row.total}" for row in rows[:10]))
        self.update()

    def sizeHint(self) -> QSize:
        """Room for every row."""
        return QSize(260, LEGEND_PX + STEP_PX * len(self.rows))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw legend and rows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        words, numbers = font(11.5), font(11, monospace=True)
        self._legend(painter)
        names, counts = QFontMetricsF(words), QFontMetricsF(numbers)
        left = min(max((names.horizontalAdvance(row.name) for row in self.rows), default=0) + 10, self.width() * 0.35)
        right = max((counts.horizontalAdvance(f"{row.total:,}") for row in self.rows), default=0) + 10
        most = max((row.total for row in self.rows), default=1)
        for place, row in enumerate(self.rows):
            top = LEGEND_PX + place * STEP_PX
            painter.setFont(words)
            painter.setPen(colour("text"))
            name = names.elidedText(row.name, Qt.TextElideMode.ElideRight, left - 10)
            painter.drawText(QRectF(0, top, left - 10, STEP_PX), Qt.AlignmentFlag.AlignVCenter, name)
            painter.setFont(numbers)
            painter.setPen(colour("mute"))
            area = QRectF(self.width() - right, top, right - 2, STEP_PX)
            painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{row.total:,}")
            self._bar(painter, row, QRectF(left, top + 5, self.width() - left - right, STEP_PX - 10), most)

    def event(self, event: QEvent) -> bool:
        """Tell the counts of the row under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = (event.pos().y() - LEGEND_PX) // STEP_PX
            row = self.rows[place] if 0 <= place < len(self.rows) else None
            told = [f"{name}: {row.counts.get(name, 0):,}" for name in self.subsets] if row is not None else []
            QToolTip.showText(event.globalPos(), "\n".join([row.name, *told]) if row is not None else "", self)
            return True
        return super().event(event)

    def _bar(self, painter: QPainter, row: Row, area: QRectF, most: int) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        x = area.left()
        for subset in self.subsets:
            width = area.width() * row.counts.get(subset, 0) / most
            painter.setBrush(colour(TOKENS.get(subset, OTHER)))
            painter.drawRoundedRect(QRectF(x, area.top(), width, area.height()), 2, 2)
            x += width

    def _legend(self, painter: QPainter) -> None:
        small = font(11)
        painter.setFont(small)
        metrics, x = QFontMetricsF(small), 0.0
        for subset in self.subsets:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(TOKENS.get(subset, OTHER)))
            painter.drawRoundedRect(QRectF(x, 6, 8, 8), 2, 2)
            painter.setPen(colour("mute"))
            painter.drawText(QRectF(x + 12, 0, 200, LEGEND_PX - 2), Qt.AlignmentFlag.AlignVCenter, subset)
            x += 26 + metrics.horizontalAdvance(subset)


@viewer(AudioSet, "Statistics")
class StatisticsCard(LoadedCard):
    """The card."""

    title = "Statistics"
    reader = staticmethod(read_statistics)

    def __init__(self) -> None:
        super().__init__()
        self.found: Statistics | None = None
        self.bars = StackedBars()
        self.by = Choice("Count by", (("class", "classes"), ("speaker", "speakers"), ("length", "lengths")))
        self.by.changed.connect(self._draw)
        self.note = ElidedLabel()
        self.top = QHBoxLayout()
        self.top.setSpacing(12)
        self.top.addWidget(self.by)
        self.top.addWidget(self.note, 1)
        self.top.addStretch(0)
        self.inner.addLayout(self.top)
        self.inner.addWidget(scrolled(self.bars), 1)
        self.offer(self.by)

    def show_data(self, data: Statistics) -> None:
        """The clips were counted."""
        self.found = data
        self.subtitle.setText(data.about)
        told = "! " + "; ".join(data.warnings) if data.warnings else ""
        self.note.setText(told or ("✓ no speaker in two subsets" if data.is_apart else ""))
        self.note.setToolTip("\n".join(data.warnings))
        self.note.setObjectName("warning" if told else "mute")
        self.note.style().polish(self.note)
        self._draw()
        self._arrange()

    def _draw(self, *_: object) -> None:
        if self.found is not None:
            self.bars.show_rows(self.found.rows[self.by.value], self.found.subsets)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A small card has its choice in the menu, unless there is something to warn of."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        is_wide, has_note = self.width() >= WIDE_PX, bool(self.note.text())
        has_warning = self.found is not None and bool(self.found.warnings)
        self.note.setVisible(has_note and (is_wide or has_warning))
        self.by.setVisible(is_wide or not has_warning)

    def table_rows(self) -> list[list[object]]:
        """What is shown."""
        if self.found is None:
            return []
        rows, subsets = self.found.rows[self.by.value], self.found.subsets
        lines = ([row.name, *(row.counts.get(name, 0) for name in subsets)] for row in rows)
        return [[self.by.value, *(f"{name} / clips" for name in subsets)], *(list[object](line) for line in lines)]

    def restyle(self) -> None:
        """Take the present colours."""
        super().restyle()
        self.bars.update()
