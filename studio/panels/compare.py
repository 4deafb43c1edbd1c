"""Two runs side by side: what was changed, what came out, and their curves over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from engine.evidence import metric_text, words
from engine.lineage import Change
from engine.record import RunRecord
from studio.look.theme import colour, font
from studio.panels.run_rows import Measured, compare
from studio.work import Background


class ComparePage(QWidget):
    """The comparison. Signal back(): the person wants the table again."""

    back = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Comparison of two runs")
        self.background = Background(self, 1)
        leave = QPushButton("‹ Runs")
        leave.clicked.connect(self.back)
        self.title = QLabel()
        self.title.setFont(font(bold=True))
        self.changes = _table("What differs", "First", "Second")
        self.figures = _table("Figure", "First", "Second", "Difference")
        self.curves: Any = None
        head = QHBoxLayout()
        head.setContentsMargins(12, 0, 12, 4)
        head.addWidget(leave)
        head.addWidget(self.title, 1)
        self.row = QHBoxLayout()
        self.row.setContentsMargins(12, 0, 12, 8)
        self.row.setSpacing(12)
        self.row.addWidget(self.changes, 2)
        self.row.addWidget(self.figures, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addLayout(self.row, 1)

    def show_runs(self, first: RunRecord, second: RunRecord) -> None:
        """Compare two runs; the reading is done in a thread."""
        self.title.setText(f"{first.id}   →   {second.id}")
        self.background.call("compare", lambda: compare(first, second), self._show)
        self.background.call("curves", lambda: _curves(first, second), self._show_curves)

    def _show(self, found: tuple[Sequence[Change], Sequence[Measured]]) -> None:
        changes, measured = found
        _fill(self.changes, [(c.where, c.before or "–", c.after or "–") for c in changes] or [("nothing", "", "")])
        _fill(self.figures, [_figure(item) for item in measured] or [("no figures", "", "", "")])

    def _show_curves(self, found: tuple[str, Any, Any] | None) -> None:
        if found is None:
            if self.curves is not None:
                self.curves.hide()
            return
        if self.curves is None:
            from studio.views.curves import CurvesCard

            self.curves = CurvesCard()
            self.row.addWidget(self.curves, 3)
        node, rows, earlier = found
        self.curves.show_rows(node, rows, earlier)
        self.curves.show()


def _curves(first: RunRecord, second: RunRecord) -> tuple[str, Any, Any] | None:
    """The curves of the first node that both runs have metrics of: the second run's, with the first's behind."""
    from engine.event import read_events
    from engine.evidence import rows_of_events
    from engine.runs import EVENTS
    from studio.views.data.curves import Curve

    a, b = (rows_of_events(read_events(record.folder / EVENTS)) for record in (first, second))
    node = next((name for name in b if name in a), None)
    return (node, b[node], [Curve(first.id, a[node])]) if node is not None else None


def _figure(item: Measured) -> tuple[str, ...]:
    node, _, metric = item.name.partition(" ")
    first, second = (metric_text(metric, value) if value is not None else "–" for value in (item.first, item.second))
    difference = item.difference
    sign = "" if difference is None else f"{difference:+.4g}"
    return (f"{node} {words(metric)}", first, second, sign)


def _table(*header: str) -> QTableWidget:
    table = QTableWidget(0, len(header))
    table.setHorizontalHeaderLabels(list(header))
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setShowGrid(False)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(26)
    head = table.horizontalHeader()
    head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    table.setAccessibleName(header[0])
    return table


def _fill(table: QTableWidget, rows: Sequence[Sequence[str]]) -> None:
    table.setRowCount(len(rows))
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            item = QTableWidgetItem(text)
            item.setToolTip(text)
            if x:
                item.setFont(font(11.5, monospace=True))
                item.setForeground(colour("text"))
            table.setItem(y, x, item)
