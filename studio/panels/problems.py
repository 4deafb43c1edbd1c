"""Problems of the graph, failures of the last run, notices: what is wrong, what was expected, what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QMouseEvent
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

from engine.console import count
from engine.errors import OssicleError, sentence
from engine.problem import Problem, Severity
from engine.workflow import Workflow
from studio.commands import Command
from studio.look.icons import icon
from studio.look.theme import font
from studio.model.document import Document
from studio.model.fixes import Fix, fixes_of, told_once
from studio.run.notice import Notice

WAIT_MS: Final = 120
MOST_ROWS: Final = 60
"""Rows shown; nobody reads more, and the first ones are the causes."""
MOST_NOTICES: Final = 8
MOST_FIXES: Final = 2
FAILED, NOTICE = "failed", "notice"
NONE: Final = "No problems. The graph can run."


def failures(workflow: Workflow, session: Any) -> Iterator[Problem]:
    """Nodes that failed in the last run, in the same form as problems."""
    for node in workflow.nodes:
        error = session.state(node).error
        if error is not None:
            yield Problem(FAILED, node, "", error.what, error.expected, error.remedy)


def problem_of(notice: Notice) -> Problem | None:
    """A notice as a problem; None for mere information and for failures of nodes, which are told by themselves."""
    if notice.level == "info" or notice.node:
        return None
    severity: Severity = "error" if notice.level == "error" else "warning"
    return Problem(NOTICE, "", "", notice.what, notice.expected, notice.remedy, severity)


def summary(problems: Sequence[Problem]) -> str:
    """ "2 errors · 1 warning · 1 failure of the last run"."""
    failed = sum(problem.code == FAILED for problem in problems)
    errors = sum(problem.severity == "error" for problem in problems) - failed
    warnings = len(problems) - errors - failed
    parts = [(errors, "error"), (warnings, "warning")]
    told = [count(number, word) for number, word in parts if number]
    return " · ".join([*told, *([f"{failed} failed in the last run"] if failed else [])])


def text_of(problems: Sequence[Problem]) -> str:
    """All of them as text, one per line."""
    return "\n".join(str(problem) for problem in problems)


class Row(QFrame):
    """One problem; a click or Enter goes there.

    Signals:
        chosen()
        moved(int): the arrow keys ask for another row, that far away.
    """

    chosen = Signal()
    moved = Signal(int)
    STEPS: Final = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}

    def __init__(self, problem: Problem, title: str) -> None:
        super().__init__()
        self.problem = problem
        self.buttons: list[QPushButton] = []
        self.setObjectName("tile")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(str(problem))
        if problem.node:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        is_error = problem.severity == "error"
        self._mark = QLabel()
        self._look = ("error", "red") if is_error else ("warning", "amber-text")
        self._mark.setAccessibleName("Error" if is_error else "Warning")
        place = QLabel(".".join(part for part in (problem.node, problem.field) if part) or "Graph")
        place.setFont(font(bold=True))
        place.setToolTip(title)
        what = QLabel(sentence(problem.what[:1].upper() + problem.what[1:]))
        rest = QLabel(_rest(problem))
        rest.setObjectName("mute")
        rest.setVisible(bool(rest.text()))
        for label in (what, rest):
            label.setWordWrap(True)
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(place, 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(what, 1)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addLayout(head)
        words.addWidget(rest)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(12, 8, 12, 8)
        self.row.setSpacing(10)
        self.row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        self.row.addLayout(words, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.restyle()

    def add_button(self, label: str, act: Callable[[], object]) -> QPushButton:
        """A button at the right end."""
        button = QPushButton(label)
        button.clicked.connect(lambda _checked=False: act())
        self.row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.buttons.append(button)
        return button

    def restyle(self) -> None:
        """The mark in the colour of the present ground."""
        name, token = self._look
        self._mark.setPixmap(icon(name, token, 16).pixmap(16, 16))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        super().mouseReleaseEvent(event)
        if self.rect().contains(event.position().toPoint()):
            self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter goes there; arrows go to the next problem."""
        step = self.STEPS.get(Qt.Key(event.key()))
        if step is not None:
            self.moved.emit(step)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit()
        else:
            super().keyPressEvent(event)


def _rest(problem: Problem) -> str:
    expected = sentence(f"Expected: {problem.expected}") if problem.expected else ""
    return " ".join(filter(None, (expected, sentence(problem.remedy))))


