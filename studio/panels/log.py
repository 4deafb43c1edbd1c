"""The log: what the run and its nodes said, as it comes; filtered, copied, and a click away from its node."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from engine.console import count
from studio.look.icons import icon
from studio.look.theme import colour, font
from studio.panels.log_lines import LEVELS, Filter, LineRole, LogLine, LogModel
from studio.run.session import Session

ROW_PX: Final = 22
PAD_PX: Final = 12
CLOCK_PX: Final = 92
NODE_PX: Final = 116
MARK_PX: Final = 22
FOLD_PX: Final = 14
EVERY_NODE: Final = "All nodes"
FILTER_MS: Final = 120
EMPTY: Final = "Messages of the run and its nodes appear here."
NONE_FIT: Final = "No line fits the filter."
Index = QModelIndex | QPersistentModelIndex


class LogDelegate(QStyledItemDelegate):
    """Paints one line: time, node, mark, text. Every column starts at the same place in all lines."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw a row."""
        line: LogLine = index.data(LineRole)
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        if state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver):
            painter.fillRect(rect, colour("raised", 1.0 if state & QStyle.StateFlag.State_Selected else 0.5))
        left = rect.left() + PAD_PX
        if line.is_more:
            self._write(painter, rect, left + CLOCK_PX + NODE_PX + MARK_PX + FOLD_PX, line.text, "mute", monospace=True)
        else:
            self._paint_line(painter, rect, left, line, index)
        painter.restore()

    def _paint_line(self, painter: QPainter, rect: QRect, left: int, line: LogLine, index: Index) -> None:
        model = index.model()
        self._write(painter, rect, left, line.clock, "faint", monospace=True, width=CLOCK_PX)
        self._write(painter, rect, left + CLOCK_PX, line.node, "mute", width=NODE_PX - 8)
        self._write(painter, rect, left + CLOCK_PX + NODE_PX, line.mark, line.token, width=MARK_PX)
        at = left + CLOCK_PX + NODE_PX + MARK_PX
        if line.more and isinstance(model, LogModel):
            self._write(painter, rect, at, "▾" if model.is_open(index.row()) else "▸", "mute", width=FOLD_PX)
            at += FOLD_PX
        self._write(painter, rect, at, line.text, _TEXT_TOKENS[line.level])

    def _write(
        self, painter: QPainter, rect: QRect, left: int, text: str, token: str, *, monospace: bool = False,
        width: int = 0,
    ) -> None:  # fmt: skip
        used = font(11, monospace=True) if monospace else font()
        room = QRect(left, rect.top(), width or rect.right() - left - PAD_PX, rect.height())
        painter.setFont(used)
        painter.setPen(colour(token))
        shown = QFontMetrics(used).elidedText(text, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, shown)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """All rows are equally high, so that any number of them scrolls at once."""
        return QSize(200, ROW_PX)


_TEXT_TOKENS: Final = {"detail": "mute", "info": "text", "warning": "amber-text", "error": "red"}


class LogView(QListView):
    """The list: copy with Ctrl+C, unfold with Enter, Space or a click on the little triangle."""

    copy_asked = Signal()
    fold_asked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Log")
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setItemDelegate(LogDelegate(self))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy and unfold by keyboard."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_asked.emit()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self.currentIndex().isValid():
            self.fold_asked.emit(self.currentIndex().row())
        else:
            super().keyPressEvent(event)


