"""What a Run would do, in states and words; and how long it would take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.registry import Registry
from engine.workflow import Workflow
from studio.model.edit import set_mode
from studio.run.estimate import Timing, expected_s, left_s, timings, total_s
from studio.run.plan import Plan, make_plan, overlay
from studio.run.planner import is_same_graph
from studio.run.state import NodeState
from studio.run.view import RunView, about, words_of

CHAIN = {"a": ("fake.constant", {}), "b": ("fake.negate", {}), "c": ("fake.negate", {})}
LINKS = ("a.number -> b.number", "b.number -> c.number")


def shown(workflow: Workflow, registry: Registry, base: Path) -> dict[str, tuple[str, str]]:
    found = overlay(make_plan(workflow, registry, base), {})
    return {name: (state.state, state.why) for name, state in found.items()}


def test_muted_and_bypassed(flow: Callable[..., Workflow], both: Registry, tmp_path: Path) -> None:
    chain = flow(CHAIN, LINKS)
    muted = shown(set_mode(chain, ["b"], "muted"), both, tmp_path)
    assert muted["a"] == ("never", "never run")
    assert muted["b"][0] == "muted"
    assert muted["c"] == ("skipped", "needs b (muted)")
    bypassed = shown(set_mode(chain, ["b"], "bypassed"), both, tmp_path)
    assert (bypassed["b"][0], bypassed["c"]) == ("bypassed", ("never", "waits for a"))


def test_problems_do_not_hide_the_rest(flow: Callable[..., Workflow], both: Registry, tmp_path: Path) -> None:
    nodes = {**CHAIN, "b": ("fake.no_such", {}), "d": ("fake.constant", {"value": "much"}), "e": ("fake.negate", {})}
    found = shown(flow(nodes, LINKS), both, tmp_path)
    assert found["a"] == ("never", "never run")
    assert found["b"][0] == found["d"][0] == found["e"][0] == "attention"
    assert "not installed" in found["b"][1] and "nothing is wired" in found["e"][1]
    assert found["c"] == ("never", "waits for b")
    assert make_plan(flow(nodes, LINKS), both, tmp_path).text == "3 problems to correct before a run"


def test_circles_and_missing_files(flow: Callable[..., Workflow], both: Registry, tmp_path: Path) -> None:
    circle = flow({"b": CHAIN["b"], "c": CHAIN["c"]}, ("b.number -> c.number", "c.number -> b.number"))
    plan = make_plan(circle, both, tmp_path)
    assert plan.errors == 1 and plan.forecasts == {}
    assert overlay(plan, {"b": NodeState("done")})["b"].state == "done"
    reads = flow({"r": ("fake.read", {"path": "gone.txt"})})
    state, why = shown(reads, both, tmp_path)["r"]
    assert state == "attention" and "gone.txt does not exist" in why


def test_empty(both: Registry, tmp_path: Path) -> None:
    assert make_plan(Workflow(), both, tmp_path).text == ""


def test_words() -> None:
    base = RunView(done=3, total=8)
    assert words_of(base, "plan") == "plan"
    assert (
        words_of(RunView("running", done=3, total=8, left_s=158.4), "") == "3 of 8 nodes done · about 2 min 38 s left"
    )
    assert words_of(RunView("running", done=0, total=1), "") == "0 of 1 node done"
    assert words_of(RunView("queued", runner_state="starting"), "") == "the runner is starting …"
    assert [about(0.2), about(7.4), about(220), about(0.2, is_all=False)] == [
        "less than 1 s", "about 7 s", "about 3 min 40 s", "at least 0 s",
    ]  # fmt: skip


def test_moving_a_box_asks_for_no_plan(flow: Callable[..., Workflow]) -> None:
    chain = flow(CHAIN, LINKS)
    moved = chain.model_copy(update={"layout": {"positions": {"a": [1, 2]}}})
    assert is_same_graph(chain, moved)
    assert not is_same_graph(chain, set_mode(chain, ["a"], "muted"))


def test_expected_time_is_that_of_the_most_alike_case() -> None:
    def case(node: str, seconds: float, **params: Any) -> Timing:
        return Timing(node, "train", params, seconds)

    known = [case("t", 10.0, width=1, epochs=5), case("t", 50.0, width=2, epochs=5), case("u", 11.0, width=1, epochs=5)]
    assert expected_s(known, "train", "t", {"width": 2, "epochs": 5}) == 50.0
    assert expected_s(known, "train", "t", {"width": 1, "epochs": 5}) == 10.0
    assert expected_s(known, "train", "new", {"width": 1, "epochs": 5}) == 10.5
    assert expected_s(known, "train", "t", {"width": 1, "epochs": 20}) == 40.0
    assert expected_s(known, "mfcc", "t", {}) is None
    assert expected_s([case("t", 1.0)], "train", "t", {}) == 1.0


@pytest.mark.parametrize(
    ("elapsed", "fraction", "expected", "left"),
    [(10, 0.5, None, 10), (10, 0.5, 100, 10), (10, 0.0, 100, 90), (200, 0.0, 100, 0), (10, 0.0, None, None),
     (10, 0.25, 100, (30 + 90) / 2), (10, 1.0, 100, 0)],
)  # fmt: skip
def test_time_left(elapsed: float, fraction: float, expected: float | None, left: float | None) -> None:
    assert left_s(elapsed, fraction, expected) == left


def test_total_of_what_is_known() -> None:
    assert total_s([1.0, None, 2.0]) == 3.0
    assert total_s([None]) is None and total_s([]) is None


def test_torn_records_tell_no_times(tmp_path: Path) -> None:
    for name, text in {"a": "{", "b": "[]", "c": json.dumps({"nodes": {"x": {}}})}.items():
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(text)
        (folder / "workflow.json").write_text("{}")
    assert timings(tmp_path) == ()


def test_plan_of_nothing_known() -> None:
    assert Plan().text == "" and Plan(trouble="the disk is gone").text == "the disk is gone"
