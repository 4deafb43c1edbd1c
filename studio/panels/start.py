"""The start page: type a word, open your recordings, open an example, go on with a recent file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QMimeData, QRectF, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.registry import Registry
from engine.resource import project, projects
from engine.workflow import SUFFIX, load
from studio.look.icons import icon, image
from studio.look.theme import colour, font
from studio.model.dropped import label_of, sort_dropped
from studio.panels.tiles import Known, ProjectTile, RecentTile, look
from studio.panels.words_field import WordsField, words_in
from studio.work import Background

__all__ = ["StartPage", "words_in"]

MOST_RECENT: Final = 6
MARGIN: Final = 32
WIDEST: Final = 1240
TILE_PX: Final = 200
"""Least width of an example; fewer stand side by side where it is narrow."""
ARCHIVES: Final = "Archives (*.tar.gz *.tgz *.tar *.zip *.tar.bz2 *.tar.xz);;All files (*)"
ANYWHERE: Final = "A folder per class, or a tar or zip archive. Drop it anywhere on this page."


class DropZone(QFrame):
    """The card for recordings, with a dashed edge; amber while files are over the page."""

    def __init__(self) -> None:
        super().__init__()
        self.is_hot = False

    def set_hot(self, is_hot: bool) -> None:
        """Show whether letting go would do something."""
        self.is_hot = is_hot
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The dashed card."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(colour("accent" if self.is_hot else "faint"), 1.6 if self.is_hot else 1.2)
        pen.setDashPattern([4, 4])
        painter.setPen(pen)
        painter.setBrush(colour("accent", 0.08) if self.is_hot else colour("canvas"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 10, 10)


class StartPage(QWidget):
    """What is shown while nothing is open.

    Signals:
        open_file(Path), open_project(str), start_empty(), say_words(list[str]), open_recordings(Path),
        dropped(list[Path]), forget(Path): a recent file that is gone shall not be listed any more.
    """

    open_file = Signal(object)
    open_project = Signal(str)
    start_empty = Signal()
    say_words = Signal(object)
    open_recordings = Signal(object)
    dropped = Signal(object)
    forget = Signal(object)

    def __init__(self, recent: Sequence[Path], registry: Registry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Start")
        self.setAcceptDrops(True)
        self.registry = registry
        self.examples: dict[str, ProjectTile] = {}
        self.recent_tiles: list[RecentTile] = []
        self._work = Background(self, threads=1)
        self._columns = 0
        self._inside = QWidget()
        self._inside.setMaximumWidth(WIDEST)
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(MARGIN, 32, MARGIN, 28)
        column.setSpacing(12)
        column.addStretch(1)
        column.addLayout(self._make_head())
        column.addSpacing(4)
        column.addLayout(self._make_first_row())
        column.addSpacing(4)
        column.addWidget(_section("Open an example"))
        column.addLayout(self._make_examples())
        self._recent_head = _section("Recent")
        self._recent = QVBoxLayout()
        self._recent.setSpacing(6)
        column.addSpacing(4)
        column.addWidget(self._recent_head)
        column.addLayout(self._recent)
        column.addStretch(2)
        self._put_in(self._inside)
        self.show_recent(recent)
        self.setFocusProxy(self.words)
        self._order_keys()
        self.restyle()

    def _order_keys(self) -> None:
        """Tab goes from the words to the recordings, the examples, and last to the empty canvas."""
        chain = [self.words.line, self.make, self.folder, self.archive, *self.examples.values(), self.empty]
        for first, second in zip(chain, chain[1:], strict=False):
            self.setTabOrder(first, second)

    def _put_in(self, inside: QWidget) -> None:
        middle = QWidget()
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(inside, 100)
        row.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(middle)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    # ---- parts

    def _make_head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(14)
        self._logo = QLabel()
        words = QVBoxLayout()
        words.setSpacing(2)
        title = QLabel("Ossicle")
        title.setObjectName("heading")
        line = QLabel("From recordings to a measured model on a device. Everything stays on this machine.")
        line.setObjectName("mute")
        words.addWidget(title)
        words.addWidget(line)
        self.empty = QPushButton("Empty canvas")
        self.empty.setToolTip("Ctrl+N")
        self.empty.clicked.connect(self.start_empty)
        row.addWidget(self._logo)
        row.addLayout(words, 1)
        row.addWidget(self.empty)
        return row

    def _make_first_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(self._make_words(), 1)
        row.addWidget(self._make_recordings(), 1)
        return row

    def _make_words(self) -> QFrame:
        card = QFrame()
        card.setObjectName("card")
        self._word_mark = QLabel()
        column = _fill(card, self._word_mark, "Type a word", "Many voices speak it, a small network learns to hear it.")
        self.words = WordsField("marvin, Enter, sheila, Enter …")
        self.words.setAccessibleName("Words to listen for")
        self.make = QPushButton("Make the spotter")
        self.make.setObjectName("accent")
        self.make.setEnabled(False)
        self.make.setFixedHeight(self.words.minimumSizeHint().height())
        self.words.changed.connect(lambda words: self.make.setEnabled(bool(words)))
        self.words.finished.connect(self._say)
        self.make.clicked.connect(self._say)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.words, 1)
        row.addWidget(self.make, 0, Qt.AlignmentFlag.AlignTop)
        column.addLayout(row)
        column.addStretch(1)
        return card

    def _make_recordings(self) -> QFrame:
        self.zone = DropZone()
        self._wave_mark = QLabel()
        column = _fill(self.zone, self._wave_mark, "Open your recordings", ANYWHERE)
        self.zone_words = self.zone.findChildren(QLabel)[-1]
        row = QHBoxLayout()
        row.setSpacing(8)
        self.folder = QPushButton("Folder …")
        self.archive = QPushButton("Archive …")
        self.folder.clicked.connect(self._ask_folder)
        self.archive.clicked.connect(self._ask_archive)
        row.addWidget(self.folder)
        row.addWidget(self.archive)
        row.addStretch(1)
        column.addLayout(row)
        column.addStretch(1)
        return self.zone

    def _make_examples(self) -> QGridLayout:
        self._grid = QGridLayout()
        self._grid.setSpacing(16)
        for name in projects():
            tile = ProjectTile(name, load(project(f"{name}{SUFFIX}")), self.registry)
            tile.chosen.connect(partial(self.open_project.emit, name))
            self.examples[name] = tile
        self._flow(4)
        return self._grid

    def _flow(self, columns: int) -> None:
        """Put the examples side by side, so many in a row."""
        if columns == self._columns:
            return
        for column in range(self._columns):
            self._grid.setColumnStretch(column, 0)
        self._columns = columns
        for place, tile in enumerate(self.examples.values()):
            self._grid.addWidget(tile, place // columns, place % columns)
        for column in range(columns):
            self._grid.setColumnStretch(column, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fewer examples side by side where it is narrow, in rows as even as possible."""
        super().resizeEvent(event)
        room = min(self.width(), WIDEST) - 2 * MARGIN
        count = len(self.examples)
        rows = -(-count // max(1, min(count, room // TILE_PX)))
        self._flow(-(-count // rows))

    # ---- recent files

    def show_recent(self, recent: Sequence[Path]) -> None:
        """List recent files; whether they are still there is looked up in a thread."""
        for old in self.recent_tiles:
            self._recent.removeWidget(old)
            old.hide()
            old.deleteLater()
        shown = tuple(recent[:MOST_RECENT])
        self.recent_tiles = [self._recent_tile(path) for path in shown]
        for tile in self.recent_tiles:
            self._recent.addWidget(tile)
        self._recent_head.setVisible(bool(self.recent_tiles))
        if shown:
            self._work.call("recent", partial(look, shown), self._tell_recent)

    def _recent_tile(self, path: Path) -> RecentTile:
        tile = RecentTile(path)
        tile.chosen.connect(partial(self._choose_recent, tile))
        tile.forgotten.connect(partial(self._forget, tile))
        return tile

    def _tell_recent(self, found: tuple[Known, ...]) -> None:
        for tile, known in zip(self.recent_tiles, found, strict=False):
            if tile.path == known.path:
                tile.tell(known)

    def _choose_recent(self, tile: RecentTile) -> None:
        if not tile.is_missing:
            self.open_file.emit(tile.path)

    def _forget(self, tile: RecentTile) -> None:
        self.recent_tiles.remove(tile)
        self._recent.removeWidget(tile)
        tile.hide()
        tile.deleteLater()
        self._recent_head.setVisible(bool(self.recent_tiles))
        self.forget.emit(tile.path)

    # ---- what a person does

    def _say(self) -> None:
        words = self.words.words
        if words:
            self.say_words.emit(words)

    def _ask_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of recordings", str(Path.home()))
        if name:
            self.open_recordings.emit(Path(name))

    def _ask_archive(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Archive of recordings", str(Path.home()), ARCHIVES)
        if name:
            self.open_recordings.emit(Path(name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files may be dropped anywhere; say what would be done with them."""
        paths = _paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.zone.set_hot(True)
            self.zone_words.setText(label_of(sort_dropped(paths)))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """They were taken elsewhere."""
        super().dragLeaveEvent(event)
        self._cool()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take files in."""
        paths = _paths(event.mimeData())
        self._cool()
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def _cool(self) -> None:
        self.zone.set_hot(False)
        self.zone_words.setText(ANYWHERE)

    # ---- looks

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        scale = self.devicePixelRatioF()
        self._logo.setPixmap(QPixmap.fromImage(image("ossicle", "accent", 44, scale)))
        self._word_mark.setPixmap(QPixmap.fromImage(image("word", "teal", 20, scale)))
        self._wave_mark.setPixmap(QPixmap.fromImage(image("wave", "blue", 20, scale)))
        self.empty.setIcon(icon("new", "text", 14))
        self.folder.setIcon(icon("folder", "text", 14))
        self.archive.setIcon(icon("open", "text", 14))

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_logo"):
            self.restyle()


def _paths(data: QMimeData) -> list[Path]:
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]


def _section(text: str) -> QLabel:
    label = QLabel(text.upper())
    label.setObjectName("section")
    return label


def _fill(card: QFrame, mark: QLabel, title: str, about: str) -> QVBoxLayout:
    """Mark, title and one sentence at the top of a card; what follows is added below."""
    column = QVBoxLayout(card)
    column.setContentsMargins(18, 14, 18, 16)
    column.setSpacing(6)
    head = QHBoxLayout()
    head.setSpacing(8)
    name = QLabel(title)
    name.setFont(font(15, bold=True))
    head.addWidget(mark)
    head.addWidget(name, 1)
    words = QLabel(about)
    words.setObjectName("mute")
    words.setWordWrap(True)
    column.addLayout(head)
    column.addWidget(words)
    column.addSpacing(6)
    return column
