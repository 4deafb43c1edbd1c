"""Notices over the canvas: what is wrong, what was expected, what to do; one at a time, the newest first."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.errors import OssicleError, sentence
from studio.look.icons import icon
from studio.look.theme import font

INFO_MS = 6000
WIDTH = 460
MARKS = {"info": ("check", "green"), "warning": ("warning", "amber-text"), "error": ("error", "red")}
Action = tuple[str, Callable[[], object]]


class Banner(QFrame):
    """One message in the top right corner of its parent; information fades by itself, the rest waits to be closed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("popup")
        self.setFixedWidth(WIDTH)
        self.setAccessibleName("Message")
        self._over = parent
        self._mark = QLabel()
        self.what = QLabel()
        self.what.setFont(font(bold=True))
        self.rest = QLabel()
        self.rest.setObjectName("mute")
        for label in (self.what, self.rest):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        close = QPushButton()
        close.setObjectName("plain")
        close.setIcon(icon("close", "mute", 12))
        close.setFixedSize(26, 24)
        close.setAccessibleName("Close the message")
        close.clicked.connect(self.hide)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(self.what)
        words.addWidget(self.rest)
        words.addLayout(self._buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 10, 8, 10)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self._timer = QTimer(self, singleShot=True, interval=INFO_MS)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    def tell(
        self, level: str, what: str, expected: str = "", remedy: str = "", actions: tuple[Action, ...] = ()
    ) -> None:
        """Show a message with buttons."""
        look, token = MARKS.get(level, MARKS["info"])
        self._mark.setPixmap(icon(look, token, 18).pixmap(18, 18))
        self.what.setText(sentence(what))
        parts = [sentence(f"Expected: {expected}")] if expected else []
        self.rest.setText(" ".join([*parts, *([sentence(remedy)] if remedy else [])]))
        self.rest.setVisible(bool(self.rest.text()))
        self._set_actions(actions)
        self._timer.stop()
        if level == "info" and not actions:
            self._timer.start()
        self.show()
        self.place()
        self.raise_()

    def tell_error(self, error: OssicleError, actions: tuple[Action, ...] = ()) -> None:
        """Show an error's three parts."""
        self.tell("error", error.what, error.expected, error.remedy, actions)

    def _set_actions(self, actions: tuple[Action, ...]) -> None:
        while (item := self._buttons.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        for label, action in actions:
            button = QPushButton(label)
            button.clicked.connect(self.hide)
            button.clicked.connect(lambda _checked=False, action=action: action())
            self._buttons.addWidget(button)
        self._buttons.addStretch(1)

    def place(self) -> None:
        """Into the top right corner."""
        parent = self._over
        height = self.layout().heightForWidth(WIDTH)  # type: ignore[union-attr]
        self.resize(WIDTH, max(height, self.sizeHint().height()))
        self.move(parent.width() - WIDTH - 16, 16)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the corner when the parent is resized."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.place()
        return super().eventFilter(watched, event)
