"""Sweeps: points, problems, shared results, going on after a stop and after a kill, failures, summary, command line."""

from __future__ import annotations

import html.parser
import io
import json
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Self

import pytest
from pydantic import Field, model_validator

from engine import Context, Params, Report, ReportMeta, cli, node
from engine.errors import OssicleError
from engine.event import Event
from engine.execute import installed
from engine.export import to_python
from engine.lock import try_lock
from engine.registry import Registry
from engine.runner import LocalRunner
from engine.runs import load_run, referenced
from engine.sweep import SweepRequest, plan_sweep, run_sweep, sweep_id
from engine.sweep_check import MOST_POINTS, all_problems
from engine.sweep_record import LOCK, RECORD, SweepRecord, find_sweep, load_sweep, name_of, points_of
from engine.sweep_summary import Spread, summarise, write_summary
from engine.validate import InvalidError, check
from engine.verify import verify_run
from engine.warm import serve
from engine.workflow import Workflow, parse, save, to_json

FAKES = Path(__file__).parent / "fakes"
TINY = Path(__file__).parent / "tiny"


class ScoreParams(Params):
    seed: Annotated[int, Field(ge=0, le=100)] = 0
    fold: Annotated[int, Field(ge=1, le=10)] = 1
    fail_at: int = -1


CLASSES = ("yes", "no")


@node("swept.score", version=1, category="Fakes")
def score(params: ScoreParams, ctx: Context) -> Report:
    """A report whose figures follow from the parameters."""
    if params.seed == params.fail_at:
        raise OssicleError(f"seed {params.seed} is unlucky", "another seed", "Take another seed")
    folder = ctx.folder("report")
    right = params.seed + params.fold
    classes = CLASSES if params.fold != 2 else CLASSES[::-1]
    raw = {"classes": classes, "confusion": [[right, 1], [0, right]]}
    (folder / "report.json").write_text(json.dumps(raw))
    accuracy = 0.5 + 0.01 * params.seed + 0.1 * params.fold
    metrics = {"accuracy": accuracy, "accuracy_low": 0.1, "accuracy_high": 0.9, "clips": 12.0}
    if params.fold == 1:
        metrics["first_fold_only"] = float(params.seed)
    return Report(folder, ReportMeta(title="Benchmark", metrics=metrics))


class Pair(Params):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        return self


@node("swept.pair", version=1, category="Fakes")
def pair(params: Pair, ctx: Context) -> Report:
    """Two numbers in order."""
    folder = ctx.folder("report")
    (folder / "report.json").write_text("{}")
    return Report(folder, ReportMeta(title="pair", metrics={"gap": float(params.high - params.low)}))


@pytest.fixture
def registry(fakes: Registry) -> Registry:
    return Registry({**fakes.specs, score.id: score})


def scored(**variables: Any) -> Workflow:
    """One node that tells seed and fold."""
    params = {"seed": "{seed}", "fold": "{fold}", "fail_at": "{fail_at}"}
    return parse(
        {
            "name": "Scored",
            "variables": {"seed": 0, "fold": 1, "fail_at": -1, "spare": 0, **variables},
            "nodes": {"score-1": {"type": "swept.score", "params": params}},
        }
    )


def counted(steps: Any = 20) -> Workflow:
    """Features that all points share ("a"), then something that every point does by itself ("r")."""
    nodes = {
        "a": {"type": "fake.constant", "params": {"value": 3}},
        "n": {"type": "fake.negate"},
        "r": {"type": "fake.resume", "params": {"steps": "{steps}"}},
        "z": {"type": "fake.add", "params": {"offset": 1}},
    }
    links = ["a.number -> n.number", "n.number -> z.numbers", "r.number -> z.numbers"]
    return parse({"name": "counted", "variables": {"steps": steps}, "nodes": nodes, "links": links})


Ran = tuple[SweepRecord, list[Event]]


def sweep(project: Any, workflow: Workflow, over: Any, cancel: Any = None, hear: Any = None, **options: Any) -> Ran:
    """Run a sweep in this process; its record and events."""
    events: list[Event] = []

    def sink(event: Event) -> None:
        events.append(event)
        if hear is not None:
            hear(event)

    request = SweepRequest(workflow, project.base, over, registry=project.registry, **options)
    return run_sweep(request, LocalRunner(), sink, cancel or threading.Event()), events


# ---- points


