"""Earlier runs: a table to filter and sort, and what can be done with one or two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    QUrl,
    Signal,
)
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from engine.runs import home_of, pin
from engine.theme import state
from studio.look.theme import colour, font
from studio.model.document import Document
from studio.panels.compare import ComparePage
from studio.panels.run_rows import RunRow, rows_of
from studio.work import Background

Index = QModelIndex | QPersistentModelIndex
HEADER: Final = ("State", "Started", "Took", "Nodes", "Results", "Differs from the graph now", "Run")
WIDTHS: Final = (120, 150, 80, 150, 300, 260, 180)


def _cells(row: RunRow) -> tuple[str, ...]:
    look = state(row.record.state)
    pinned = " · kept" if row.record.pinned else ""
    changed = ", ".join(row.changed) or "nothing"
    return (f"{look.mark} {look.word}{pinned}", row.started, row.took, row.nodes, row.headline, changed, row.record.id)


def _sort_keys(row: RunRow) -> tuple[Any, ...]:
    record = row.record
    return (
        record.state,
        record.started_s,
        record.seconds,
        len(record.nodes),
        row.headline,
        len(row.changed),
        record.id,
    )


class RunTable(QAbstractTableModel):
    """The rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RunRow] = []

    def show(self, rows: list[RunRow]) -> None:
        """Take other rows in."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many runs."""
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, _parent: Index | None = None) -> int:
        """How many columns."""
        return len(HEADER)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Names of the columns."""
        is_name = orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole
        return HEADER[section] if is_name else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell's text, tooltip, sort key or colour."""
        row, column = self.rows[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return _cells(row)[column]
        if role == Qt.ItemDataRole.UserRole:
            return _sort_keys(row)[column]
        if role == Qt.ItemDataRole.ForegroundRole and column == 0:
            return colour(state(row.record.state).token)
        if role == Qt.ItemDataRole.FontRole and column in (1, 2, 6):
            return font(11.5, monospace=True)
        return None


class RunsPanel(QWidget):
    """The dock's content.

    Signals:
        restore(RunRecord): take over the graph of that run.
        replay(RunRecord): show that run's states and curves.
        open_report(Path)
    """

    restore = Signal(object)
    replay = Signal(object)
    open_report = Signal(object)

    def __init__(self, document: Document, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Runs")
        self.document, self.session = document, session
        self.background = Background(self, 1)
        self.table = RunTable()
        self.shown = QSortFilterProxyModel(self)
        self.shown.setSourceModel(self.table)
        self.shown.setSortRole(Qt.ItemDataRole.UserRole)
        self.shown.setFilterKeyColumn(-1)
        self.shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.view = self._make_view()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter runs …")
        self.filter.setAccessibleName("Filter runs")
        self.filter.setMaximumWidth(240)
        self.filter.textChanged.connect(self.shown.setFilterFixedString)
        self.none = QLabel("Runs of this project are listed here. Press R to run the graph.")
        self.none.setObjectName("mute")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.compare_page = ComparePage()
        self.pages = QStackedWidget()
        for page in (self.none, self.view, self.compare_page):
            self.pages.addWidget(page)
        self.buttons = self._make_buttons()
        self._put_together()
        self.compare_page.back.connect(lambda: self.pages.setCurrentWidget(self.view))
        self._state = ""
        session.run_changed.connect(self._run_changed)
        document.path_changed.connect(self.refresh)
        self._tell_buttons()

    def _make_view(self) -> QTableView:
        view = QTableView()
        view.setModel(self.shown)
        view.setSortingEnabled(True)
        view.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(28)
        head = view.horizontalHeader()
        head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        head.setHighlightSections(False)
        for column, width in enumerate(WIDTHS):
            view.setColumnWidth(column, width)
        head.setSectionResizeMode(5, QHeaderView.ResizeMode.Stretch)
        view.setAccessibleName("Earlier runs")
        view.selectionModel().selectionChanged.connect(self._tell_buttons)
        view.doubleClicked.connect(lambda _index: self._do(self.replay.emit))
        return view

    def _make_buttons(self) -> Mapping[str, tuple[QPushButton, int]]:
        """Buttons by label, with how many runs each needs."""
        acts: Mapping[str, tuple[Callable[[], object], int]] = {
            "Compare": (self.compare_selected, 2),
            "Replay": (lambda: self._do(self.replay.emit), 1),
            "Restore graph": (lambda: self._do(self.restore.emit), 1),
            "Report": (self._report, 1),
            "Folder": (self._folder, 1),
            "Keep": (self._pin, 1),
        }
        made = {}
        for label, (act, needed) in acts.items():
            button = QPushButton(label)
            button.setToolTip(TIPS[label])
            button.clicked.connect(lambda _checked=False, act=act: act())
            made[label] = (button, needed)
        return made

    def _put_together(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 4)
        bar.setSpacing(8)
        bar.addWidget(self.filter)
        bar.addStretch(1)
        for button, _ in self.buttons.values():
            bar.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 4)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(self.pages, 1)

    # ---- listing

    def showEvent(self, event: Any) -> None:
        """Read the folder when somebody looks."""
        super().showEvent(event)
        self.refresh()

    def _run_changed(self) -> None:
        before, self._state = self._state, self.session.run.state
        if before not in ("", "idle") and self._state == "idle":
            self.refresh()

    def refresh(self, *_: object) -> None:
        """Read the runs of the project in a thread."""
        if self.isVisible():
            home, workflow = home_of(self.document.base), self.document.workflow
            self.background.call("runs", lambda: rows_of(home, workflow), self._show)

    def _show(self, rows: list[RunRow]) -> None:
        chosen = {row.record.id for row in self.selected()}
        self.table.show(rows)
        if self.pages.currentWidget() is not self.compare_page:
            self.pages.setCurrentWidget(self.view if rows else self.none)
        for place in range(self.shown.rowCount()):
            if self._row(place).record.id in chosen:
                self.view.selectRow(place)
        self._tell_buttons()

    def _row(self, place: int) -> RunRow:
        return self.table.rows[self.shown.mapToSource(self.shown.index(place, 0)).row()]

    def selected(self) -> list[RunRow]:
        """The selected runs, the newest first."""
        places = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        return sorted((self._row(place) for place in places), key=lambda row: -row.record.started_s)

    def _tell_buttons(self, *_: object) -> None:
        if not hasattr(self, "buttons"):
            return
        count = len(self.selected())
        for button, needed in self.buttons.values():
            button.setEnabled(count == needed)

    # ---- acts

    def _do(self, act: Callable[[object], object]) -> None:
        if self.selected():
            act(self.selected()[0].record)

    def compare_selected(self) -> None:
        """Two runs side by side."""
        second, first = self.selected()[:2]
        self.compare_page.show_runs(first.record, second.record)
        self.pages.setCurrentWidget(self.compare_page)

    def _report(self) -> None:
        report = self.selected()[0].report
        if report is not None:
            self.open_report.emit(report)

    def _folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.selected()[0].record.folder)))

    def _pin(self) -> None:
        record = self.selected()[0].record
        pin(record, not record.pinned)
        self.refresh()


TIPS: Final[Mapping[str, str]] = {
    "Compare": "Select two runs: what differs, figures side by side, curves over each other",
    "Replay": "Show this run's states, curves and results on the graph",
    "Restore graph": "Take over the graph as this run had it; undo brings yours back",
    "Report": "Open this run's report in the browser",
    "Folder": "Open this run's folder",
    "Keep": "Keep this run's results for ever, or no longer",
}
