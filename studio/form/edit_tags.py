"""Editor of a list of words: one chip each, with a line to type the next."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QCompleter

from studio.form.editor import MANY, Editor, Line
from studio.form.fields import Field
from studio.form.style import lifted
from studio.form.values import split_tags, text_of
from studio.look.theme import colour

CHIP: Final = 20
GAP: Final = 4
EDGE: Final = 4
CROSS: Final = 16
LINE_PX: Final = 44
"""Least room for the line that takes the next word."""


class TagsEditor(Editor):
    """Chips in reading order. Type a word and a comma or Enter; Backspace takes the last one out.

    With the line empty, Left and Right walk the chips, Alt moves one, Delete takes it out.
    """

    is_wide = True

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self.words: list[str] = []
        self.at = -1
        """The chip chosen by keyboard."""
        self._is_auto = self._is_typing = False
        self._spots: list[QRectF] = []
        self._height = CHIP + 2 * EDGE
        self.line = Line()
        self.line.setParent(self)
        self.inner = self.line
        self.setFocusProxy(self.line)
        choices = field.item.choices if field.item is not None else ()
        if choices:
            completer = QCompleter([text_of(value) for value in choices], self)
            completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
            completer.activated.connect(self._take)
            self.line.setCompleter(completer)
        self.line.textEdited.connect(self._typed)
        self.line.installEventFilter(self)

    # ---- value

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show the words; anything but a list (a bad file) is shown as one word."""
        self._is_auto = value is None
        words = (
            [text_of(item) for item in value] if isinstance(value, list) else [] if value is None else [text_of(value)]
        )
        self.line.setPlaceholderText((hint or "auto") if self._is_auto else "" if words else "type a word, Enter")
        if words != self.words:
            self.words = words
            self.at = min(self.at, len(words) - 1)
            self._arrange()

    def show_many(self) -> None:
        """Several nodes differ."""
        self.words, self.at = [], -1
        self.line.setPlaceholderText(MANY)
        self._arrange()

    def _become(self, words: list[str]) -> None:
        self.words, self._is_auto = words, False
        self.line.setPlaceholderText("" if words else "type a word, Enter")
        self._arrange()
        self.edited.emit(list(words))

    # ---- typing

    def _typed(self, text: str) -> None:
        self.at = -1
        if any(mark in text for mark in ",;\t\n"):
            whole, _, rest = text.replace(";", ",").replace("\n", ",").replace("\t", ",").rpartition(",")
            self.line.setText(rest.strip())
            self._add(whole)
        self.update()

    def _take(self, text: str) -> None:
        self._add(text)
        self.line.clear()

    def _add(self, text: str) -> None:
        fresh = split_tags(text)
        if fresh:
            self._become([*self.words, *fresh])

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Keys of the line that act on chips; what was typed becomes one when the line is left."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return self._key(event)
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._is_typing = event.type() == QEvent.Type.FocusIn
            self.at = -1
            self._finish()
            self._arrange()
        return False

    def _finish(self) -> bool:
        text = self.line.text()
        self.line.clear()
        self._add(text)
        return bool(text.strip())

    def _key(self, event: QKeyEvent) -> bool:
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            return self._finish() or True
        if self.line.text():
            return False
        if key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete) and self.words:
            self._remove(self.at if self.at >= 0 else len(self.words) - 1)
            return True
        move = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(key))
        if move is None or not self.words:
            return False
        if event.modifiers() & Qt.KeyboardModifier.AltModifier:
            self._swap(self.at, self.at + move)
        else:
            at = len(self.words) if self.at < 0 else self.at
            self.at = at + move if 0 <= at + move < len(self.words) else (-1 if move > 0 else 0)
        self.update()
        return True

    def _swap(self, a: int, b: int) -> None:
        if 0 <= a < len(self.words) and 0 <= b < len(self.words):
            words = list(self.words)
            words[a], words[b] = words[b], words[a]
            self.at = b
            self._become(words)

    def _remove(self, place: int) -> None:
        words = self.words[:place] + self.words[place + 1 :]
        self.at = min(self.at, len(words) - 1)
        self._become(words)

    # ---- room

    def sizeHint(self) -> QSize:
        """As many lines as the chips need."""
        return QSize(120, self._height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Chips flow anew."""
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        metrics, room = QFontMetrics(self.font()), max(self.width() - 2 * EDGE, 80)
        x, y, self._spots = 0.0, 0.0, []
        for word in self.words:
            width = min(metrics.horizontalAdvance(word) + 12 + CROSS, room)
            if x > 0 and x + width > room:
                x, y = 0.0, y + CHIP + GAP
            self._spots.append(QRectF(EDGE + x, EDGE + y, width, CHIP))
            x += width + GAP
        if x > 0 and x + (LINE_PX if self._is_typing else 8) > room:
            x, y = 0.0, y + CHIP + GAP
        self.line.setGeometry(round(EDGE + x), round(EDGE + y), round(room - x), CHIP)
        height = round(y + CHIP + 2 * EDGE)
        if height != self._height:
            self._height = height
            self.height_changed.emit()
        self.update()

    # ---- paint and mouse

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Chips with a small cross each."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = QFontMetrics(self.font())
        for place, (word, spot) in enumerate(zip(self.words, self._spots, strict=True)):
            painter.setPen(QPen(colour("accent" if place == self.at and self.line.hasFocus() else "line"), 1))
            painter.setBrush(lifted())
            painter.drawRoundedRect(spot.adjusted(0.5, 0.5, -0.5, -0.5), CHIP / 2 - 0.5, CHIP / 2 - 0.5)
            painter.setPen(colour("text"))
            room = spot.adjusted(8, 0, -CROSS, 0)
            shown = metrics.elidedText(word, Qt.TextElideMode.ElideRight, round(room.width()) + 1)
            painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)
            painter.setPen(QPen(colour("faint"), 1.2))
            middle = QPointF(spot.right() - 9.5, spot.center().y())
            painter.drawLine(middle + QPointF(-2.5, -2.5), middle + QPointF(2.5, 2.5))
            painter.drawLine(middle + QPointF(-2.5, 2.5), middle + QPointF(2.5, -2.5))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """The cross takes a chip out; a double click on the word lets it be typed anew."""
        self.line.setFocus(Qt.FocusReason.MouseFocusReason)
        place = self._place(event.position())
        if place >= 0 and event.position().x() > self._spots[place].right() - CROSS:
            self._remove(place)
        else:
            self.at = place
            self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Type a word anew."""
        place = self._place(event.position())
        if place >= 0:
            word = self.words[place]
            self._remove(place)
            self.line.setText(word)

    def _place(self, at: QPointF) -> int:
        return next((place for place, spot in enumerate(self._spots) if spot.contains(at)), -1)
