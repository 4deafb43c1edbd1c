"""The quantize node on real digits: accuracy and size before and after, errors per layer, the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from engine import Context, FeatureSet, Model, OssicleError
from engine.audio import Clip, make_table, read_features, table_of, write_features
from engine.context import Cancelled
from nodes.compress import QuantizeParams, quantize
from nodes.evaluate import BenchmarkParams, benchmark


def quantized(model: Model, features: FeatureSet, folder: Path, **params: Any) -> Model:
    made: Model = quantize(model, features, params=QuantizeParams(**params), ctx=Context.for_test(folder))
    return made


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_every_method_keeps_the_accuracy_and_shrinks_the_file(
    method: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path, method=method)
    report = made.json("quantization.json")
    before, after = (report["accuracy"][name]["value"] for name in ("before", "after"))
    assert abs(after - before) <= 0.05
    assert report["agreement"] >= 0.9
    assert report["size_bytes"]["after"] < 0.5 * report["size_bytes"]["before"]
    assert made.meta.precision == "int8"
    assert made.meta.size_bytes == made.file("model.onnx").stat().st_size == report["size_bytes"]["after"]


def test_the_figures_are_those_of_the_benchmark_node(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path / "int8")
    report = made.json("quantization.json")
    for name, model in {"before": digit_model, "after": made}.items():
        scored = benchmark(model, digit_features, BenchmarkParams(), Context.for_test(tmp_path / name))
        assert scored.meta.metrics["accuracy"] == report["accuracy"][name]["value"]
    assert made.meta.metrics["accuracy"] == report["accuracy"]["after"]["value"]
    assert made.meta.metrics["accuracy_float"] == report["accuracy"]["before"]["value"]


def test_agreement_is_the_share_of_equal_answers(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path)
    rows = read_features(digit_features, table_of(digit_features).subset == "testing")
    answers = [
        onnxruntime.InferenceSession(model.file("model.onnx")).run(None, {"features": rows})[0].argmax(1)
        for model in (digit_model, made)
    ]
    assert made.json("quantization.json")["agreement"] == np.mean(answers[0] == answers[1])


def test_every_layer_has_its_error(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantized(digit_model, digit_features, tmp_path)
    layers = {row["layer"]: row for row in made.json("quantization.json")["layers"]}
    assert {"conv1", "b1.conv1", "b1.short", "b1.add", "b3.conv2", "pool", "fc"} <= layers.keys()
    assert all(row["sqnr_db"] > 10 for row in layers.values())
    assert made.meta.metrics["worst_layer_sqnr_db"] == min(row["sqnr_db"] for row in layers.values())


def test_every_layer_has_a_histogram_of_its_outputs(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path, error_clips=5, keep_float=("fc",))
    layers = {row["layer"]: row for row in made.json("quantization.json")["layers"]}
    assert layers["fc"]["activation"] is None
    found = layers["conv1"]["activation"]
    channels, frames = 8, 98
    assert sum(found["counts"]) == 5 * channels * frames
    assert found["low"] == 0.0 < found["high"], "after a ReLU no code is negative"
    assert found["edges_low"] < found["low"] and found["edges_high"] > found["high"]
    assert 0.0 <= found["clipped"] < 0.05


def test_weights_and_architecture_travel_along(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantized(digit_model, digit_features, tmp_path)
    for name in ("weights.safetensors", "architecture.json"):
        assert made.file(name).read_bytes() == digit_model.file(name).read_bytes()
    assert {path.name for path in made.path.iterdir()} == {
        "model.onnx", "weights.safetensors", "architecture.json", "quantization.json",
    }  # fmt: skip
    assert made.meta.front_end == digit_model.meta.front_end and made.meta.classes == digit_model.meta.classes


@pytest.mark.parametrize("method", ["minmax", "entropy"])
def test_the_same_input_gives_the_same_bytes(
    method: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    one, two = (quantized(digit_model, digit_features, tmp_path / name, method=method) for name in ("one", "two"))
    for name in ("model.onnx", "quantization.json"):
        assert one.file(name).read_bytes() == two.file(name).read_bytes()
    assert one.meta == two.meta


@pytest.mark.parametrize(
    "params",
    [
        {"per_channel": False},
        {"symmetric_activations": True},
        {"reduced_range": True},
        {"keep_float": ("conv1", "fc")},
        {"clips": 10},
        {"clips": 100_000, "calibration_subset": "all"},
        {"subset": "validation", "error_clips": 7},
    ],
)
def test_every_setting_works_and_is_recorded(
    params: dict[str, Any], digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = quantized(digit_model, digit_features, tmp_path, **params).json("quantization.json")
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in params.items()}
    assert report["settings"].items() >= settings.items()
    assert report["calibration"]["clips"] == min(params.get("clips", 200), 900)
    assert report["judged_on"]["clips"] == {"testing": 120, "validation": 180}[params.get("subset", "testing")]
    assert abs(report["accuracy"]["after"]["value"] - report["accuracy"]["before"]["value"]) <= 0.08


def test_calibration_takes_no_clip_it_is_judged_on(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    """Spoiling the testing clips moves the judgement, not the model."""
    table, rows = table_of(digit_features), read_features(digit_features)
    rows[table.subset == "testing"] *= 50.0
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", table, rows.shape[1:], [(slice(0, len(rows)), rows)])
    spoiled = quantized(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path / "spoiled")
    clean = quantized(digit_model, digit_features, tmp_path / "clean")
    assert spoiled.file("model.onnx").read_bytes() == clean.file("model.onnx").read_bytes()
    assert spoiled.json("quantization.json")["layers"] != clean.json("quantization.json")["layers"]


def test_an_int8_model_is_not_quantized_again(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantized(digit_model, digit_features, tmp_path / "once")
    with pytest.raises(OssicleError, match="already int8"):
        quantized(made, digit_features, tmp_path / "twice")


@pytest.mark.parametrize(("present", "absent"), [("testing", "training"), ("training", "testing")])
def test_a_subset_without_clips_says_what_there_is(
    present: str, absent: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    table = make_table([Clip("a", "one", subset=present)], [8000], [""])
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", table, (20, 49), [(slice(0, 1), np.ones((1, 20, 49), np.float32))])
    with pytest.raises(OssicleError, match=f"there are no {absent} clips") as caught:
        quantized(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path)
    assert f"{present} 1" in caught.value.expected


def test_nan_in_the_calibration_clips_is_named(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    table, rows = table_of(digit_features), read_features(digit_features)
    rows[table.subset == "training"] = np.nan
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", table, rows.shape[1:], [(slice(0, len(rows)), rows)])
    with pytest.raises(OssicleError, match="'features' takes values that are not finite"):
        quantized(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path)


def test_an_unknown_layer_and_another_front_end_are_refused(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError, match="There is no layer 'conv9'"):
        quantized(digit_model, digit_features, tmp_path / "a", keep_float=("conv9",))
    meta = digit_features.meta.model_copy(update={"front_end": {**digit_features.meta.front_end, "n_mels": 64}})
    with pytest.raises(OssicleError, match="n_mels = 64"):
        quantized(digit_model, replace(digit_features, meta=meta), tmp_path / "b")


def test_stop_is_obeyed_and_leaves_no_stray_files(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    stops = iter([False] * 5 + [True] * 100)
    ctx = Context.for_test(tmp_path, is_cancelled=lambda: next(stops))
    with pytest.raises(Cancelled):
        quantize(digit_model, digit_features, params=QuantizeParams(), ctx=ctx)
    assert [path.name for path in ctx.work.iterdir()] == ["model"]


def test_the_report_is_strict_json(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    text = quantized(digit_model, digit_features, tmp_path).file("quantization.json").read_text()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse)
