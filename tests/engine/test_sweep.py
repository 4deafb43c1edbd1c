"""Sweeps: points, shared results, failures, going on after a stop and after a kill; real recordings."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.artifact import FeatureSet
from engine.artifact import load as artifact_of
from engine.audio import read_features, table_of
from engine.errors import OssicleError
from engine.event import Event
from engine.lock import try_lock
from engine.resource import project as shipped
from engine.runner import LocalRunner
from engine.runs import load_run
from engine.sweep import SweepRequest, plan_sweep, run_sweep, sweep_id
from engine.sweep_record import LOCK, RECORD, load_sweep, name_of, points_of
from engine.sweep_summary import summarise, write_summary
from engine.warm import serve
from engine.workflow import Workflow, load, parse, save, to_json, upto, with_values

Build = Callable[..., Workflow]


# ---- points


def test_every_combination_in_order_with_names() -> None:
    points = points_of({"seed": [1, 2], "fold": ["a", None], "on": [True]})
    assert [point.number for point in points] == [1, 2, 3, 4]
    assert [point.name for point in points] == [
        "seed=1 fold=a on=true", "seed=1 fold=null on=true", "seed=2 fold=a on=true", "seed=2 fold=null on=true",
    ]  # fmt: skip
    assert len(name_of({"words": ["one", "two", "three", "four", "five"]})) < 40


def test_the_id_follows_from_what_makes_the_points_and_nothing_else(scored: Build) -> None:
    work, over = scored(), {"seed": [1, 2]}
    first = sweep_id(work, over, None)
    moved = work.model_copy(update={"layout": {"notes": ["x"]}, "about": "another text", "sweep": {"fold": [1]}})
    assert first == sweep_id(moved, over, None) == sweep_id(scored(seed=77), over, None)
    others = [(scored(fold=2), over, None), (work, {"seed": [2, 1]}, None), (work, over, "score-1")]
    assert len({first, *(sweep_id(*other) for other in others)}) == 4
    assert first.startswith("scored-seed-") and first.islower()


# ---- shared results


def test_points_share_what_they_have_in_common(project: Any, sweep: Any, counted: Build) -> None:
    record = sweep(counted(), {"steps": [3, 4, 5]})
    assert record.state == "done" and [point.state for point in record.points] == ["done"] * 3
    assert Counter(project.executed()) == {"a": 1, "n": 1, "r": 3, "z": 3}
    states = [{name: run.state for name, run in load_run(record.run_folder(p)).nodes.items()} for p in record.points]
    assert states[0] == {"a": "done", "n": "done", "r": "done", "z": "done"}
    assert states[1] == states[2] == {"a": "cached", "n": "cached", "r": "done", "z": "done"}
    assert [dict(point.nodes) for point in record.points] == [{"done": 4}] + [{"cached": 2, "done": 2}] * 2
    for point in record.points:
        run = load_run(record.run_folder(point))
        kept = json.loads((run.folder / "workflow.json").read_text())
        assert kept["variables"] == {"steps": point.values["steps"]} and "sweep" not in kept
        assert json.loads((run.artifacts("z")["number"] / "number.json").read_text())["value"] == run_value(point)
    kinds = [event.kind for event in sweep.events if not event.run]
    assert kinds == ["sweep_started", *["point_started", "point_finished"] * 3, "sweep_finished"]
    started = [event.values for event in sweep.events if event.kind == "point_started"]
    assert [(v["point"], v["points"], v["name"]) for v in started] == [
        (1, 3, "steps=3"), (2, 3, "steps=4"), (3, 3, "steps=5"),
    ]  # fmt: skip
    assert [event.run for event in sweep.events if event.kind == "run_started"] == [v["run"] for v in started]


def run_value(point: Any) -> float:
    return float(point.values["steps"] - 3 + 1)


def test_the_same_sweep_again_runs_nothing_and_another_value_runs_alone(
    project: Any, sweep: Any, counted: Build
) -> None:
    first = sweep(counted(), {"steps": [3, 4]})
    project.executed()
    again = sweep(counted(), {"steps": [3, 4]})
    assert project.executed() == [] and again.state == "done"
    assert [p.run for p in again.points] == [p.run for p in first.points]
    assert [dict(p.nodes) for p in again.points] == [{"cached": 4}] * 2
    assert not [event for event in sweep.events if event.run] and again.folder == first.folder
    assert len(list((project.home / "runs").iterdir())) == 2

    longer = sweep(counted(), {"steps": [3, 4, 5]})
    assert Counter(project.executed()) == {"r": 1, "z": 1} and longer.folder != first.folder
    assert [dict(p.nodes) for p in longer.points] == [{"cached": 4}, {"cached": 4}, {"cached": 2, "done": 2}]


def test_a_result_that_is_gone_is_made_anew(project: Any, sweep: Any, counted: Build) -> None:
    first = sweep(counted(), {"steps": [3, 4]})
    project.executed()
    lost = load_run(first.run_folder(first.points[1])).nodes["r"].outputs["number"]
    project.store.evict(lost)
    again = sweep(counted(), {"steps": [3, 4]})
    assert project.executed() == ["r"]
    assert [dict(p.nodes) for p in again.points] == [{"cached": 4}, {"cached": 3, "done": 1}]
    assert again.points[1].run == f"{first.points[1].run}-2"


def test_parallel_points_compute_what_they_share_once(project: Any, sweep: Any, counted: Build) -> None:
    record = sweep(counted(), {"steps": [30, 31, 32, 33]}, parallel=4)
    assert record.state == "done"
    assert Counter(project.executed()) == {"a": 1, "n": 1, "r": 4, "z": 4}
    for point in record.points:
        own = [event for event in sweep.events if event.run == point.run]
        assert (own[0].kind, own[-1].kind) == ("run_started", "run_finished")
    numbers = sum((Counter(p.nodes) for p in record.points), Counter[str]())
    assert numbers == {"done": 10, "cached": 6}


def test_a_parameter_can_be_swept_without_a_variable(project: Any, sweep: Any, counted: Build) -> None:
    record = sweep(counted(), {"r.steps": [3, 4], "z.offset": [1, 2]}, to="z")
    assert record.state == "done" and len({load_run(record.run_folder(p)).nodes["z"].outputs["number"]
                                           for p in record.points}) == 3  # fmt: skip
    assert Counter(project.executed()) == {"a": 1, "n": 1, "r": 2, "z": 4}


# ---- failures, stop, kill


def test_a_failed_point_is_listed_and_the_others_go_on(sweep: Any, scored: Build) -> None:
    record = sweep(scored(fail_at=2), {"seed": [1, 2, 3]}, finish=(write_summary,))
    assert record.state == "failed" and [p.state for p in record.points] == ["done", "failed", "done"]
    bad = record.points[1]
    assert bad.node == "score-1" and bad.error is not None and bad.error.what == "seed 2 is unlucky"
    assert sweep.events[-1].values["failed"] == [2] and sweep.events[-1].values["done"] == 2
    page = (record.folder / "report.html").read_text()
    assert "seed=2: score-1: Seed 2 is unlucky." in page or "seed=2: score-1: seed 2 is unlucky." in page
    assert json.loads((record.folder / "summary.json").read_text())["failed"] == [2]


def test_fail_fast_stops_the_rest_and_they_can_be_run_later(sweep: Any, scored: Build) -> None:
    record = sweep(scored(fail_at=2), {"seed": [1, 2, 3]}, keep_going=False)
    assert record.state == "failed" and [p.state for p in record.points] == ["done", "failed", "waiting"]
    again = sweep(scored(fail_at=2), {"seed": [1, 2, 3]})
    assert [p.state for p in again.points] == ["done", "failed", "done"]
    assert [dict(p.nodes) for p in again.points] == [{"cached": 1}, {"failed": 1}, {"done": 1}]


def test_a_combination_that_fits_nowhere_is_a_failed_point(project: Any, sweep: Any) -> None:
    """Values are good one by one; what does not fit together shows when the point is run."""

    work = parse({"name": "p", "nodes": {"p-1": {"type": "fake.pair"}}})
    over = {"p-1.low": [0, 5], "p-1.high": [3, 6]}
    record = sweep(work, over)
    assert [p.state for p in record.points] == ["done", "done", "failed", "done"]
    fault = record.points[2].error
    assert fault is not None and "low 5 is not below high 3" in fault.what and record.points[2].node == ""


def test_stop_ends_the_point_at_hand_and_the_next_go_resumes_it(project: Any, sweep: Any, counted: Build) -> None:
    cancel = threading.Event()

    def stop(event: Event) -> None:
        if event.kind == "progress" and event.node == "r" and event.run.endswith("p2"):
            cancel.set()

    record = sweep(counted(), {"steps": [5, 300, 6]}, cancel, stop)
    assert record.state == "cancelled" and [p.state for p in record.points] == ["done", "cancelled", "waiting"]
    assert load_sweep(record.folder).state == "cancelled"
    project.executed()
    again = sweep(counted(), {"steps": [5, 300, 6]})
    assert again.state == "done" and project.executed() == ["r", "z", "r", "z"]
    begins = [event.values["text"] for event in sweep.events if event.kind == "log" and event.node == "r"]
    assert begins[0].startswith("from step ") and begins[0] != "from step 0" and begins[1] == "from step 0"


def test_one_process_at_a_time(project: Any, sweep: Any, counted: Build) -> None:
    plan = plan_sweep(SweepRequest(counted(), project.base, {"steps": [3]}, registry=project.registry))
    plan.folder.mkdir(parents=True)
    held = try_lock(plan.folder / LOCK)
    assert held is not None
    with held, pytest.raises(OssicleError, match="is being run by another process"):
        sweep(counted(), {"steps": [3]})
    assert sweep(counted(), {"steps": [3]}).state == "done"


def test_after_sigkill_the_same_command_goes_on(
    tmp_path: Path, fakes_installed: None, monkeypatch: pytest.MonkeyPatch, counted: Build
) -> None:
    """A real process, killed in the middle of the second of three points."""
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    work = counted().model_copy(update={"sweep": {"steps": [5, 4000, 6]}})
    save(work, tmp_path / "counted.workflow.json")
    command = [sys.executable, "-P", "-m", "engine.cli", "sweep", "counted", "--runner", "local", "--events", "-"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["kind"] == "progress" and event["run"].endswith("p2") and event["values"]["fraction"] > 0.02:
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    process.wait(60)
    (folder,) = (tmp_path / ".ossicle" / "sweeps").iterdir()
    killed = load_sweep(folder)
    assert killed.state == "interrupted" and [p.state for p in killed.points] == ["done", "running", "waiting"]
    assert load_run(killed.run_folder(killed.points[1])).state == "interrupted"

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    record = load_sweep(folder)
    assert record.state == "done" and [dict(p.nodes) for p in record.points] == [
        {"cached": 4}, {"cached": 2, "done": 2}, {"cached": 2, "done": 2},
    ]  # fmt: skip
    first, second = (e["values"]["text"] for e in events if e["kind"] == "log" and e["node"] == "r")
    assert int(first.removeprefix("from step ")) >= 80 and second == "from step 0"
    assert record.points[0].run == killed.points[0].run and record.points[1].run.endswith("p2-2")
    executed = Counter((tmp_path / "executed.txt").read_text().split())
    assert executed == {"a": 1, "n": 1, "r": 4, "z": 3}  # of the second point twice: it was cut off once
    assert not list((folder).glob(f"{LOCK}*")) and (folder / RECORD).exists()


class Parent(io.StringIO):
    """Orders of a parent that stays until all of them are answered: its end would cancel them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines
        self.answered = threading.Semaphore(0)
        outer = self

        class Events(io.StringIO):
            def write(self, text: str) -> int:
                if '"kind": "answered"' in text:
                    outer.answered.release()
                return super().write(text)

        self.events = Events()

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        yield from self.lines
        for _line in self.lines:
            assert self.answered.acquire(timeout=60)


