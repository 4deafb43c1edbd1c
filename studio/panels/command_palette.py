"""Ctrl+Shift+P: every command in one list, found by typing; the same list asks for anything else, as a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QWidget

from engine.errors import OssicleError
from studio.canvas.finder import Finder
from studio.commands import Command
from studio.look.icons import icon
from studio.model.rank import Entry
from studio.panels.choices import LOOK, ROW_PX, Choice

WIDTH: Final = 620
MOST_ROWS: Final = 11
"""Rows seen at once; the others are scrolled to."""
MOST_RECENT: Final = 12
EDGE: Final = 24
PLACEHOLDER: Final = "Type what you want to do …"
REASONS: Final[Mapping[str, str]] = {
    "edit.undo": "nothing to undo",
    "edit.redo": "nothing to redo",
    "edit.paste": "the clipboard holds no nodes",
    "file.recover": "nothing was lost",
    "file.revert": "there is no file yet",
    "run.all": "a run is going on",
    "run.stop": "nothing runs",
    "run.stop-at-once": "nothing runs",
    "run.folder": "nothing has run yet",
    "run.to": "select one node first",
    "run.again": "select one node first",
    "node.": "select a node first",
    "edit.": "select something first",
    "walk.": "there are no nodes yet",
    "view.": "there are no nodes yet",
}
"""Why a command cannot be given: by its id, or by the beginning of it."""
Then = Callable[[str], object]


def reason_of(command: Command) -> str:
    """Why a command cannot be given now; "" if it can."""
    if command.enabled():
        return ""
    stem = f"{command.id.partition('.')[0]}."
    return REASONS.get(command.id) or REASONS.get(stem) or "not possible now"


def choice_of(command: Command) -> Choice:
    """A command as a line of the list."""
    shortcut = command.shortcuts[0] if command.shortcuts else ""
    return Choice(
        command.id,
        command.title,
        command.menu.replace("/", " ▸ "),
        QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText),
        command.about,
        command.icon,
        "",
        reason_of(command),
        command.is_checked is not None and command.is_checked(),
    )


class CommandPalette(Finder[Choice]):
    """A list over the window.

    Signals:
        failed(OssicleError): the chosen command did not do it.
        recent_changed(tuple[str, ...]): ids of the commands used last, for the settings.
    """

    failed = Signal(object)
    recent_changed = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Commands", PLACEHOLDER, LOOK, "↵ do it   ↑ ↓ choose   Esc close")
        self.recent: tuple[str, ...] = ()
        self._then: Then = lambda _key: None
        self._noun = ""
        self._glass = QAction(icon("search", "mute", 14), "", self.field)
        self.field.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.none.setFixedHeight(3 * ROW_PX)
        self.hint.setObjectName("mute")
        self.count = QLabel()
        self.count.setObjectName("mute")
        self._stack((self.field, self.list, self.none), margin=10, spacing=8, at_end=self.count)
        parent.installEventFilter(self)

    # ---- asking

    def ask(self, commands: Sequence[Command]) -> None:
        """List commands, those used last first; the chosen one is run."""
        known = {command.id: command for command in commands}
        self.choose_from([choice_of(command) for command in commands], lambda key: self._run(known[key]), "command")

    def choose_from(
        self, choices: Sequence[Choice], then: Then, noun: str = "entry", placeholder: str = PLACEHOLDER
    ) -> None:
        """List anything; `then(key)` is called with what is chosen, after the list has closed.

        Args:
            noun: what is listed, for the count at the foot.
        """
        self._entries = [Entry(c, c.title, (c.key, c.place), c.about) for c in choices]
        self._then, self._noun = then, noun
        self.field.setPlaceholderText(placeholder)
        self.field.setAccessibleName(placeholder.rstrip(" …"))
        if not self.isVisible():
            self._back_to = QApplication.focusWidget()
        self.field.clear()
        self._search()
        self._place()
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def keys(self) -> list[str]:
        """Keys of what is listed, in order."""
        return [choice.key for choice in self.list.items]

    def _search(self) -> None:
        favour = {key: 1 - place / (MOST_RECENT + 1) for place, key in enumerate(self.recent)}
        text = self._list_found({entry.item: favour.get(entry.item.key, 0.0) for entry in self._entries})
        self.none.setText(f"Nothing is called “{text}”.")
        self.count.setText(f"{len(self.list.items):,} of {len(self._entries):,} {_plural(self._noun)}")
        self._place()

    def _place(self) -> None:
        """In the middle of the upper part, as tall as what is listed, inside the window."""
        parent = self.parentWidget()
        assert parent is not None
        top = max(EDGE, parent.height() // 9)
        room = (parent.height() - top - EDGE - 100) // ROW_PX
        rows = max(1, min(len(self.list.items), MOST_ROWS, room))
        self.list.setFixedHeight(rows * ROW_PX + 2)
        self.setFixedWidth(min(WIDTH, parent.width() - 2 * EDGE))
        layout = self.layout()
        if layout is not None:
            layout.activate()
        self.adjustSize()
        self.move(QPoint((parent.width() - self.width()) // 2, top))

    # ---- hands

    def choose(self) -> None:
        """Take the marked line; one that cannot be chosen stays and says why."""
        choice = self.list.marked
        if choice is None:
            return
        if not choice.is_enabled:
            self.count.setText(f"{choice.title}: {choice.reason}")
            return
        self._leave()
        self._then(choice.key)

    def _run(self, command: Command) -> None:
        self.recent = (command.id, *(id for id in self.recent if id != command.id))[:MOST_RECENT]
        self.recent_changed.emit(self.recent)
        try:
            command.run()
        except OssicleError as error:
            self.failed.emit(error)

    # ---- the window around it

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the middle when the window changes its size; a click elsewhere closes."""
        if self.isVisible() and event.type() == QEvent.Type.Resize:
            self._place()
        elif self.isVisible() and event.type() == QEvent.Type.MouseButtonPress:
            self.close_()
        return super().eventFilter(watched, event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_glass"):
            self._glass.setIcon(icon("search", "mute", 14))


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
