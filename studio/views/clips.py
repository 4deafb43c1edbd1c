"""The table of clips: every row of a set, filtered by words, sorted by any column, heard with Space."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QHeaderView, QLabel, QLineEdit, QTableView, QWidget

from engine.artifact import Artifact, AudioSet, FeatureSet
from engine.errors import OssicleError
from studio.look import theme
from studio.views.data.clips import HEADERS, Clips, Rows, matching, ordered
from studio.views.data.maps import Sound
from studio.views.data.source import Source, read_source
from studio.views.parts import Choice, LoadedCard
from studio.views.play import Player, shared_player
from studio.views.table import Table
from studio.views.viewer import Scene, viewer

Index = QModelIndex | QPersistentModelIndex
Role = Qt.ItemDataRole
NUMBERS: Final = frozenset({"fold", "seconds"})
MONOSPACE: Final = NUMBERS | {"clip"}
WIDEST_PX, SAMPLED_ROWS = 320, 200
FILTER_MS: Final = 60
WIDE_PX: Final = 520
HINT: Final = "Filter: yes, or label:yes subset:testing seconds<0.5 -problem:yes"
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class ClipRows(QAbstractTableModel):
    """Some rows of a set in some order. Cells are made when they are looked at, so that 65,000 rows cost nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.clips: Clips | None = None
        self.headers: tuple[str, ...] = ()
        self.rows: Rows = np.zeros(0, np.int64)
        self._order: tuple[int, bool] = (-1, False)
        self._found = self.rows

    def show(self, clips: Clips) -> None:
        """Take another set in; columns that are empty throughout are left out."""
        self.beginResetModel()
        self.clips = clips
        self.headers = tuple(name for name in HEADERS if _has_any(clips, name))
        self._found = self.rows = np.arange(len(clips))
        self._order = (-1, False)
        self.endResetModel()

    def keep(self, rows: Rows) -> None:
        """Show these rows only, in the present order."""
        self.beginResetModel()
        self._found = rows
        self.rows = self._sorted()
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """How many rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - as Qt declares it
        """How many columns."""
        return 0 if parent.isValid() else len(self.headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Role.DisplayRole) -> Any:
        """Names of the columns."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self.headers):
            return None
        if role == Role.TextAlignmentRole:
            return RIGHT if self.headers[section] in NUMBERS else LEFT
        return self.headers[section] if role == Role.DisplayRole else None

    def data(self, index: Index, role: int = Role.DisplayRole) -> Any:
        """A cell."""
        name = self.headers[index.column()]
        if role in (Role.DisplayRole, Role.ToolTipRole):
            return self.text(int(self.rows[index.row()]), name)
        if role == Role.TextAlignmentRole:
            return RIGHT if name in NUMBERS else LEFT
        if role == Role.FontRole and name in MONOSPACE:
            return theme.font(11.5, monospace=True)
        if role == Role.ForegroundRole and name == "problem":
            return theme.colour("amber-text")
        return None

    def text(self, row: int, name: str) -> str:
        """A cell in words, by the set's own row."""
        clips = self.clips
        if clips is None:
            return ""
        return f"{clips.seconds[row]:.3f}" if name == "seconds" else clips.columns[name].text(row)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; equal values keep the table's order. -1: the table's order."""
        self._order = (column, order == Qt.SortOrder.DescendingOrder)
        self.layoutAboutToBeChanged.emit()
        kept = self.persistentIndexList()
        rows = [int(self.rows[index.row()]) for index in kept]
        self.rows = self._sorted()
        place = {row: k for k, row in enumerate(self.rows.tolist())} if kept else {}
        self.changePersistentIndexList(
            kept, [self.index(place[row], old.column()) for row, old in zip(rows, kept, strict=True)]
        )
        self.layoutChanged.emit()

    def _sorted(self) -> Rows:
        column, is_descending = self._order
        if self.clips is None or not 0 <= column < len(self.headers):
            return self._found
        return ordered(self.clips, self._found, self.headers[column], is_descending=is_descending)

    def line_of(self, row: int) -> int:
        """Where a row of the set stands now, or -1."""
        found = np.flatnonzero(self.rows == row)
        return int(found[0]) if len(found) else -1


def _has_any(clips: Clips, name: str) -> bool:
    """Whether a column says anything: folds and problems often do not."""
    if name == "seconds":
        return bool(np.isfinite(clips.seconds).any())
    empty = {"fold": {"0", "-1"}, "speaker": {""}, "subset": {""}, "problem": {""}}.get(name)
    column = clips.columns[name]
    return empty is None or (bool(len(column.codes)) and any(column.values[k] not in empty for k in set(column.codes)))


class ClipView(QTableView):
    """The rows; Space plays."""

    play_asked = Signal()

    def __init__(self, model: ClipRows) -> None:
        super().__init__()
        self.setAccessibleName("Clips")
        self.setModel(model)
        self.setSortingEnabled(True)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.horizontalHeader().setSortIndicatorClearable(True)
        self.horizontalHeader().setHighlightSections(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(24)
        self.setStyleSheet(
            "QTableView, QHeaderView, QHeaderView::section { background: transparent; }"
            "QTableView::corner { background: transparent; border: none; }"
        )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space plays the current row."""
        if event.key() == Qt.Key.Key_Space:
            self.play_asked.emit()
        else:
            super().keyPressEvent(event)

    def fit_columns(self) -> None:
        """As wide as the first rows need; the last column takes the rest."""
        model = self.model()
        header = self.horizontalHeader()
        for column in range(model.columnCount()):
            rows = range(min(model.rowCount(), SAMPLED_ROWS))
            index = model.index(0, column)
            metrics = QFontMetrics(index.data(Role.FontRole) or self.font())
            widest = max((metrics.horizontalAdvance(str(model.index(row, column).data())) for row in rows), default=0)
            header.resizeSection(column, min(max(widest + 24, header.sectionSizeHint(column)), WIDEST_PX))
        header.setStretchLastSection(True)


