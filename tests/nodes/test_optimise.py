"""`ossicle.optimise`: from a model to a folder of verified C, with a report of every layer; bad input is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from pydantic import ValidationError

from engine import AudioMeta, AudioSet, Cancelled, Context, Deployment, FeatureSet, Model, OssicleError
from engine.audio import AudioWriter, Clip, table_of
from engine.event import Event
from nodes.application import load
from nodes.lne import TARGETS
from nodes.optimise import Found, OptimiseParams, optimise
from nodes.optimising.engines import Raced
from nodes.optimising.report import Beside, Engine, serves
from studio.views.data.front import fits, read_search
from studio.views.data.latency import read_profile
from studio.views.data.optimisation import read_optimisation

Json = dict[str, Any]
QUICK = OptimiseParams(budget_s=0.1, episodes=60, exploring=30, verify_clips=12)
AT_ONCE = QUICK.model_copy(update={"search": "estimate", "engines": False})


class Little(torch.nn.Module):
    """Two convolutions on features (batch, 20, 49), as a stranger might export them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv1d(20, 16, 3, padding=1)
        self.second = torch.nn.Conv1d(16, 24, 5, stride=2)
        self.last = torch.nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        found: torch.Tensor = self.last(x.mean(2))
        return found


@pytest.fixture(scope="module")
def little(digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small untrained network behind the digits' front end."""
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("little")
    path = folder / "model.onnx"
    torch.onnx.export(Little().eval(), (torch.zeros(1, 20, 49),), str(path), dynamo=False, opset_version=17)
    (folder / "architecture.json").write_text("{}")
    changes = {"architecture": "little", "size_bytes": path.stat().st_size}
    return Model(folder, digit_model.meta.model_copy(update=changes))


@pytest.fixture(scope="module")
def digit_audio(digit_features: FeatureSet, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    """The recordings that the digit features were made from."""
    folder = tmp_path_factory.mktemp("audio")
    with AudioWriter(folder) as writer:
        for name in table_of(digit_features).clip_id.tolist():
            samples = soundfile.read(recordings / "fsdd" / "recordings" / f"{name}.wav", dtype="int16")[0]
            writer.add(Clip(name, name[0]), samples)
    return AudioSet(folder, AudioMeta(rate_hz=8000, classes=tuple("0123456789")))


@dataclass
class Made:
    """A finished optimisation: artifacts, their JSON, events."""

    deployment: Deployment
    described: Json
    report: Json
    events: list[Event]

    def of(self, kind: str) -> list[Json]:
        return [dict(event.values) for event in self.events if event.kind == kind]


def made(
    folder: Path,
    model: Model,
    features: FeatureSet | None = None,
    audio: AudioSet | None = None,
    params: OptimiseParams = AT_ONCE,
) -> Made:
    events: list[Event] = []
    found: Found = optimise(model, features, audio, params, Context.for_test(folder, sink=events.append))
    return Made(found.deployment, found.deployment.json("deployment.json"), found.report.json("report.json"), events)


@pytest.fixture(scope="module")
def searched(
    little: Model, digit_features: FeatureSet, digit_audio: AudioSet, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    """The little network, searched for a moment, verified on recordings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return made(tmp_path_factory.mktemp("searched"), little, digit_features, digit_audio, QUICK)


def test_the_library_gives_what_the_network_gives(searched: Made) -> None:
    found = searched.described["verification"]
    assert (found["scope"], found["clips"], found["count"]) == ("front end and network", "recordings", 12)
    assert found["error"] == searched.deployment.meta.verified_error < 1e-3 * found["logit_range"]
    assert found["agreement"] == 1.0
    inside = searched.described["engine"]["verified"]
    assert [row["level"] for row in inside] == [searched.deployment.meta.target]
    assert all(row["error"] <= 1e-4 and row["inputs"] == 12 for row in inside)


def test_every_layer_is_accounted_for(searched: Made) -> None:
    report = searched.report
    rows = {row["layer"]: row for row in report["layers"]}
    layers = [row for row in rows.values() if row["operator"] != "Cast"]
    assert sum("Conv" in row["operator"] for row in layers) == 3 and len(layers) == 4
    assert all(row["why"] and row["us"] >= 0 for row in rows.values())
    assert all(row["primitive"] in [one["primitive"] for one in row["candidates"]] for row in layers)
    measured = [one["us"] for row in layers for one in row["candidates"] if one["us"] is not None]
    assert len(measured) > len(layers), "more was measured than what was chosen"
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1.0)
    assert report["inference"]["layers_us"] == pytest.approx(sum(row["us"] for row in rows.values()))
    assert 0.3 < report["inference"]["covered"] < 2.0
    assert report["peak"]["fp32_gflops"] > 1.0
    assert report["memory"]["steps"] == list(rows)


def test_the_search_is_told(searched: Made) -> None:
    search = searched.report["search"]
    by_name = {one["name"]: one for one in search["strategies"]}
    assert set(by_name) == {"Q-learning", "random", "greedy"}
    assert all(one["regret"] >= 0 for one in by_name.values())
    learnt = by_name["Q-learning"]
    assert len(learnt["x"]) == len(learnt["best"]) == len(learnt["tried"]) == 60
    assert learnt["best"] == sorted(learnt["best"], reverse=True)
    points = searched.of("metric")
    assert points and points[-1]["best_us"] == pytest.approx(min(learnt["tried"]), rel=1e-3)
    fractions = [row["fraction"] for row in searched.of("progress")]
    assert fractions == sorted(fractions)
    assert searched.report["plots"][0]["lines"][0]["name"] == "Q-learning"


def test_the_views_can_read_it(searched: Made) -> None:
    found = read_optimisation(searched.report)
    assert len(found.choices) == len(searched.report["layers"]) and found.memory.blocks and found.peak_gflops
    profile = read_profile(searched.described)
    assert [layer.layer for layer in profile.layers] == [choice.layer for choice in found.choices]
    assert profile.us == searched.deployment.meta.latency_us and profile.preprocessing_us > 0
    assert all(layer.primitive and layer.why for layer in profile.layers)


def test_the_folder_is_an_application(searched: Made, recordings: Path) -> None:
    wave, rate_hz = soundfile.read(recordings / "fsdd" / "recordings" / "5_theo_0.wav", dtype="int16")
    folder = searched.deployment.path
    compiled, reference = (load(folder, engine=engine) for engine in ("compiled", "onnxruntime"))
    told, wanted = (one.predict(wave, rate_hz) for one in (compiled, reference))
    assert told.label == wanted.label
    np.testing.assert_allclose(list(told.scores.values()), list(wanted.scores.values()), atol=1e-4)
    names = {path.name for path in folder.iterdir()}
    assert {"little.h", "Makefile", "CMakeLists.txt", "liblittle.so", "model.onnx", "deployment.json"} <= names
    text = "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".c", ".h", ".json", ""))
    assert str(folder.parent) not in text and "/home" not in text


def test_installed_engines_take_part(searched: Made) -> None:
    by_name = {one["name"]: one for one in searched.report["backends"]}
    other = by_name["onnxruntime"]
    assert other["us"] > 0 and other["version"] and not other["error"]
    assert searched.report["raced_us"] > 0 and "onnxruntime_int8" not in by_name, "float against float"
    assert (
        searched.deployment.meta.metrics["speedup"]
        == min(one["us"] for one in by_name.values() if one["us"]) / searched.report["raced_us"]
    )
    peer = next(one for one in searched.described["peers"] if one["name"] == "onnxruntime")
    assert peer["inference"]["median_us"] == other["us"]


def test_what_is_slower_does_not_serve(little: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faster = Raced((Engine("onnxruntime", "1", 0.5, serves=True), Engine("openvino", "", None, "it fell over")), 100.0)
    monkeypatch.setattr("nodes.optimising.surroundings.race", lambda *_: faster)
    found = made(tmp_path, little, params=AT_ONCE.model_copy(update={"engines": True}))
    assert found.described["serves"] == "onnxruntime" and found.deployment.meta.latency_us == 0.5
    assert load(found.deployment.path).engine.name == "onnxruntime"
    assert load(found.deployment.path, engine="compiled").engine.name.startswith("compiled")
    logs = " ".join(row["text"] for row in found.of("log"))
    assert "onnxruntime is faster" in logs and "openvino was left out: it fell over" in logs


def test_the_library_serves_unless_it_is_clearly_slower() -> None:
    def told(*us: float | None, can: bool = True) -> str:
        engines = [Engine(f"engine{n}", "", one, serves=can) for n, one in enumerate(us)]
        return serves(Beside(engines=engines, ours_us=10.0))

    assert told(9.0) == "engine0" and told(9.9) == told(20.0) == told(None) == told() == "compiled"
    assert told(9.0, None, 5.0, 6.0) == "engine2", "the fastest of all"
    assert told(5.0, can=False) == "compiled", "nothing here could run it"


def test_by_estimate_nothing_is_searched(little: Model, tmp_path: Path) -> None:
    found = made(tmp_path, little, params=AT_ONCE.model_copy(update={"levels": ("c",), "target": "x86-64"}))
    assert "search" not in found.report and found.report["verification"]["clips"] == "noise"
    assert all(one["us"] is None for row in found.report["layers"] for one in row["candidates"])
    assert found.report["levels"] == ["x86-64", "c"]
    assert {row["level"] for row in found.described["engine"]["verified"]} == {"x86-64", "c"}
    assert found.deployment.meta.latency_us > 0, "what was chosen by estimate is timed all the same"


def test_mixed_precision_keeps_to_its_budget(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    changes = {"precision": "mixed", "accuracy_drop": 0.02, "judge_clips": 100}
    found = made(tmp_path, digit_model, digit_features, params=AT_ONCE.model_copy(update=changes))
    trade = read_search(found.report["trade_off"])
    by_name = {objective.name: objective.is_maximised for objective in trade.objectives}
    assert by_name == {"latency_us": False, "accuracy": True}, "validation clips have a truth"
    chosen = next(trial for trial in trade.trials if trial.params["chosen"] == "yes")
    slowest = trade.trials[0]
    assert slowest.params["int8"].startswith("0 of") and fits(chosen, trade)
    assert chosen.values["accuracy"] >= slowest.values["accuracy"] - 0.02
    layers = {row["precision"] for row in found.report["layers"] if row["operator"] != "Cast"}
    told = {"fp32": "float32", "int8": "int8"}[layers.pop()] if len(layers) == 1 else "mixed"
    assert found.described["precision"] == told
    assert found.described["verification"]["agreement"] >= 0.9


def test_mixed_precision_needs_clips(little: Model, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="judged on clips"):
        made(tmp_path, little, params=AT_ONCE.model_copy(update={"precision": "mixed"}))


# ---- bad input


def with_network(model: Model, folder: Path, data: bytes) -> Model:
    (folder / "model.onnx").write_bytes(data)
    return replace(model, path=folder)


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a pickle": (lambda data: b"\x80\x04\x95\x00", "pickle"),
    "cut off": (lambda data: data[: len(data) // 2], "model"),
    "nothing": (lambda data: b"", "empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_network(little: Model, tmp_path: Path, case: str) -> None:
    change, told = BAD[case]
    (tmp_path / "bad").mkdir()
    model = with_network(little, tmp_path / "bad", change(little.file("model.onnx").read_bytes()))
    with pytest.raises(OssicleError, match=told) as caught:
        made(tmp_path, model)
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("compiler", ["/nowhere/cc", "/bin/false"])
def test_without_a_compiler_it_says_what_to_do(
    little: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    """And what was there before keeps serving: nothing half-made is left behind."""
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OssicleError, match=r"compiler|false") as caught:
        made(tmp_path, little)
    assert "onnxruntime" in f"{caught.value.remedy}{caught.value.expected}" or "CC" in caught.value.remedy
    left = [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
    assert left == []


def test_a_limit_nothing_keeps_to(little: Model, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="no choice of primitives keeps"):
        made(tmp_path, little, params=AT_ONCE.model_copy(update={"ram_limit_bytes": 10}))


def test_it_can_be_stopped(little: Model, tmp_path: Path) -> None:
    ctx = Context.for_test(tmp_path, is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        optimise(little, None, None, AT_ONCE, ctx)


def test_other_features_are_refused(little: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    meta = digit_features.meta.model_copy(update={"front_end": {**digit_features.meta.front_end, "n_mels": 24}})
    with pytest.raises(OssicleError, match="another front end"):
        made(tmp_path, little, replace(digit_features, meta=meta))


@pytest.mark.parametrize("values", [{"target": "z80"}, {"levels": ("vax",)}, {"episodes": 0}, {"budget_s": 0}])
def test_parameters_out_of_range(values: Json) -> None:
    with pytest.raises(ValidationError):
        OptimiseParams(**values)


def test_every_target_can_be_asked_for() -> None:
    for name in TARGETS:
        assert OptimiseParams(target=name).wish().target == name  # type: ignore[arg-type]


def test_the_report_is_plain_json(searched: Made) -> None:
    text = json.dumps(searched.report, allow_nan=False)
    assert '"kind": "optimisation"' in text and str(Path.cwd()) not in text