def test_every_combination_in_order_with_names() -> None:
    points = points_of({"seed": [1, 2], "fold": ["a", None], "on": [True]})
    assert [point.number for point in points] == [1, 2, 3, 4]
    assert [point.name for point in points] == [
        "seed=1 fold=a on=true", "seed=1 fold=null on=true", "seed=2 fold=a on=true", "seed=2 fold=null on=true",
    ]  # fmt: skip
    assert len(name_of({"words": ["one", "two", "three", "four", "five"]})) < 40


def test_the_id_follows_from_what_makes_the_points_and_nothing_else() -> None:
    work, over = scored(), {"seed": [1, 2]}
    first = sweep_id(work, over, None)
    moved = work.model_copy(update={"layout": {"notes": ["x"]}, "about": "another text", "sweep": {"fold": [1]}})
    assert first == sweep_id(moved, over, None) == sweep_id(scored(seed=77), over, None)
    others = [(scored(fold=2), over, None), (work, {"seed": [2, 1]}, None), (work, over, "score-1")]
    assert len({first, *(sweep_id(*other) for other in others)}) == 4
    assert first.startswith("scored-seed-") and first.islower()


# ---- problems

GOOD = {"seed": [1, 2]}
BAD: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "unknown": ({"sed": [1]}, "sweep-variable", ("'sed' does not exist", "Did you mean seed?")),
    "unused": ({"spare": [1]}, "sweep-unused", ("no node uses the variable 'spare'", "Link a parameter")),
    "empty": ({"seed": []}, "sweep-empty", ("seed has no values", "--over seed=1..5")),
    "nothing": ({}, "sweep-empty", ("no variable to sweep over", "--over")),
    "twice": ({"seed": [1, 2, 1, 1]}, "sweep-duplicate", ("seed has the value 1 more than once", "count double")),
    "many": ({"seed": [*range(101)], "fold": [*range(100)]}, "sweep-size", ("10,100 points", "at most 10,000")),
    "refused": ({"fold": [1, 11, 0]}, "parameter", ("fold=11: score-1.fold: the value is 11", "less than or equal")),
    "first refused": ({"fold": [0, 1]}, "parameter", ("fold=0: score-1.fold: the value is 0", "greater than")),
    "no node": ({"train-1.epochs": [1]}, "sweep-variable", ("there is no node 'train-1'", "score-1")),
    "no parameter": ({"score-1.sead": [1]}, "sweep-variable", ("no parameter 'sead'", "Did you mean score-1.seed?")),
    "parameter refused": ({"score-1.seed": [1, 101]}, "parameter", ("score-1.seed=101", "less than or equal")),
}


@pytest.mark.parametrize("name", BAD)
def test_a_faulty_sweep_is_told_in_three_parts_and_runs_nothing(name: str, project: Any, registry: Registry) -> None:
    over, code, parts = BAD[name]
    project.registry = registry
    with pytest.raises(InvalidError) as told:
        sweep(project, scored(), over)
    text = " ".join(map(str, told.value.problems))
    assert {problem.code for problem in told.value.problems} == {code}
    assert all(part in text for part in parts), text
    assert all(problem.what and problem.expected and problem.remedy for problem in told.value.problems)
    assert not (project.home / "runs").exists() and not (project.home / "sweeps").exists()


def test_all_problems_are_told_at_once_also_those_of_the_graph(registry: Registry) -> None:
    broken = scored().model_copy(
        update={"nodes": {**scored().nodes, "x-1": parse({"nodes": {"x-1": {"type": "no.such"}}}).nodes["x-1"]}}
    )
    over = {"sed": [], "seed": [1, 1], "fold": [*range(MOST_POINTS + 1)]}
    codes = Counter(problem.code for problem in all_problems(broken, registry, over))
    assert codes == {"sweep-variable": 1, "sweep-empty": 1, "sweep-duplicate": 1, "unknown-type": 1}
    several = {"seed": [1, 101, 102], "fold": [1, 0]}
    told = [problem.what for problem in all_problems(broken, registry, several)]
    assert [text.partition(":")[0] for text in told[1:]] == ["seed=101", "seed=102", "fold=0"] and len(told) == 4