class ClipsCard(LoadedCard):
    """The card. `clip_chosen(str)`: the id of the clip that somebody marked."""

    clip_chosen = Signal(str)
    title = "Clips"
    reader = staticmethod(read_source)

    def __init__(self, player: Player | None = None) -> None:
        super().__init__()
        self.source: Source | None = None
        self._is_telling = True
        self.player = player or shared_player()
        self.player.changed.connect(self._show_hint)
        self.model = ClipRows(self)
        self.view = ClipView(self.model)
        self.view.selectionModel().currentRowChanged.connect(self._tell)
        self.view.play_asked.connect(self.toggle)
        self.problems = Table("Files left out or changed")
        self.problems.hide()
        self.page = Choice("Show", (("clips", "clips"), ("problems", "problems")))
        self.page.changed.connect(self._turn)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(HINT)
        self.filter.setAccessibleName("Filter the clips")
        self.filter.setClearButtonEnabled(True)
        self.count, self.hint = QLabel(), QLabel()
        self.count.setObjectName("mute")
        self.hint.setObjectName("faint")
        self.tools = QWidget()
        self._timer = QTimer(self, singleShot=True, interval=FILTER_MS)
        self._timer.timeout.connect(self._keep)
        self.filter.textChanged.connect(lambda _text: self._timer.start())
        self._build()

    def _build(self) -> None:
        top = QHBoxLayout(self.tools)
        top.setContentsMargins(0, 0, 0, 0)
        top.setSpacing(8)
        for widget, stretch in ((self.filter, 1), (self.count, 0), (self.page, 0), (self.hint, 0)):
            top.addWidget(widget, stretch)
        self.inner.addWidget(self.tools)
        self.inner.addWidget(self.view, 1)
        self.inner.addWidget(self.problems, 1)
        self.offer(self.page)
        self._arrange()

    def show_artifact(self, artifact: Artifact, scene: Scene) -> None:
        """Name the node whose clips these are, and read them."""
        self.subtitle.setText(scene.node)
        super().show_artifact(artifact, scene)

    def show_data(self, data: Source) -> None:
        """The table was read."""
        before = self.clip_id
        self.source = data
        self.model.show(data.clips)
        self.view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._keep()
        self.view.fit_columns()
        found = [(problem.file, problem.what) for problem in data.clips.problems]
        self.problems.fill(("file", "what"), found)
        self._turn(self.page.value if found else "clips")
        self._arrange()
        self.show_clip(before)
        self.player.look()

    @property
    def row(self) -> int:
        """The marked row of the set, or -1."""
        index = self.view.currentIndex()
        return int(self.model.rows[index.row()]) if index.isValid() and index.row() < len(self.model.rows) else -1

    @property
    def clip_id(self) -> str:
        """The marked clip, or ""."""
        return str(self.source.clips.table.clip_id[self.row]) if self.source is not None and self.row >= 0 else ""

    def show_clip(self, clip: str) -> None:
        """Mark a clip, if it is one of those shown; nothing is told."""
        row = self.source.clips.place.get(clip) if self.source is not None else None
        line = self.model.line_of(row) if row is not None else -1
        self._is_telling = False
        if line >= 0:
            self.view.setCurrentIndex(self.model.index(line, 0))
            self.view.scrollTo(self.model.index(line, 0))
        self._is_telling = True

    def _keep(self) -> None:
        if self.source is None:
            return
        before = self.clip_id
        rows = np.flatnonzero(matching(self.source.clips, self.filter.text()))
        self.model.keep(rows)
        total = len(self.source.clips)
        self.count.setText(f"{total:,} clips" if len(rows) == total else f"{len(rows):,} of {total:,} clips")
        self.filter.setProperty("invalid", not len(rows))
        self.filter.style().polish(self.filter)
        if before:
            self.show_clip(before)

    def _tell(self, now: Index, _before: Index) -> None:
        if self._is_telling and now.isValid():
            self.clip_chosen.emit(self.clip_id)

    def _turn(self, page: str) -> None:
        self.page.set(page)
        self.problems.setVisible(page == "problems")
        self.view.setVisible(page == "clips")

    # ---- sound

    def toggle(self) -> None:
        """Play the marked clip, or stop."""
        if self.player.owner is self:
            self.player.stop()
        elif self.source is not None and self.row >= 0 and not self.player.reason:
            source, row = self.source, self.row
            self.work.call("sound", lambda: source.sound(row), self._play, self._refuse_sound)

    def _play(self, sound: Sound | None) -> None:
        if sound is not None:
            self.player.play(self, sound.samples, sound.rate_hz)

    def _refuse_sound(self, error: OssicleError) -> None:
        self.hint.setText("this clip cannot be read")
        self.hint.setToolTip(f"{error.what}. {error.remedy}.")

    def _show_hint(self) -> None:
        is_playing = self.player.owner is self
        self.hint.setText("playing" if is_playing else "no sound here" if self.player.reason else "Space plays")
        self.hint.setToolTip(self.player.reason)

    # ---- frame

    def resizeEvent(self, event: QResizeEvent) -> None:
        """More room, more words."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        is_wide = self.width() >= WIDE_PX
        if (self.bar.indexOf(self.tools) >= 0) != is_wide:
            self._move_tools(is_wide)
        has_problems = self.source is not None and bool(self.source.clips.problems)
        self.page.setVisible(is_wide and has_problems)
        self.hint.setVisible(is_wide)
        self._show_hint()

    def _move_tools(self, is_wide: bool) -> None:
        """Where there is room they stand in the head of the card, so that there is a line more for clips."""
        (self.inner if is_wide else self.bar).removeWidget(self.tools)
        if is_wide:
            self.bar.insertWidget(2, self.tools, 4)
        else:
            self.inner.insertWidget(0, self.tools)

    def table_rows(self) -> list[list[object]]:
        """What the filter shows, in its order."""
        names = self.model.headers
        lines = ([self.model.text(row, name) for name in names] for row in self.model.rows.tolist())
        return [list(names), *(list[object](line) for line in lines)]

    def clear(self) -> None:
        """Nothing to show."""
        super().clear()
        self.source = None


@viewer(AudioSet, "Clips", tab="clips")
class AudioClips(ClipsCard):
    """Clips of an audio set."""


@viewer(FeatureSet, "Clips of features", tab="clips")
class FeatureClips(ClipsCard):
    """Clips of a feature set."""
