"""One variable of a sweep in a form: its name, the values it takes, and a button to take it out."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QToolButton, QWidget

from engine.errors import OssicleError
from engine.sweep_text import list_text, read_list
from studio.look.icons import icon


class OverRow(QWidget):
    """A name (of a variable, or node.parameter) and its values as text.

    Signals:
        typed(): a letter was typed.
        edited(): the name or the values are others, and the person has finished.
        removed(OverRow): the button was pressed.
    """

    typed = Signal()
    edited = Signal()
    removed = Signal(object)

    def __init__(self, name: str, values: Sequence[JsonValue], offers: Sequence[str]) -> None:
        super().__init__()
        self._known: tuple[str, list[JsonValue]] = ("", [])
        self.name = QComboBox()
        self.typing = QLineEdit()
        self.name.setLineEdit(self.typing)
        self.typing.setStyleSheet("padding: 0; border: none; background: transparent;")  # the box has both already
        self.name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.name.addItems(list(offers))
        self.name.setCurrentText(name)
        self.name.setAccessibleName("Variable")
        self.name.setToolTip("A variable of the workflow, or node.parameter")
        self.values = QLineEdit(list_text(values) if values else "")
        self.values.setPlaceholderText("1..15, or 1, 2, 3, or none, cutmix")
        self.values.setAccessibleName("Values")
        self.drop = QToolButton()
        self.drop.setObjectName("plain")
        self.drop.setFixedSize(26, 24)
        self.drop.setIcon(icon("close", "mute", 11))
        self.drop.setToolTip("Take it out of the sweep")
        self.drop.setAccessibleName("Take it out of the sweep")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.name, 2)
        row.addWidget(self.values, 3)
        row.addWidget(self.drop)
        self.name.currentTextChanged.connect(lambda _text: self.typed.emit())
        self.values.textChanged.connect(lambda _text: self.typed.emit())
        self.name.activated.connect(lambda _index: self.edited.emit())
        for field in (self.typing, self.values):
            field.editingFinished.connect(self.edited.emit)
        self.drop.clicked.connect(lambda: self.removed.emit(self))

    @property
    def variable(self) -> str:
        """Its name."""
        return self.name.currentText().strip()

    def read(self) -> list[JsonValue]:
        """Its values.

        Raises:
            OssicleError: the text is no list of values.
        """
        text = self.values.text()
        if self._known[0] != text:
            self._known = (text, read_list(text))
        return self._known[1]

    def why_not(self) -> str:
        """Why the values cannot be read; "" if they can."""
        try:
            self.read()
        except OssicleError as error:
            return str(error.what)
        return ""

    def restyle(self) -> None:
        """The icon in the colours of the present ground."""
        self.drop.setIcon(icon("close", "mute", 11))
