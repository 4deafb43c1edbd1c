"""The count node: figures of networks, front ends and formulas, without torch and without data."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import Context, OssicleError
from engine.claim_source import is_closed
from nodes.count import CountParams, count
from nodes.dsp.presets import PRESETS
from nodes.zoo import architecture, describe, models


def counted(folder: Path, **params: Any) -> tuple[dict[str, float], Any]:
    report = count(CountParams.model_validate(params), Context.for_test(folder))
    return report.meta.metrics, report.json("report.json")


def test_it_needs_nothing_but_its_parameters() -> None:
    assert is_closed(count)


def test_torch_is_not_imported() -> None:
    program = (
        "import sys, tempfile, pathlib; from engine import Context; from nodes.count import CountParams, count;"
        "params = CountParams(models=({'model': 'tc_resnet8'},), devices=('arduino',), formulas={'a': '1 + 1'});"
        "count(params, Context.for_test(pathlib.Path(tempfile.mkdtemp())));"
        "heavy = {'torch', 'librosa', 'onnx', 'optuna'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_model_of_the_zoo_can_be_counted(tmp_path: Path) -> None:
    metrics, report = counted(tmp_path, models=[{"model": name} for name in models()])
    assert [row["name"] for row in report["models"]] == list(models())
    for name, entry in models().items():
        found = describe(architecture(name, input_shape=entry.input_shape, classes=entry.classes))
        assert metrics[f"{name}.params"] == found.params
        assert metrics[f"{name}.flops.true"] == found.flops["true"]
        layers = [row for row in report["layers"] if row["name"].startswith(f"{name}.")]
        assert sum(row["params"] for row in layers) >= found.params


def test_names_widths_and_inputs(tmp_path: Path) -> None:
    wide = {"model": "tc_resnet8", "name": "wide", "width": 1.5}
    long = {"model": "seed_cnn", "frames": 44, "classes": 3}
    metrics, report = counted(tmp_path, models=[wide, long])
    assert metrics["wide.params"] == 145_248
    assert report["models"][1]["input_shape"] == [40, 44] and metrics["seed_cnn.classes"] == 3


@pytest.mark.parametrize("name", PRESETS)
def test_every_front_end_can_be_counted(name: str, tmp_path: Path) -> None:
    metrics, _ = counted(tmp_path, features=[name])
    stem = name.replace("-", "_")
    assert metrics[f"{stem}.frames"] == PRESETS[name].frames
    assert metrics[f"{stem}.coefficients"] == PRESETS[name].coefficients


def test_patches_keep_their_number(tmp_path: Path) -> None:
    _, report = counted(tmp_path, models=[{"model": "m20k", "frames": 128}])
    assert report["models"][0]["input_shape"] == [4, 64, 128]


def test_formulas_use_models_features_and_earlier_results(tmp_path: Path) -> None:
    metrics, report = counted(
        tmp_path,
        models=[{"model": "ds_cnn"}],
        features=["s1-40x98"],
        formulas={"a": "ds_cnn.flops.kws_ds / s1_40x98.frames", "b": "a * 2", "c": 'ds_cnn.layers["b1.pw"].weights'},
    )
    assert metrics["b"] == 2 * metrics["a"] == pytest.approx(2 * 69_890_000 / 98)
    assert metrics["c"] == 10_000
    assert report["formulas"][1] == {"name": "b", "value": metrics["b"], "formula": "a * 2"}


def test_devices_are_held_against_every_model(tmp_path: Path) -> None:
    metrics, report = counted(
        tmp_path, models=[{"model": "ds_cnn_s"}, {"model": "seed_cnn"}], devices=["arduino", "stm32l476rg"]
    )
    assert metrics["ds_cnn_s.arduino.fits"] == 0 and metrics["ds_cnn_s.stm32l476rg.fits"] == 1
    assert metrics["seed_cnn.stm32l476rg.fits"] == 0
    lacks = {row["name"]: row["lacks"] for row in report["fits"]}
    assert "RAM" in lacks["ds_cnn_s.arduino"] and "MIPS" in lacks["seed_cnn.stm32l476rg"]
    assert lacks["ds_cnn_s.stm32l476rg"] == ""


def test_nothing_to_count_is_an_empty_report(tmp_path: Path) -> None:
    metrics, report = counted(tmp_path)
    assert metrics == {} and report["models"] == []


def test_the_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    params = {"models": [{"model": "kws1"}], "formulas": {"x": "kws1.params / 3"}}
    first, second = (counted(tmp_path / str(k), **params)[1] for k in (1, 2))
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"models": [{"model": "tc_resnet8", "width": 0.01}]}, "leaves none of"),
        ({"models": [{"model": "cnn_1", "coefficients": 10, "frames": 10}]}, "the map is 10x10"),
        ({"models": [{"model": "kws1"}, {"model": "kws1"}]}, "two figures are called 'kws1'"),
        ({"models": [{"model": "kws1"}], "formulas": {"kws1": "1"}}, "two figures are called 'kws1'"),
        ({"formulas": {"a": "b + 1"}}, "a: a formula has no 'b'"),
        ({"formulas": {"a": "1 / 0"}}, "a: '1 / 0' has no value"),
    ],
)
def test_what_cannot_be_counted_is_told_in_three_parts(params: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(OssicleError) as caught:
        counted(tmp_path, **params)
    assert words in caught.value.what and caught.value.expected and caught.value.remedy


@pytest.mark.parametrize(
    "params",
    [
        {"models": [{"model": "alexnet"}]},
        {"models": [{"model": "kws1", "name": "a.b"}]},
        {"features": ["s9"]},
        {"devices": ["toaster"]},
        {"formulas": {"a-b": "1"}},
        {"models": [{"model": "kws1", "frames": -1}]},
    ],
)
def test_wrong_parameters_are_refused_before_anything_runs(params: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        CountParams.model_validate(params)
