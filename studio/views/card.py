"""The frame every view stands in: title, subtitle, content, and a menu to copy and export what it shows."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from engine.artifact import Artifact
from studio.look.theme import font
from studio.views.viewer import Scene


class Card(QFrame):
    """A view's frame. Subclasses put widgets into `body`, override `show_artifact`, `clear` and `restyle`."""

    title = "View"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setMinimumSize(220, 160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.heading = QLabel(self.title)
        self.heading.setFont(font(bold=True))
        self.subtitle = QLabel()
        self.subtitle.setObjectName("mute")
        self.menu_button = QToolButton()
        self.menu_button.setText("⋯")
        self.menu_button.setAccessibleName(f"Export {self.title}")
        self.menu_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.bar = QHBoxLayout()
        self.bar.setSpacing(8)
        self.bar.addWidget(self.heading)
        self.bar.addWidget(self.subtitle, 1)
        self.bar.addWidget(self.menu_button)
        self.body = QVBoxLayout()
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(4)
        layout.addLayout(self.bar)
        layout.addLayout(self.body, 1)
        self.subtitle.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def show_artifact(self, artifact: Artifact, scene: Scene) -> None:
        """Show an artifact."""

    def clear(self) -> None:
        """Nothing to show."""
        self.subtitle.setText("")

    def restyle(self) -> None:
        """The window became dark or light: set colours that no style sheet sets."""

    def hasHeightForWidth(self) -> bool:
        """No: a card takes the height it is given, whatever wraps inside it."""
        return False

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "body"):
            self.restyle()
