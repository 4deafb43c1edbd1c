"""What a set of clips is made of: clips per class by subset, per speaker, and lengths; and whether anything leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from engine.artifact import AudioSet
from engine.audio import table_of
from studio.look.theme import colour, font
from studio.views.bars import scrolled
from studio.views.parts import Choice, LoadedCard
from studio.views.viewer import Scene, viewer

SUBSETS: Final[Mapping[str, str]] = {"training": "teal", "validation": "blue", "testing": "gold"}
OTHER: Final = "violet"
MOST: Final = 40
STEP_PX, LEGEND_PX = 20, 22
LENGTHS_S: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 60.0)


@dataclass(frozen=True)
class Row:
    """One bar: its name and how many clips of each subset."""

    name: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All clips."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class Statistics:
    """Rows by what is counted, and the set in one line."""

    rows: Mapping[str, Sequence[Row]]
    subsets: tuple[str, ...]
    about: str
    shared_speakers: int


def read_statistics(audio: Any, _scene: Scene) -> Statistics:
    """Count the clips of an audio set."""
    table = table_of(audio)
    subsets = [name or "all" for name in table.subset.tolist()]
    seconds = (table.samples / audio.meta.rate_hz).tolist()
    known = tuple(name for name in (*SUBSETS, *sorted(set(subsets) - SUBSETS.keys())) if name in set(subsets))
    rows = {
        "class": _rows(table.label.tolist(), subsets),
        "speaker": _rows(table.speaker.tolist(), subsets),
        "length": _rows([_length(value) for value in seconds], subsets, in_order=True),
    }
    minutes = sum(seconds) / 60
    about = f"{len(table):,} clips · {minutes:.1f} min · {len(set(table.speaker.tolist()) - {''}):,} speakers"
    return Statistics(rows, known, about, _shared(table.speaker.tolist(), subsets))


def _rows(names: Sequence[str], subsets: Sequence[str], *, in_order: bool = False) -> list[Row]:
    found: dict[str, Counter[str]] = {}
    for name, subset in zip(names, subsets, strict=True):
        found.setdefault(name or "(none)", Counter())[subset] += 1
    rows = [Row(name, dict(counts)) for name, counts in found.items()]
    if in_order:
        return sorted(rows, key=lambda row: float(row.name.split()[-2]))
    rows.sort(key=lambda row: (-row.total, row.name))
    rest: Counter[str] = Counter()
    for row in rows[MOST:]:
        rest.update(row.counts)
    return [*rows[:MOST], *([Row(f"{len(rows) - MOST} more", dict(rest))] if rest else [])]


def _length(seconds: float) -> str:
    limit = next((limit for limit in LENGTHS_S if seconds <= limit), None)
    return f"up to {limit:g} s" if limit is not None else "over 60 s"


def _shared(speakers: Sequence[str], subsets: Sequence[str]) -> int:
    """Speakers heard both in training and in testing."""
    heard: dict[str, set[str]] = {}
    for speaker, subset in zip(speakers, subsets, strict=True):
        if speaker:
            heard.setdefault(speaker, set()).add(subset)
    return sum({"training", "testing"} <= found for found in heard.values())


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

    def _bar(self, painter: QPainter, row: Row, area: QRectF, most: int) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        x = area.left()
        for subset in self.subsets:
            width = area.width() * row.counts.get(subset, 0) / most
            painter.setBrush(colour(SUBSETS.get(subset, OTHER)))
            painter.drawRoundedRect(QRectF(x, area.top(), width, area.height()), 2, 2)
            x += width

    def _legend(self, painter: QPainter) -> None:
        small = font(11)
        painter.setFont(small)
        metrics, x = QFontMetricsF(small), 0.0
        for subset in self.subsets:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(SUBSETS.get(subset, OTHER)))
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
        self.inner.addWidget(self.by, 0, Qt.AlignmentFlag.AlignLeft)
        self.inner.addWidget(scrolled(self.bars), 1)

    def show_data(self, data: Any) -> None:
        """The clips were counted."""
        self.found = data
        shared = f" · {data.shared_speakers} speakers in training and testing" if data.shared_speakers else ""
        self.subtitle.setText(data.about + shared)
        self._draw()

    def _draw(self, *_: object) -> None:
        if self.found is not None:
            self.bars.show_rows(self.found.rows[self.by.value], self.found.subsets)

    def table_rows(self) -> list[list[object]]:
        """What is shown."""
        if self.found is None:
            return []
        rows = self.found.rows[self.by.value]
        return [
            [self.by.value, *self.found.subsets],
            *([r.name, *(r.counts.get(s, 0) for s in self.found.subsets)] for r in rows),
        ]

    def restyle(self) -> None:
        """Take the present colours."""
        super().restyle()
        self.bars.update()
