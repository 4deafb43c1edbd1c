"""The panel of problems."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.fault import Fault
from engine.resource import project
from engine.workflow import Workflow, load
from studio.model import edit
from studio.model.document import Document
from studio.panels.problems import MOST_NOTICES, MOST_ROWS, ProblemsPanel, problem_of
from studio.run.notice import Notice
from studio.run.state import NodeState

FAULT = Fault("RAM 141.2 kB is more than 128 kB", "a network that fits", "Lower width to 1.0")


class FakeSession(QObject):
    """A session in which nothing runs."""

    states_changed = Signal(object)
    run_changed = Signal()
    told = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[str, NodeState] = {}
        self.is_active = False

    def state(self, node: str) -> NodeState:
        return self.states.get(node, NodeState())


@dataclass
class Shown:
    panel: ProblemsPanel
    document: Document
    session: FakeSession
    qtbot: QtBot
    went: list[tuple[str, str]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def wait(self, count: int) -> None:
        self.qtbot.waitUntil(
            lambda: len(self.panel.problems) == count and all(row.isVisible() for row in self.panel.rows)
        )

    def spoil(self, node: str, **values: object) -> None:
        self.document.edit("Spoil", lambda now: edit.set_params(now, node, values))  # type: ignore[arg-type]


@pytest.fixture
def shown(dark: QApplication, qtbot: QtBot, document: Document) -> Shown:
    document.show(load(project("keyword_spotting.workflow.json")))
    session = FakeSession()
    panel = ProblemsPanel(document, session)
    panel.resize(800, 300)
    qtbot.addWidget(panel)
    with qtbot.waitExposed(panel):
        panel.show()
    made = Shown(panel, document, session, qtbot)
    panel.go_to.connect(lambda node, name: made.went.append((node, name)))
    panel.count_changed.connect(made.counts.append)
    return made


def test_a_good_graph_has_none(shown: Shown) -> None:
    assert shown.panel.problems == () and shown.panel.none.isVisible()
    assert "can run" in shown.panel.none.text()
    shown.document.show(Workflow())
    shown.panel._tell()
    assert "empty graph" in shown.panel.none.text()


def test_a_problem_is_listed_and_leads_there(shown: Shown) -> None:
    shown.spoil("partition-1", rule="speakr")
    shown.wait(1)
    assert shown.counts == [1]
    assert shown.panel.summary.text() == "1 error" and not shown.panel.none.isVisible()
    (row,) = shown.panel.rows
    shown.qtbot.mouseClick(row, Qt.MouseButton.LeftButton)
    shown.qtbot.keyClick(row, Qt.Key.Key_Return)
    assert shown.went == [("partition-1", "rule")] * 2


def test_a_fix_is_one_click_and_one_undo_step(shown: Shown) -> None:
    shown.spoil("partition-1", rule="speakr")
    shown.wait(1)
    (row,) = shown.panel.rows
    assert [button.text() for button in row.buttons] == ["Set to speaker", "Back to given"]
    row.buttons[0].click()
    shown.wait(0)
    assert shown.document.workflow.nodes["partition-1"].params["rule"] == "speaker"
    assert shown.document.undo_text == "Set to speaker (partition-1)"
    shown.document.undo()
    shown.wait(1)
    assert shown.counts == [1, 0, 1]


def test_a_fix_for_a_graph_that_changed_is_told(shown: Shown) -> None:
    shown.spoil("train-1", epoch=3)
    shown.wait(1)
    button = shown.panel.rows[0].buttons[0]
    shown.document.edit("Delete", lambda now: edit.remove(now, ["train-1"]))
    with shown.qtbot.waitSignal(shown.panel.failed):
        button.click()


def test_failures_of_the_last_run_stand_there_too(shown: Shown) -> None:
    shown.session.states["deploy-1"] = NodeState("failed", error=FAULT)
    shown.session.states_changed.emit(frozenset({"deploy-1"}))
    shown.wait(1)
    assert shown.panel.summary.text() == "1 failed in the last run"
    assert "141.2 kB" in shown.panel.rows[0].accessibleName()
    shown.session.states.clear()
    shown.session.states_changed.emit(frozenset({"deploy-1"}))
    shown.wait(0)


def test_notices_stay_until_dismissed_or_the_next_run(shown: Shown) -> None:
    notice = Notice("warning", "The runner has not answered for 12 s", "a sign of life", "Wait")
    shown.session.told.emit(notice)
    shown.session.told.emit(notice)
    shown.session.told.emit(Notice("info", "Nothing to say"))
    shown.session.told.emit(Notice("error", "told by the node itself", node="train-1"))
    shown.wait(1)
    assert shown.panel.summary.text() == "1 warning"
    shown.qtbot.mouseClick(shown.panel.rows[0], Qt.MouseButton.LeftButton)
    assert shown.went == []
    shown.panel.rows[0].buttons[0].click()
    assert shown.panel.problems == ()
    for k in range(MOST_NOTICES + 4):
        shown.session.told.emit(Notice("error", f"trouble {k}"))
    shown.wait(MOST_NOTICES)
    shown.session.is_active = True
    shown.session.run_changed.emit()
    shown.wait(0)


def test_information_is_no_problem() -> None:
    assert problem_of(Notice("info", "fine")) is None
    found = problem_of(Notice("warning", "a", "b", "c"))
    assert found is not None and found.severity == "warning"


def test_rows_that_stay_are_kept(shown: Shown) -> None:
    shown.spoil("partition-1", rule="speakr")
    shown.wait(1)
    (row,) = shown.panel.rows
    row.setFocus()
    shown.spoil("train-1", epoch=3)
    shown.wait(2)
    assert row in shown.panel.rows and shown.panel.focusWidget() is row


def test_the_keyboard_goes_through_them(shown: Shown) -> None:
    shown.spoil("train-1", epoch=3, zzz=1)
    shown.wait(2)
    first, second = shown.panel.rows
    commands = {command.id: command for command in shown.panel.commands()}
    assert commands["problems.next"].enabled()
    commands["problems.next"].run()
    assert shown.panel.focusWidget() is first and shown.went == [("train-1", first.problem.field)]
    shown.qtbot.keyClick(first, Qt.Key.Key_Down)
    assert shown.panel.focusWidget() is second
    shown.qtbot.keyClick(second, Qt.Key.Key_Down)
    assert shown.panel.focusWidget() is second
    commands["problems.next"].run()
    assert shown.panel.focusWidget() is first


def test_they_copy_as_text(shown: Shown) -> None:
    shown.spoil("partition-1", rule="speakr")
    shown.wait(1)
    shown.panel.copy_button.click()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("partition-1.rule: ") and "speakr" in text and "Expected" in text


def test_hundreds_are_cut(shown: Shown) -> None:
    shown.spoil("train-1", **{f"zz{k}": k for k in range(MOST_ROWS + 40)})
    shown.wait(MOST_ROWS + 40)
    assert len(shown.panel.rows) == MOST_ROWS
    assert shown.panel.more.isVisible() and "40 more" in shown.panel.more.text()
