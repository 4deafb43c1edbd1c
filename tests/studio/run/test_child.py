"""The runner's process: signs of life, stages of stopping, floods, noise, deaths. With a runner that misbehaves."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.run.child import Child, Patience, command
from studio.run.session import Session

FAKE = Path(__file__).with_name("fake_runner.py")
QUICK = Patience(grace_s=0.1, longest_s=0.3, term_s=0.1, silence=5, tick_s=0.04, close_s=0.5)
NODES = {"a": ("fake.constant", {}), "z": ("fake.negate", {})}
LINKS = ("a.number -> z.number",)


@pytest.fixture
def fake(qapp: QApplication) -> Iterator[Callable[..., Child]]:
    """Makes a child that misbehaves in one way."""
    made: list[Child] = []

    def make(how: str, patience: Patience = QUICK) -> Child:
        made.append(Child(program=(sys.executable, str(FAKE), how), patience=patience))
        return made[-1]

    yield make
    for child in made:
        child.close()


@pytest.fixture
def session_of(
    fake: Callable[..., Child], make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> Callable[..., Session]:
    """A session on a two-node graph with such a child."""

    def make(how: str, patience: Patience = QUICK) -> Session:
        return make_session(fake(how, patience), flow(NODES, LINKS), tmp_path / "test.workflow.json")

    return make


def over(qtbot: QtBot, session: Session) -> None:
    qtbot.waitUntil(lambda: not session.is_active, timeout=20_000)


def test_command_is_what_a_headless_user_types() -> None:
    assert command()[1:5] == ("-P", "-m", "engine.cli", "runner")
    assert command("no_such_module_anywhere")[5:] == ()
    assert "torch" not in sys.modules or "torch" in command()


def test_becomes_warm_and_ends_when_its_standard_input_is_closed(qtbot: QtBot, fake: Callable[..., Child]) -> None:
    child = fake("flood", Patience(close_s=5.0))
    assert child.state == "off"
    child.start()
    assert child.state == "starting"
    qtbot.waitUntil(lambda: child.state == "warm", timeout=10_000)
    assert child.rss_bytes == 11_200_000_000
    pid = child.pid
    child.close()
    assert child.state == "off"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_flood_of_metrics_is_bounded_and_loses_no_final_state(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("flood", Patience())
    session.run_all()
    assert session.run.state == "queued"
    assert {session.state(name).state for name in "az"} == {"queued"}
    over(qtbot, session)
    rows = session.rows("a")
    assert 5_000 < len(rows) <= 20_000
    assert rows[-1]["step"] == 24_999
    assert sum("val_accuracy" in row for row in rows) == 25
    assert session.run.result == "done"
    assert (session.run.done, session.run.total) == (2, 2)
    heard = session.heard  # type: ignore[attr-defined]
    assert len(heard.metrics) < 500, "one signal for many rows"
    assert not {"metric", "progress"} & {event.kind for event in heard.log}


def test_flood_is_heard_in_small_portions(
    qtbot: QtBot, session_of: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much has come in, one turn of the event loop takes only what fits its budget."""
    session = session_of("flood", Patience())
    monkeypatch.setattr("studio.run.child.BUDGET_S", 0.0005)
    turns: list[int] = []
    hear = session.child._hear

    def counted() -> None:
        told = session.board.fold.metrics["a"].told if "a" in session.board.fold.metrics else 0
        hear()
        rows = session.board.fold.metrics.get("a")
        turns.append((rows.told if rows is not None else 0) - told)

    session.child._pump.timeout.disconnect()
    session.child._pump.timeout.connect(counted)
    session.run_all()
    over(qtbot, session)
    assert len(turns) > 20
    assert max(turns) < 2_500


