"""ossicle.nas on spoken digits: what it finds, tells, keeps to, refuses, and that no kill costs a finished trial."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Cancelled, Context, FeatureMeta, FeatureSet, Model, OssicleError
from engine.audio import read_features, table_of, write_features
from engine.event import Event
from engine.key import Recipe
from engine.params import schema
from engine.store import Result, open_store
from engine.workflow import parse
from nodes.nas.hypervolume import hypervolume
from nodes.nas.names import PruningName, SamplerName
from nodes.search import Found, nas
from nodes.search_params import NasParams
from nodes.searching.trial import Inputs, Order
from nodes.searching.worker import Worker
from nodes.train import train
from nodes.train_params import TrainParams
from nodes.zoo.inference import logits, open_session
from studio.views.data.front import fits, front_of, read_search, search_of_rows

Json = dict[str, Any]
LITTLE: Json = {
    "trials": 5, "epochs": 3, "batch": 50, "learning_rate": 0.02, "average": 0.0, "label_smoothing": 0.0, "mixup": 0.0,
    "kernels": (3, 5, 9), "channels": (8, 12, 16, 24), "most_blocks": 1, "seed": 1,
}  # fmt: skip


@dataclass
class Told:
    """Events of a node, as a sink."""

    events: list[Event]

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: str) -> Iterator[Json]:
        return (dict(event.values) for event in self.events if event.kind == kind)

    @property
    def trials(self) -> list[Json]:
        return [row for row in self.of("metric") if "trial" in row]


def params_of(**changes: object) -> NasParams:
    return NasParams.model_validate({**LITTLE, **changes})


def run(
    folder: Path, features: FeatureSet, told: Told | None = None, context: Json | None = None, **changes: Any
) -> Found:
    ctx = Context.for_test(folder, sink=told or Told([]), **(context or {}))
    found: Found = nas(features, None, params=params_of(**changes), ctx=ctx)
    return found


def report_of(found: Found) -> Json:
    report: Json = found.report.json("report.json")
    return report


def content(model: Model) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(model.path.iterdir())}


@pytest.fixture(scope="module")
def digits(digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """The spoken digits under subset names as they are."""
    assert tmp_path_factory.getbasetemp().is_dir()
    return digit_features


@pytest.fixture(scope="module")
def searched(digits: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Told]:
    """Two settings and six shapes, under a limit."""
    told = Told([])
    found = run(
        tmp_path_factory.mktemp("searched"), digits, told, trials=6, tuning_trials=2, lengths=(1.0,), epochs=8,
        learning_rates=(0.01, 0.04), most_ram_bytes=2_600, objectives=("accuracy", "flops"), pruning="none",
    )  # fmt: skip
    return found, told


# ---- what it gives


def test_the_report_is_what_the_studio_reads(searched: tuple[Found, Told]) -> None:
    found, told = searched
    raw = report_of(found)
    search = read_search(raw)
    assert raw["kind"] == "search" and [trial.number for trial in search.trials] == list(range(8))
    assert [o.name for o in search.objectives[:2]] == ["accuracy", "flops"] and search.objectives[0].is_maximised
    assert all(trial.state == "complete" and trial.workflow for trial in search.trials)
    able = [trial for trial in search.trials if fits(trial, search)]
    drawn = front_of(type(search)(search.objectives, tuple(able), search.limits), *search.objectives[:2])
    assert sorted(trial.number for trial in drawn) == raw["front"]
    assert [phase["phase"] for phase in raw["trials"]] == ["settings"] * 2 + ["shapes"] * 6
    live = search_of_rows(told.trials)
    assert {t.number: dict(t.values) for t in live.trials} == {
        t.number: {name: t.values[name] for name in ("accuracy", "flops")} for t in search.trials
    }


def test_no_shape_is_trained_over_the_limit(searched: tuple[Found, Told]) -> None:
    raw = report_of(searched[0])
    assert raw["limits"] == [{"objective": "ram_bytes", "value": 2600.0, "label": ""}]
    shapes = [trial for trial in raw["trials"] if trial["phase"] == "shapes"]
    assert all(trial["objectives"]["ram_bytes"] <= 2600 for trial in shapes)
    assert len({json.dumps(trial["params"]) for trial in shapes}) == len(shapes), "no shape twice"
    assert raw["rejected"] > 0


def test_the_settings_that_won_hold_for_all_shapes(searched: tuple[Found, Told]) -> None:
    raw = report_of(searched[0])
    settings = [trial for trial in raw["trials"] if trial["phase"] == "settings"]
    best = min(settings, key=lambda trial: trial["objectives"]["loss"])
    assert settings[0]["params"]["learning_rate"] == 0.02 and settings[0]["params"] != settings[1]["params"]
    for trial in raw["trials"][2:]:
        params = trial["workflow"]["nodes"]["train-1"]["params"]
        assert params["learning_rate"] == best["params"]["learning_rate"]
        assert params["batch"] == best["params"]["batch"] and params["epochs"] == 8
        assert len(params["blocks"]) == 7 and params["blocks"][0].startswith("conv_k")


def test_the_hypervolume_rises_and_can_be_checked(searched: tuple[Found, Told]) -> None:
    found, told = searched
    raw = report_of(found)
    volumes = raw["hypervolume"]["over_trials"]
    assert volumes == sorted(volumes) and len(volumes) == 8 and 0 < volumes[-1] < 1
    assert found.report.meta.metrics["hypervolume"] == volumes[-1]
    box = raw["hypervolume"]["box"]
    low, high = (np.log10(box[end]["flops"]) for end in ("best", "worst"))
    points = [
        [(1 - t["objectives"]["accuracy"]) / 0.9, (np.log10(t["objectives"]["flops"]) - low) / (high - low)]
        for t in raw["trials"]
        if t["objectives"]["ram_bytes"] <= 2600
    ]
    assert hypervolume(np.array(points), [1.0, 1.0]) == pytest.approx(volumes[-1])
    rows = [row["hypervolume"] for row in told.of("metric") if "hypervolume" in row]
    assert rows == pytest.approx(volumes)


def test_the_model_is_the_best_trial_within_the_limits(searched: tuple[Found, Told], digits: FeatureSet) -> None:
    found, _ = searched
    raw = report_of(found)
    able = [trial for trial in raw["trials"] if trial["objectives"]["ram_bytes"] <= 2600]
    best = max(able, key=lambda trial: trial["objectives"]["accuracy"])
    assert raw["chosen"] == {"trial": best["number"], "by": "best"}
    assert found.model.meta.metrics["validation_accuracy"] == best["objectives"]["accuracy"] > 0.3
    assert {*Model.files, "weights.safetensors", "curves.json"} == set(content(found.model))
    rows = table_of(digits).subset == "validation"
    answers = logits(open_session(found.model.file("model.onnx")), read_features(digits, rows)).argmax(1)
    truth = [digits.meta.classes.index(label) for label in table_of(digits).label[rows].tolist()]
    assert (answers == truth).mean() == pytest.approx(best["objectives"]["accuracy"])


def test_a_trial_opened_as_a_workflow_gives_its_model_again(
    searched: tuple[Found, Told], digits: FeatureSet, tmp_path: Path
) -> None:
    found, _ = searched
    raw = report_of(found)
    opened = parse(raw["trials"][raw["chosen"]["trial"]]["workflow"])
    params = TrainParams.model_validate(opened.nodes["train-1"].params)
    assert content(train(digits, None, params=params, ctx=Context.for_test(tmp_path))) == content(found.model)


def test_workflows_are_wired_as_the_features_were_made(digits: FeatureSet, tmp_path: Path) -> None:
    """In a store, the results in front of the search tell how to make its features."""
    store = open_store(tmp_path / "store")
    sealed = []
    for name, make in (("front", _copied(digits)), ("features", _copied(digits, about="made from it"))):
        work = store.work(name)
        work.mkdir(parents=True, exist_ok=True)
        sealed.append(store.seal(make(work / "out")))
    source = Recipe("ossicle.ingest", 1, {"source": "digits"})
    store.record(Result(source, {"audio": sealed[0]}, 1.0))
    store.record(
        Result(Recipe("ossicle.mfcc", 1, {"n_mfcc": 20}, {"audio": (sealed[0],)}), {"features": sealed[1]}, 1.0)
    )
    features = store.open(sealed[1])
    assert isinstance(features, FeatureSet)
    workflow = parse(report_of(run(tmp_path, features, trials=1, epochs=1))["trials"][0]["workflow"])
    assert {name: node.type for name, node in workflow.nodes.items()} == {
        "ingest-1": "ossicle.ingest", "mfcc-1": "ossicle.mfcc", "train-1": "ossicle.train",
        "benchmark-1": "ossicle.benchmark",
    }  # fmt: skip
    assert sorted(map(str, workflow.links)) == [
        "ingest-1.audio -> mfcc-1.audio",
        "mfcc-1.features -> benchmark-1.features",
        "mfcc-1.features -> train-1.features",
        "train-1.model -> benchmark-1.model",
    ]
    assert workflow.nodes["mfcc-1"].params == {"n_mfcc": 20}


def _copied(features: FeatureSet, about: str = "") -> Any:
    def make(folder: Path) -> FeatureSet:
        folder.mkdir()
        whole = slice(0, len(table_of(features)))
        write_features(folder, table_of(features), features.meta.shape, [(whole, read_features(features))])
        return FeatureSet(folder, features.meta.model_copy(update={"about": about}))

    return make


# ---- how it searches


@pytest.mark.parametrize(("sampler", "pruning"), [("tpe", "hyperband"), ("nsga2", "median"), ("random", "none")])
def test_every_sampler_repeats_itself(
    digits: FeatureSet, tmp_path: Path, sampler: SamplerName, pruning: PruningName
) -> None:
    changes: Json = {"sampler": sampler, "pruning": pruning, "warm_start": sampler != "random"}
    one, other = (run(tmp_path / name, digits, **changes) for name in ("one", "other"))
    assert report_of(one) == report_of(other) and content(one.model) == content(other.model)
    assert report_of(one)["sampler"] == sampler
    assert len(report_of(one)["trials"]) == 5
    assert report_of(run(tmp_path / "new", digits, **changes, trials=3, epochs=1)) != report_of(one)


def test_it_is_pruned_by_the_median_and_told(digits: FeatureSet, tmp_path: Path) -> None:
    told = Told([])
    found = run(tmp_path, digits, told, trials=9, epochs=6, channels=(2, 24), objectives=("accuracy", "loss"))
    raw = report_of(found)
    pruned = [trial for trial in raw["trials"] if trial["state"] == "pruned"]
    assert pruned and found.report.meta.metrics["pruned"] == len(pruned)
    for trial in pruned:
        assert "accuracy" not in trial["objectives"] and trial["curve"][-1][0] < 1.0
        assert trial["number"] not in raw["front"]
    assert {int(row["trial"]) for row in told.trials} == {t["number"] for t in raw["trials"]} - {
        trial["number"] for trial in pruned
    }


def test_the_knee_and_a_longer_training(digits: FeatureSet, tmp_path: Path) -> None:
    told = Told([])
    found = run(tmp_path, digits, told, keep="knee", retrain=4.0, trials=4)
    raw = report_of(found)
    assert raw["chosen"]["trial"] in raw["front"] and raw["chosen"]["by"] == "knee"
    kept = next(trial for trial in raw["trials"] if trial["number"] == raw["chosen"]["trial"])
    assert found.model.meta.metrics["steps"] == 4 * 3 * (600 // 50)
    assert found.model.meta.metrics["validation_accuracy"] > kept["objectives"]["accuracy"]
    assert any("trained again" in row["text"] for row in told.of("log"))


def test_latency_is_measured_on_this_machine(digits: FeatureSet, tmp_path: Path) -> None:
    found = run(
        tmp_path, digits, trials=2, epochs=1, objectives=("accuracy", "latency_us"), most_ms=500.0, kernels=(3,),
        channels=(8, 16),
    )  # fmt: skip
    raw = report_of(found)
    assert raw["limits"] == [{"objective": "latency_us", "value": 500_000.0, "label": ""}]
    assert all(1.0 < trial["objectives"]["latency_us"] < 500_000 for trial in raw["trials"])


# ---- stopped and killed


def test_a_cancelled_search_goes_on_where_it_was(digits: FeatureSet, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", digits)
    told = Told([])
    with pytest.raises(Cancelled):
        run(tmp_path / "cut", digits, told, {"is_cancelled": lambda: len(told.trials) >= 2})
    again = Told([])
    found = run(tmp_path / "cut", digits, again)
    assert report_of(found) == report_of(whole) and content(found.model) == content(whole.model)
    assert again.trials[:2] == told.trials[:2], "what had ended is told again, not trained again"
    assert len(again.trials) == sum(trial["state"] == "complete" for trial in report_of(found)["trials"])


SCRIPT = """
import json, sys
from pathlib import Path
from engine import Context, FeatureMeta, FeatureSet
from nodes.search import nas
from nodes.search_params import NasParams
if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    features = FeatureSet(Path(given["features"]), FeatureMeta.model_validate(given["meta"]))
    tell = lambda event: print(json.dumps([event.kind, dict(event.values)]), flush=True)
    ctx = Context.for_test(Path(given["folder"]), sink=tell)
    found = nas(features, None, params=NasParams.model_validate(given["params"]), ctx=ctx)
    print(json.dumps(["report", found.report.json("report.json")]), flush=True)
