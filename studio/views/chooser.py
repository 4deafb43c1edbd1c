"""Under every sound: which clip is shown, the way to others, and the button that plays it."""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QSizePolicy, QToolButton, QWidget

from studio.look import icons, theme

SEARCH_HINT: Final = "Find: yes, or label:yes subset:testing"
ABOUT: Final = {
    "previous": "The clip before (Page Up)",
    "next": "The next clip (Page Down)",
    "random": "Any other clip",
    "play": "Play (Space)",
    "stop": "Stop (Space)",
}


class Chooser(QWidget):
    """The bar.

    Signals:
        stepped(int): -1: the clip before, 1: the next.
        random_asked(): any other clip.
        searched(str): words to look for.
        play_asked(): play, or stop.
    """

    stepped = Signal(int)
    random_asked = Signal()
    searched = Signal(str)
    play_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.is_playing = False
        self.is_wide = True
        self._reason = ""
        self.start, self.end, self.place = QLabel(), QLabel(), QLabel()
        for label in (self.start, self.end, self.place):
            label.setObjectName("mute")
            label.setFont(theme.font(11, monospace=True))
        self.buttons = {name: self._button(name) for name in ("previous", "next", "random", "play")}
        self.buttons["play"].setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.buttons["previous"].clicked.connect(lambda: self.stepped.emit(-1))
        self.buttons["next"].clicked.connect(lambda: self.stepped.emit(1))
        self.buttons["random"].clicked.connect(self.random_asked)
        self.buttons["play"].clicked.connect(self.play_asked)
        self.search = QLineEdit()
        self.search.setPlaceholderText(SEARCH_HINT)
        self.search.setAccessibleName("Find a clip")
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(320)
        self.search.setMinimumWidth(90)
        self.search.textEdited.connect(self.searched)
        self.search.returnPressed.connect(lambda: self.stepped.emit(1))
        self.extras = QHBoxLayout()
        self.extras.setSpacing(6)
        self._build()
        self.restyle()

    def _button(self, name: str) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(14, 14))
        button.setToolTip(ABOUT[name])
        button.setAccessibleName(ABOUT[name].split(" (")[0])
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _build(self) -> None:
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        row.addWidget(self.start)
        row.addStretch(1)
        for name in ("previous", "play", "next", "random"):
            row.addWidget(self.buttons[name])
        row.addSpacing(6)
        row.addWidget(self.search, 4)
        row.addSpacing(6)
        row.addWidget(self.place)
        row.addStretch(1)
        row.addLayout(self.extras)
        row.addWidget(self.end)

    def set_wide(self, is_wide: bool) -> None:
        """With search and place where there is room; without them the ends of the time axis are told here."""
        self.is_wide = is_wide
        for widget in (self.search, self.place, self.buttons["random"]):
            widget.setVisible(is_wide)
        for label in (self.start, self.end):
            label.setVisible(not is_wide)

    def show_span(self, seconds: float, is_timed: bool) -> None:
        """Tell where the time axis ends."""
        self.start.setText("0 s" if is_timed else "0")
        self.end.setText(f"{seconds:.3g} s" if is_timed else f"{seconds:.0f} frames")

    def show_place(self, place: int, count: int, total: int) -> None:
        """Tell the which of how many clips this is; `place` counts from 0, -1 if it is not among them."""
        found = f"{place + 1:,} of {count:,}" if place >= 0 else f"{count:,} found"
        self.place.setText(found if count else "none found")
        self.place.setToolTip(f"of {total:,} clips in all" if count != total else "")
        self.search.setProperty("invalid", not count)
        self.search.style().polish(self.search)

    def show_playing(self, is_playing: bool, reason: str) -> None:
        """The button as it is now; greyed, with the reason, where nothing can be played."""
        self.is_playing, self._reason = is_playing, reason
        self.restyle()

    def restyle(self) -> None:
        """Take the present colours."""
        for name, button in self.buttons.items():
            drawn = "stop" if name == "play" and self.is_playing else name
            token = "faint" if name == "play" and self._reason else "mute"
            button.setIcon(icons.icon(drawn, token, 14))
        play = self.buttons["play"]
        play.setText("stop" if self.is_playing else "no sound" if self._reason else "play")
        play.setEnabled(not self._reason)
        play.setToolTip(self._reason or ABOUT["stop" if self.is_playing else "play"])
        play.setAccessibleDescription(self._reason)
