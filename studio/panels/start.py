"""The start page: type a word, open your recordings, open an example, go on with a recent file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QMouseEvent, QPixmap
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.registry import Registry
from engine.resource import project, projects
from engine.workflow import SUFFIX, Workflow, load
from studio.look.icons import icon, image
from studio.look.theme import font
from studio.panels.graph_picture import picture
from studio.panels.topbar import Elided

PICTURE: Final = QSize(250, 108)
MOST_RECENT: Final = 6
MARGIN: Final = 32
WIDEST: Final = 1180


class Tile(QFrame):
    """A card that can be clicked, and chosen by Enter."""

    chosen = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(14, 12, 14, 12)
        self.column.setSpacing(4)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click chooses."""
        if self.rect().contains(event.position().toPoint()):
            self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter and space choose."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit()
        else:
            super().keyPressEvent(event)


class ProjectTile(Tile):
    """An example: its picture, name and what it is about."""

    def __init__(self, name: str, workflow: Workflow, registry: Registry) -> None:
        super().__init__(f"Example {name}")
        self.workflow, self.registry = workflow, registry
        self.graph = QLabel()
        self.graph.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.graph.setFixedHeight(PICTURE.height())
        title = QLabel(name)
        title.setFont(font(13, bold=True))
        about = QLabel(workflow.about)
        about.setObjectName("mute")
        about.setWordWrap(True)
        about.setAlignment(Qt.AlignmentFlag.AlignTop)
        size = QLabel(f"{len(workflow.nodes)} nodes · {len(workflow.links)} wires")
        size.setObjectName("faint")
        for widget in (self.graph, title, about):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self.column.addWidget(size)
        self.setMinimumWidth(220)
        self.restyle()

    def restyle(self) -> None:
        """Draw the graph in the colours of the present ground."""
        drawn = picture(self.workflow, self.registry, PICTURE, self.devicePixelRatioF())
        self.graph.setPixmap(QPixmap.fromImage(drawn))


