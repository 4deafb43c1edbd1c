"""Every problem of the graph and every failure of the last run: what is wrong, what was expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.errors import sentence
from engine.validate import Problem
from engine.workflow import Workflow
from studio.look.icons import icon
from studio.look.theme import font
from studio.model import edit
from studio.model.document import Document

WAIT_MS: Final = 120
MOST_ROWS: Final = 200
"""Rows shown; nobody reads more, and the first ones are the causes."""
Change = Callable[[Workflow], Workflow]


@dataclass(frozen=True)
class Fix:
    """One certain way to mend a problem."""

    label: str
    change: Change


def fix_of(problem: Problem, workflow: Workflow) -> Fix | None:
    """A one-click fix where there is only one sensible thing to do."""
    make = FIXES.get(problem.code)
    return make(problem, workflow) if make is not None else None


def _rename_parameter(problem: Problem, workflow: Workflow) -> Fix | None:
    found = re.match(r"Did you mean (\w+)\?", problem.remedy)
    params = workflow.nodes[problem.node].params if problem.node in workflow.nodes else {}
    if found is None or problem.field not in params:
        return None
    wanted = found[1]

    def change(now: Workflow) -> Workflow:
        value = now.nodes[problem.node].params[problem.field]
        return edit.set_params(edit.reset_params(now, problem.node, [problem.field]), problem.node, {wanted: value})

    return Fix(f"Rename it to {wanted}", change)


def _add_variable(problem: Problem, _workflow: Workflow) -> Fix | None:
    found = re.search(r"\{(\w+)\}", problem.what)
    return Fix(f"Add {{{found[1]}}}", lambda now: edit.set_variable(now, found[1], "")) if found else None


def _cut_link(problem: Problem, workflow: Workflow) -> Fix | None:
    bad = [k for k in workflow.links if (k.target, k.input) == (problem.node, problem.field) or str(k) == problem.field]
    return Fix("Remove the wire", lambda now: edit.remove(now, links=bad[-1:])) if bad else None


def _reset_parameter(problem: Problem, workflow: Workflow) -> Fix | None:
    name = problem.field.partition(".")[0]
    if problem.node not in workflow.nodes or name not in workflow.nodes[problem.node].params:
        return None
    return Fix("Back to the default", lambda now: edit.reset_params(now, problem.node, [name]))


FIXES: Final[Mapping[str, Callable[[Problem, Workflow], Fix | None]]] = {
    "unknown-parameter": _rename_parameter,
    "unknown-variable": _add_variable,
    "type": _cut_link,
    "duplicate": _cut_link,
    "occupied": _cut_link,
    "unknown-port": _cut_link,
    "unknown-node": _cut_link,
    "parameter": _reset_parameter,
}


def failures(workflow: Workflow, session: Any) -> Iterator[Problem]:
    """Nodes that failed in the last run, in the same form as problems."""
    for node in workflow.nodes:
        error = session.state(node).error
        if error is not None:
            yield Problem("failed", node, "", error.what, error.expected, error.remedy)


class Row(QFrame):
    """One problem; a click or Enter goes there."""

    chosen = Signal()

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        self.problem = problem
        self.setObjectName("tile")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(str(problem))
        mark = QLabel()
        token = "red" if problem.severity == "error" else "amber-text"
        mark.setPixmap(icon("error" if problem.severity == "error" else "warning", token, 16).pixmap(16, 16))
        place = ".".join(part for part in (problem.node, problem.field) if part) or "workflow"
        self.place = QLabel(place)
        self.place.setFont(font(bold=True))
        what = QLabel(sentence(problem.what))
        what.setWordWrap(True)
        rest = QLabel(" ".join([sentence(f"Expected: {problem.expected}"), sentence(problem.remedy)]))
        rest.setObjectName("mute")
        rest.setWordWrap(True)
        words = QVBoxLayout()
        words.setSpacing(2)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.place)
        head.addWidget(what, 1)
        words.addLayout(head)
        words.addWidget(rest)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(12, 8, 12, 8)
        self.row.setSpacing(10)
        self.row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        self.row.addLayout(words, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)

    def add_button(self, label: str, act: Callable[[], object]) -> QPushButton:
        """A button at the right end."""
        button = QPushButton(label)
        button.clicked.connect(lambda _checked=False: act())
        self.row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        return button

    def mouseReleaseEvent(self, event: Any) -> None:
        """Go there."""
        super().mouseReleaseEvent(event)
        self.chosen.emit()

    def keyPressEvent(self, event: Any) -> None:
        """Enter goes there."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit()
        else:
            super().keyPressEvent(event)


class ProblemsPanel(QWidget):
    """The dock's content.

    Signals:
        go_to(str, str): a problem was chosen: its node and parameter.
        count_changed(int)
    """

    go_to = Signal(str, str)
    count_changed = Signal(int)

    def __init__(self, document: Document, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Problems")
        self.document, self.session = document, session
        self.problems: tuple[Problem, ...] = ()
        self.rows: list[Row] = []
        self._none = QLabel("No problems. The graph can run.")
        self._none.setObjectName("mute")
        self._none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        inside = QWidget()
        self._list = QVBoxLayout(inside)
        self._list.setContentsMargins(12, 10, 12, 12)
        self._list.setSpacing(8)
        self._list.addStretch(1)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setWidget(inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._area)
        column.addWidget(self._none)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.refresh)
        for signal in (document.changed, document.registry_changed, session.states_changed):
            signal.connect(self._ask)
        self.refresh()

    def _ask(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        """List what is wrong now."""
        found = (*self.document.checked.problems, *failures(self.document.workflow, self.session))
        if found == self.problems:
            return
        before, self.problems = len(self.problems), found
        for row in self.rows:
            row.deleteLater()
        self.rows = [self._make(problem) for problem in found[:MOST_ROWS]]
        for place, row in enumerate(self.rows):
            self._list.insertWidget(place, row)
        self._area.setVisible(bool(found))
        self._none.setVisible(not found)
        if len(found) != before:
            self.count_changed.emit(len(found))

    def _make(self, problem: Problem) -> Row:
        row = Row(problem)
        row.chosen.connect(lambda: self.go_to.emit(problem.node, problem.field))
        fix = fix_of(problem, self.document.workflow)
        if fix is not None:
            row.add_button(fix.label, lambda: self.document.edit(f"{fix.label} ({problem.node})", fix.change))
        return row

    def copy(self) -> None:
        """All problems as text."""
        QGuiApplication.clipboard().setText("\n".join(str(problem) for problem in self.problems))

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours: icons are drawn anew."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_timer"):
            self.problems = ()
            self._ask()
