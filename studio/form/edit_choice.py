"""Editors that choose: a switch, a few segments side by side, a list that drops down."""

from __future__ import annotations

from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QWidget

from studio.form.editor import AUTO, HEIGHT, MANY, Editor
from studio.form.fields import Field
from studio.form.style import lifted
from studio.form.values import same, text_of
from studio.look.theme import colour, font

MOST_SEGMENTS: Final = 3
MOST_LETTERS: Final = 19


class _Pill(QAbstractButton):
    """A switch with its word."""

    def __init__(self) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.is_many = False

    def sizeHint(self) -> QSize:
        """Pill and word."""
        return QSize(80, HEIGHT)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A rounded track with a knob at the left (off) or the right (on)."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        track = QRectF(0.5, self.height() / 2 - 7.5, 27, 15)
        on = self.isChecked() and not self.is_many
        painter.setPen(QPen(colour("accent" if on else "faint"), 1))
        painter.setBrush(colour("accent", 1.0 if on else 0.0))
        painter.drawRoundedRect(track, 7.5, 7.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("panel" if on else "mute"))
        middle = track.center().x() if self.is_many else track.right() - 7.5 if on else track.left() + 7.5
        painter.drawEllipse(QRectF(middle - 4.5, track.center().y() - 4.5, 9, 9))
        painter.setPen(colour("text" if self.isEnabled() else "faint"))
        painter.setFont(self.font())
        room = QRectF(36, 0, self.width() - 36, self.height())
        word = MANY if self.is_many else "on" if on else "off"
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, word)


