"""Parts of a row: what it shows, its label that drags numbers, and its words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QLabel

from engine.errors import sentence
from engine.problem import Problem
from studio.form.fields import Field, range_text
from studio.form.values import text_of

DRAG_PX: Final = 6
"""Pixels that the label is dragged per step of a number."""


@dataclass(frozen=True)
class Shown:
    """What a row shows.

    Attributes:
        is_given: the file holds a value; otherwise it is the default.
        is_changed: the value is another than the default.
        hint: what an empty value stands for.
        variable: the workflow variable it is linked to, and `variable_text` that one's value.
    """

    value: JsonValue = None
    is_many: bool = False
    is_given: bool = False
    is_changed: bool = False
    hint: str = ""
    variable: str = ""
    variable_text: str = ""


class ScrubLabel(QLabel):
    """A row's name. Dragging it sideways moves a number; a click goes to the field."""

    scrubbed = Signal(float)
    clicked = Signal()

    def __init__(self, text: str, can_scrub: bool) -> None:
        super().__init__()
        self.whole = text
        self._start: float | None = None
        self._done = 0
        self._can_scrub = can_scrub
        if can_scrub:
            self.setCursor(Qt.CursorShape.SizeHorCursor)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the words to the room."""
        super().resizeEvent(event)
        self.setText(QFontMetrics(self.font()).elidedText(self.whole, Qt.TextElideMode.ElideRight, self.width()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A drag may begin."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._start, self._done = event.globalPosition().x(), 0

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """One step per few pixels; Shift goes farther."""
        if self._start is None or not self._can_scrub:
            return
        steps = int((event.globalPosition().x() - self._start) / DRAG_PX)
        if steps != self._done:
            factor = 10.0 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            self.scrubbed.emit((steps - self._done) * factor)
            self._done = steps

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """A drag ends; without one it was a click."""
        if self._start is not None and self._done == 0:
            self.clicked.emit()
        self._start = None


def missing(problem: Problem) -> Problem:
    """A required value that is not there: nothing was given, rather than all the other values."""
    return replace(problem, what="nothing is given", expected="a value", remedy="Fill it in")


def words(path: str, problem: Problem) -> str:
    what = f"{path}: {problem.what}" if path else problem.what
    text = " ".join(sentence(part) for part in (what, f"Expected: {problem.expected}", problem.remedy))
    return text[:1].upper() + text[1:]


def help_of(field: Field) -> str:
    """The label's tooltip: what it is, its range and default, its name in files."""
    range_ = range_text(field)
    facts = [f"{range_} {field.unit}".strip()] if range_ else []
    facts += ["required"] if field.is_required else [f"default {text_of(field.default)} {field.unit}".strip()]
    first = field.about or field.label
    return f"<p>{_escaped(first)}</p><p>{_escaped(' · '.join(facts))}<br><code>{_escaped(field.name)}</code></p>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
