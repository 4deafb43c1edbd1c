"""Two runs beside each other: figures with intervals and differences, parameters, environment, curves overlaid."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QBrush, QGuiApplication, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSplitter,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine.errors import OssicleError
from engine.theme import state as state_look
from studio.look.icons import icon
from studio.look.theme import colour, font
from studio.model.document import Document
from studio.panels.run_compare import Compared, Line, Section, Verdict, compare
from studio.panels.run_facts import RunFacts
from studio.panels.topbar import Elided
from studio.work import Background

if TYPE_CHECKING:
    from studio.views.curves import CurvesCard

WORDS: Final[Mapping[Verdict, tuple[str, str]]] = {
    "better": ("{} better", "green"),
    "worse": ("{} worse", "red"),
    "unclear": ("{} unclear", "mute"),
    "same": ("same", "mute"),
    "changed": ("{}", "text"),
}
"""Words and colour of a difference: better or worse is only said where the intervals, or the unit, allow it."""
WIDE_PX: Final = 760
SHARES: Final = (58, 42)
"""Per cent of the width for the figures and for the curves."""
NAMES: Final = ("", "before", "after", "difference")


class ComparePanel(QWidget):
    """Two runs.

    Signals:
        closed(): back to the table of runs.
    """

    closed = Signal()

    def __init__(self, document: Document, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Two runs compared")
        self.document = document
        self.compared: Compared | None = None
        self.card: CurvesCard | None = None
        self._shared: Qt.Orientation | None = None
        self._work = Background(self, threads=1)
        self.back = QPushButton("‹  Runs")
        self.back.setToolTip("Back to all runs (Esc)")
        self.back.clicked.connect(self.closed)
        self.names = Elided()
        self.node = QComboBox()
        self.node.setAccessibleName("Curves of")
        self.node.currentTextChanged.connect(self._show_curves)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("The whole comparison as a table")
        self.copy_button.clicked.connect(self.copy)
        self.tree = self._make_tree()
        self.side = QFrame()
        self._side = QVBoxLayout(self.side)
        self._side.setContentsMargins(0, 0, 0, 0)
        self.message = QLabel()
        self.message.setObjectName("mute")
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setHandleWidth(1)
        self.split.setChildrenCollapsible(False)
        self._put_together()
        self.restyle()

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget()
        tree.setColumnCount(len(NAMES))
        tree.setHeaderLabels(list(NAMES))
        tree.setRootIsDecorated(False)
        tree.setIndentation(0)
        tree.setUniformRowHeights(True)
        tree.setExpandsOnDoubleClick(False)
        tree.setAccessibleName("Figures, parameters, environment")
        tree.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        tree.header().setStretchLastSection(False)
        tree.header().setMinimumSectionSize(60)
        tree.header().setSectionsMovable(False)
        return tree

    def _put_together(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(12, 8, 12, 8)
        head.setSpacing(8)
        head.addWidget(self.back)
        head.addWidget(self.names, 1)
        head.addWidget(self.node)
        head.addWidget(self.copy_button)
        self.split.addWidget(self.tree)
        self.split.addWidget(self.side)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.message, 1)
        column.addWidget(self.split, 1)

    # ---- showing

    def show_pair(self, one: RunFacts, other: RunFacts) -> None:
        """Compare two runs, the older with the newer; read in a thread."""
        self.compared = None
        self._say("Comparing …")
        self.names.set_whole("")
        look = partial(compare, one, other, self.document.registry)
        self._work.call("compare", look, self._take, self._fail)

    def _fail(self, error: OssicleError) -> None:
        self._say(str(error))

    def _say(self, text: str) -> None:
        self.message.setText(text)
        self.message.setVisible(bool(text))
        self.split.setVisible(not text)
        self.node.setVisible(not text and self.node.count() > 1)
        self.copy_button.setEnabled(not text)

    def _take(self, compared: Compared) -> None:
        self.compared = compared
        a, b = compared.before, compared.after
        self.names.set_whole(f"{title_of(a)}   →   {title_of(b)}")
        self.names.setToolTip(f"{a.record.id}\n{b.record.id}")
        self.tree.setHeaderLabels(["", short_of(a), short_of(b), "difference"])
        self._fill()
        self.node.blockSignals(True)
        self.node.clear()
        self.node.addItems([pair.node for pair in compared.curves])
        self.node.blockSignals(False)
        self._say("")
        self.side.setVisible(bool(compared.curves))
        self._show_curves(self.node.currentText())
        self._share()

    def _fill(self) -> None:
        self.tree.clear()
        for section in self.compared.sections if self.compared is not None else ():
            head = QTreeWidgetItem([section.title.upper()])
            head.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self.tree.addTopLevelItem(head)
            head.setFirstColumnSpanned(True)
            small = font(10.5, bold=True)
            small.setLetterSpacing(small.SpacingType.AbsoluteSpacing, 1)
            head.setFont(0, small)
            head.setForeground(0, QBrush(colour("mute")))
            head.addChildren([_item(line) for line in section.lines] or [_none(section)])
            head.setExpanded(True)
            if not section.lines:
                head.child(0).setFirstColumnSpanned(True)

    def _show_curves(self, node: str) -> None:
        pair = next((p for p in self.compared.curves if p.node == node), None) if self.compared is not None else None
        if self.compared is None or pair is None:
            return
        from studio.views.curves import Curve, CurvesCard

        if self.card is None:
            self.card = CurvesCard()
            self._side.addWidget(self.card)
        before, after = self.compared.before, self.compared.after
        self.card.clear()
        if pair.after:
            earlier = [Curve(short_of(before), pair.before)] if pair.before else []
            self.card.show_rows(node, pair.after, earlier)
            self.card.subtitle.setText(f"{node} · {short_of(after)}" + f", {short_of(before)} pale" * bool(earlier))
        else:
            self.card.show_rows(node, pair.before)
            self.card.subtitle.setText(f"{node} · only in {short_of(before)}")

    def copy(self) -> None:
        """The comparison as tab-separated text."""
        if self.compared is not None:
            QGuiApplication.clipboard().setText(self.compared.text())

    # ---- room

    def _share(self) -> None:
        """Numbers get what they need, the name the rest; on a narrow dock the curves go below."""
        wanted = Qt.Orientation.Horizontal if self.width() >= WIDE_PX else Qt.Orientation.Vertical
        if self._shared != wanted:
            self._shared = wanted
            self.split.setOrientation(wanted)
            self.split.setSizes([SHARES[0] * max(self.width(), 100), SHARES[1] * max(self.width(), 100)])
        header = self.tree.header()
        for column in (1, 2, 3):
            self.tree.resizeColumnToContents(column)
            header.resizeSection(column, min(header.sectionSize(column) + 12, 190))
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew."""
        super().resizeEvent(event)
        self._share()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape goes back."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def restyle(self) -> None:
        """Icons and colours of the present ground."""
        self.copy_button.setIcon(icon("copy", "mute", 14))
        self._fill()

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "split"):
            self.restyle()


def _item(line: Line) -> QTreeWidgetItem:
    told, token = WORDS[line.verdict]
    item = QTreeWidgetItem([line.name, line.before or "–", line.after or "–", told.format(line.difference)])
    for column in (1, 2, 3):
        item.setFont(column, font(11.5, monospace=True))
        item.setForeground(column, QBrush(colour("text" if (line.before, line.after)[column == 2] else "faint")))
    item.setForeground(3, QBrush(colour(token)))
    for column, text in enumerate((line.name, line.before, line.after, line.why or line.difference)):
        item.setToolTip(column, text)
    return item


def _none(section: Section) -> QTreeWidgetItem:
    item = QTreeWidgetItem([section.none])
    item.setForeground(0, QBrush(colour("mute")))
    return item


def short_of(facts: RunFacts) -> str:
    """A run's time of day, or its day and time if it is not today's."""
    at = time.localtime(facts.record.started_s)
    return time.strftime("%H:%M:%S" if at[:3] == time.localtime()[:3] else "%d %b %H:%M", at)


def title_of(facts: RunFacts) -> str:
    """ "digits 12:04:31 ✓ done"."""
    look = state_look(facts.record.state)
    return f"{facts.record.workflow} {short_of(facts)} {look.mark} {look.word}"