def test_a_file_with_a_faulty_sweep_is_warned_of_and_can_still_be_run(project: Any, registry: Registry) -> None:
    project.registry = registry
    work = scored().model_copy(update={"sweep": {"sed": [1], "seed": [1, 1]}})
    checked = check(work, registry)
    assert [(p.code, p.severity) for p in checked.problems] == [
        ("sweep-variable", "warning"), ("sweep-duplicate", "warning"),
    ]  # fmt: skip
    assert project.run(work).state == "done"
    assert check(scored().model_copy(update={"sweep": GOOD}), registry).problems == ()


def test_there_must_be_a_node_to_stop_at(project: Any, registry: Registry) -> None:
    project.registry = registry
    with pytest.raises(OssicleError, match="there is no node 'score-9'"):
        sweep(project, scored(), GOOD, to="score-9")


# ---- shared results


def test_points_share_what_they_have_in_common(project: Any) -> None:
    record, events = sweep(project, counted(), {"steps": [3, 4, 5]})
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
    kinds = [event.kind for event in events if not event.run]
    assert kinds == ["sweep_started", *["point_started", "point_finished"] * 3, "sweep_finished"]
    started = [event.values for event in events if event.kind == "point_started"]
    assert [(v["point"], v["points"], v["name"]) for v in started] == [
        (1, 3, "steps=3"), (2, 3, "steps=4"), (3, 3, "steps=5"),
    ]  # fmt: skip
    assert [event.run for event in events if event.kind == "run_started"] == [v["run"] for v in started]


def run_value(point: Any) -> float:
    return float(point.values["steps"] - 3 + 1)


def test_the_same_sweep_again_runs_nothing_and_another_value_runs_alone(project: Any) -> None:
    first, _ = sweep(project, counted(), {"steps": [3, 4]})
    project.executed()
    again, events = sweep(project, counted(), {"steps": [3, 4]})
    assert project.executed() == [] and again.state == "done"
    assert [p.run for p in again.points] == [p.run for p in first.points]
    assert [dict(p.nodes) for p in again.points] == [{"cached": 4}] * 2
    assert not [event for event in events if event.run] and again.folder == first.folder
    assert len(list((project.home / "runs").iterdir())) == 2

    longer, _ = sweep(project, counted(), {"steps": [3, 4, 5]})
    assert Counter(project.executed()) == {"r": 1, "z": 1} and longer.folder != first.folder
    assert [dict(p.nodes) for p in longer.points] == [{"cached": 4}, {"cached": 4}, {"cached": 2, "done": 2}]


def test_a_result_that_is_gone_is_made_anew(project: Any) -> None:
    first, _ = sweep(project, counted(), {"steps": [3, 4]})
    project.executed()
    lost = load_run(first.run_folder(first.points[1])).nodes["r"].outputs["number"]
    project.store.evict(lost)
    again, _ = sweep(project, counted(), {"steps": [3, 4]})
    assert project.executed() == ["r"]
    assert [dict(p.nodes) for p in again.points] == [{"cached": 4}, {"cached": 3, "done": 1}]
    assert again.points[1].run == f"{first.points[1].run}-2"


def test_parallel_points_compute_what_they_share_once(project: Any) -> None:
    record, events = sweep(project, counted(), {"steps": [30, 31, 32, 33]}, parallel=4)
    assert record.state == "done"
    assert Counter(project.executed()) == {"a": 1, "n": 1, "r": 4, "z": 4}
    for point in record.points:
        own = [event for event in events if event.run == point.run]
        assert (own[0].kind, own[-1].kind) == ("run_started", "run_finished")
    numbers = sum((Counter(p.nodes) for p in record.points), Counter[str]())
    assert numbers == {"done": 10, "cached": 6}


def test_a_parameter_can_be_swept_without_a_variable(project: Any) -> None:
    record, _ = sweep(project, counted(), {"r.steps": [3, 4], "z.offset": [1, 2]}, to="z")
    assert record.state == "done" and len({load_run(record.run_folder(p)).nodes["z"].outputs["number"]
                                           for p in record.points}) == 3  # fmt: skip
    assert Counter(project.executed()) == {"a": 1, "n": 1, "r": 2, "z": 4}


# ---- failures, stop, kill


def test_a_failed_point_is_listed_and_the_others_go_on(project: Any, registry: Registry) -> None:
    project.registry = registry
    record, events = sweep(project, scored(fail_at=2), {"seed": [1, 2, 3]}, finish=(write_summary,))
    assert record.state == "failed" and [p.state for p in record.points] == ["done", "failed", "done"]
    bad = record.points[1]
    assert bad.node == "score-1" and bad.error is not None and bad.error.what == "seed 2 is unlucky"
    assert events[-1].values["failed"] == [2] and events[-1].values["done"] == 2
    page = (record.folder / "report.html").read_text()
    assert "seed=2: score-1: Seed 2 is unlucky." in page or "seed=2: score-1: seed 2 is unlucky." in page
    assert json.loads((record.folder / "summary.json").read_text())["failed"] == [2]