class SwitchEditor(Editor):
    """On or off."""

    def __init__(self, field: Field) -> None:
        self.pill = _Pill()
        super().__init__(field, self.pill)
        self.pill.clicked.connect(lambda: self._clicked(self.pill.isChecked()))

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show on or off; what is neither (a bad file) is shown as off, with its problem below."""
        self.pill.is_many = False
        self.pill.setChecked(value is True)
        self.pill.update()

    def show_many(self) -> None:
        """Neither on nor off."""
        self.pill.is_many = True
        self.pill.update()

    def _clicked(self, on: bool) -> None:
        value = True if self.pill.is_many else on
        self.show_value(value)
        self.edited.emit(value)


class _Segments(QWidget):
    """Words side by side, one of them chosen."""

    chosen = Signal(int)

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        self.words = words
        self.current = -1
        self.implied = -1
        """The word that auto stands for."""
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:
        """All words."""
        return QSize(120, HEIGHT)

    def set_current(self, index: int) -> None:
        """Choose without telling."""
        self.current = index
        self.setAccessibleDescription(self.words[index] if 0 <= index < len(self.words) else MANY)
        self.update()

    def spans(self) -> list[QRectF]:
        """Where each word stands: as wide as it needs, the rest shared."""
        metrics = QFontMetrics(self.font())
        needs = [metrics.horizontalAdvance(word) for word in self.words]
        spare = (self.width() - sum(needs)) / len(needs)
        found, x = [], 0.0
        for need in needs:
            found.append(QRectF(x, 0, need + spare, self.height()))
            x += need + spare
        return found

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The chosen word on a raised ground."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index, span in enumerate(self.spans()):
            if index == self.current:
                painter.setPen(QPen(colour("line"), 1))
                painter.setBrush(lifted())
                painter.drawRoundedRect(span.adjusted(1.5, 3.5, -1.5, -3.5), 5, 5)
            elif index == self.implied:
                painter.setPen(QPen(colour("faint"), 1, Qt.PenStyle.DotLine))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(span.adjusted(1.5, 3.5, -1.5, -3.5), 5, 5)
            painter.setFont(font(bold=index == self.current))
            painter.setPen(colour("text" if index == self.current else "mute"))
            painter.drawText(span, Qt.AlignmentFlag.AlignCenter, self.words[index])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the word below the pointer."""
        spans = self.spans()
        for index, span in enumerate(spans):
            if span.contains(event.position()):
                self._choose(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right choose."""
        move = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(
            Qt.Key(event.key())
        )
        if move is None:
            super().keyPressEvent(event)
        else:
            self._choose(min(max(self.current + move, 0), len(self.words) - 1))

    def _choose(self, index: int) -> None:
        if index != self.current:
            self.set_current(index)
            self.chosen.emit(index)


class _Chooser(Editor):
    """What both ways of choosing share: values by place; None is "auto", with its hint."""

    def __init__(self, field: Field, inner: QWidget) -> None:
        super().__init__(field, inner)
        self.values = options_of(field)

    def place_of(self, value: JsonValue) -> int:
        """The place of a value, or -1."""
        return next((place for place, option in enumerate(self.values) if same(option, value)), -1)

    def choose(self, place: int) -> None:
        """The person chose."""
        self.edited.emit(self.values[place])


class SegmentsEditor(_Chooser):
    """One of two or three short words."""

    def __init__(self, field: Field) -> None:
        self.segments = _Segments([text_of(value) for value in options_of(field)])
        super().__init__(field, self.segments)
        self.segments.chosen.connect(self.choose)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show the chosen word; the hint says in the tooltip what auto stands for."""
        words = self.segments.words
        self.segments.implied = words.index(hint) if value is None and hint in words[1:] else -1
        self.segments.set_current(self.place_of(value))
        self.segments.setToolTip(f"auto: {hint}" if hint and value is None else "")

    def show_many(self) -> None:
        """None is chosen."""
        self.segments.set_current(-1)


class Combo(QComboBox):
    """A list that drops down; the wheel scrolls the panel unless the list has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("inner")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMaxVisibleItems(16)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Only with the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text, and a small arrow at the right."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("mute" if self.isEnabled() else "faint"), 1.4))
        x, y = self.width() - 11.0, self.height() / 2 - 1.5
        painter.drawPolyline(_arrow(x, y))

    def focusInEvent(self, event: QFocusEvent) -> None:
        """The row around it shows the focus."""
        super().focusInEvent(event)
        self.update()


def _arrow(x: float, y: float) -> list[QPointF]:
    return [QPointF(x - 3.5, y), QPointF(x, y + 3.5), QPointF(x + 3.5, y)]


class ComboEditor(_Chooser):
    """One of many."""

    def __init__(self, field: Field) -> None:
        self.combo = Combo()
        super().__init__(field, self.combo)
        self.combo.addItems([text_of(value) for value in self.values])
        self.combo.activated.connect(self._activated)
        self._foreign = False

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show the chosen one; a value that is none of them (a bad file) stands below the others."""
        self._drop_foreign()
        place = self.place_of(value)
        if self.field.is_nullable:
            self.combo.setItemText(0, f"{AUTO} · {hint}" if hint and hint != AUTO else AUTO)
            self._grey(0)
        if place < 0:
            self.combo.addItem(text_of(value))
            self._foreign = True
            place = self.combo.count() - 1
        self.combo.setPlaceholderText("")
        self.combo.setCurrentIndex(place)

    def show_many(self) -> None:
        """Nothing is chosen."""
        self._drop_foreign()
        self.combo.setPlaceholderText(MANY)
        self.combo.setCurrentIndex(-1)

    def _grey(self, place: int) -> None:
        self.combo.setItemData(place, colour("mute"), Qt.ItemDataRole.ForegroundRole)

    def _drop_foreign(self) -> None:
        if self._foreign:
            self.combo.removeItem(self.combo.count() - 1)
            self._foreign = False

    def _activated(self, place: int) -> None:
        if place < len(self.values):
            self.choose(place)


def options_of(field: Field) -> list[JsonValue]:
    """What can be chosen, None first where it is a value."""
    choices: list[JsonValue] = [True, False] if field.kind == "switch" else list(field.choices)
    return [None, *choices] if field.is_nullable and None not in choices else choices


def chooser(field: Field) -> Editor:
    """Segments for two or three short words, a list for more; a plain switch for yes and no."""
    if field.kind == "switch" and not field.is_nullable:
        return SwitchEditor(field)
    words = [text_of(value) for value in options_of(field)]
    is_short = 1 < len(words) <= MOST_SEGMENTS and sum(map(len, words)) <= MOST_LETTERS
    return SegmentsEditor(field) if is_short else ComboEditor(field)
