"""A line for words: each becomes a chip with a cross; comma or Enter ends a word, Backspace takes the last one back."""

from __future__ import annotations

import re
from typing import Final

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from studio.look.theme import colour, font

CHIP_PX: Final = 24
GAP_PX: Final = 6
EDGE_PX: Final = 6
CROSS_PX: Final = 18
LINE_PX: Final = 110
"""Least room for the line behind the chips."""


def words_in(text: str) -> list[str]:
    """Words a person typed, separated by commas, semicolons or line ends; each once, in small letters."""
    found = (" ".join(word.split()).casefold() for word in re.split(r"[,;\n\t]+", text))
    return list(dict.fromkeys(word for word in found if word))


class WordsField(QWidget):
    """The field.

    Signals:
        changed(list[str]): all words, the one that is being typed included.
        finished(): Enter in an empty line: the words are all there.
    """

    changed = Signal(object)
    finished = Signal()

    def __init__(self, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chips: list[str] = []
        self._placeholder = placeholder
        self._spots: list[QRectF] = []
        self.line = QLineEdit(self)
        self.line.setFrame(False)
        self.line.setStyleSheet("QLineEdit { background: transparent; border: none; padding: 0; }")
        self.line.setPlaceholderText(placeholder)
        self.line.installEventFilter(self)
        self.line.textEdited.connect(self._typed)
        self.setFocusProxy(self.line)
        self.setCursor(Qt.CursorShape.IBeamCursor)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def setAccessibleName(self, name: str) -> None:
        """The line carries the name, too: it has the focus."""
        super().setAccessibleName(name)
        self.line.setAccessibleName(name)

    @property
    def words(self) -> list[str]:
        """All words, the one that is being typed included."""
        return list(dict.fromkeys([*self.chips, *words_in(self.line.text())]))

    def set_words(self, words: list[str]) -> None:
        """Show these as chips."""
        self.chips = words_in(",".join(words))
        self.line.clear()
        self._settle()

    # ---- typing

    def _typed(self, text: str) -> None:
        """A comma, semicolon or pasted line end closes a word; what stands behind the last one goes on."""
        if re.search(r"[,;\n\t]", text):
            parts = re.split(r"[,;\n\t]", text)
            self._add(words_in(",".join(parts[:-1])))
            self.line.setText(parts[-1].lstrip())
        self.changed.emit(self.words)

    def _add(self, words: list[str]) -> None:
        self.chips = list(dict.fromkeys([*self.chips, *words]))
        self._settle()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Enter makes a chip, or is the end if there is nothing to make one of; Backspace takes the last one."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.update()
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            typed = words_in(self.line.text())
            self.line.clear()
            if typed:
                self._add(typed)
            else:
                self.finished.emit()
            return True
        if event.key() == Qt.Key.Key_Backspace and not self.line.text() and self.chips:
            self.remove(len(self.chips) - 1)
            return True
        return False

    def remove(self, place: int) -> None:
        """Take a chip out."""
        del self.chips[place]
        self._settle()

    def _settle(self) -> None:
        self.line.setPlaceholderText("" if self.chips else self._placeholder)
        self._arrange()
        self.updateGeometry()
        self.changed.emit(self.words)

    # ---- room

    def hasHeightForWidth(self) -> bool:
        """Chips flow into more lines where it is narrow."""
        return True

    def heightForWidth(self, width: int) -> int:
        """As many lines as the chips need."""
        return round(self._flow(width)[1].bottom() + EDGE_PX)

    def sizeHint(self) -> QSize:
        """One line, or as many as are needed now."""
        return QSize(240, self.heightForWidth(max(self.width(), 160)))

    def minimumSizeHint(self) -> QSize:
        """One line."""
        return QSize(120, CHIP_PX + 2 * EDGE_PX)

    def _flow(self, width: int) -> tuple[list[QRectF], QRectF]:
        """Where the chips are, and the line behind them."""
        measure, room = QFontMetricsF(font()), max(width - 2 * EDGE_PX, 60)
        x, y, spots = 0.0, 0.0, list[QRectF]()
        for word in self.chips:
            wide = min(measure.horizontalAdvance(word) + 12 + CROSS_PX, room)
            if x > 0 and x + wide > room:
                x, y = 0.0, y + CHIP_PX + GAP_PX
            spots.append(QRectF(EDGE_PX + x, EDGE_PX + y, wide, CHIP_PX))
            x += wide + GAP_PX
        if x > 0 and x + LINE_PX > room:
            x, y = 0.0, y + CHIP_PX + GAP_PX
        return spots, QRectF(EDGE_PX + x + 4, EDGE_PX + y, room - x - 4, CHIP_PX)

    def _arrange(self) -> None:
        self._spots, line = self._flow(self.width())
        self.line.setGeometry(line.toRect())
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Chips flow anew."""
        super().resizeEvent(event)
        self._arrange()

    # ---- paint and mouse

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The frame of a field, and the chips."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(colour("accent" if self.line.hasFocus() else "line"), 1))
        painter.setBrush(colour("background"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)
        painter.setFont(font())
        measure = QFontMetricsF(font())
        for word, spot in zip(self.chips, self._spots, strict=True):
            painter.setPen(QPen(colour("line"), 1))
            painter.setBrush(colour("raised"))
            painter.drawRoundedRect(spot.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
            painter.setPen(colour("text"))
            room = spot.adjusted(9, 0, -CROSS_PX, 0)
            shown = measure.elidedText(word, Qt.TextElideMode.ElideRight, room.width() + 2)
            painter.drawText(room.adjusted(0, 0, 4, 0), Qt.AlignmentFlag.AlignVCenter, shown)
            painter.setPen(QPen(colour("mute"), 1.3))
            middle = QPointF(spot.right() - 10.5, spot.center().y())
            for dy in (-3, 3):
                painter.drawLine(middle + QPointF(-3, -dy), middle + QPointF(3, dy))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """The cross takes a chip out; anywhere else the line gets the cursor."""
        at = event.position()
        for place, spot in enumerate(self._spots):
            if spot.contains(at) and at.x() > spot.right() - CROSS_PX - 2:
                self.remove(place)
                break
        self.line.setFocus(Qt.FocusReason.MouseFocusReason)
