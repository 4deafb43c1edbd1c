"""Cards of the start page that are chosen by a click or Enter: examples with their pictures, recent files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout

from engine.console import count
from engine.registry import Registry
from engine.workflow import Workflow
from studio.look.theme import colour, font
from studio.panels.graph_picture import GraphPicture
from studio.panels.topbar import Elided

PICTURE_PX: Final = 116
DAY_S: Final = 86_400


class Tile(QFrame):
    """A card that can be clicked, and chosen by Enter. Arrow keys go to the next one."""

    chosen = Signal()
    FORWARD: Final = (Qt.Key.Key_Right, Qt.Key.Key_Down)
    BACK: Final = (Qt.Key.Key_Left, Qt.Key.Key_Up)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName("card")
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._is_under = False
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(14, 12, 14, 12)
        self.column.setSpacing(4)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click chooses."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter and space choose; arrows go on."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit()
        elif event.key() in (*self.FORWARD, *self.BACK):
            self.focusNextPrevChild(event.key() in self.FORWARD)
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        """Under the pointer."""
        super().enterEvent(event)
        self._is_under = True
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Not any more."""
        super().leaveEvent(event)
        self._is_under = False
        self.update()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the ring."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the ring away."""
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The card; a ring says that Enter or a click would choose it."""
        super().paintEvent(event)
        if self.isEnabled() and (self._is_under or self.hasFocus()):
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(colour("accent" if self.hasFocus() else "mute"), 1.4))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 9, 9)


class ProjectTile(Tile):
    """An example: its picture, name, what it is about, and its size."""

    def __init__(self, name: str, workflow: Workflow, registry: Registry) -> None:
        super().__init__(f"Example {name}: {workflow.about}")
        self.workflow = workflow
        self.graph = GraphPicture(workflow, registry)
        self.graph.setFixedHeight(PICTURE_PX)
        title = QLabel(name.replace("_", " ").capitalize())
        title.setFont(font(13, bold=True))
        about = QLabel(workflow.about)
        about.setObjectName("mute")
        about.setWordWrap(True)
        about.setAlignment(Qt.AlignmentFlag.AlignTop)
        size = QLabel(f"{count(len(workflow.nodes), 'node')} · {count(len(workflow.links), 'wire')}")
        size.setObjectName("mute")
        size.setFont(font(11))
        for widget in (self.graph, title, about):
            self.column.addWidget(widget)
        self.column.addStretch(1)
        self.column.addWidget(size)
        self.setMinimumWidth(200)


@dataclass(frozen=True)
class Known:
    """A recent file as it is now: when it was written, or None if it is gone."""

    path: Path
    written_s: float | None


def look(paths: Sequence[Path]) -> tuple[Known, ...]:
    """Which files are still there; called in a thread, as a lost network folder may take its time."""
    found = []
    for path in paths:
        try:
            found.append(Known(path, path.stat().st_mtime))
        except OSError:
            found.append(Known(path, None))
    return tuple(found)


def when(written_s: float, now_s: float) -> str:
    """ "today 12:04", "yesterday 12:04", "3 Nov", "3 Nov 2024"."""
    at, now = time.localtime(written_s), time.localtime(now_s)
    if at[:3] == now[:3]:
        return time.strftime("today %H:%M", at)
    if at[:3] == time.localtime(now_s - DAY_S)[:3]:
        return time.strftime("yesterday %H:%M", at)
    day = time.strftime("%d %b", at).lstrip("0")
    return day if at.tm_year == now.tm_year else f"{day} {at.tm_year}"


class RecentTile(Tile):
    """A recent file: name, folder, when it was written. One that is gone can be taken off the list.

    Signals:
        forgotten()
    """

    forgotten = Signal()

    def __init__(self, path: Path) -> None:
        super().__init__(f"Recent file {path.name} in {path.parent}")
        self.path = path
        self.is_missing = False
        self.name = QLabel(path.name)
        self.name.setFont(font(bold=True))
        self.folder = Elided("mute", Qt.TextElideMode.ElideMiddle)
        self.folder.set_whole(str(path.parent))
        self.folder.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.when = QLabel()
        self.when.setObjectName("mute")
        self.remove = QPushButton("Remove")
        self.remove.setObjectName("plain")
        self.remove.setToolTip("Take it off this list")
        self.remove.clicked.connect(self.forgotten)
        self.remove.hide()
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addWidget(self.name)
        row.addWidget(self.folder, 1)
        row.addWidget(self.when)
        row.addWidget(self.remove)
        self.column.addLayout(row)
        self.column.setContentsMargins(14, 5, 14, 5)
        self.setMinimumHeight(38)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def tell(self, known: Known) -> None:
        """Show when it was written, or that it is gone."""
        self.is_missing = known.written_s is None
        self.when.setText("" if known.written_s is None else when(known.written_s, time.time()))
        self.remove.setVisible(self.is_missing)
        self.name.setObjectName("faint" if self.is_missing else "")
        self.name.style().polish(self.name)
        self.name.setFont(font(bold=True))
        if self.is_missing:
            self.folder.set_whole(f"is not in {self.path.parent} any more")
            self.setCursor(Qt.CursorShape.ArrowCursor)
            self.setAccessibleName(f"Recent file {self.path.name}, which is gone")
