"""The window of a sweep: over what, which point is at hand, and what the points have in common. Never in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QScrollArea, QVBoxLayout, QWidget

from engine.console import count, duration
from engine.problem import Problem
from engine.sweep_check import all_problems, sweep_problems
from engine.sweep_record import REPORT, Over, Point, value_text
from engine.theme import state as state_look
from engine.workflow import Workflow
from studio.model.document import Document
from studio.model.sweep import Known, candidates, known, set_sweep
from studio.panels.sweep_figures import Figures
from studio.panels.sweep_row import OverRow
from studio.run.session import Session
from studio.run.sweep import SweepView
from studio.views.table import Table
from studio.work import Background

WIDTH, HEIGHT = 620, 640
REFRESH_MS: Final = 80
MOST_TRIED: Final = 500
"""Values that are tried on their nodes before the run; the runner tries the rest."""


class SweepWindow(QDialog):
    """Asks for variables and their values, runs the points, shows how they end. Not modal: the canvas stays usable.

    Signals:
        report_wanted(Path): the report of a sweep is to be shown.
    """

    report_wanted = Signal(object)

    def __init__(self, document: Document, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sweep")
        self.setObjectName("sweep")
        self.document, self.session = document, session
        self._background = Background(self, 1)
        self._known: Known | None = None
        self.rows: list[OverRow] = []
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.more, self.run, self.stop = (
            QPushButton("Add a variable"),
            QPushButton("Run the sweep"),
            QPushButton("Stop"),
        )
        self.report = QPushButton("Open the report")
        self.run.setObjectName("accent")
        self.points, self.figures = Table("Points of the sweep", is_sortable=False), Figures()
        self._timer = QTimer(self, singleShot=True, interval=REFRESH_MS)
        self._timer.timeout.connect(self._show)
        self._build()
        self._join()
        self.resize(WIDTH, HEIGHT)

    # ---- parts

    def _build(self) -> None:
        about = QLabel("Runs the graph once per combination of values. What the points share is computed once.")
        about.setObjectName("mute")
        about.setWordWrap(True)
        self._list = QVBoxLayout()
        self._list.setSpacing(6)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(10)
        column.addWidget(about)
        column.addLayout(self._list)
        column.addLayout(_line(self.more))
        column.addWidget(self.message)
        column.addLayout(_line(self.run, self.stop, self.report))
        column.addWidget(self.points, 3)
        column.addWidget(self._figures_area(), 2)

    def _figures_area(self) -> QScrollArea:
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 8, 0)
        column.addWidget(self.figures)
        column.addStretch(1)
        self._area.setWidget(inside)
        return self._area

    def _join(self) -> None:
        self.more.clicked.connect(self._add_next)
        self.run.clicked.connect(self.start)
        self.stop.clicked.connect(self.session.stop)
        self.report.clicked.connect(self._open_report)
        self.document.changed.connect(lambda old, new: self._follow(old, new))
        self.session.sweep_changed.connect(self._news)
        self.session.run_changed.connect(self._show_buttons)

    # ---- over what

    def ask(self) -> None:
        """Show the window with the workflow's sweep, or with a first variable to fill in."""
        self._fill(self.document.workflow.sweep)
        if not self.rows:
            self._add_next()
        self.show()
        self.raise_()
        self.activateWindow()
        if self.rows:
            self.rows[-1].values.setFocus()
        self._look()

    def over(self) -> Over:
        """What the rows say; rows without a name or with unreadable values are left out."""
        return {row.variable: row.read() for row in self.rows if row.variable and not row.why_not()}

    def _fill(self, over: Over) -> None:
        while self.rows:
            self._forget(self.rows[-1])
        for name, values in over.items():
            self._add(name, values)
        self._show()

    def _add(self, name: str, values: Sequence[JsonValue] = ()) -> None:
        offers = candidates(self.document.workflow, self.document.registry, self.document.selection.node)
        row = OverRow(name, values, offers)
        row.typed.connect(self._show)
        row.edited.connect(self._edited)
        row.removed.connect(lambda _row, row=row: self._remove(row))
        self.rows.append(row)
        self._list.addWidget(row)

    def _add_next(self) -> None:
        """Another variable: the first that is not there yet."""
        taken = {row.variable for row in self.rows}
        offers = candidates(self.document.workflow, self.document.registry, self.document.selection.node)
        self._add(next((name for name in offers if name not in taken), ""))
        self._show()

    def _remove(self, row: OverRow) -> None:
        self._forget(row)
        self._edited()

    def _forget(self, row: OverRow) -> None:
        self.rows.remove(row)
        self._list.removeWidget(row)
        row.hide()
        row.deleteLater()

    def _edited(self) -> None:
        """What is filled in is part of the workflow: an edit like any other."""
        over = self._filled()
        self.document.edit("Set the sweep", lambda workflow: set_sweep(workflow, over), "sweep")
        self._look()

    def _filled(self) -> Over:
        return {name: values for name, values in self.over().items() if values}

    def _follow(self, old: Workflow, new: Workflow) -> None:
        """Undo, redo, another document."""
        if self.isVisible():
            if new.sweep != old.sweep and new.sweep != self._filled():
                self._fill(new.sweep)
            self._look()

    # ---- running

    def problems(self, *, is_thorough: bool = False) -> list[Problem]:
        """What is wrong with the sweep; thoroughly, also values that nodes would refuse."""
        document, over = self.document, self.over()
        if is_thorough and sum(map(len, over.values())) <= MOST_TRIED:
            return all_problems(document.workflow, document.registry, over)
        return sweep_problems(document.workflow, document.registry, over)

    def start(self) -> None:
        """Run the points one after the other; those that are done are found done."""
        self._edited()
        if found := self.problems(is_thorough=True):
            self._tell_problems(found)
        else:
            self.session.run_sweep(self.over())

    def _news(self) -> None:
        if not self._timer.isActive():
            self._timer.start()
        if not self.session.sweep.is_on:
            self._known = None
            self._look()

    def _look(self) -> None:
        """Read what is known of this sweep, in a thread."""
        if self.isVisible() and not self.session.sweep.is_on:
            document, over = self.document, {name: list(values) for name, values in self.over().items()}
            self._background.call("sweep", partial(known, document.workflow, document.base, over), self._found)

    def _found(self, found: Known | None) -> None:
        self._known = found
        self._show()

    def _open_report(self) -> None:
        if (path := self._report_path()) is not None:
            self.report_wanted.emit(path)

    # ---- showing

    @property
    def view(self) -> SweepView:
        """The sweep that runs, else what is known of the one filled in."""
        if self.session.sweep.is_on:
            return self.session.sweep
        return self._known.view if self._known is not None else SweepView()

    def _show(self) -> None:
        view = self.view
        names = list(view.over)
        self.points.fill(["values", "state", "took", "nodes"], [_row(point) for point in view.points])
        self.points.setToolTip(f"{count(len(view.points), 'point')} over {', '.join(names)}" if names else "")
        self.figures.show_figures(self._known.figures if self._known is not None and not view.is_on else ())
        self._area.setVisible(bool(self.figures.figures))
        self.points.setVisible(bool(view.points))
        self._tell()
        self._show_buttons()

    def _tell(self) -> None:
        view = self.view
        errors = [row.why_not() for row in self.rows if row.why_not()]
        twice = len({row.variable for row in self.rows}) < len(self.rows)
        problems = self.problems() if self.over() else []
        if view.is_on:
            self._say(f"point {view.at} of {count(len(view.points), 'point')}: {_name(view)}")
        elif errors or twice:
            self._say("; ".join([*errors, *(["a variable stands twice"] if twice else [])]), is_error=True)
        elif problems:
            self._tell_problems(problems)
        else:
            self._say(" · ".join(_words(self.over(), view)))

    def _tell_problems(self, problems: list[Problem]) -> None:
        lines = [f"{problem.what}. {problem.remedy}." for problem in problems[:4]]
        more = [f"and {len(problems) - 4} more"] if len(problems) > 4 else []
        self._say("\n".join([*lines, *more]), is_error=True)

    def _say(self, text: str, *, is_error: bool = False) -> None:
        self.message.setText(text)
        name = "error" if is_error else "mute"
        if self.message.objectName() != name:
            self.message.setObjectName(name)
            self.message.style().unpolish(self.message)
            self.message.style().polish(self.message)

    def _show_buttons(self) -> None:
        is_on = self.session.sweep.is_on
        self.run.setEnabled(not self.session.is_active and bool(self.over()))
        self.stop.setVisible(is_on)
        self.report.setVisible(self._report_path() is not None)
        self.run.setText("Go on with the sweep" if self.view.state in ("cancelled", "interrupted") else "Run the sweep")

    def _report_path(self) -> Path | None:
        folder = self.view.folder
        return folder / REPORT if folder is not None and (folder / REPORT).is_file() else None

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "rows"):
            for row in self.rows:
                row.restyle()
            self.figures.update()


def _line(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(8)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return row


def _row(point: Point) -> tuple[object, ...]:
    look = state_look(point.state)
    told = ", ".join(f"{number} {name}" for name, number in point.nodes.items())
    why = f"{point.node}: {point.error.what}" if point.error is not None else told
    return point.name, (f"{look.mark} {look.word}", look.word), (duration(point.seconds), point.seconds), why


def _name(view: SweepView) -> str:
    return ", ".join(f"{name} {value_text(value)}" for name, value in view.values.items())


def _words(over: Over, view: SweepView) -> Iterator[str]:
    """ "15 points", then how an earlier go at it ended."""
    number = 1
    for values in over.values():
        number *= len(values)
    yield count(number, "point") if over else "Choose a variable and its values"
    if view.state:
        look = state_look(view.state)
        yield f"{look.mark} {look.word}: {view.done} of {len(view.points)} in {duration(view.seconds)}"
