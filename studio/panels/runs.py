"""Every run of the project: what it measured, what it had other than the graph has now, and what to do with it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QPoint, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QStackedWidget,
    QTableView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.console import count
from engine.errors import OssicleError
from engine.runs import home_of, pin
from studio.commands import Command
from studio.look.icons import icon
from studio.model.document import Document
from studio.model.graph_diff import differences
from studio.panels.compare import ComparePanel
from studio.panels.run_facts import FIRST, MOST, RunFacts, read_runs, write_report
from studio.panels.runs_actions import ACTIONS, BUTTONS
from studio.panels.runs_table import (
    COLUMNS,
    NAMES,
    PIN,
    ROW_PX,
    KeyTable,
    Run,
    RunsModel,
    RunsOrder,
    RunsPaint,
    as_text,
    hidden_columns,
)  # fmt: skip
from studio.run.notice import Notice
from studio.work import Background

EDIT_MS: Final = 250
EMPTY: Final = "Runs are listed here, the newest first. Press R to run the graph."
LEAST_PX: Final = 320
ONLY_PX: Final = 620
"""Below this width the buttons show their icons only."""


class RunsPanel(QWidget):
    """The dock's content.

    Signals:
        restore(RunRecord): the graph of that run is wanted back.
        replay(RunRecord): its states, curves and log are wanted on the canvas.
        open_report(Path): its report is wanted.
        told(Notice): something the person should know.
    """

    restore = Signal(object)
    replay = Signal(object)
    open_report = Signal(object)
    told = Signal(object)

    def __init__(self, document: Document, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Runs")
        self.document, self.session = document, session
        self.found: list[RunFacts] = []
        self._work = Background(self, threads=1)
        self._is_stale = True
        self._was_active = False
        self.model = RunsModel()
        self.order = RunsOrder(self.model)
        self.table = self._make_table()
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter runs …")
        self.filter.setAccessibleName("Filter runs")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMaximumWidth(220)
        self.filter.textChanged.connect(self._filter)
        self.count = QLabel()
        self.count.setObjectName("mute")
        self.empty = QLabel(EMPTY)
        self.empty.setObjectName("mute")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)
        self._commands = {command.id: command for command in self.commands()}
        self.buttons: dict[str, QPushButton] = {}
        self.more = QToolButton()
        self.compare = ComparePanel(document)
        self.compare.closed.connect(self.show_all)
        self.pages = QStackedWidget()
        self._put_together()
        self._edited = QTimer(self, singleShot=True, interval=EDIT_MS)
        self._edited.timeout.connect(self._show_runs)
        session.run_changed.connect(self._run_changed)
        document.path_changed.connect(self._moved)
        document.changed.connect(lambda _old, _new: self._edited.start())
        self._show_runs()

    def _make_table(self) -> QTableView:
        table = KeyTable(self._key)
        table.setModel(self.order)
        table.setItemDelegate(RunsPaint(self.model))
        table.setAccessibleName("Runs of this project")
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(28)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for place, column in enumerate(COLUMNS):
            header.resizeSection(place, column.width)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        header.setStyleSheet("QHeaderView::up-arrow, QHeaderView::down-arrow { image: none; width: 0; height: 0; }")
        table.sortByColumn(NAMES.index("Started"), Qt.SortOrder.DescendingOrder)
        table.clicked.connect(self._clicked)
        table.doubleClicked.connect(lambda _index: self._give("runs.replay"))
        table.customContextMenuRequested.connect(self._ask_menu)
        table.selectionModel().selectionChanged.connect(self._selected)
        return table

    def _put_together(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(8)
        bar.addWidget(self.filter, 1)
        bar.addWidget(self.count)
        bar.addStretch(1)
        for id, label in BUTTONS:
            button = QPushButton(label)
            button.setToolTip(self._commands[id].about)
            button.setAccessibleName(self._commands[id].title)
            button.clicked.connect(lambda _checked=False, id=id: self._give(id))
            self.buttons[id] = button
            bar.addWidget(button)
        self.more.setText("⋯")
        self.more.setAccessibleName("More about this run")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        menu.aboutToShow.connect(lambda: self._fill_menu(menu))
        self.more.setMenu(menu)
        bar.addWidget(self.more)
        all_ = QWidget()
        column = QVBoxLayout(all_)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(self.table, 1)
        column.addWidget(self.empty, 1)
        self.pages.addWidget(all_)
        self.pages.addWidget(self.compare)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.pages)
        self.setFocusProxy(self.table)
        self.setMinimumWidth(LEAST_PX)
        self.restyle()

    # ---- what there is

    def refresh(self, *_: object) -> None:
        """Read the runs again, in a thread; while nobody sees the panel, later."""
        self._is_stale = True
        if not self.isVisible():
            return
        self._is_stale = False
        home = home_of(self.document.base)
        self._work.call("runs", partial(read_runs, home, FIRST), partial(self._take_first, home))

    def _take_first(self, home: Any, found: list[RunFacts]) -> None:
        self._take(found)
        if len(found) >= FIRST:
            self._work.call("runs", partial(read_runs, home, MOST), self._take)

    def _take(self, found: list[RunFacts]) -> None:
        self.found = found
        self._show_runs()

    def _show_runs(self) -> None:
        if not self.isVisible() and self.found:
            self._is_stale = True
            return
        chosen = {facts.record.id for facts in self.selected}
        now, registry = self.document.workflow, self.document.registry
        self.model.show([Run(f, None if f.workflow is None else differences(f.workflow, now, registry))
                         for f in self.found])  # fmt: skip
        self._select(chosen)
        self._tell()
        self._fit_columns()

    def _moved(self, *_: object) -> None:
        """Another file: another project's runs, maybe."""
        self.pages.setCurrentIndex(0)
        self.refresh()

    def _run_changed(self) -> None:
        """A run began or ended: the list is another one."""
        is_active = bool(self.session.is_active)
        if is_active != self._was_active:
            self._was_active = is_active
            self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        """Somebody looks: read what is new."""
        super().showEvent(event)
        if self._is_stale:
            self.refresh()

    # ---- what is chosen

    @property
    def selected(self) -> list[RunFacts]:
        """The chosen runs, from top to bottom."""
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [self.order.run(row).facts for row in rows]

    def select_runs(self, *ids: str) -> None:
        """Choose runs by their ids."""
        self._select(set(ids))
        self._selected()

    def _select(self, ids: set[str]) -> None:
        chosen = QItemSelection()
        for row in range(self.order.rowCount()):
            if self.order.run(row).facts.record.id in ids:
                index = self.order.index(row, 0)
                chosen.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().select(chosen, flags.ClearAndSelect | flags.Rows)

    def _selected(self, *_: object) -> None:
        for id, button in self.buttons.items():
            button.setEnabled(self._commands[id].enabled())

    def _filter(self, text: str) -> None:
        self.order.set_text(text)
        self._tell()

    def _tell(self) -> None:
        shown, known = self.order.rowCount(), len(self.found)
        self.count.setText(count(known, "run") if shown == known else f"{shown} of {count(known, 'run')}")
        self.table.setVisible(shown > 0)
        self.empty.setVisible(shown == 0)
        self.empty.setText(EMPTY if not known else f"No run holds “{self.filter.text().strip()}”.")
        self.filter.setEnabled(known > 0)
        self._selected()

    # ---- what can be done

    def commands(self) -> list[Command]:
        """What can be done with the chosen run."""
        return [
            Command(id, title, "Run/Earlier runs", partial(self._act, id), (), partial(self._may, id), look, about)
            for id, title, look, about in ACTIONS
        ]

    def _may(self, id: str) -> bool:
        chosen = self.selected
        if id == "runs.compare":
            return len(chosen) == 2
        if id == "runs.report":
            return len(chosen) == 1 and chosen[0].record.state != "running"
        if id == "runs.restore":
            return len(chosen) == 1 and chosen[0].workflow is not None
        return len(chosen) == 1

    def _give(self, id: str) -> None:
        if self._may(id):
            self._act(id)

    def _act(self, id: str) -> None:
        chosen = self.selected
        if chosen:
            getattr(self, f"_{id.partition('.')[2]}")(*chosen[:2] if id == "runs.compare" else chosen[:1])

    def _compare(self, one: RunFacts, other: RunFacts) -> None:
        self.compare.show_pair(one, other)
        self.pages.setCurrentWidget(self.compare)
        self.compare.tree.setFocus()

    def show_all(self) -> None:
        """Back from a comparison to the table."""
        self.pages.setCurrentIndex(0)
        self.table.setFocus()

    def _restore(self, facts: RunFacts) -> None:
        self.restore.emit(facts.record)

    def _replay(self, facts: RunFacts) -> None:
        self.replay.emit(facts.record)

    def _report(self, facts: RunFacts) -> None:
        """Open the report; a run that has none gets one first, in a thread."""
        if facts.has_report:
            self.open_report.emit(facts.report)
            return
        self._work.call("report", partial(write_report, facts), partial(self._reported, facts), self._failed)

    def _failed(self, error: OssicleError) -> None:
        self.told.emit(Notice("error", error.what, error.expected, error.remedy))

    def _reported(self, facts: RunFacts, _done: None) -> None:
        self.open_report.emit(facts.report)
        self.refresh()

    def _folder(self, facts: RunFacts) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(facts.record.folder)))

    def _verify(self, facts: RunFacts) -> None:
        line = f"ossicle verify {facts.record.folder}"
        QGuiApplication.clipboard().setText(line)
        remedy = f"Paste it into a terminal: {line}"
        self.told.emit(Notice("info", "The command that verifies this run is on the clipboard", "", remedy))

    def _pin(self, facts: RunFacts) -> None:
        try:
            pin(facts.record, not facts.record.pinned)
        except OSError as error:
            what = f"{facts.record.id} cannot be pinned ({error.strerror or error})"
            self.told.emit(Notice("error", what, "a run folder that may be written to", "Check its permissions"))
        self.refresh()

    def _clicked(self, index: QModelIndex) -> None:
        if NAMES[index.column()] == PIN:
            self._pin(self.order.run(index.row()).facts)

    def _ask_menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        self._fill_menu(menu)
        menu.popup(self.table.viewport().mapToGlobal(at))

    def _fill_menu(self, menu: QMenu) -> None:
        menu.clear()
        for id, _title, look, _about in ACTIONS:
            command = self._commands[id]
            is_pinned = id == "runs.pin" and any(facts.record.pinned for facts in self.selected[:1])
            action = menu.addAction(icon(look, "mute", 14), "Unpin" if is_pinned else command.title)
            action.setEnabled(command.enabled())
            action.triggered.connect(lambda _checked=False, id=id: self._give(id))

    def _key(self, event: QKeyEvent) -> bool:
        """Enter shows a run on the canvas, or compares two; P pins it; Ctrl+C copies the chosen rows."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._give("runs.compare" if len(self.selected) == 2 else "runs.replay")
        elif event.key() == Qt.Key.Key_P:
            self._give("runs.pin")
        elif event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.text())
        else:
            return False
        return True

    def text(self) -> str:
        """The chosen rows (or all) as a table, tab-separated."""
        runs = [self.order.run(row) for row in range(self.order.rowCount())]
        chosen = {facts.record.id for facts in self.selected}
        return as_text([run for run in runs if not chosen or run.facts.record.id in chosen])

    # ---- looks

    def _fit_columns(self) -> None:
        gone = hidden_columns(self.model.runs, self.width())
        for place in range(len(COLUMNS)):
            self.table.setColumnHidden(place, place in gone)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns to the new width."""
        super().resizeEvent(event)
        self._fit_columns()
        for id, label in BUTTONS:
            self.buttons[id].setText(label if self.width() >= ONLY_PX else "")

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        for id, button in self.buttons.items():
            button.setIcon(icon(self._commands[id].icon, "text", 14))
        self.table.viewport().update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "pages"):
            self.restyle()
