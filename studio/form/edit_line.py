"""Editors of one line: numbers, text, several numbers, and the name of a secret."""

from __future__ import annotations

from pydantic import JsonValue
from PySide6.QtCore import QTimer

from engine.errors import OssicleError
from studio.form.editor import MANY, Editor, Line
from studio.form.fields import Field
from studio.form.secret import is_set
from studio.form.values import number_text, parse_number, parse_numbers, same, stepped, text_of


class LineEditor(Editor):
    """A line whose text is the value."""

    def __init__(self, field: Field, monospace: bool = False) -> None:
        self.line = Line(monospace)
        super().__init__(field, self.line)
        self._value: JsonValue = None
        self._is_many = False
        self.line.textEdited.connect(self._typed)
        self.line.escaped.connect(self._restore)
        self.line.editingFinished.connect(self._tidy)

    def parse(self, text: str) -> JsonValue:
        """The value of a text; empty is None where that is a value.

        Raises:
            OssicleError: it is no value.
        """
        return None if not text and self.field.is_nullable else text

    def format(self, value: JsonValue) -> str:
        """The text of a value."""
        return "" if value is None else value if isinstance(value, str) else text_of(value)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show a value; text that already means it is left as it was typed."""
        self._value, self._is_many = value, False
        self.line.setPlaceholderText(hint)
        if not (self.line.is_in_use and self._means(value)):
            self.line.put(self.format(value))

    def show_many(self) -> None:
        """Show that several nodes differ."""
        self._is_many = True
        self.line.setPlaceholderText(MANY)
        self.line.put("")

    def _means(self, value: JsonValue) -> bool:
        try:
            return same(self.parse(self.line.text()), value)
        except OssicleError:
            return False

    def _typed(self, text: str) -> None:
        try:
            value = self.parse(text)
        except OssicleError as error:
            self.unreadable.emit(error)
            return
        self.unreadable.emit(None)
        self._value, self._is_many = value, False
        self.edited.emit(value)

    def _restore(self) -> None:
        self.line.put("" if self._is_many else self.format(self._value))
        self.line.selectAll()
        self.unreadable.emit(None)

    def _tidy(self) -> None:
        """Once it is left: the number as the file writes it. Text that is none stays, with its error."""
        if not self._is_many and self._means(self._value):
            self.line.put(self.format(self._value))


class NumberEditor(LineEditor):
    """A number: typed, stepped by arrow keys or the wheel, dragged at its label."""

    def __init__(self, field: Field) -> None:
        super().__init__(field, monospace=True)
        self.line.takes_steps = True
        self.line.stepped.connect(self.step)
        self._start: float | None = None

    def parse(self, text: str) -> JsonValue:
        """Read a number."""
        return parse_number(self.field, text)

    def format(self, value: JsonValue) -> str:
        """The number as the file writes it; a value that is none (a bad file) as it stands."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return super().format(value)
        return number_text(value)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show a number; steps from None start at the hint if it is one."""
        super().show_value(value, hint)
        try:
            start = parse_number(self.field, hint) if hint else None
        except OssicleError:
            start = None
        self._start = float(start) if isinstance(start, int | float) else None

    def step(self, steps: float) -> None:
        """Move by some steps, within the range."""
        value = self._value
        if self._is_many or isinstance(value, bool) or not isinstance(value, int | float):
            value = self._start if self._start is not None else self.field.low or 0.0
        new = stepped(self.field, value, steps)
        if not same(new, self._value):
            self._value = new
            self.line.setText(self.format(new))
            self.unreadable.emit(None)
            self.edited.emit(new)


class NumbersEditor(LineEditor):
    """Several numbers between commas."""

    def __init__(self, field: Field) -> None:
        super().__init__(field, monospace=True)

    def parse(self, text: str) -> JsonValue:
        """Read the numbers."""
        return parse_numbers(self.field, text)

    def format(self, value: JsonValue) -> str:
        """With commas between."""
        return "" if value in (None, []) else super().format(value)


class SecretEditor(LineEditor):
    """The name of a secret, and whether it has a value on this machine. The value itself is never read into a widget.

    Looking into the keyring may ask the desktop: it happens once the name was left alone for a moment, in a thread.
    """

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.told = ""
        self._timer = QTimer(self, singleShot=True, interval=400)
        self._timer.timeout.connect(self._ask)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show the name."""
        super().show_value(value, hint or "name of a secret")
        if value:
            self._timer.start()
        else:
            self._tell("")

    def _ask(self) -> None:
        from studio.work import Background

        if not hasattr(self, "_background"):
            self._background = Background(self, threads=1)
        name = self.line.text()
        self._background.call("secret", lambda: is_set(name), lambda found: self._answer(name, found))

    def _answer(self, name: str, found: bool) -> None:
        if name == self.line.text():
            self._tell("set" if found else "not set")

    def _tell(self, text: str) -> None:
        if text != self.told:
            self.told = text
            self.height_changed.emit()
