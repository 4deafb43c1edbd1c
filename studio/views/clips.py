"""The table of clips: every row of a set, filtered by words, sorted by any column, heard with Space."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QLabel, QLineEdit, QTableView

from engine.artifact import AudioSet, FeatureSet
from engine.audio import ClipTable
from studio.look import theme
from studio.views.data.sound import Clips, read_clips, wave_of
from studio.views.parts import LoadedCard
from studio.views.play import Player
from studio.views.viewer import viewer

Index = QModelIndex | QPersistentModelIndex
HEADERS: Final = ("clip", "label", "speaker", "subset", "fold", "seconds", "source")
_WORD: Final = re.compile(r"(?:(\w+):)?(\S+)")


def column(table: ClipTable, name: str, rate_hz: int) -> NDArray[Any]:
    """One shown column of a table."""
    makers: Mapping[str, Callable[[], NDArray[Any]]] = {
        "clip": lambda: table.clip_id,
        "label": lambda: table.label,
        "speaker": lambda: table.speaker,
        "subset": lambda: table.subset,
        "fold": lambda: table.fold,
        "seconds": lambda: table.samples / max(rate_hz, 1),
        "source": lambda: table.source,
    }
    return makers[name]()


def matching(table: ClipTable, query: str) -> NDArray[np.intp]:
    """Rows that hold every word of a query; "label:yes subset:testing" looks in one column only."""
    kept = np.ones(len(table), bool)
    texts = {name: np.char.lower(column(table, name, 1).astype(str)) for name in HEADERS if name != "seconds"}
    for name, word in _WORD.findall(query.casefold()):
        places = [texts[name]] if name in texts else list(texts.values())
        wanted = word if name in texts or not name else f"{name}:{word}"
        kept &= np.logical_or.reduce([np.char.find(place, wanted) >= 0 for place in places])
    return np.flatnonzero(kept)


class ClipRows(QAbstractTableModel):
    """Rows of a ClipTable in some order; the columns stay numpy arrays, so that 65,000 rows cost nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[NDArray[Any]] = []
        self.rows: NDArray[np.intp] = np.zeros(0, np.intp)

    def show(self, columns: list[NDArray[Any]], rows: NDArray[np.intp]) -> None:
        """Take other rows in."""
        self.beginResetModel()
        self.columns, self.rows = columns, rows
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many rows."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, _parent: Index | None = None) -> int:
        """How many columns."""
        return len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names of the columns."""
        is_name = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return HEADERS[section] if is_name else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell."""
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            value = self.columns[index.column()][self.rows[index.row()]]
            return f"{value:.3f}" if isinstance(value, np.floating) else str(value)
        if role == Qt.ItemDataRole.FontRole and index.column() in (0, 4, 5):
            return theme.font(11.5, monospace=True)
        return None

    def sort(self, section: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal values keep their order."""
        if not self.columns or section < 0:
            return
        self.layoutAboutToBeChanged.emit()
        found = np.argsort(self.columns[section][self.rows], kind="stable")
        self.rows = self.rows[found if order == Qt.SortOrder.AscendingOrder else found[::-1]]
        self.layoutChanged.emit()


class ClipsCard(LoadedCard):
    """The card. Signal clip_chosen(str): the id of the clip that is marked now."""

    clip_chosen = Signal(str)
    title = "Clips"
    reader = staticmethod(read_clips)

    def __init__(self) -> None:
        super().__init__()
        self.clips: Clips | None = None
        self.player = Player(self)
        self.model = ClipRows()
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setSortingEnabled(True)
        self.view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.view.setShowGrid(False)
        self.view.setWordWrap(False)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(24)
        head = self.view.horizontalHeader()
        head.setHighlightSections(False)
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.view.setAccessibleName("Clips")
        self.view.selectionModel().currentRowChanged.connect(self._tell)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter: yes  or  label:yes subset:testing")
        self.filter.setAccessibleName("Filter the clips")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._filter)
        self.count = QLabel()
        self.count.setObjectName("mute")
        self.left_out = QLabel()
        self.left_out.setObjectName("warning")
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self.filter, 2)
        top.addWidget(self.count)
        top.addWidget(self.left_out, 1)
        self.inner.addLayout(top)
        self.inner.addWidget(self.view, 1)

    def show_data(self, data: Any) -> None:
        """The table was read."""
        self.clips = data[0]
        self._filter()
        self.view.resizeColumnsToContents()
        self.view.horizontalHeader().setSectionResizeMode(len(HEADERS) - 1, QHeaderView.ResizeMode.Stretch)
        problems = self.artifact.meta.problems if self.artifact is not None else ()
        self.left_out.setText(f"{len(problems)} files left out" if problems else "")
        self.left_out.setToolTip("\n".join(f"{problem.file}: {problem.what}" for problem in problems[:40]))

    def _rate_hz(self) -> int:
        audio = self.clips.audio if self.clips is not None else None
        return audio.meta.rate_hz if audio is not None else 0

    def _filter(self, *_: object) -> None:
        if self.clips is None:
            return
        table, rate_hz = self.clips.table, self._rate_hz()
        rows = matching(table, self.filter.text())
        self.model.show([column(table, name, rate_hz) for name in HEADERS], rows)
        self.view.setColumnHidden(HEADERS.index("seconds"), rate_hz == 0)
        head = self.view.horizontalHeader()
        self.model.sort(head.sortIndicatorSection(), head.sortIndicatorOrder())
        self.count.setText(f"{len(rows):,} of {len(table):,} clips")

    def _tell(self, now: Index, _before: Index) -> None:
        if self.clips is not None and now.isValid():
            self.clip_chosen.emit(str(self.clips.table.clip_id[self.model.rows[now.row()]]))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space plays the marked clip."""
        index = self.view.currentIndex()
        if event.key() != Qt.Key.Key_Space or self.clips is None or not index.isValid():
            super().keyPressEvent(event)
            return
        clips, row = self.clips, int(self.model.rows[index.row()])
        if clips.audio is not None and not self.player.reason:
            audio = clips.audio
            self.work.call("play", lambda: wave_of(audio, clips, row), self._play)

    def _play(self, wave: Any) -> None:
        self.player.stop()
        self.player.toggle(wave, self._rate_hz())

    def table_rows(self) -> list[list[object]]:
        """What the filter shows, in its order."""
        cells = [[str(values[row]) for values in self.model.columns] for row in self.model.rows.tolist()]
        return [list(HEADERS), *[list[object](line) for line in cells]]


@viewer(AudioSet, "Clips", tab="clips")
class AudioClips(ClipsCard):
    """Clips of an audio set."""


@viewer(FeatureSet, "Clips of features", tab="clips")
class FeatureClips(ClipsCard):
    """Clips of a feature set."""
