"""A legend whose entries can be switched off and on: a mark in the line's colour and dash, and its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QLayout, QLayoutItem, QSizePolicy, QVBoxLayout, QWidget

from studio.look import theme

Mark = Literal["line", "dash", "pale", "square", "dot"]
MARK_PX: Final = 16
MOST_TEXT_PX: Final = 190


@dataclass(frozen=True)
class Entry:
    """One entry; `key` is told when it is switched."""

    key: str
    text: str
    token: str
    mark: Mark = "line"
    is_on: bool = True
    tip: str = ""


class Chip(QAbstractButton):
    """One entry of a legend."""

    def __init__(self, entry: Entry, parent: QWidget | None = None, *, is_switch: bool = True) -> None:
        super().__init__(parent)
        self.entry = entry
        self.setText(entry.text)
        self.setFont(theme.font(11))
        self.setToolTip(entry.tip or entry.text)
        self.setAccessibleName(f"Show {entry.text}" if is_switch else entry.text)
        self.setCheckable(is_switch)
        self.setChecked(entry.is_on)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus if is_switch else Qt.FocusPolicy.NoFocus)
        if is_switch:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def is_lit(self) -> bool:
        """Whether what it stands for is shown."""
        return self.isChecked() or not self.isCheckable()

    def sizeHint(self) -> QSize:
        """Mark, text and a little air."""
        wide = min(QFontMetrics(self.font()).horizontalAdvance(self.text()), MOST_TEXT_PX)
        return QSize(MARK_PX + 5 + wide + 6, 18)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw mark and text; switched off both are faint."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(QPen(theme.colour("accent"), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        self._draw_mark(painter)
        painter.setFont(self.font())
        painter.setPen(theme.colour("faint" if not self.is_lit else "text" if self.underMouse() else "mute"))
        box = QRect(MARK_PX + 5, 0, self.width() - MARK_PX - 7, self.height())
        text = QFontMetrics(self.font()).elidedText(self.text(), Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter), text)

    def _draw_mark(self, painter: QPainter) -> None:
        middle = self.height() / 2
        colour = theme.colour(self.entry.token if self.is_lit else "faint", 0.45 if self.entry.mark == "pale" else 1.0)
        if self.entry.mark in ("square", "dot"):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            box = QRectF(MARK_PX / 2 - 4, middle - 4, 8, 8)
            painter.drawEllipse(box) if self.entry.mark == "dot" else painter.drawRoundedRect(box, 2, 2)
            return
        pen = QPen(colour, 2)
        if self.entry.mark == "dash":
            pen.setDashPattern([2, 1.5])
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        painter.drawLine(QPointF(3, middle), QPointF(MARK_PX - 1, middle))


class FlowLayout(QLayout):
    """Places widgets in rows from left to right; what does not fit goes to the next row, after `rows` it is hidden."""

    def __init__(self, parent: QWidget | None = None, rows: int = 2) -> None:
        super().__init__(parent)
        self.rows = rows
        self._items: list[QLayoutItem] = []
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Take a widget's item."""
        self._items.append(item)

    def count(self) -> int:
        """Items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """One item."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Give one item back."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        """The narrower, the taller."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of the rows at a width."""
        return self._place(QRect(0, 0, width, 0), is_real=False)

    def sizeHint(self) -> QSize:
        """One row."""
        return QSize(120, 18)

    def minimumSize(self) -> QSize:
        """One row may be narrow."""
        return QSize(60, 18)

    def setGeometry(self, rect: QRect) -> None:
        """Place the items."""
        super().setGeometry(rect)
        self._place(rect, is_real=True)

    def _place(self, rect: QRect, *, is_real: bool) -> int:
        x, row, step = rect.left(), 0, 18
        for item in self._items:
            wide = min(item.sizeHint().width(), max(rect.width(), 1))
            if x > rect.left() and x + wide > rect.left() + rect.width():
                x, row = rect.left(), row + 1
            if is_real:
                is_seen = row < self.rows
                place = QRect(x, rect.top() + row * step, wide, step)
                item.setGeometry(place if is_seen else QRect(-4000, -4000, wide, step))
            x += wide + 4
        return step * min(row + 1, self.rows) if self._items else 0


class Legend(QWidget):
    """Entries in at most two rows. `switched(str, bool)` tells the key and whether it is shown now."""

    switched = Signal(str, bool)

    def __init__(self, parent: QWidget | None = None, rows: int = 2, *, is_switch: bool = True) -> None:
        super().__init__(parent)
        self.setAccessibleName("Legend")
        self._is_switch = is_switch
        self._flow = FlowLayout(rows=rows)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._flow)
        self.entries: tuple[Entry, ...] = ()
        self.chips: dict[str, Chip] = {}
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def set_rows(self, rows: int) -> None:
        """Use at most so many rows."""
        if rows != self._flow.rows:
            self._flow.rows = rows
            self._flow.invalidate()
            self.updateGeometry()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show other entries; nothing happens if they are the same."""
        if tuple(entries) == self.entries:
            return
        self.entries = tuple(entries)
        while (item := self._flow.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
                widget.deleteLater()
        self.chips = {entry.key: Chip(entry, self, is_switch=self._is_switch) for entry in entries}
        for key, chip in self.chips.items():
            chip.toggled.connect(partial(self.switched.emit, key))
            self._flow.addWidget(chip)
            chip.show()
        self.updateGeometry()