def test_the_warm_runner_runs_a_sweep_and_answers_once(
    tmp_path: Path, fakes_installed: None, monkeypatch: pytest.MonkeyPatch, counted: Build
) -> None:
    monkeypatch.setenv("OSSICLE_RUNNER", "local")
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    order = {"id": "one", "workflow": to_json(counted()), "base": str(tmp_path)}
    lines = [
        json.dumps({**order, "sweep": {"steps": [3, 4]}}),
        json.dumps({**order, "id": "two", "sweep": {"stops": [3]}}),
    ]
    parent = Parent(lines)
    assert serve(parent, parent.events, prepare=lambda: None, beat_s=60.0) == 0
    events = parent.events
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    kinds = [line["kind"] for line in told if not line["run"] and line["kind"] not in ("alive", "server", "ready")]
    assert kinds[:8] == [
        "accepted", "sweep_started", "point_started", "point_finished", "point_started", "point_finished",
        "sweep_finished", "answered",
    ]  # fmt: skip
    assert kinds[8:] == ["accepted", "refused", "answered"]
    refused = next(line for line in told if line["kind"] == "refused")
    assert [problem["code"] for problem in refused["problems"]] == ["sweep-variable"]
    finished = next(line for line in told if line["kind"] == "sweep_finished")
    assert Path(finished["values"]["report"]).is_file()