class ProblemsPanel(QWidget):
    """The dock's content.

    Signals:
        go_to(str, str): a problem was chosen: its node and parameter.
        count_changed(int)
        failed(OssicleError): a fix did not work.
    """

    go_to = Signal(str, str)
    count_changed = Signal(int)
    failed = Signal(object)

    def __init__(self, document: Document, session: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Problems")
        self.document, self.session = document, session
        self.problems: tuple[Problem, ...] = ()
        self.notices: tuple[Problem, ...] = ()
        self.rows: list[Row] = []
        self._place = -1
        self._was_active = False
        self.summary = QLabel()
        self.summary.setObjectName("mute")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("All problems as text")
        self.copy_button.clicked.connect(self.copy)
        self.none = QLabel(NONE)
        self.none.setObjectName("mute")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.more = QLabel()
        self.more.setObjectName("mute")
        self._list = QVBoxLayout()
        self.area = QScrollArea()
        self.head = QWidget()
        self._put_together()
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self.refresh)
        for signal in (document.changed, document.registry_changed, session.states_changed):
            signal.connect(self._ask)
        session.told.connect(self._note)
        session.run_changed.connect(self._run_changed)
        document.path_changed.connect(self._forget)
        self.refresh()

    def _put_together(self) -> None:
        bar = QHBoxLayout(self.head)
        bar.setContentsMargins(14, 8, 12, 2)
        bar.addWidget(self.summary, 1)
        bar.addWidget(self.copy_button)
        self.copy_button.setIcon(icon("copy", "mute", 14))
        inside = QWidget()
        self._list = QVBoxLayout(inside)
        self._list.setContentsMargins(12, 6, 12, 12)
        self._list.setSpacing(8)
        self._list.addWidget(self.more)
        self._list.addStretch(1)
        self.area.setWidgetResizable(True)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(inside)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.area, 1)
        column.addWidget(self.none, 1)

    # ---- what is wrong

    def _ask(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _note(self, notice: Notice) -> None:
        found = problem_of(notice)
        if found is not None and found not in self.notices:
            self.notices = (*self.notices, found)[-MOST_NOTICES:]
            self._ask()

    def _run_changed(self) -> None:
        """A new run begins: what was told about earlier ones is history."""
        is_active = bool(self.session.is_active)
        if is_active and not self._was_active:
            self._forget()
        self._was_active = is_active

    def _forget(self, *_: object) -> None:
        self.notices = ()
        self._ask()

    def refresh(self) -> None:
        """List what is wrong now; rows that stay keep their place and focus."""
        workflow = self.document.workflow
        static = told_once(self.document.checked.problems)
        found = (*static, *failures(workflow, self.session), *self.notices)
        if found == self.problems:
            return
        before, self.problems = len(self.problems), found
        known = {row.problem: row for row in self.rows}
        self.rows = [known.pop(p) if p in known else self._make(p) for p in dict.fromkeys(found[:MOST_ROWS])]
        for row in known.values():
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        for place, row in enumerate(self.rows):
            self._list.insertWidget(place, row)
        self._tell()
        if len(found) != before:
            self.count_changed.emit(len(found))

    def _tell(self) -> None:
        total = len(self.problems)
        self.head.setVisible(total > 0)
        self.area.setVisible(total > 0)
        self.none.setVisible(total == 0)
        self.none.setText(NONE if self.document.workflow.nodes else "An empty graph has no problems.")
        self.summary.setText(summary(self.problems))
        self.more.setVisible(total > MOST_ROWS)
        self.more.setText(f"… and {count(total - MOST_ROWS, 'more problem')}; mend the first ones and these may go")

    def _make(self, problem: Problem) -> Row:
        spec = None
        if problem.node in self.document.workflow.nodes:
            spec = self.document.registry.find(self.document.workflow.nodes[problem.node].type)
        row = Row(problem, spec.title if spec is not None else "")
        row.chosen.connect(partial(self._go, problem))
        row.moved.connect(partial(self._step, row))
        fixes = fixes_of(problem, self.document.workflow, self.document.registry)
        for fix in fixes[:MOST_FIXES]:
            row.add_button(fix.label, partial(self._mend, problem, fix))
        if problem.code == NOTICE:
            row.add_button("Dismiss", partial(self._dismiss, problem))
        return row

    # ---- what can be done

    def _go(self, problem: Problem) -> None:
        if problem.node in self.document.workflow.nodes:
            self.go_to.emit(problem.node, problem.field)

    def _mend(self, problem: Problem, fix: Fix) -> None:
        try:
            self.document.edit(f"{fix.label} ({problem.node})", fix.change)
        except (OssicleError, KeyError) as error:  # the graph is another one than when it was offered
            told = error if isinstance(error, OssicleError) else None
            self.failed.emit(told or OssicleError("the graph has changed meanwhile", "the same problem", "Look again"))
        self.refresh()

    def _dismiss(self, problem: Problem) -> None:
        self.notices = tuple(notice for notice in self.notices if notice != problem)
        self.refresh()

    def _step(self, row: Row, step: int) -> None:
        place = self.rows.index(row) + step
        if 0 <= place < len(self.rows):
            self._focus(place)

    def _focus(self, place: int) -> None:
        self._place = place
        self.rows[place].setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.area.ensureWidgetVisible(self.rows[place])

    def next(self) -> None:
        """Go to the next problem, at the end to the first again."""
        if self.rows:
            self._place = (self._place + 1) % len(self.rows)
            self._focus(self._place)
            self._go(self.rows[self._place].problem)

    def copy(self) -> None:
        """All problems as text."""
        QGuiApplication.clipboard().setText(text_of(self.problems))

    def commands(self) -> list[Command]:
        """Go through the problems, copy them."""
        return [
            Command("problems.next", "Next problem", "View/Walk", self.next, ("F8",), lambda: bool(self.problems)),
            Command("problems.copy", "Copy all problems", "Edit", self.copy, (), lambda: bool(self.problems), "copy"),
        ]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+C copies all."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow a change of the window's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_timer"):
            self.copy_button.setIcon(icon("copy", "mute", 14))
            for row in self.rows:
                row.restyle()