"""


def started(folder: Path, features: FeatureSet, **changes: object) -> subprocess.Popen[str]:
    meta = features.meta.model_dump(mode="json")
    params = params_of(**changes).model_dump(mode="json", exclude_defaults=True)
    given = {"features": str(features.path), "meta": meta, "folder": str(folder), "params": params}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, json.dumps(given)], stdout=subprocess.PIPE, text=True)


def rows_of(process: subprocess.Popen[str]) -> Iterator[tuple[str, Json]]:
    assert process.stdout is not None
    return ((kind, values) for kind, values in map(json.loads, process.stdout))


@pytest.mark.parametrize("parallel", [1, 2])
def test_sigkill_costs_no_finished_trial(digits: FeatureSet, tmp_path: Path, parallel: int) -> None:
    """A real process dies while it trains; the next one takes up its trials and trains none that had ended."""
    folder = tmp_path / "killed"
    process = started(folder, digits, parallel=parallel)
    ended = []
    for kind, values in rows_of(process):
        if kind == "metric" and "trial" in values:
            ended.append(int(values["trial"]))
        if len(ended) == 2:
            time.sleep(0.3)  # into the next trial
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    scratch = next((folder / "scratch").glob("search-*"))
    before = {number: (scratch / f"trial-{number}" / "meta.json").stat().st_mtime_ns for number in ended}
    _wait_for_workers_of(process.pid)
    (folder / "work").rename(folder / "gone")
    rows = list(rows_of(started(folder, digits, parallel=parallel)))
    report = next(values for kind, values in rows if kind == "report")
    assert [trial["number"] for trial in report["trials"]] == list(range(5))
    assert all(trial["state"] in ("complete", "pruned") for trial in report["trials"])
    after = {number: (scratch / f"trial-{number}" / "meta.json").stat().st_mtime_ns for number in ended}
    assert after == before, "finished trials are not trained again"
    if parallel == 1:
        assert report == report_of(run(tmp_path / "whole", digits))


def _wait_for_workers_of(pid: int) -> None:
    """Processes of a dead search end by themselves; none of them may be left."""
    end_s = time.monotonic() + 10.0
    while time.monotonic() < end_s and any(_parent(entry) == pid for entry in Path("/proc").glob("[0-9]*")):
        time.sleep(0.05)
    assert not any(_parent(entry) == pid for entry in Path("/proc").glob("[0-9]*"))


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def test_two_at_once_can_be_cancelled(digits: FeatureSet, tmp_path: Path) -> None:
    told = Told([])
    begin_s = time.monotonic()

    def is_cancelled() -> bool:
        return time.monotonic() - begin_s > 4.0 or len(told.trials) >= 1

    with pytest.raises(Cancelled):
        run(tmp_path, digits, told, {"is_cancelled": is_cancelled}, parallel=2, epochs=200)
    assert time.monotonic() - begin_s < 30.0


def test_a_process_that_dies_costs_its_trial_only(digits: FeatureSet, tmp_path: Path) -> None:
    worker = Worker(Inputs(digits, None, tmp_path))
    long = params_of(epochs=500).training({})
    seen = []

    def kill(points: tuple[tuple[float, float], ...]) -> bool:
        assert worker._process is not None
        seen.append(points)
        os.kill(worker._process.pid, signal.SIGKILL)
        return True

    try:
        lost = worker.train(Order(0, tmp_path / "0", long), kill)
        assert lost.state == "failed" and "SIGKILL" in lost.error and seen
        stopped = worker.train(Order(1, tmp_path / "1", long), lambda points: len(points) < 3)
        assert stopped.state == "pruned" and len(stopped.points) == 3
        short = params_of(epochs=1).training({})
        assert worker.train(Order(2, tmp_path / "2", short), lambda points: True).state == "complete"
    finally:
        worker.close()


# ---- what it refuses


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"most_ram_bytes": 900}, r"no shape .* fits: the smallest needs [\d,]+ B RAM of 900 B RAM"),
        ({"target": "arduino", "channels": (64,)}, r"fits on Arduino.*2,048 B RAM"),
        ({"most_mflops": 0.01}, "the smallest needs [0-9,]+ operations of 10,000"),
        ({"most_flash_bytes": 10, "most_ram_bytes": 10}, "RAM.*flash"),
    ],
)
def test_a_space_that_cannot_fit_is_told_before_any_training(
    digits: FeatureSet, tmp_path: Path, changes: Json, words: str
) -> None:
    told = Told([])
    with pytest.raises(OssicleError, match=words):
        run(tmp_path, digits, told, **changes)
    assert not told.events


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objectives": ("flops", "ram_bytes")}, "expected accuracy or loss too"),
        ({"objectives": ("accuracy", "accuracy")}, "each once"),
        ({"objectives": ("accuracy", "beauty")}, "beauty|literal"),
        ({"channels": ()}, "at least 1"),
        ({"kernels": (0,)}, "greater than or equal to 1"),
        ({"learning_rates": (0.1, 0.01)}, "lower one first"),
        ({"batches": (), "tuning_trials": 3}, "batches is empty"),
    ],
)
def test_parameters_that_contradict_each_other(changes: Json, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        params_of(**changes)


def test_without_validation_clips(digits: FeatureSet, tmp_path: Path) -> None:
    table = table_of(digits)
    poor = table.with_columns(subset=np.where(table.subset == "validation", "testing", table.subset))
    (tmp_path / "f").mkdir()
    write_features(tmp_path / "f", poor, digits.meta.shape, [(slice(0, len(poor)), read_features(digits))])
    for selection in ("best", "last"):
        with pytest.raises(OssicleError, match="no validation clips"):
            run(tmp_path / selection, FeatureSet(tmp_path / "f", digits.meta), selection=selection)


def test_a_base_that_has_nothing_to_search(digits: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="no convolution to search"):
        run(tmp_path, digits, blocks=("gap", "fc"))


def test_trials_that_all_break_tell_why(digits: FeatureSet, tmp_path: Path) -> None:
    """A learning rate beyond all measure: each trial fails with the training's own words, and so does the search."""
    told = Told([])
    with pytest.raises(OssicleError, match="none of the 2 trials.*loss is"):
        run(tmp_path, digits, told, trials=2, learning_rate=1e30, epochs=2)
    assert sum("failed" in row["text"] for row in told.of("log")) == 2


def test_every_parameter_is_explained_and_the_node_is_as_the_others() -> None:
    described = schema(NasParams)["properties"]
    assert all(entry["description"] for entry in described.values())
    assert [port.name for port in nas.outputs] == ["model", "report"] and nas.isolation == "process"
    assert [(port.name, port.optional) for port in nas.inputs] == [("features", False), ("audio", True)]
    named = {name for _, names in schema(NasParams)["sections"] for name in names}
    assert named <= set(described)
    assert set(NasParams.model_fields) - set(TrainParams.model_fields) <= named
    assert FeatureMeta.model_fields.keys() >= {"front_end", "shape"}
