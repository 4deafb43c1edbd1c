"""What the papers print, held against ours: every claim of the open workflow, reproduced, off, or not to be checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from engine.claim import LOOKS, Verdict, remark, summary
from engine.console import count
from engine.errors import OssicleError, sentence
from engine.resource import PAPERS, papers
from engine.workflow import Workflow
from studio.commands import Command
from studio.look.icons import icon
from studio.model.claims import csv_rows, of_project, of_run
from studio.model.document import Document
from studio.panels.claims_table import COLUMNS, NAMES, ClaimsModel, ClaimsOrder, as_text, hidden_columns
from studio.panels.runs_table import ROW_PX, KeyTable
from studio.work import Background

WAIT_MS: Final = 400
PROJECT, RUN = "All finished runs", "The last run"
NONE: Final = "This workflow holds no printed numbers to check. The tables of the papers do."
NO_RUN: Final = "There is no run yet. Press R to run the graph."
LEAST_PX: Final = 320
ONLY_PX: Final = 1000
"""Below this width the buttons show their icons only."""
BARE_PX: Final = 640
"""Below this width there is no room for the sums."""
ALL: Final = "All states"


class ClaimsPanel(QWidget):
    """The dock's content.

    Signals:
        go_to(str, str): the node of a claim is wanted, and no parameter.
        open_paper(str): the graph of a paper's table is wanted, by the name of its project.
        count_changed(int): how many numbers are off without a known slip, or point nowhere.
        failed(OssicleError): the table could not be saved.
    """

    go_to = Signal(str, str)
    open_paper = Signal(str)
    count_changed = Signal(int)
    failed = Signal(object)

    def __init__(self, document: Document, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Claims")
        self.document, self.session = document, session
        self._work = Background(self, threads=1)
        self._is_stale, self._is_pending = True, False
        self._run: tuple[bool, Path | None] = (False, None)
        self._judged: tuple[object, ...] = ()
        self.model = ClaimsModel()
        self.order = ClaimsOrder(self.model)
        self.table = self._make_table()
        self.by = QComboBox()
        self.only = QComboBox()
        self.filter = QLineEdit()
        self.summary, self.why, self.empty = QLabel(), QLabel(), QLabel(NONE)
        self.nothing = QWidget()
        self.papers = QPushButton("Open a table of a paper")
        self._commands = {command.id: command for command in self.commands()}
        self.buttons: dict[str, QPushButton] = {}
        self._make_fields()
        self._put_together()
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self.refresh)
        document.changed.connect(lambda _old, _new: self._timer.start())
        document.path_changed.connect(self._timer.start)
        session.run_changed.connect(self._run_changed)
        self._tell()

    def _make_table(self) -> QTableView:
        table = KeyTable(self._key)
        table.setModel(self.order)
        table.setAccessibleName("Claims of this workflow")
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(ROW_PX)
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for place, column in enumerate(COLUMNS):
            header.resizeSection(place, column.width)
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        header.setStyleSheet("QHeaderView::up-arrow, QHeaderView::down-arrow { image: none; width: 0; height: 0; }")
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # at first as in the file
        table.doubleClicked.connect(lambda _index: self._give("claims.node"))
        table.selectionModel().selectionChanged.connect(self._selected)
        return table

    def _make_fields(self) -> None:
        self.by.addItems([PROJECT, RUN])
        self.by.setAccessibleName("Judged by")
        self.by.setToolTip("Hold the print against the mean of all finished runs, or against the last run alone")
        self.by.currentIndexChanged.connect(lambda _index: self.refresh())
        self.only.addItem(ALL, "")
        for state, look in LOOKS.items():
            self.only.addItem(f"{look.mark} {look.word}", state)
        for box in (self.by, self.only):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(6)
            box.setMaximumWidth(190)
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.only.setAccessibleName("Only claims of this state")
        self.only.currentIndexChanged.connect(self._choose_state)
        self.filter.setPlaceholderText("Filter claims …")
        self.filter.setAccessibleName("Filter claims")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMinimumWidth(64)
        self.filter.setMaximumWidth(220)
        self.filter.textChanged.connect(self._filter)
        for label in (self.summary, self.why, self.empty):
            label.setObjectName("mute")
            label.setWordWrap(label is not self.summary)
        self.why.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.papers.clicked.connect(lambda _checked=False: self.choose_paper())

    def _put_together(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(12, 8, 12, 8)
        bar.setSpacing(8)
        for field in (self.filter, self.only, self.by):
            bar.addWidget(field, 3)
        bar.addWidget(self.summary)
        bar.addStretch(1)
        for id in ("claims.node", "claims.save"):
            command = self._commands[id]
            button = QPushButton()
            button.setToolTip(command.about)
            button.setAccessibleName(command.title)
            button.clicked.connect(lambda _checked=False, id=id: self._give(id))
            self.buttons[id] = button
            bar.addWidget(button)
        self.why.setContentsMargins(14, 6, 14, 8)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(self.table, 1)
        column.addWidget(self.why)
        column.addWidget(self.nothing, 1)
        middle = QVBoxLayout(self.nothing)
        middle.addStretch(1)
        middle.addWidget(self.empty)
        middle.addWidget(self.papers, 0, Qt.AlignmentFlag.AlignHCenter)
        middle.addStretch(1)
        self.setFocusProxy(self.table)
        self.setMinimumWidth(LEAST_PX)
        self.restyle()

    # ---- what there is

    @property
    def is_settled(self) -> bool:
        """Whether what is shown is about the workflow as it is now."""
        return not (self._is_stale or self._is_pending or self._timer.isActive())

    def refresh(self) -> None:
        """Judge again, in a thread; while nobody sees the panel, later."""
        self._is_stale = True
        if not self.isVisible():
            return
        self._is_stale = False
        workflow, folder = self.document.workflow, self.session.run.folder
        asked = self._question(workflow, folder)
        if asked == self._judged:
            self._tell()
            return
        self._judged, self._is_pending = asked, True
        self._work.call("claims", self._judge(workflow, folder), self._take, self._not_taken)

    def _judge(self, workflow: Workflow, folder: Path | None) -> Callable[[], list[Verdict]]:
        if self.by.currentText() == PROJECT:
            return partial(of_project, workflow, self.document.registry, self.document.base)
        return partial(of_run, folder) if folder is not None else list

    def _question(self, workflow: Workflow, folder: Path | None) -> tuple[object, ...]:
        """What the answer depends on: moving a box asks nothing."""
        graph = (workflow.name, workflow.nodes, workflow.links, workflow.variables, workflow.sweep, workflow.claims)
        return (self.by.currentText(), self.document.base, folder, *graph)

    def _take(self, found: list[Verdict]) -> None:
        self._is_pending = False
        self.model.show(found)
        self._tell()
        self.count_changed.emit(sum(verdict.is_surprise for verdict in found))

    def _not_taken(self, error: OssicleError) -> None:
        self._take([])
        self.empty.setText(sentence(error.what))

    def _run_changed(self) -> None:
        """A run ended: there may be new numbers."""
        now = bool(self.session.is_active), self.session.run.folder
        if now != self._run:
            if self._run[0]:
                self._judged = ()
            self._run = now
            self._timer.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Somebody looks: judge what is new."""
        super().showEvent(event)
        if self._is_stale:
            self.refresh()

    # ---- what is shown

    def _tell(self) -> None:
        known, shown = self.model.verdicts, self.order.rowCount()
        self.table.setVisible(shown > 0)
        self.nothing.setVisible(shown == 0)
        self.papers.setVisible(not known and not self.document.workflow.claims)
        self.summary.setText(_in_short(known))
        self.summary.setToolTip(summary(known))
        is_without_run = self.by.currentText() == RUN and self.session.run.folder is None
        self.empty.setText("No claim fits the filter." if known else NO_RUN if is_without_run else NONE)
        for field in (self.filter, self.only):
            field.setEnabled(bool(known))
        self._selected()

    def _choose_state(self, _index: int) -> None:
        self.order.set_state(str(self.only.currentData()))
        self._tell()

    def _filter(self, text: str) -> None:
        self.order.set_text(text)
        self._tell()

    @property
    def selected(self) -> list[Verdict]:
        """The chosen claims, from top to bottom."""
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [self.order.verdict(row) for row in rows]

    def _selected(self, *_: object) -> None:
        chosen = self.selected
        words = f"{chosen[0].claim.what}: {remark(chosen[0])}" if chosen and remark(chosen[0]) else ""
        self.why.setText(sentence(words))
        self.why.setVisible(bool(words))
        for id, button in self.buttons.items():
            button.setEnabled(self._commands[id].enabled())

    # ---- what can be done

    def commands(self) -> list[Command]:
        """Go to a claim's node, save and copy the table, open a paper's table."""
        return [
            Command("claims.node", "Go to the claim's node", "View/Claims", self.show_node, (),
                    lambda: bool(self._node()), "graph", "Select the node that our number comes from"),
            Command("claims.save", "Save the claims as CSV…", "View/Claims", self.ask_save, (),
                    lambda: bool(self.order.rowCount()), "export", "The claims as shown, numbers unrounded"),
            Command("claims.copy", "Copy the claims", "View/Claims", self.copy, (),
                    lambda: bool(self.order.rowCount()), "copy", "The chosen claims, or all that are shown"),
            Command("claims.paper", "Open a table of a paper…", "View/Claims", self.choose_paper, (), icon="open",
                    about="The graphs behind the tables of the papers, with every printed number"),
        ]  # fmt: skip

    def _give(self, id: str) -> None:
        if self._commands[id].enabled():
            self._commands[id].run()

    def _node(self) -> str:
        """The node of the chosen claim; "" if it points nowhere."""
        place = self.selected[0].claim.place if self.selected else None
        return place.node if place is not None and place.node in self.document.workflow.nodes else ""

    def show_node(self) -> None:
        """Go to where our number comes from."""
        if node := self._node():
            self.go_to.emit(node, "")

    def choose_paper(self) -> None:
        """A menu of the tables of the papers."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in papers():
            menu.addAction(name, partial(self.open_paper.emit, f"{PAPERS}/{name}"))
        anchor = self.papers if self.papers.isVisible() else self.window()
        menu.popup(anchor.mapToGlobal(anchor.rect().center()))

    def ask_save(self) -> None:
        """Ask for a file and save the claims as they are shown."""
        first = self.document.base / f"{self.document.workflow.name}-claims.csv"
        name, _ = QFileDialog.getSaveFileName(self, "Save the claims", str(first), "Tables (*.csv)")
        if name:
            self.save(Path(name))

    def save(self, path: Path) -> None:
        """Save the claims as they are shown."""
        from studio.views.export import save_csv

        try:
            save_csv(csv_rows(self.document.workflow.name, self.order.shown()), path.with_suffix(path.suffix or ".csv"))
        except OssicleError as error:
            self.failed.emit(error)

    def copy(self) -> None:
        """The chosen claims, or all that are shown, tab-separated."""
        QGuiApplication.clipboard().setText(as_text(self.selected or self.order.shown()))

    def _key(self, event: QKeyEvent) -> bool:
        """Enter goes to the node; Ctrl+C copies."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.show_node()
        elif event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            return False
        return True

    # ---- looks

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the columns and buttons to the new width."""
        super().resizeEvent(event)
        gone = hidden_columns(self.width())
        for place in range(len(NAMES)):
            self.table.setColumnHidden(place, place in gone)
        for id, label in (("claims.node", "Go to the node"), ("claims.save", "Save CSV")):
            self.buttons[id].setText(label if self.width() >= ONLY_PX else "")
        self.summary.setVisible(self.width() >= BARE_PX)

    def restyle(self) -> None:
        """Icons in the colours of the present ground."""
        for id, button in self.buttons.items():
            button.setIcon(icon(self._commands[id].icon, "text", 14))
        self.table.viewport().update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_timer"):
            self.restyle()


def _in_short(found: Sequence[Verdict]) -> str:
    """ "12 claims: ✓ 6  ≠ 2  ? 4"; "" for none."""
    states = [verdict.state for verdict in found]
    told = "  ".join(f"{look.mark} {states.count(state)}" for state, look in LOOKS.items())
    return f"{count(len(states), 'claim')}: {told}" if states else ""