# ---- real recordings


def digits(recordings: Path, folder: Path) -> Workflow:
    """The shipped project up to its benchmark on 60 recordings, trained for one epoch."""
    clips = folder / "digits"
    clips.mkdir()
    for path in sorted((recordings / "fsdd" / "recordings").glob("[01]_*_[0-4].wav")):
        (clips / path.name).symlink_to(path)
    work = load(shipped("spoken_digits.workflow.json"))
    values = {"data": str(clips), "train-1.epochs": 1, "train-1.architecture": "seed_cnn"}
    return upto(with_values(work, values), "benchmark-1")


def fresh(record: Any) -> list[set[str]]:
    """Per point the nodes that were computed, not found."""
    runs = [load_run(record.run_folder(point)) for point in record.points]
    return [{name for name, found in run.nodes.items() if found.state != "cached"} for run in runs]


def test_seeds_of_a_real_training_share_the_features(recordings: Path, tmp_path: Path) -> None:
    """Three trainings: recordings are read, partitioned and turned into features once."""
    request = SweepRequest(digits(recordings, tmp_path), tmp_path, {"train-1.seed": [1, 2, 3]}, finish=(write_summary,))
    record = run_sweep(request, LocalRunner(), lambda _event: None, threading.Event())
    assert record.state == "done", [str(point.error) for point in record.points if point.error]
    every, *later = fresh(record)
    assert {"ingest-1", "partition-1", "mfcc-1", "train-1", "benchmark-1"} <= every
    assert later == [{"train-1", "benchmark-1"}] * 2
    models = {load_run(record.run_folder(p)).nodes["train-1"].outputs["model"] for p in record.points}
    assert len(models) == 3, "every seed gives another model"
    accuracy = next(r for r in summarise(record).results if r.node == "benchmark-1").metrics["accuracy"]
    assert accuracy.spread.n == 3 and 0 < accuracy.spread.mean <= 1
    again = run_sweep(request, LocalRunner(), lambda _event: None, threading.Event())
    assert all(set(point.nodes) == {"cached"} for point in again.points)


