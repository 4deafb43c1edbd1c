"""Lines, rows, events and boxes without a process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.event import Event
from studio.run.fold import Fold, event_of
from studio.run.inner import box_state, members
from studio.run.lines import MOST_HALF_BYTES, Lines
from studio.run.rows import Rows
from studio.run.state import NodeState


def event(kind: Any, node: str = "", **values: Any) -> Event:
    return Event(kind, "r", node, values, 100.0)


def started(*nodes: str) -> Event:
    return event("run_started", nodes=list(nodes), folder="/data/runs/r", workflow="w")


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_lines_come_whole_however_they_are_cut(size: int) -> None:
    wanted = [{"kind": "log", "text": "é" * n} for n in range(20)]
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in wanted).encode()
    lines, found = Lines(), []
    for start in range(0, len(data), size):
        lines.feed(data[start : start + size])
        found += lines.take(5)
    while not lines.is_empty:
        found += lines.take(5)
    assert found == wanted and lines.garbled == 0


def test_lines_that_are_none() -> None:
    lines = Lines()
    lines.feed(b'\n\n{"kind": 3}\n"kind"\n{"kind": "a"}')
    assert lines.take(9) == [] and lines.garbled == 2
    lines.end()
    assert lines.take(9) == [{"kind": "a"}]
    lines.feed(b"x" * (MOST_HALF_BYTES + 1))
    lines.feed(b'more\n{"kind": "b"}\n')
    assert lines.take(9) == [{"kind": "b"}] and lines.garbled == 3
    assert [len(text) <= 200 for text in lines.noise] == [True] * 3


def test_rows_stay_few_and_keep_what_is_rare() -> None:
    rows = Rows(most=1_000)
    for step in range(20_000):
        rows.add({"step": step, "val": 1.0} if step % 1_000 == 0 else {"step": step, "loss": 1.0})
    kept = [row["step"] for row in rows.rows]
    assert len(kept) <= 1_000 and kept == sorted(kept) and kept[-1] == 19_999
    assert sum("val" in row for row in rows.rows) == 20
    gaps = [after - before for before, after in zip(kept, kept[1:], strict=False)]
    assert max(gaps) < 500, "no stretch is left without rows"
    assert rows.told == 20_000


def test_rows_that_are_all_different_are_bounded_too() -> None:
    rows = Rows(most=100)
    for step in range(1_000):
        rows.add({f"m{step}": 1.0})
    assert len(rows.rows) <= 100 and rows.rows[-1] == {"m999": 1.0}


def test_a_run_folds_into_states() -> None:
    fold = Fold().take_all(
        [
            started("a", "b", "c", "d"),
            event("cached", "a", outputs={"out": "abcd"}, seconds=0.0),
            event("queued", "b", reason="never run"),
            event("started", "b"),
            event("progress", "b", fraction=1.7, text="half"),
            event("metric", "b", step=1, loss=0.5, note="x", flag=True),
            event("failed", "b", what="no", expected="yes", remedy="do", traceback="", seconds=2.0),
            event("skipped", "c", because="b"),
            event("cancelled", "d"),
            event("run_finished", state="failed", seconds=3.0),
        ]
    )
    assert {name: state.state for name, state in fold.nodes.items()} == {
        "a": "cached", "b": "failed", "c": "skipped", "d": "cancelled",
    }  # fmt: skip
    assert fold.nodes["a"].outputs == {"out": Path("/data/store/objects/ab/abcd")}
    assert fold.rows("b") == [{"step": 1, "loss": 0.5}]
    assert fold.because == {"c": "b"} and fold.nodes["c"].why == "b failed"
    assert (fold.done, fold.state, fold.seconds, fold.odd) == (4, "failed", 3.0, 0)


@pytest.mark.parametrize(
    "odd",
    [
        event("progress", "a", fraction="much"),
        event("progress", "a"),
        event("run_started", nodes="a"),
        event("finished", "a", outputs=3),
        event("run_finished", state="done"),
    ],
)
def test_odd_events_change_nothing(odd: Event) -> None:
    fold = Fold().take_all([started("a"), event("started", "a")])
    before = dict(fold.nodes)
    assert not fold.take(odd)
    assert fold.odd == 1 and fold.nodes == before


def test_progress_after_the_end_of_a_node_and_other_runs_are_left_out() -> None:
    fold = Fold().take_all([started("a"), event("started", "a"), event("finished", "a", outputs={}, seconds=1.0)])
    fold.take(event("progress", "a", fraction=0.5, text="late"))
    fold.take(Event("started", "another run", "a", {}, 1.0))
    assert fold.nodes["a"].state == "done"


def test_a_run_of_a_part_keeps_the_results_and_curves_of_the_rest() -> None:
    fold = Fold().take_all(
        [
            started("a", "b", "c"),
            event("started", "a"), event("metric", "a", step=1),
            event("finished", "a", outputs={"o": "aa"}, seconds=1.0),
            event("metric", "b", step=2), event("finished", "b", outputs={"o": "bb"}, seconds=1.0),
            event("cancelled", "c"),
        ]
    )  # fmt: skip
    fold.take(Event("run_started", "r2", "", {"nodes": ["a"], "folder": "/data/runs/r2"}, 200.0))
    assert {name: state.state for name, state in fold.nodes.items()} == {"a": "queued", "b": "done"}
    assert fold.rows("a") == [] and fold.rows("b") == [{"step": 2}]
    fold.take(Event("cached", "r2", "a", {"outputs": {"o": "aa"}}, 201.0))
    assert fold.rows("a") == [{"step": 1}], "the rows of the run that made the result"
    assert fold.done == 1


def test_end_without_a_word() -> None:
    fold = Fold().take_all([started("a", "b"), event("started", "a")])
    fold.end()
    assert (fold.nodes["a"].state, fold.nodes["b"].state, fold.state) == ("interrupted", "never", "interrupted")


@pytest.mark.parametrize("line", [{}, {"kind": "alive"}, {"kind": "log", "values": 3, "time_s": 1}, {"kind": ["log"]}])
def test_lines_that_are_no_event(line: dict[str, Any]) -> None:
    assert event_of(line) is None


def test_boxes_of_sub_graphs() -> None:
    names = ["in", "box--a", "box--deep--b", "odd--name"]
    assert members(names, {"in", "box", "odd--name"}) == {
        "in": ["in"], "box": ["box--a", "box--deep--b"], "odd--name": ["odd--name"],
    }  # fmt: skip
    states = {
        "box--a": NodeState("done", 1.0, seconds=2.0),
        "box--deep--b": NodeState("running", 0.5, "epoch 1", 1.0, 4.0, "never run"),
    }
    found = box_state("box", states, states, {"out": Path("x")})
    assert (found.state, found.fraction, found.text, found.seconds, found.left_s) == (
        "running", 0.75, "deep--b: epoch 1", 3.0, 4.0,
    )  # fmt: skip
    assert found.outputs == {"out": Path("x")}