def test_garbled_and_half_lines_are_counted_told_and_left_out(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("noise")
    session.run_all()
    over(qtbot, session)
    assert session.run.result == "done"
    texts = [str(event.values.get("text", "")) for event in session.heard.log if event.kind == "log"]  # type: ignore[attr-defined]
    assert "whole" in texts
    assert session.child.lines.garbled == 6
    assert session.board.fold.odd == 1
    assert any("could not be read" in text for text in texts)


def test_crash_is_told_with_its_last_words_and_a_new_runner_starts(
    qtbot: QtBot, session_of: Callable[..., Session]
) -> None:
    session = session_of("crash")
    session.run_all()
    over(qtbot, session)
    notice = session.heard.notices[-1]  # type: ignore[attr-defined]
    assert (notice.level, "SIGSEGV" in notice.what, "invalid pointer" in notice.what) == ("error", True, True)
    assert session.state("a").state == "interrupted"
    assert session.run.result == "interrupted"
    qtbot.waitUntil(lambda: session.child.state == "warm", timeout=10_000)


def test_a_runner_that_does_not_start_is_left_alone(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("no start")
    session.begin()
    qtbot.waitUntil(lambda: session.child.state == "gone", timeout=10_000)
    notice = session.heard.notices[-1]  # type: ignore[attr-defined]
    assert "does not start" in notice.what and "ImportError" in notice.what
    assert not session.child._later.isActive()
    session.run_all()
    over(qtbot, session)
    assert len(session.heard.notices) == 2  # type: ignore[attr-defined]


def test_program_that_is_not_there(qtbot: QtBot) -> None:
    child = Child(program=("/no/such/python",), patience=QUICK)
    with qtbot.waitSignal(child.died, timeout=5_000) as told:
        child.start()
    assert told.args[0].cause == "start"
    child.close()


def test_hang_is_told_once_and_can_be_ended(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("hang")
    session.run_all()
    qtbot.waitUntil(lambda: session.run.runner_state == "not answering", timeout=10_000)
    (notice,) = session.heard.notices  # type: ignore[attr-defined]
    assert notice.level == "warning" and "not answered" in notice.what
    label, stop = notice.actions[0]
    assert label == "Stop the runner"
    stop()
    over(qtbot, session)
    assert session.state("a").state == "interrupted"
    qtbot.waitUntil(lambda: session.child.state == "warm", timeout=10_000)


def test_deaf_run_is_ended_in_stages(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("deaf")
    session.run_all()
    qtbot.waitUntil(lambda: session.run.state == "running", timeout=10_000)
    pid = session.child.pid
    session.stop()
    assert session.run.state == "stopping" and session.plan_text == "stopping …"
    over(qtbot, session)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert session.heard.notices[-1].level == "info"  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: session.child.state == "warm", timeout=10_000)


def test_refused_order_puts_everything_back(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("refuse")
    qtbot.waitUntil(lambda: bool(session.plan.forecasts), timeout=10_000)
    before = dict(session.states)
    session.run_all()
    over(qtbot, session)
    assert session.heard.notices[-1].what == "the disk is full"  # type: ignore[attr-defined]
    assert session.states == before
    assert session.run.result == ""


def test_run_without_a_last_word_is_over(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("ends early")
    session.run_all()
    over(qtbot, session)
    assert session.run.result == "interrupted"
    assert session.child.state == "warm"


def test_one_run_at_a_time_and_nothing_without_nodes(qtbot: QtBot, session_of: Callable[..., Session]) -> None:
    session = session_of("hang")
    session.run_all()
    session.run_all()
    assert "going on" in session.heard.notices[-1].what  # type: ignore[attr-defined]
    commands = {command.id: command for command in session.commands()}
    assert commands["run.stop"].enabled() and not commands["run.all"].enabled()
    session.child.kill()
    over(qtbot, session)
    session.run_to("no such node")
    assert "No node" in session.heard.notices[-1].what  # type: ignore[attr-defined]


def test_signal_number_of_an_outside_kill(qtbot: QtBot, fake: Callable[..., Child]) -> None:
    child = fake("hang")
    child.start()
    qtbot.waitUntil(lambda: child.state == "warm", timeout=10_000)
    with qtbot.waitSignal(child.died, timeout=5_000) as told:
        os.kill(child.pid, signal.SIGKILL)
    death = told.args[0]
    assert (death.by_signal, death.code, death.is_ours) == (True, signal.SIGKILL, False)
    assert death.peak_bytes == 11_200_000_000
