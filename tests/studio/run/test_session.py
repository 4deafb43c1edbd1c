"""A session with a real runner: run, run again, stop, edit, kill, replay."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytestqt.qtbot import QtBot

from engine.library import with_subgraphs
from engine.runs import load_run
from engine.workflow import to_json
from studio.model.edit import set_params
from studio.run.child import Child
from studio.run.session import Session

START_MS, RUN_MS = 60_000, 120_000


def run_to_end(qtbot: QtBot, session: Session, order: Callable[[], None] | None = None) -> None:
    (order or session.run_all)()
    assert session.is_active, session.heard.notices  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)


def planned(qtbot: QtBot, session: Session) -> None:
    """Wait until what is shown is about the workflow as it is."""
    qtbot.waitUntil(lambda: session.is_settled, timeout=START_MS)


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


def test_unsaved_edits_are_what_runs_and_edits_show_at_once(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    nodes = {"a": ("fake.constant", {"value": 3}), "z": ("fake.negate", {}), "w": ("fake.negate", {})}
    graph = flow(nodes, ("a.number -> z.number", "z.number -> w.number"))
    session = make_session(child, graph, tmp_path / "test.workflow.json")
    document = session.document
    session.run_to("z")
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    planned(qtbot, session)
    assert states(session) == {"a": "done", "z": "done", "w": "never"}
    assert session.plan_text == "1 of 3 nodes to run · less than 1 s"

    document.edit("Value", lambda w: set_params(w, "a", {"value": 4}))
    planned(qtbot, session)
    assert states(session) == {"a": "stale", "z": "stale", "w": "never"}
    assert session.state("a").why == "value 3.0 -> 4.0"
    assert session.state("z").why == "waits for a"
    assert session.state("z").outputs, "the old result can still be looked at"
    assert session.plan_text.startswith("3 of 3 nodes to run")

    run_to_end(qtbot, session)
    assert set(states(session).values()) == {"done"}
    found = session.artifact("w", "number")
    assert found is not None and found.meta.value == 4.0  # type: ignore[attr-defined]
    assert document.is_saved is False

    document.undo()
    planned(qtbot, session)
    assert states(session) == {"a": "cached", "z": "cached", "w": "stale"}
    document.redo()
    planned(qtbot, session)
    assert states(session) == {"a": "done", "z": "done", "w": "done"}
    assert session.plan_text == "all 3 nodes done"

    session.rerun("z")
    assert states(session) == {"a": "done", "z": "queued", "w": "done"}
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    assert states(session) == {"a": "cached", "z": "done", "w": "done"}


def test_stop_ends_a_node_at_its_next_step_and_the_runner_stays(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    session = make_session(child, sleeper(flow), tmp_path / "test.workflow.json")
    session.run_all()
    qtbot.waitUntil(lambda: session.state("s").left_s is not None, timeout=RUN_MS)
    assert session.state("s").state == "running" and session.state("s").text == "asleep"
    pid = child.pid
    assert session.state("s").seconds > 0
    assert session.run.left_s is not None and session.plan_text.startswith("1 of 3 nodes done · about ")
    session.stop()
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    assert session.run.result == "cancelled"
    assert states(session) == {"a": "done", "s": "cancelled", "z": "cancelled"}
    planned(qtbot, session)
    assert states(session) == {"a": "done", "s": "cancelled", "z": "cancelled"}
    qtbot.waitUntil(lambda: child.state == "warm", timeout=START_MS)
    assert child.pid == pid
    assert session.heard.notices == []  # type: ignore[attr-defined]

    session.document.edit("Wake", lambda w: set_params(w, "s", {"seconds": 0.0}))
    planned(qtbot, session)
    assert states(session) == {"a": "done", "s": "stale", "z": "never"}
    run_to_end(qtbot, session)
    assert states(session) == {"a": "cached", "s": "done", "z": "done"}


def test_a_failure_is_told_shown_and_gone_after_the_edit_that_mends_it(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    nodes = {"a": ("fake.constant", {}), "f": ("fake.fail", {"how": "bug"}), "z": ("fake.negate", {})}
    session = make_session(
        child, flow(nodes, ("a.number -> f.number", "f.number -> z.number")), tmp_path / "f.workflow.json"
    )
    run_to_end(qtbot, session)
    planned(qtbot, session)
    assert states(session) == {"a": "done", "f": "failed", "z": "skipped"}
    error = session.state("f").error
    assert error is not None and error.is_unexpected
    assert session.state("z").why == "f failed"
    (notice,) = session.heard.notices  # type: ignore[attr-defined]
    assert (notice.level, notice.node) == ("error", "f") and "division" in notice.what

    again = make_session(child, path=tmp_path / "f.workflow.json")
    planned(qtbot, again)
    assert again.states == session.states

    session.document.edit("Link", lambda w: set_params(w, "f", {"how": "told"}))
    planned(qtbot, session)
    assert states(session) == {"a": "done", "f": "stale", "z": "never"}
    assert session.state("f").why == "how bug -> told"


def test_killed_in_the_middle_then_run_again(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "test.workflow.json"
    session = make_session(child, sleeper(flow), path)
    session.run_all()
    qtbot.waitUntil(lambda: session.state("s").text == "asleep", timeout=RUN_MS)
    os.kill(child.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    assert states(session) == {"a": "done", "s": "interrupted", "z": "never"}
    (notice,) = session.heard.notices  # type: ignore[attr-defined]
    assert notice.level == "error" and "SIGKILL" in notice.what and "run again" in notice.remedy
    folder = session.run.folder
    assert folder is not None and load_run(folder).state == "interrupted"
    planned(qtbot, session)
    assert states(session) == {"a": "done", "s": "interrupted", "z": "never"}

    again = make_session(child, path=path)
    planned(qtbot, again)
    assert again.run.result == "interrupted"
    assert again.states == session.states

    session.document.edit("Wake", lambda w: set_params(w, "s", {"seconds": 0.0}))
    run_to_end(qtbot, session)
    assert states(session) == {"a": "cached", "s": "done", "z": "done"}


def test_an_earlier_run_is_shown_until_the_next_edit(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    graph = flow({"a": ("fake.constant", {}), "b": ("fake.add", {})}, ("a.number -> b.numbers",))
    session = make_session(child, graph, tmp_path / "test.workflow.json")
    run_to_end(qtbot, session)
    first = session.run.folder
    assert first is not None
    session.document.edit("Offset", lambda w: set_params(w, "b", {"offset": 1.0}))
    run_to_end(qtbot, session)
    planned(qtbot, session)
    assert states(session) == {"a": "cached", "b": "done"}
    session.replay(load_run(first))
    qtbot.waitUntil(lambda: session.run.run_id == first.name, timeout=START_MS)
    assert states(session) == {"a": "done", "b": "done"}
    assert session.rows("b")[0]["count"] == 1
    found = session.artifact("b", "number")
    assert found is not None and found.meta.value == 1.0  # type: ignore[attr-defined]
    session.document.edit("Offset", lambda w: set_params(w, "b", {"offset": 2.0}))
    planned(qtbot, session)
    assert states(session) == {"a": "done", "b": "stale"}


def test_another_document_forgets_the_run_of_the_last_one(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    session = make_session(child, sleeper(flow), tmp_path / "test.workflow.json")
    session.run_all()
    qtbot.waitUntil(lambda: session.state("s").text == "asleep", timeout=RUN_MS)
    session.document.show(flow({"a": ("fake.constant", {"value": 9})}, name="other"), tmp_path / "other.workflow.json")
    assert not session.is_active and states(session) == {"a": "never"}
    run_to_end(qtbot, session)
    assert session.run.result == "done" and states(session) == {"a": "done"}
    found = session.artifact("a", "number")
    assert found is not None and found.meta.value == 9.0  # type: ignore[attr-defined]


def test_what_cannot_run_is_not_sent(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    session = make_session(child)
    session.run_all()
    assert "nothing to run" in session.heard.notices[-1].what  # type: ignore[attr-defined]
    nodes = {"a": ("fake.constant", {"value": "much"}), "b": ("no.such", {}), "c": ("fake.constant", {})}
    session.document.show(flow(nodes), tmp_path / "bad.workflow.json")
    session.run_all()
    notice = session.heard.notices[-1]  # type: ignore[attr-defined]
    assert (notice.level, notice.node) == ("error", "a") and "1 more problem" in notice.what
    assert not session.is_active
    session.run_to("c")
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    qtbot.waitUntil(lambda: states(session) == {"a": "attention", "b": "attention", "c": "done"}, timeout=START_MS)
    assert session.plan_text == "2 problems to correct before a run"


def sleeper(flow: Callable[..., Any]) -> Any:
    nodes = {"a": ("fake.constant", {}), "s": ("fake.sleep", {"seconds": 20.0}), "z": ("fake.negate", {})}
    return flow(nodes, ("a.number -> s.number", "s.number -> z.number"))


def test_a_sub_graph_is_one_box_with_its_own_ports(
    qtbot: QtBot, child: Child, make_session: Callable[..., Session], flow: Callable[..., Any], tmp_path: Path
) -> None:
    inside = flow({"n": ("fake.negate", {}), "s": ("fake.add", {})}, ("n.number -> s.numbers",), "twice")
    face = {"inputs": {"number": "n.number"}, "outputs": {"sum": "s.number"}, "params": {"offset": "s.offset"}}
    (tmp_path / "subgraphs").mkdir()
    text = json.dumps({**to_json(inside), "interface": face})
    (tmp_path / "subgraphs" / "twice.subgraph.json").write_text(text, encoding="utf-8")
    nodes = {"a": ("fake.constant", {"value": 3}), "box": ("subgraph.twice", {}), "z": ("fake.negate", {})}
    session = make_session(child)
    session.document.set_registry(with_subgraphs(session.document.registry, tmp_path))
    graph = flow(nodes, ("a.number -> box.number", "box.sum -> z.number"))
    session.document.show(graph, tmp_path / "test.workflow.json")
    planned(qtbot, session)
    assert states(session) == {"a": "never", "box": "never", "z": "never"}
    run_to_end(qtbot, session)
    assert states(session) == {"a": "done", "box": "done", "z": "done"}
    found = session.artifact("box", "sum")
    assert found is not None and found.meta.value == -3.0  # type: ignore[attr-defined]
    assert session.rows("box")[0]["count"] == 1
    planned(qtbot, session)
    session.document.edit("Offset", lambda w: set_params(w, "box", {"offset": 1.0}))
    planned(qtbot, session)
    assert states(session) == {"a": "done", "box": "stale", "z": "stale"}
    assert session.state("box").why == "s: offset 0.0 -> 1.0"
    session.rerun("box")
    assert states(session) == {"a": "done", "box": "queued", "z": "stale"}
    qtbot.waitUntil(lambda: not session.is_active, timeout=RUN_MS)
    found = session.artifact("box", "sum")
    assert found is not None and found.meta.value == -2.0  # type: ignore[attr-defined]
