"""Below the parameters: the node's state, its headline figures, and what is wrong with it in three parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.errors import sentence
from engine.theme import state as state_of
from studio.canvas.facts import TIMED, clock, short_time
from studio.form.figures import Figure
from studio.form.form import Heading
from studio.look.theme import colour
from studio.run.state import NEVER, NodeState, reason_of

COLUMNS = 2


@dataclass(frozen=True)
class Trouble:
    """Something wrong, in three parts; `title` is where. A failure of a run can be looked into and tried again."""

    what: str
    expected: str
    remedy: str
    title: str = ""
    is_warning: bool = False
    is_failure: bool = False


class Tile(QFrame):
    """A figure: quiet label above, large number below."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("tile")
        self.label = QLabel()
        self.label.setObjectName("mute")
        self.value = QLabel()
        self.value.setObjectName("figure")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 7, 8, 7)
        column.setSpacing(1)
        column.addWidget(self.label)
        column.addWidget(self.value)
        self._figure = Figure("", "")

    def show_figure(self, figure: Figure) -> None:
        """Show another figure."""
        self._figure = figure
        self.label.setText(figure.label)
        self.setToolTip(f"{figure.label} {figure.value}\n{figure.about}".strip())
        self.setAccessibleName(f"{figure.label} {figure.value}")
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten to the room."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        room = max(self.width() - 22, 30)
        metrics = QFontMetrics(self.value.font())
        self.value.setText(metrics.elidedText(self._figure.value, Qt.TextElideMode.ElideRight, room))


class TroubleBox(QFrame):
    """What is wrong in bold red, what was expected, what to do; buttons where there is something to do."""

    def __init__(self, trouble: Trouble, log: Callable[[], object], rerun: Callable[[], object]) -> None:
        super().__init__()
        self.trouble = trouble
        self.setObjectName("warningBox" if trouble.is_warning else "errorBox")
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setAccessibleName(" ".join((trouble.what, trouble.expected, trouble.remedy)))
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(8)
        column.addWidget(self.text)
        self.buttons: dict[str, QPushButton] = {}
        if trouble.is_failure:
            line = QHBoxLayout()
            line.setSpacing(8)
            for title, act in (("Show log", log), ("Re-run this", rerun)):
                button = QPushButton(title)
                button.clicked.connect(lambda _checked=False, act=act: act())
                self.buttons[title] = button
                line.addWidget(button)
            line.addStretch(1)
            column.addLayout(line)
        self.restyle()

    def restyle(self) -> None:
        """Colours of the present ground."""
        trouble = self.trouble
        strong = colour("amber-text" if trouble.is_warning else "red").name()
        title = f'<b style="color:{strong}">{_plain(trouble.title)}</b> ' if trouble.title else ""
        rest = " ".join(sentence(part) for part in (f"Expected: {trouble.expected}", trouble.remedy) if part)
        self.text.setText(
            f'{title}{_plain(sentence(trouble.what))} <span style="color:{colour("mute").name()}">{_plain(rest)}</span>'
        )


class Result(QWidget):
    """State, tiles, troubles.

    Signals:
        log_requested(), rerun_requested(): of a failed node.
    """

    log_requested = Signal()
    rerun_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.heading = Heading("Result so far")
        self.state = QLabel()
        self.heading.bar.addWidget(self.state)
        self.doing = QLabel()
        self.doing.setObjectName("mute")
        self.doing.setWordWrap(True)
        self.tiles: list[Tile] = []
        self.boxes: list[TroubleBox] = []
        self._grid = QGridLayout()
        self._grid.setSpacing(8)
        for column in range(COLUMNS):
            self._grid.setColumnStretch(column, 1)
        self._list = QVBoxLayout()
        self._list.setSpacing(8)
        self._troubles: tuple[Trouble, ...] = ()
        self._state = NEVER
        column_ = QVBoxLayout(self)
        column_.setContentsMargins(0, 8, 0, 0)
        column_.setSpacing(8)
        column_.addWidget(self.heading)
        column_.addWidget(self.doing)
        column_.addLayout(self._grid)
        column_.addLayout(self._list)

    def show_result(self, state: NodeState, figures: Sequence[Figure], troubles: Sequence[Trouble]) -> None:
        """Show a node's result; the heading stays away where there is nothing to tell."""
        self._state = state
        has_result = state.state != "never" or bool(figures)
        self.heading.setVisible(has_result)
        text = state.text if state.state == "running" else reason_of(state)
        self.doing.setText(sentence(text))
        self.doing.setVisible(has_result and bool(text))
        self._tell_state()
        self._show_figures(figures)
        self._show_troubles(tuple(troubles))
        self.setVisible(has_result or bool(troubles))

    def _tell_state(self) -> None:
        shown = state_of(self._state.state)
        self.state.setText(f"{shown.mark} {self._word(shown.word)}")
        self.state.setStyleSheet(f"color: {colour(shown.token).name()}")

    def _word(self, word: str) -> str:
        """How far it is, and how long it will take; or the time it took."""
        state = self._state
        if state.state != "running":
            return f"{word} · {short_time(state.seconds)}" if state.state in TIMED and state.seconds else word
        share = f"{100 * state.fraction:.0f} %" if state.fraction > 0 else word
        return f"{share} · {clock(state.left_s)} left" if state.left_s is not None else share

    def _show_figures(self, figures: Sequence[Figure]) -> None:
        while len(self.tiles) < len(figures):
            tile = Tile()
            self._grid.addWidget(tile, len(self.tiles) // COLUMNS, len(self.tiles) % COLUMNS)
            self.tiles.append(tile)
        for place, tile in enumerate(self.tiles):
            tile.setVisible(place < len(figures))
            if place < len(figures):
                tile.show_figure(figures[place])

    def _show_troubles(self, troubles: tuple[Trouble, ...]) -> None:
        if troubles == self._troubles:
            return
        self._troubles = troubles
        for box in self.boxes:
            box.hide()
            box.deleteLater()
        self.boxes = [TroubleBox(found, self.log_requested.emit, self.rerun_requested.emit) for found in troubles]
        for box in self.boxes:
            self._list.addWidget(box)

    def restyle(self) -> None:
        """Colours of the present ground."""
        self._tell_state()
        for box in self.boxes:
            box.restyle()


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>")
