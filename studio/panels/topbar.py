"""The bar over everything: menus, project and saved state, what a run would do, and the run buttons."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenuBar, QPushButton, QSizePolicy, QWidget

from studio.commands import Command
from studio.look.icons import icon, image
from studio.look.theme import font
from studio.model.document import Document
from studio.run.session import Session

HEIGHT = 44
NARROW = 1180
"""Below this width the plan's words give way; the buttons stay."""


class Elided(QLabel):
    """A label that shortens its text to the room it has; the whole text is its tooltip."""

    def __init__(self, name: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self.setObjectName(name)
        self._whole = ""
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(24)

    def set_whole(self, text: str) -> None:
        """The text to show."""
        if text != self._whole:
            self._whole = text
            self.setToolTip(text)
            self.updateGeometry()
            self._elide()

    def sizeHint(self) -> QSize:
        """Room for the whole text."""
        metrics = QFontMetrics(self.font())
        return QSize(metrics.horizontalAdvance(self._whole) + 4, metrics.height() + 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten to the new width."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(QFontMetrics(self.font()).elidedText(self._whole, self._mode, max(self.width() - 2, 8)))


class TopBar(QWidget):
    """44 px: logo, menus, file, saved state · plan, Run to here, Stop, Run."""

    def __init__(self, document: Document, session: Session) -> None:
        super().__init__()
        self.setObjectName("topbar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(HEIGHT)
        self.document = document
        self.session = session
        self.logo = QLabel()
        self.menus = QMenuBar()
        self.menus.setStyleSheet("QMenuBar { border: none; background: transparent; }")
        self.menus.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.file = Elided(mode=Qt.TextElideMode.ElideMiddle)
        self.saved = QLabel()
        self.saved.setObjectName("badge")
        self.saved.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
        self.plan = Elided("mute")
        self.plan.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.buttons: dict[str, QPushButton] = {}
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(12, 0, 12, 0)
        self._row.setSpacing(10)
        name = QLabel("Ossicle")
        name.setFont(font(13, bold=True))
        for widget in (self.logo, name, self.menus):
            self._row.addWidget(widget)
        self._row.addSpacing(6)
        self._row.addWidget(self.file, 2)
        self._row.addWidget(self.saved)
        self._row.addStretch(1)
        self._row.addWidget(self.plan, 3)
        document.saved_changed.connect(self._tell_file)
        document.path_changed.connect(self._tell_file)
        document.changed.connect(self._tell_file)
        session.run_changed.connect(self._tell_run)
        self.restyle()
        self._tell_file()
        self._tell_run()

    def add_buttons(self, commands: dict[str, Command]) -> None:
        """Make the run buttons from their commands, in order."""
        for id, label, look in (
            ("run.to", "Run to here", "run-to"),
            ("run.stop", "Stop", "stop"),
            ("run.all", "Run", "run"),
        ):
            command = commands[id]
            button = QPushButton(label)
            button.setObjectName("accent" if id == "run.all" else "")
            button.setToolTip(f"{command.title} ({', '.join(command.shortcuts)})")
            button.setProperty("icon_name", look)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _checked=False, command=command: command.run())
            self.buttons[id] = button
            self._row.addWidget(button)
        self._commands = commands
        self.restyle()
        self._tell_run()
        self.document.selection_changed.connect(self._tell_run)

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        from PySide6.QtGui import QPixmap

        self.logo.setPixmap(QPixmap.fromImage(image("ossicle", "accent", 24, self.devicePixelRatioF())))
        for id, button in self.buttons.items():
            button.setIcon(icon(str(button.property("icon_name")), "text" if id != "run.all" else "background", 14))

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "buttons"):
            self.restyle()

    def _tell_file(self, *_: object) -> None:
        path: Path | None = self.document.path
        self.file.set_whole(f"/  {path.name if path is not None else self.document.workflow.name}")
        self.file.setToolTip(str(path) if path is not None else "not saved to a file yet")
        words = "saved" if self.document.is_saved and path is not None else "not saved" if path is None else "edited"
        self.saved.setText(words)
        self.saved.setToolTip("Ctrl+S saves the workflow file" if words != "saved" else "The file holds what you see")

    def _tell_run(self, *_: object) -> None:
        self.plan.set_whole(self.session.plan_text)
        for id, button in self.buttons.items():
            button.setEnabled(self._commands[id].enabled())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The plan's words give way first."""
        super().resizeEvent(event)
        self.plan.setVisible(self.width() >= NARROW)