class LogPanel(QWidget):
    """Filters above, lines below; it follows the end unless somebody has scrolled up."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.model = LogModel(self)
        self.view = LogView()
        self.view.setModel(self.model)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Filter the log …")
        self.search.setAccessibleName("Filter the log")
        self.search.setClearButtonEnabled(True)
        self.nodes = QComboBox()
        self.nodes.setAccessibleName("Lines of which node")
        self.nodes.addItem(EVERY_NODE)
        self.levels = QComboBox()
        self.levels.setAccessibleName("Which lines")
        self.levels.addItems(list(LEVELS))
        self.counted = QLabel()
        self.counted.setObjectName("mute")
        self.follow = self._button("Follow", "Keep the newest line in view")
        self.follow.setCheckable(True)
        self.follow.setChecked(True)
        self.copy_button = self._button("Copy", "Copy the selected lines, or all that are shown (Ctrl+C)")
        self.clear_button = self._button("Clear", "Empty the log; the run's folder keeps everything")
        self.empty = QLabel(EMPTY)
        self.empty.setObjectName("mute")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._timer = QTimer(self, singleShot=True, interval=FILTER_MS)
        self._lay_out()
        self._connect()
        self._tell()

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(PAD_PX, 8, PAD_PX, 8)
        bar.setSpacing(8)
        self.search.setMaximumWidth(320)
        for combo, width in ((self.nodes, 140), (self.levels, 160)):
            combo.setMinimumWidth(width)
        bar.addWidget(self.search, 2)
        bar.addWidget(self.nodes)
        bar.addWidget(self.levels)
        bar.addStretch(1)
        bar.addWidget(self.counted)
        for button in (self.follow, self.copy_button, self.clear_button):
            bar.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(self.view, 1)
        column.addWidget(self.empty, 1)

    def _connect(self) -> None:
        self.session.logged.connect(self.add)
        self.session.cleared.connect(self.clear)
        self.search.textChanged.connect(lambda _text: self._timer.start())
        self._timer.timeout.connect(self._filter)
        self.nodes.activated.connect(lambda _index: self._filter())
        self.levels.activated.connect(lambda _index: self._filter())
        self.follow.toggled.connect(lambda is_on: self.view.scrollToBottom() if is_on else None)
        self.copy_button.clicked.connect(self.copy)
        self.clear_button.clicked.connect(self.clear)
        self.view.copy_asked.connect(self.copy)
        self.view.fold_asked.connect(self.model.toggle)
        self.view.clicked.connect(self._clicked)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.customContextMenuRequested.connect(self._menu)
        bar = self.view.verticalScrollBar()
        bar.rangeChanged.connect(lambda _least, most: bar.setValue(most) if self.follow.isChecked() else None)
        bar.sliderMoved.connect(lambda _value: self._scrolled())
        bar.actionTriggered.connect(lambda _action: QTimer.singleShot(0, self, self._scrolled))

    # ---- lines

    def add(self, events: Any) -> None:
        """More lines."""
        self.model.add(events)
        known = self.nodes.count() - 1
        self.nodes.addItems(self.model.nodes[known:])
        if self.follow.isChecked():
            self.view.scrollToBottom()
        self._tell()

    def clear(self) -> None:
        """No lines."""
        self.model.clear()
        self.nodes.clear()
        self.nodes.addItem(EVERY_NODE)
        self._filter()

    def _filter(self) -> None:
        self._timer.stop()
        node = self.nodes.currentText() if self.nodes.currentIndex() > 0 else ""
        self.model.set_filter(Filter(LEVELS[self.levels.currentText()], node, self.search.text().strip()))
        if self.follow.isChecked():
            self.view.scrollToBottom()
        self._tell()

    def _tell(self) -> None:
        shown, total = self.model.rowCount(), self.model.total
        self.view.setVisible(shown > 0)
        self.empty.setVisible(shown == 0)
        self.empty.setText(NONE_FIT if total else EMPTY)
        self.counted.setText(count(total, "line") if shown >= total else f"{shown:,} of {count(total, 'line')}")
        self.copy_button.setEnabled(shown > 0)
        self.clear_button.setEnabled(total > 0)

    def _scrolled(self) -> None:
        """Scrolling up stops following; scrolling to the end follows again."""
        bar = self.view.verticalScrollBar()
        self.follow.setChecked(bar.value() >= bar.maximum() - ROW_PX)

    # ---- hands

    def copy(self) -> None:
        """The selected lines, or all that are shown, as text."""
        chosen = [index.row() for index in self.view.selectionModel().selectedIndexes()]
        QGuiApplication.clipboard().setText(self.model.to_text(chosen or range(self.model.rowCount())))

    def _clicked(self, index: Any) -> None:
        line = self.model.line(index.row())
        at = self.view.viewport().mapFromGlobal(self.view.cursor().pos()).x() - PAD_PX - CLOCK_PX - NODE_PX - MARK_PX
        if line.more and -2 <= at <= FOLD_PX + 2:
            self.model.toggle(index.row())
        self._select(line.node)

    def _select(self, node: str) -> None:
        boxes = self.session.board.boxes([node]) if node else frozenset()
        if boxes & self.session.document.workflow.nodes.keys():
            self.session.document.select(boxes)

    def _menu(self, at: QPoint) -> None:
        index = self.view.indexAt(at)
        if not index.isValid():
            return
        line = self.model.line(index.row())
        menu = QMenu(self)
        menu.addAction(icon("copy"), "Copy", self.copy)
        if line.more:
            is_open = self.model.is_open(index.row())
            menu.addAction("Fold" if is_open else "Unfold", lambda: self.model.toggle(index.row()))
        if line.node:
            menu.addAction(f"Select {line.node}", lambda: self._select(line.node))
            menu.addAction(f"Only lines of {line.node}", lambda: self.show_node(line.node))
        menu.popup(self.view.viewport().mapToGlobal(at))

    def show_node(self, node: str) -> None:
        """Only the lines of one node; of all with ""."""
        self.nodes.setCurrentIndex(max(self.nodes.findText(node), 0) if node else 0)
        self._filter()