class StartPage(QWidget):
    """What is shown while nothing is open.

    Signals:
        open_file(Path), open_project(str), start_empty(), say_words(list[str]), open_recordings(Path),
        dropped(list[Path])
    """

    open_file = Signal(object)
    open_project = Signal(str)
    start_empty = Signal()
    say_words = Signal(object)
    open_recordings = Signal(object)
    dropped = Signal(object)

    def __init__(self, recent: Sequence[Path], registry: Registry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Start")
        self.setAcceptDrops(True)
        self.registry = registry
        self.examples: dict[str, ProjectTile] = {}
        self.recent_tiles: list[Tile] = []
        inside = QWidget()
        inside.setMaximumWidth(WIDEST)
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(MARGIN, 40, MARGIN, 32)
        self._column.setSpacing(12)
        self._column.addLayout(self._make_head())
        self._column.addSpacing(8)
        self._column.addLayout(self._make_first_row())
        self._column.addSpacing(8)
        self._column.addWidget(_section("Examples"))
        self._column.addLayout(self._make_examples())
        self._column.addLayout(self._make_empty())
        self._recent_head = _section("Recent")
        self._column.addSpacing(8)
        self._column.addWidget(self._recent_head)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(6)
        self._column.addLayout(self._recent)
        self._column.addStretch(1)
        self._put_in(inside)
        self.show_recent(recent)
        self.restyle()

    def _put_in(self, inside: QWidget) -> None:
        middle = QWidget()
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(inside, 100)
        row.addStretch(1)
        area = QScrollArea()
        area.setWidgetResizable(True)
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
        row.addWidget(self._logo)
        row.addLayout(words, 1)
        return row

    def _make_first_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(16)
        row.addWidget(self._make_words(), 3)
        row.addWidget(self._make_recordings(), 2)
        return row

    def _make_words(self) -> QFrame:
        card, column = _card("Type a word", "Get a keyword spotter: many voices speak it, a small network learns it.")
        self.words = QLineEdit()
        self.words.setPlaceholderText("marvin, sheila …")
        self.words.setAccessibleName("Words to listen for")
        self.make = QPushButton("Make the spotter")
        self.make.setObjectName("accent")
        self.make.setEnabled(False)
        self.words.textChanged.connect(lambda: self.make.setEnabled(bool(words_in(self.words.text()))))
        self.words.returnPressed.connect(self._say)
        self.make.clicked.connect(self._say)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.words, 1)
        row.addWidget(self.make)
        column.addLayout(row)
        return card

    def _make_recordings(self) -> QFrame:
        card, column = _card("Open your recordings", "A folder or an archive: drop it here, or choose it.")
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
        return card

    def _make_examples(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(16)
        for place, name in enumerate(projects()):
            tile = ProjectTile(name, load(project(f"{name}{SUFFIX}")), self.registry)
            tile.chosen.connect(lambda name=name: self.open_project.emit(name))
            self.examples[name] = tile
            grid.addWidget(tile, place // 4, place % 4)
            grid.setColumnStretch(place % 4, 1)
        return grid

    def _make_empty(self) -> QHBoxLayout:
        self.empty = QPushButton("Empty canvas")
        self.empty.setObjectName("plain")
        self.empty.setToolTip("Ctrl+N")
        self.empty.clicked.connect(self.start_empty)
        row = QHBoxLayout()
        row.addWidget(self.empty)
        row.addStretch(1)
        return row

    def show_recent(self, recent: Sequence[Path]) -> None:
        """List recent files; those that are gone are greyed."""
        for old in self.recent_tiles:
            old.deleteLater()
        self.recent_tiles = [self._recent_tile(path) for path in recent[:MOST_RECENT]]
        for tile in self.recent_tiles:
            self._recent.addWidget(tile)
        self._recent_head.setVisible(bool(self.recent_tiles))

    def _recent_tile(self, path: Path) -> Tile:
        tile = Tile(f"Recent file {path.name}")
        row = QHBoxLayout()
        name = QLabel(path.name)
        name.setFont(font(bold=True))
        folder = Elided("mute", Qt.TextElideMode.ElideMiddle)
        folder.set_whole(str(path.parent))
        row.addWidget(name)
        row.addWidget(folder, 1)
        tile.column.addLayout(row)
        tile.column.setContentsMargins(14, 7, 14, 7)
        tile.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        if path.exists():
            tile.chosen.connect(lambda: self.open_file.emit(path))
        else:
            folder.set_whole(f"is not at {path.parent} any more")
            tile.setEnabled(False)
        return tile

    # ---- what a person does

    def _say(self) -> None:
        words = words_in(self.words.text())
        if words:
            self.say_words.emit(words)

    def _ask_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, "Folder of recordings", str(Path.home()))
        if name:
            self.open_recordings.emit(Path(name))

    def _ask_archive(self) -> None:
        kinds = "Archives (*.tar.gz *.tgz *.tar *.zip *.tar.bz2 *.tar.xz);;All files (*)"
        name, _ = QFileDialog.getOpenFileName(self, "Archive of recordings", str(Path.home()), kinds)
        if name:
            self.open_recordings.emit(Path(name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files may be dropped anywhere."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take files in."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    # ---- looks

    def restyle(self) -> None:
        """Pictures in the colours of the present ground."""
        self._logo.setPixmap(QPixmap.fromImage(image("ossicle", "accent", 44, self.devicePixelRatioF())))
        self.empty.setIcon(icon("new", "text", 14))
        self.folder.setIcon(icon("folder", "text", 14))
        self.archive.setIcon(icon("open", "text", 14))
        for tile in self.examples.values():
            tile.restyle()

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_logo"):
            self.restyle()


def words_in(text: str) -> list[str]:
    """Words a person typed, separated by commas, semicolons or line ends."""
    import re

    return list(dict.fromkeys(word.strip().casefold() for word in re.split(r"[,;\n]+", text) if word.strip()))


def _section(text: str) -> QLabel:
    label = QLabel(text.upper())
    label.setObjectName("section")
    return label


def _card(title: str, about: str) -> tuple[QFrame, QVBoxLayout]:
    card = QFrame()
    card.setObjectName("card")
    column = QVBoxLayout(card)
    column.setContentsMargins(18, 16, 18, 16)
    column.setSpacing(6)
    head = QLabel(title)
    head.setFont(font(15, bold=True))
    words = QLabel(about)
    words.setObjectName("mute")
    words.setWordWrap(True)
    column.addWidget(head)
    column.addWidget(words)
    column.addSpacing(8)
    return card, column
