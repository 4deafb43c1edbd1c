"""Sweeps from the window: points through the warm runner, stopped, gone on with, killed; what is shown meanwhile."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from engine.runs import load_run
from engine.sweep_record import load_sweep
from engine.workflow import Workflow
from studio.model.edit import set_params, set_variable
from studio.panels.status import run_words
from studio.panels.sweep import SweepWindow
from studio.run.child import Child
from studio.run.session import Session
from studio.run.sweep import SweepView, asked, told
from studio.run.view import RunView, words_of

RUN_MS = 120_000
Flow = Callable[..., Workflow]
Make = Callable[..., Session]


def counted(flow: Flow) -> Workflow:
    """Something that all points share, and something slower that each does by itself."""
    nodes = {
        "a": ("fake.constant", {"value": 3}), "n": ("fake.negate", {}), "r": ("fake.resume", {"steps": "{steps}"}),
        "z": ("fake.add", {}),
    }  # fmt: skip
    links = ("a.number -> n.number", "n.number -> z.numbers", "r.number -> z.numbers")
    return set_variable(flow(nodes, links, "counted"), "steps", 7)


def test_points_run_one_after_the_other_and_the_editor_stays_usable(
    qtbot: QtBot, child: Child, make_session: Make, flow: Flow, tmp_path: Path
) -> None:
    session = make_session(child, counted(flow), tmp_path / "counted.workflow.json")
    seen: list[tuple[str, tuple[int, int]]] = []
    session.sweep_changed.connect(lambda: seen.append((session.sweep.state, session.run.point)))
    session.run_sweep({"steps": [5, 6, 40]})
    assert session.is_active and session.sweep.is_on and session.run.point == (0, 3)
    session.run_all()
    assert session.heard.notices[-1].what == "A run is going on"  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: session.sweep.at == 2, timeout=RUN_MS)
    session.document.edit("Value", lambda w: set_params(w, "a", {"value": 4}))
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    view = session.sweep
    assert (view.state, view.done, session.run.point) == ("done", 3, (0, 0))
    assert [dict(point.nodes) for point in view.points] == [{"done": 4}] + [{"cached": 2, "done": 2}] * 2
    assert {point for _, point in seen} >= {(1, 3), (2, 3), (3, 3)} and seen[-1] == ("done", (0, 0))
    assert Counter((tmp_path / "executed.txt").read_text().split()) == {"a": 1, "n": 1, "r": 3, "z": 3}
    assert view.folder is not None
    record = load_sweep(view.folder)
    assert [point.run for point in record.points] == [point.run for point in view.points]
    kept = json.loads((load_run(record.run_folder(record.points[2])).folder / "workflow.json").read_text())
    assert kept["variables"] == {"steps": 40} and kept["nodes"]["a"]["params"] == {"value": 3}
    assert not [n for n in session.heard.notices if n.level == "error"]  # type: ignore[attr-defined]


def _counts(session: Session) -> bool:
    """Whether the slow node has come some way; the point before had two steps, and tells 0 and a half only."""
    return session.state("r").state == "running" and 0.02 < session.state("r").fraction < 0.45


def test_stop_and_go_on(qtbot: QtBot, child: Child, make_session: Make, flow: Flow, tmp_path: Path) -> None:
    session = make_session(child, counted(flow), tmp_path / "counted.workflow.json")
    over = {"steps": [2, 3000, 6]}
    session.run_sweep(over)
    qtbot.waitUntil(lambda: session.sweep.at == 2 and _counts(session), timeout=RUN_MS)
    assert session.plan_text.startswith("point 2 of 3 · ")
    session.stop()
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    assert session.sweep.state == "cancelled"
    assert [point.state for point in session.sweep.points] == ["done", "cancelled", "waiting"]
    assert session.run.result == "cancelled"
    session.run_sweep(over)
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    assert session.sweep.state == "done"
    assert [dict(point.nodes) for point in session.sweep.points][0] == {"cached": 4}
    begins = [e.values["text"] for e in session.heard.log if e.kind == "log" and e.node == "r"]  # type: ignore[attr-defined]
    assert "from step 0" in begins[0] and any(text != "from step 0" for text in begins)


def test_a_runner_that_dies_leaves_the_sweep_to_be_gone_on_with(
    qtbot: QtBot, child: Child, make_session: Make, flow: Flow, tmp_path: Path
) -> None:
    session = make_session(child, counted(flow), tmp_path / "counted.workflow.json")
    session.run_sweep({"steps": [5, 3000]})
    qtbot.waitUntil(lambda: session.sweep.at == 2 and session.state("r").state == "running", timeout=RUN_MS)
    child.kill()
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    assert session.sweep.state == "interrupted" and session.sweep.points[0].state == "done"
    qtbot.waitUntil(lambda: child.state == "warm", timeout=RUN_MS)


def test_a_faulty_sweep_is_refused_in_three_parts(
    qtbot: QtBot, child: Child, make_session: Make, flow: Flow, tmp_path: Path
) -> None:
    session = make_session(child, counted(flow), tmp_path / "counted.workflow.json")
    session.run_sweep({"stops": [1]})
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    notice = session.heard.notices[-1]  # type: ignore[attr-defined]
    assert "'stops' does not exist" in notice.what and notice.expected and notice.remedy
    assert not session.sweep.is_on and session.run.point == (0, 0)


def test_the_window_of_a_sweep_asks_runs_and_shows(
    qtbot: QtBot, child: Child, make_session: Make, flow: Flow, tmp_path: Path
) -> None:
    session = make_session(child, counted(flow), tmp_path / "counted.workflow.json")
    document = session.document
    window = SweepWindow(document, session)
    qtbot.addWidget(window)
    window.ask()
    (row,) = window.rows
    assert row.variable == "steps" and row.read() == []
    row.values.setText("5..7")
    row.values.editingFinished.emit()
    assert document.workflow.sweep == {"steps": [5, 6, 7]} and document.undo_text == "Set the sweep"
    assert window.message.text() == "3 points"
    document.undo()
    assert document.workflow.sweep == {}
    document.redo()
    assert [r.values.text() for r in window.rows] == ["5..7"]
    window.run.click()
    assert session.sweep.is_on
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    qtbot.waitUntil(lambda: "✓ done: 3 of 3" in window.message.text(), timeout=RUN_MS)
    assert [cells[0] for cells in window.points.source.rows] == ["steps=5", "steps=6", "steps=7"]
    assert window.report.isVisible() and window.run.isEnabled()
    with qtbot.waitSignal(window.report_wanted) as wanted:
        window.report.click()
    assert Path(wanted.args[0]).read_text(encoding="utf-8").startswith("<!doctype html>")

    again = SweepWindow(document, session)
    qtbot.addWidget(again)
    again.ask()
    qtbot.waitUntil(lambda: "3 of 3" in again.message.text(), timeout=RUN_MS)
    again.rows[0].values.setText("5..8")
    again.rows[0].values.editingFinished.emit()
    qtbot.waitUntil(lambda: again.message.text() == "4 points", timeout=RUN_MS)
    assert not again.points.isVisible()


# ---- folding alone


def line(kind: str, **values: Any) -> dict[str, Any]:
    return {"kind": kind, "run": "", "node": "", "values": values, "time_s": 1.0}


def test_lines_of_the_runner_become_points() -> None:
    view = asked({"seed": [1, 2]})
    assert (view.state, view.at, len(view.points), view.values) == ("running", 0, 2, {})
    view = told(view, line("sweep_started", sweep="s-1", folder="/data/sweeps/s-1"))
    begun = told(view, line("point_started", point=1, state="running", run="s-1-p1", seconds=0.0))
    assert (begun.at, begun.points[0].state, begun.points[0].run) == (1, "running", "s-1-p1")
    assert begun.values == {"seed": 1}
    error = {"what": "it is bad", "expected": "good", "remedy": "Mend it", "traceback": ""}
    values = {"point": 1, "state": "failed", "seconds": 2.5, "nodes": {"failed": 1}, "node": "x", "error": error}
    failed = told(begun, line("point_finished", **values))
    assert failed.done == 1 and failed.points[0].error is not None and failed.points[0].error.what == "it is bad"
    ended = told(failed, line("sweep_finished", state="failed", seconds=3.0))
    assert (ended.state, ended.seconds, ended.is_on) == ("failed", 3.0, False)
    assert ended.ended() == ended and begun.ended().state == "interrupted"


@pytest.mark.parametrize(
    "odd",
    [
        line("point_started"),
        line("point_started", point=0, state="running", seconds=0.0),
        line("point_started", point=9, state="running", seconds=0.0),
        {"kind": "point_finished"},
        line("sweep_started", sweep=1),
        line("sweep_finished", state="done"),
        line("nothing at all"),
    ],
)
def test_odd_lines_change_nothing(odd: dict[str, Any]) -> None:
    view = asked({"seed": [1, 2]})
    assert told(view, odd) == view


def test_the_strip_and_the_bar_name_the_point() -> None:
    view = RunView("running", seconds=65, done=2, total=8, point=(3, 15))
    assert run_words(view)[0] == "Point 3 of 15 · 1:05"
    assert words_of(view, "") == "point 3 of 15 · 2 of 8 nodes done"
    assert SweepView().values == {} and not SweepView().is_on
