"""Ctrl+Shift+P: every command in one list, found by typing; the same list asks for anything else, as a node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from engine.errors import OssicleError
from studio.canvas.field import Field
from studio.canvas.overlay import Overlay
from studio.commands import Command
from studio.look.icons import icon
from studio.model.rank import Entry, ranked
from studio.panels.choices import ROW_PX, Choice, ChoiceList

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


class CommandPalette(Overlay):
    """A list over the window.

    Signals:
        failed(OssicleError): the chosen command did not do it.
        recent_changed(tuple[str, ...]): ids of the commands used last, for the settings.
    """

    failed = Signal(object)
    recent_changed = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Commands")
        self.recent: tuple[str, ...] = ()
        self._entries: list[Entry[Choice]] = []
        self._then: Then = lambda _key: None
        self._noun = ""
        self._back_to: QWidget | None = None
        self.field = Field(PLACEHOLDER, self)
        self._glass = QAction(icon("search", "mute", 14), "", self.field)
        self.field.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self.list = ChoiceList("Commands", self)
        self.none = QLabel()
        self.none.setObjectName("mute")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.none.setFixedHeight(3 * ROW_PX)
        self.hint = QLabel("↵ do it   ↑ ↓ choose   Esc close")
        self.hint.setObjectName("mute")
        self.count = QLabel()
        self.count.setObjectName("mute")
        self._put_together()
        self.field.textChanged.connect(self._search)
        self.field.pressed.connect(self._key)
        self.field.left.connect(self.close_)
        self.list.clicked.connect(lambda _index: self.choose())
        parent.installEventFilter(self)

    def _put_together(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 10, 10, 8)
        column.setSpacing(8)
        foot = QHBoxLayout()
        foot.setContentsMargins(6, 0, 6, 0)
        foot.addWidget(self.hint)
        foot.addStretch(1)
        foot.addWidget(self.count)
        for widget in (self.field, self.list, self.none):
            column.addWidget(widget)
        column.addLayout(foot)

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
        return [match.item.key for match in self.list.rows.found]

    def _search(self, *_: object) -> None:
        text = self.field.text().strip()
        favour = {key: 1 - place / (MOST_RECENT + 1) for place, key in enumerate(self.recent)}
        liked = {entry.item: favour.get(entry.item.key, 0.0) for entry in self._entries}
        found = ranked(text, self._entries, liked)
        self.list.rows.show(found)
        self.list.setVisible(bool(found))
        self.none.setVisible(not found)
        self.none.setText(f"Nothing is called “{text}”.")
        self.count.setText(f"{len(found):,} of {len(self._entries):,} {_plural(self._noun)}")
        self.list.mark(0)
        self._place()

    def _place(self) -> None:
        """In the middle of the upper part, as tall as what is listed, inside the window."""
        parent = self.parentWidget()
        assert parent is not None
        top = max(EDGE, parent.height() // 9)
        room = (parent.height() - top - EDGE - 100) // ROW_PX
        rows = max(1, min(len(self.list.rows.found), MOST_ROWS, room))
        self.list.setFixedHeight(rows * ROW_PX + 2)
        self.setFixedWidth(min(WIDTH, parent.width() - 2 * EDGE))
        layout = self.layout()
        if layout is not None:
            layout.activate()
        self.adjustSize()
        self.move(QPoint((parent.width() - self.width()) // 2, top))

    # ---- hands

    def _key(self, key: object) -> None:
        row, last = self.list.currentIndex().row(), len(self.list.rows.found) - 1
        steps: dict[object, int] = {
            Qt.Key.Key_Up: row - 1, Qt.Key.Key_Backtab: row - 1, Qt.Key.Key_Down: row + 1, Qt.Key.Key_Tab: row + 1,
            Qt.Key.Key_PageUp: max(0, row - MOST_ROWS), Qt.Key.Key_PageDown: min(last, row + MOST_ROWS),
        }  # fmt: skip
        if key in steps:
            self.list.mark(steps[key])
        elif key == Qt.Key.Key_Escape:
            self.close_()
        else:
            self.choose()

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

    def close_(self) -> None:
        """Close without a choice."""
        if self.isVisible():
            self._leave()

    def _leave(self) -> None:
        had_focus = self.field.hasFocus()
        self.hide()
        if had_focus and self._back_to is not None:
            self._back_to.setFocus()

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
            self.list.viewport().update()


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