def test_fail_fast_stops_the_rest_and_they_can_be_run_later(project: Any, registry: Registry) -> None:
    project.registry = registry
    record, _ = sweep(project, scored(fail_at=2), {"seed": [1, 2, 3]}, keep_going=False)
    assert record.state == "failed" and [p.state for p in record.points] == ["done", "failed", "waiting"]
    again, events = sweep(project, scored(fail_at=2), {"seed": [1, 2, 3]})
    assert [p.state for p in again.points] == ["done", "failed", "done"]
    assert [dict(p.nodes) for p in again.points] == [{"cached": 1}, {"failed": 1}, {"done": 1}]


def test_a_combination_that_fits_nowhere_is_a_failed_point(project: Any, registry: Registry) -> None:
    """Values are good one by one; what does not fit together shows when the point is run."""

    project.registry = Registry({pair.id: pair})
    work = parse({"name": "p", "nodes": {"p-1": {"type": "swept.pair"}}})
    over = {"p-1.low": [0, 5], "p-1.high": [3, 6]}
    record, _ = sweep(project, work, over)
    assert [p.state for p in record.points] == ["done", "done", "failed", "done"]
    fault = record.points[2].error
    assert fault is not None and "low 5 is not below high 3" in fault.what and record.points[2].node == ""


def test_stop_ends_the_point_at_hand_and_the_next_go_resumes_it(project: Any) -> None:
    cancel = threading.Event()

    def stop(event: Event) -> None:
        if event.kind == "progress" and event.node == "r" and event.run.endswith("p2"):
            cancel.set()

    record, _ = sweep(project, counted(), {"steps": [5, 300, 6]}, cancel, stop)
    assert record.state == "cancelled" and [p.state for p in record.points] == ["done", "cancelled", "waiting"]
    assert load_sweep(record.folder).state == "cancelled"
    project.executed()
    again, events = sweep(project, counted(), {"steps": [5, 300, 6]})
    assert again.state == "done" and project.executed() == ["r", "z", "r", "z"]
    begins = [event.values["text"] for event in events if event.kind == "log" and event.node == "r"]
    assert begins[0].startswith("from step ") and begins[0] != "from step 0" and begins[1] == "from step 0"


def test_one_process_at_a_time(project: Any) -> None:
    plan = plan_sweep(SweepRequest(counted(), project.base, {"steps": [3]}, registry=project.registry))
    plan.folder.mkdir(parents=True)
    held = try_lock(plan.folder / LOCK)
    assert held is not None
    with held, pytest.raises(OssicleError, match="is being run by another process"):
        sweep(project, counted(), {"steps": [3]})
    assert sweep(project, counted(), {"steps": [3]})[0].state == "done"


@pytest.fixture
def fakes_installed(fakes_path: Path) -> Iterator[None]:
    """The fake nodes as an installed plugin, here and in child processes."""
    installed.cache_clear()
    yield
    installed.cache_clear()


