"""A session with a real runner: run, run again, stop, edit, kill, replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytestqt.qtbot import QtBot

from studio.run.child import Child
from studio.run.session import Session

START_MS, RUN_MS = 60_000, 120_000


def run_to_end(qtbot: QtBot, session: Session, order: Callable[[], None] | None = None) -> None:
    (order or session.run_all)()
    assert session.is_active, session.heard.notices  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)


def planned(qtbot: QtBot, session: Session) -> None:
    """Wait until the plan is of the workflow as it is."""
    qtbot.waitUntil(lambda: session.plan.workflow is session.document.workflow, timeout=START_MS)


def states(session: Session) -> dict[str, str]:
    return {name: session.state(name).state for name in session.document.workflow.nodes}


def test_real_recordings_run_run_again_and_come_back(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], make_small: Callable[[Path], Path], tmp_path: Path
) -> None:
    file = make_small(tmp_path)
    session = make_session(child, path=file)
    planned(qtbot, session)
    assert set(states(session).values()) == {"never"}
    assert session.plan_text.startswith("6 of 6 nodes to run")

    run_to_end(qtbot, session)
    assert session.run.result == "done"
    assert set(states(session).values()) == {"done"}
    rows = session.rows("train-1")
    assert len(rows) > 2 and all("loss" in row for row in rows)
    assert session.artifact("mfcc-1", "features") is not None
    assert session.artifact("mfcc-1", "nonsense") is None
    assert session.state("train-1").seconds > 0
    told = {event.kind for event in session.heard.log}  # type: ignore[attr-defined]
    assert {"run_started", "finished", "run_finished"} <= told
    assert not {"metric", "progress"} & told
    planned(qtbot, session)
    qtbot.waitUntil(lambda: session.plan_text == "all 6 nodes done", timeout=START_MS)
    assert set(states(session).values()) == {"done"}
    live = dict(session.states), list(session.rows("train-1"))

    again = make_session(child, path=file)
    planned(qtbot, again)
    assert (dict(again.states), list(again.rows("train-1"))) == live
    assert again.run.run_id == session.run.run_id

    run_to_end(qtbot, session)
    assert set(states(session).values()) == {"cached"}
    assert list(session.rows("train-1")) == live[1]