def test_ten_real_folds_share_the_features(recordings: Path, tmp_path: Path) -> None:
    """Another table per fold, the same frames: computed once, and lying on the disk once."""
    work = digits(recordings, tmp_path)
    values = {"partition-1.rule": "fold", "partition-1.folds": 10, "ingest-1.name_pattern": "(?P<label>[0-9])_.*"}
    work = with_values(work, values)
    request = SweepRequest(work, tmp_path, {"partition-1.test_fold": [*range(1, 11)]}, to="mfcc-1")
    told: list[Event] = []
    record = run_sweep(request, LocalRunner(), told.append, threading.Event())
    assert record.state == "done", [str(point.error) for point in record.points if point.error]
    runs = [load_run(record.run_folder(point)) for point in record.points]
    features = [artifact_of(run.artifacts("mfcc-1")["features"]) for run in runs]
    assert len({found.path for found in features}) == 10, "each has a table of its own"
    frames = {(found.path / "frames.h5").stat().st_ino for found in features}
    assert len(frames) == 1
    shown = {event.run for event in told if event.kind == "progress" and event.node == "mfcc-1"}
    assert shown == {record.points[0].run}, "only the first point computed them"
    tables = [table_of(found) for found in features]
    tested = [table.clip_id[table.subset == "testing"].tolist() for table in tables]
    assert sorted(name for names in tested for name in names) == sorted(tables[0].clip_id.tolist())
    for at, table in enumerate(tables):
        assert table.clip_id[table.subset == "validation"].tolist() == tested[at - 1], "validation is test - 1"
    assert all(isinstance(found, FeatureSet) for found in features)
    first, last = (read_features(found) for found in (features[0], features[-1]))
    assert (first == last).all() and first.any()