def test_after_sigkill_the_same_command_goes_on(
    tmp_path: Path, fakes_installed: None, monkeypatch: pytest.MonkeyPatch
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


# ---- summary


def test_spreads_are_those_of_the_textbook() -> None:
    found = Spread.of([4.0, 7.0, 13.0])
    assert (found.n, found.mean, found.min, found.max) == (3, 8.0, 4.0, 13.0)
    assert found.sd == pytest.approx(4.582575694955840)
    # 8 ± t(0.975; 2) · s / sqrt(3) with t = 4.302652729749462 of any table
    assert found.low == pytest.approx(8 - 4.302652729749462 * 2.645751311064591)
    assert found.high == pytest.approx(8 + 4.302652729749462 * 2.645751311064591)
    alone = Spread.of([3.5])
    assert (alone.mean, alone.sd, alone.low, alone.high, alone.n) == (3.5, None, None, None, 1)


def test_the_summary_groups_by_variable_and_adds_up_confusions(project: Any, registry: Registry) -> None:
    project.registry = registry
    over = {"seed": [1, 2, 3], "fold": [1, 2]}
    record, _ = sweep(project, scored(), over, finish=(write_summary,))
    found = json.loads((record.folder / "summary.json").read_text())
    (result,) = found["results"]
    assert (result["node"], result["port"], found["points"], found["done"]) == ("score-1", "report", 6, 6)
    accuracy = result["metrics"]["accuracy"]
    every = [0.5 + 0.01 * seed + 0.1 * fold for seed in (1, 2, 3) for fold in (1, 2)]
    assert [*accuracy["values"].values()] == pytest.approx(every)
    assert accuracy["mean"] == pytest.approx(sum(every) / 6) and accuracy["n"] == 6
    by = accuracy["by"]
    assert [(group["value"], group["n"]) for group in by["seed"]] == [(1, 2), (2, 2), (3, 2)]
    assert [group["mean"] for group in by["seed"]] == pytest.approx([0.66, 0.67, 0.68])
    assert [group["mean"] for group in by["fold"]] == pytest.approx([0.62, 0.72])
    assert accuracy["between"]["seed"]["sd"] == pytest.approx(0.01) and accuracy["between"]["seed"]["n"] == 3
    assert set(result["metrics"]) == {"accuracy", "clips", "first_fold_only"}, "a point's own interval is left out"
    assert result["metrics"]["first_fold_only"]["n"] == 3
    confusion = result["confusion"]
    rights = [seed + fold for seed in (1, 2, 3) for fold in (1, 2)]
    # fold 2 lists its classes the other way round: its one mistake is of the other class
    assert confusion["classes"] == ["yes", "no"] and confusion["reports"] == 6
    assert confusion["matrix"] == [[sum(rights), 3], [3, sum(rights)]]
    assert confusion["right"] == pytest.approx(sum(rights) / (sum(rights) + 3))


def test_one_variable_is_not_grouped_and_one_point_has_no_spread(project: Any, registry: Registry) -> None:
    project.registry = registry
    record, _ = sweep(project, scored(), {"seed": [1, 2], "fold": [1]})
    metric = summarise(record).results[0].metrics["accuracy"]
    assert metric.by == {} and metric.spread.n == 2
    single, _ = sweep(project, scored(), {"seed": [1]}, finish=(write_summary,))
    assert summarise(single).results[0].metrics["accuracy"].spread.sd is None
    assert "–" in (single.folder / "report.html").read_text()


class Tags(html.parser.HTMLParser):
    """Whether every tag that is opened is closed in turn."""

    VOID = frozenset({"meta", "br", "path", "circle", "rect", "line", "image", "polygon"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_report_shows_means_dots_confusion_and_points(project: Any, registry: Registry) -> None:
    project.registry = registry
    work = scored().model_copy(update={"about": "Seeds & <folds>"})
    record, _ = sweep(project, work, {"seed": [1, 2, 3], "fold": [1, 2]}, finish=(write_summary,))
    page = (record.folder / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    text = " ".join(tags.text)
    assert tags.open == [] and "http" not in page.replace("http://www.w3.org", "")
    for words in ("6 of 6", "67.00 %", "3 seed x 2 fold", "means of seed", "seed=2", "6 points added up", "Seeds & <f"):
        assert words in text, words
    assert page.count("<circle") >= 6 + 1 and f"../../runs/{record.points[0].run}/report.html" in page
    assert (record.folder / "../../runs" / record.points[0].run).resolve().is_dir()


# ---- command line


DEMO = {
    "name": "demo",
    "variables": {"seed": 1},
    "nodes": {
        "tones-1": {"type": "tiny.tones"},
        "spectra-1": {"type": "tiny.spectra"},
        "train-1": {"type": "tiny.train", "params": {"epochs": "{seed}"}},
        "score-1": {"type": "tiny.score"},
    },
    "links": [
        "tones-1.audio -> spectra-1.audio",
        "spectra-1.features -> train-1.features",
        "spectra-1.features -> score-1.features",
        "train-1.model -> score-1.model",
    ],
    "sweep": {"seed": [1, 2]},
}
Call = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def ossicle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """The command line in this process, in a folder with a demo project of tiny nodes."""
    monkeypatch.syspath_prepend(str(TINY))
    monkeypatch.setenv("PYTHONPATH", str(TINY), prepend=":")
    monkeypatch.setenv("OSSICLE_RUNNER", "local")
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    save(parse(DEMO), tmp_path / "demo.workflow.json")
    installed.cache_clear()

    def call(words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.call(shlex.split(words))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call
    installed.cache_clear()


def test_a_sweep_of_the_file_is_run_listed_and_shown(ossicle: Call, tmp_path: Path) -> None:
    assert ossicle("sweeps")[1].strip() == "no sweeps yet"
    code, out, err = ossicle("sweep demo --dry")
    assert code == 0 and "2 of 2 points to run" in out and not (tmp_path / ".ossicle" / "runs").exists()
    code, out, err = ossicle("sweep demo")
    assert code == 0 and not err and "point 2 of 2: seed=2" in out and "2 points, 2 done" in out
    assert out.count("⟲ cached") == 2 and "90.00 %" in out
    report = Path(out.strip().splitlines()[-1].strip())
    assert report.is_file() and report.name == "report.html"
    sweep_name = report.parent.name
    assert "0 of 2 points to run" in ossicle("sweep demo --dry")[1]
    listed = json.loads(ossicle("sweeps --json")[1])
    assert [(row["sweep"], row["state"], row["done"]) for row in listed] == [(sweep_name, "done", 2)]
    assert "2 of 2" in ossicle("sweeps")[1]
    code, out, _ = ossicle(f"show {sweep_name} --plots plots")
    assert code == 0 and "seed=2" in out and "accuracy" in out
    assert [path.suffix for path in (tmp_path / "plots").iterdir()] == [".svg"]
    assert json.loads(ossicle(f"show {sweep_name[:8]} --json")[1])["summary"]["done"] == 2
    assert ossicle(f"show {sweep_name}-p2")[0] == 0
    assert find_sweep(tmp_path / ".ossicle", sweep_name).state == "done"
    with pytest.raises(OssicleError, match="there is no sweep 'nothing'"):
        find_sweep(tmp_path / ".ossicle", "nothing")


def test_json_is_one_object_with_points_and_summary(ossicle: Call) -> None:
    code, out, _ = ossicle("sweep demo --over seed=1..3 --over tones-1.clips=3,4 --json")
    found = json.loads(out)
    assert code == 0 and found["state"] == "done" and found["over"] == {"seed": [1, 2, 3], "tones-1.clips": [3, 4]}
    assert [point["values"] for point in found["points"][:2]] == [
        {"seed": 1, "tones-1.clips": 3}, {"seed": 1, "tones-1.clips": 4},
    ]  # fmt: skip
    assert found["summary"]["results"][0]["metrics"]["accuracy"]["n"] == 6
    assert found["summary"]["results"][0]["confusion"]["matrix"][0] == [54, 6, 0]
    assert Path(found["folder"]).is_dir()


def test_events_carry_the_points(ossicle: Call, tmp_path: Path) -> None:
    code, out, _ = ossicle("sweep demo --events - --json")
    *lines, last = map(json.loads, out.splitlines())
    assert code == 0 and last["state"] == "done"
    assert (lines[0]["kind"], lines[-1]["kind"]) == ("sweep_started", "sweep_finished")
    runs = {line["values"]["run"] for line in lines if line["kind"] == "point_started"}
    assert {line["run"] for line in lines if line["run"]} == runs and len(runs) == 2
    ossicle("sweep demo --over seed=4,5 --events told.jsonl --parallel 2")
    assert len((tmp_path / "told.jsonl").read_text().splitlines()) > 10


def test_exit_codes(ossicle: Call) -> None:
    code, _, err = ossicle("sweep demo --over train-1.fail=[true,false]")
    assert code == 1 and "train-1.fail=true: train-1: loss is nan" in err and "do:" in err
    code, out, _ = ossicle("sweep demo --over train-1.fail=true,false --fail-fast --json")
    assert code == 1 and [p["state"] for p in json.loads(out)["points"]] == ["failed", "waiting"]


WRONG = {
    "sweep demo --over seed": ("--over 'seed' has no name or no values", "--over seed=1..15"),
    "sweep demo --over seed=": ("seed has no values",),
    "sweep demo --over seed=9..1": ("the range 9..1 has no values",),
    "sweep demo --over seed=0..2": ("seed=0: train-1.epochs: the value is 0",),
    "sweep demo --over sed=1,1": ("'sed' does not exist", "more than once"),
    "sweep demo --to nowhere-1": ("there is no node 'nowhere-1'",),
    "sweep demo --parallel 0": ("--parallel",),
    "sweep nothing": ("there is no workflow 'nothing'",),
}


@pytest.mark.parametrize("words", WRONG)
def test_mistakes_give_2_and_run_nothing(words: str, ossicle: Call, tmp_path: Path) -> None:
    code, _, err = ossicle(words)
    assert code == 2 and all(part in err for part in (*WRONG[words], "expected:", "do:")), err
    assert not (tmp_path / ".ossicle" / "runs").exists()


def test_a_file_with_a_sweep_works_with_every_other_command(ossicle: Call, tmp_path: Path) -> None:
    assert ossicle("run demo")[0] == 0
    assert ossicle("validate demo")[0] == 0
    names: dict[str, Any] = {"__name__": "script"}
    exec(compile(to_python(parse(DEMO)), "demo.py", "exec"), names)  # noqa: S102 - what a user does with the file
    assert to_json(names["graph"].workflow()) == to_json(parse(DEMO))
    save(parse({**DEMO, "sweep": {"seed": [1, 3]}}), tmp_path / "other.workflow.json")
    code, out, _ = ossicle("diff demo other --json")
    assert code == 1 and [row["where"] for row in json.loads(out)["differences"]] == ["sweep.seed"]
    ossicle("sweep demo")
    (folder,) = (tmp_path / ".ossicle" / "sweeps").iterdir()
    record = load_sweep(folder)
    run = load_run(record.run_folder(record.points[1]))
    found = verify_run(run, LocalRunner(), lambda _event: None, threading.Event())
    assert found.verdict == "identical" and len(found.findings) == 4


def test_garbage_collection_keeps_or_drops_a_sweep_as_a_whole(ossicle: Call, tmp_path: Path) -> None:
    ossicle("sweep demo --over seed=1..4")
    home = tmp_path / ".ossicle"
    (folder,) = (home / "sweeps").iterdir()
    used = {
        key
        for point in load_sweep(folder).points
        for found in load_run(home / "runs" / point.run).nodes.values()
        for key in found.outputs.values()
    }
    assert len(used) == 2 + 2 * 4 - 3  # four reports of equal content are one
    assert referenced(home, recent=1) == used and referenced(home, recent=0) == set()


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
    tmp_path: Path, fakes_installed: None, monkeypatch: pytest.MonkeyPatch
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


def test_seeds_of_a_real_training_share_the_features(recordings: Path, tmp_path: Path) -> None:
    """Three trainings of one epoch on spoken digits: read, partitioned and turned into features once."""
    from engine.resource import project as shipped
    from engine.workflow import load, upto, with_values

    clips = tmp_path / "digits"
    clips.mkdir()
    for path in sorted((recordings / "fsdd" / "recordings").glob("[01]_*_[0-4].wav")):
        (clips / path.name).symlink_to(path)
    values = {"data": str(clips), "train-1.epochs": 1, "train-1.architecture": "seed_cnn", "train-1.seed": "{training_seed}"}
    work = load(shipped("spoken_digits.workflow.json"))
    work = work.model_copy(update={"variables": {**work.variables, "training_seed": 0}})
    report = next(name for name, placed in work.nodes.items() if placed.type == "ossicle.benchmark")
    work = upto(with_values(work, values), report)
    request = SweepRequest(work, tmp_path, {"training_seed": [1, 2, 3]}, finish=(write_summary,))
    start = time.perf_counter()
    record = run_sweep(request, LocalRunner(), lambda _event: None, threading.Event())
    assert record.state == "done", [str(point.error) for point in record.points if point.error]
    states = [{name: run.state for name, run in load_run(record.run_folder(p)).nodes.items()} for p in record.points]
    assert set(states[0].values()) == {"done"}
    for later in states[1:]:
        assert {name for name, state in later.items() if state != "cached"} == {"train-1", report}
    models = {load_run(record.run_folder(p)).nodes["train-1"].outputs["model"] for p in record.points}
    assert len(models) == 3, "every seed gives another model"
    accuracy = next(r for r in summarise(record).results if r.node == report).metrics["accuracy"]
    assert accuracy.spread.n == 3 and 0 < accuracy.spread.mean <= 1
    again = run_sweep(request, LocalRunner(), lambda _event: None, threading.Event())
    assert all(set(point.nodes) == {"cached"} for point in again.points)
    assert again.seconds < 0.5 * (time.perf_counter() - start)
    assert [path.name for path in (tmp_path / ".ossicle" / "sweeps").iterdir()] == [record.id]
