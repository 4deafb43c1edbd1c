"""Editors of several lines: long texts, and anything else as JSON."""

from __future__ import annotations

import json
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontMetrics, QKeyEvent, QTextCursor, QTextOption
from PySide6.QtWidgets import QFrame, QPlainTextEdit

from engine.errors import OssicleError
from studio.form.editor import MANY, Editor, is_undo
from studio.form.fields import Field
from studio.form.values import same
from studio.look.theme import font

MOST_LINES: Final = 8
LEAST_LINES: Final = 2


class _Page(QPlainTextEdit):
    """Plain text whose undo is the window's; Tab goes to the next editor."""

    def __init__(self, monospace: bool) -> None:
        super().__init__()
        self.setObjectName("inner")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTabChangesFocus(True)
        self.setUndoRedoEnabled(False)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere if monospace else QTextOption.WrapMode.WordWrap)
        self.document().setDocumentMargin(3)
        if monospace:
            self.setFont(font(12, monospace=True))

    def event(self, event: QEvent) -> bool:
        """Leave undo and redo to the window."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and is_undo(event):
            event.ignore()
            return False
        return super().event(event)

    def put(self, text: str) -> None:
        """Change the text; the caret stays where it was."""
        if text == self.toPlainText():
            return
        at = self.textCursor().position()
        self.setPlainText(text)
        cursor = self.textCursor()
        cursor.setPosition(min(at, len(text)))
        cursor.movePosition(QTextCursor.MoveOperation.NoMove)
        self.setTextCursor(cursor)


class LinesEditor(Editor):
    """Text of several lines."""

    is_wide = True

    def __init__(self, field: Field, monospace: bool = False) -> None:
        self.page = _Page(monospace)
        super().__init__(field, self.page)
        self._height = 0
        self._value: JsonValue = None
        self._is_shown = False
        self.page.textChanged.connect(self._changed)
        self.page.document().documentLayout().documentSizeChanged.connect(lambda _size: self._fit())

    def parse(self, text: str) -> JsonValue:
        """The value of a text."""
        return None if not text and self.field.is_nullable else text

    def format(self, value: JsonValue) -> str:
        """The text of a value."""
        return "" if value is None else value if isinstance(value, str) else json.dumps(value)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show a value; text that already means it is left as it was typed."""
        if self._is_shown and self.page.window().focusWidget() is self.page and self._means(value):
            self._value = value
            return
        self._value, self._is_shown = value, True
        self._put(self.format(value))
        self.page.setPlaceholderText(hint)
        self._fit()

    def show_many(self) -> None:
        """Several nodes differ."""
        self._is_shown = False
        self._put("")
        self.page.setPlaceholderText(MANY)

    def _put(self, text: str) -> None:
        self.page.blockSignals(True)
        self.page.put(text)
        self.page.blockSignals(False)

    def _means(self, value: JsonValue) -> bool:
        try:
            return same(self.parse(self.page.toPlainText()), value)
        except OssicleError:
            return False

    def _changed(self) -> None:
        self._fit()
        try:
            value = self.parse(self.page.toPlainText())
        except OssicleError as error:
            self.unreadable.emit(error)
            return
        self.unreadable.emit(None)
        self._value, self._is_shown = value, True
        self.edited.emit(value)

    def _fit(self) -> None:
        shown = round(self.page.document().size().height())  # of plain text this is a number of lines, wrapped ones too
        lines = min(max(shown, LEAST_LINES), MOST_LINES)
        height = lines * QFontMetrics(self.page.font()).lineSpacing() + 10
        if height != self._height:
            self._height = height
            self.height_changed.emit()

    def sizeHint(self) -> QSize:
        """Two to eight lines."""
        return QSize(120, max(self._height, 44))


class JsonEditor(LinesEditor):
    """Any value as JSON text: for what no other editor knows."""

    def __init__(self, field: Field) -> None:
        super().__init__(field, monospace=True)

    def parse(self, text: str) -> JsonValue:
        """Read JSON.

        Raises:
            OssicleError: it is none; says where.
        """
        if not text.strip() and self.field.is_nullable:
            return None
        try:
            value: JsonValue = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
            raise OssicleError(
                f"this is no JSON ({where})", 'a value such as 3, "text", [1, 2] or {"a": 1}', "Correct the text"
            ) from None
        return value

    def format(self, value: JsonValue) -> str:
        """Short values on one line, others indented."""
        if value is None and self.field.is_nullable:
            return ""
        short = json.dumps(value, ensure_ascii=False)
        return short if len(short) <= 40 else json.dumps(value, ensure_ascii=False, indent=2)


def _refuse(name: str) -> JsonValue:
    raise ValueError(f"{name} is no JSON number")


def read_only_json(text: str) -> QPlainTextEdit:
    """A text that can be read and copied, not changed."""
    page = _Page(monospace=True)
    page.setObjectName("")
    page.setReadOnly(True)
    page.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    page.setPlainText(text)
    return page
