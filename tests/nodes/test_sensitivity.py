"""The sensitivity node on real digits: curves against brute force, layers alone, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Context, FeatureSet, Model, OssicleError, Report
from engine.audio import read_features, table_of, write_features
from nodes.compress import QuantizeParams, quantize
from nodes.compressing.clips import spread
from nodes.evaluate import BenchmarkParams, benchmark
from nodes.lne.reading import read_onnx
from nodes.quant.convert import Settings, settled, watch
from nodes.quant.fixed import Fixed, codes, reals
from nodes.quant.simulate_curves import alone
from nodes.sensitivity import SensitivityParams, sensitivity


def explored(model: Model, features: FeatureSet, folder: Path, **params: Any) -> Report:
    made: Report = sensitivity(model, features, SensitivityParams(**params), Context.for_test(folder))
    return made


@pytest.fixture(scope="module")
def found(digit_model: Model, digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    report = explored(digit_model, digit_features, tmp_path_factory.mktemp("s"), bits=5, judged_clips=120)
    raw: dict[str, Any] = report.json("report.json")
    return raw


def test_every_tensor_has_its_curves(found: dict[str, Any], digit_features: FeatureSet) -> None:
    tensors = {row["name"]: row for row in found["tensors"]}
    assert {"features", "conv1 weight", "conv1", "fc weight", "logits"} <= tensors.keys()
    assert tensors["conv1 weight"]["kind"] == "weight" and tensors["b1.conv1"]["layer"] == "b1.conv1"
    mask = spread(digit_features, "training", 200)
    values = np.abs(read_features(digit_features, mask).astype(np.float64))
    row = tensors["features"]
    assert row["zeros"] == (values == 0).sum() and row["largest"] == values.max()
    for exponent, count in zip(row["exponents"], row["counts"], strict=True):
        assert count == ((values >= 2.0 ** (exponent - 1)) & (values < 2.0**exponent)).sum()
    for integer, overload in zip(row["integers"], row["overload"], strict=True):
        assert overload == pytest.approx((values >= 2.0**integer).mean())


def test_rounding_costs_what_it_costs(found: dict[str, Any], digit_features: FeatureSet) -> None:
    row = next(row for row in found["tensors"] if row["name"] == "features")
    values = read_features(digit_features, spread(digit_features, "training", 200)).astype(np.float64)
    for integer, ratio_db in zip(row["integers"], row["sqnr_db"], strict=True):
        form = Fixed(5, 5 - 1 - integer)
        error = np.square(values - reals(codes(values, form), form)).sum()
        assert ratio_db == pytest.approx(10 * np.log10(np.square(values).sum() / error), abs=1e-6)
    best = row["integers"][int(np.argmax(row["sqnr_db"]))]
    assert row["rules"]["sqnr"]["integer"] == best == row["format"]["integer"]


def test_rule_b_is_where_the_curve_crosses_the_threshold(found: dict[str, Any]) -> None:
    for row in found["tensors"]:
        chosen = row["rules"]["overload"]["integer"]
        overload = dict(zip(row["integers"], row["overload"], strict=True))
        if chosen in overload and chosen - 1 in overload:
            assert overload[chosen] < found["threshold"] <= overload[chosen - 1], row["name"]


def test_layers_alone_lose_less_than_all_together(found: dict[str, Any]) -> None:
    layers = {row["layer"]: row for row in found["layers"]}
    assert {"features", "conv1", "b1.conv1", "b1.short", "pool", "fc"} <= layers.keys()
    noise = {name: 10 ** (-row["sqnr_db"] / 10) for name, row in layers.items()}
    assert max(noise.values()) > 10 * min(noise.values()), "layers differ"
    assert all(row["agreement"] >= found["agreement"] - 0.05 for row in layers.values())
    assert all(row["lost"] == pytest.approx(found["accuracy"]["float"] - row["accuracy"]) for row in layers.values())


def test_the_ends_are_those_of_the_other_nodes(
    found: dict[str, Any], digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    scored = benchmark(digit_model, digit_features, BenchmarkParams(), Context.for_test(tmp_path / "b"))
    assert found["accuracy"]["float"] == pytest.approx(scored.meta.metrics["accuracy"])
    params = QuantizeParams(method="sqnr", bits=5)
    made = quantize(digit_model, digit_features, params=params, ctx=Context.for_test(tmp_path / "q"))
    report = made.json("quantization.json")
    assert found["accuracy"]["integers"] == pytest.approx(report["accuracy"]["after"]["value"])
    assert found["sqnr_db"] == pytest.approx(report["sqnr_db"])
    chosen = {row["name"]: row["format"]["fraction"] for row in found["tensors"]}
    assert {row["name"]: row["fraction"] for row in report["tensors"]}.items() >= chosen.items()


def test_one_layer_alone_rounds_that_layer(digit_model: Model, digit_features: FeatureSet) -> None:
    graph = read_onnx(digit_model.file("model.onnx")).graph
    settings = settled(graph, watch(graph, read_features(digit_features)[:8], 8), Settings())
    steps = {one.layer: one.settings.formats for one in alone(graph, settings)}
    assert set(steps["conv1"]) == {"conv1", "conv1 weight"} and set(steps["features"]) == {"features"}
    assert {name for forms in steps.values() for name in forms} == set(settings.formats)


def test_a_layer_in_two_bits_by_hand_is_the_worst(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = explored(digit_model, digit_features, tmp_path, formats=("fc weight=2:2",), judged_clips=60).json(
        "report.json"
    )
    ratios = {row["layer"]: row["sqnr_db"] for row in report["layers"]}
    assert min(ratios, key=lambda name: ratios[name]) == "fc"
    assert next(row for row in report["tensors"] if row["name"] == "fc weight")["format"]["bits"] == 2


def test_the_report_is_strict_json_and_the_same_every_time(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    one, two = (
        explored(digit_model, digit_features, tmp_path / name, clips=20, judged_clips=20)
        .file("report.json")
        .read_bytes()
        for name in ("one", "two")
    )

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert one == two and json.loads(one, parse_constant=refuse)


def test_silence_is_told_apart_from_signal(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    table, rows = table_of(digit_features), read_features(digit_features)
    rows[table.subset == "training"] = 0.0
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", table, rows.shape[1:], [(slice(0, len(rows)), rows)])
    silent = replace(digit_features, path=tmp_path / "data")
    report = explored(digit_model, silent, tmp_path, judged_clips=20).json("report.json")
    row = next(row for row in report["tensors"] if row["name"] == "features")
    assert row["is_constant"] and row["counts"] == [] and set(row["sqnr_db"]) == {None}


def test_bad_input_is_told(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantize(
        digit_model, digit_features, params=QuantizeParams(method="sqnr"), ctx=Context.for_test(tmp_path / "q")
    )
    with pytest.raises(OssicleError, match="already fixed8"):
        explored(made, digit_features, tmp_path / "a")
    with pytest.raises(OssicleError, match="of one class"):
        explored(digit_model, digit_features, tmp_path / "b", clips=1)
    with pytest.raises(OssicleError, match="There is no tensor 'nothing'"):
        explored(digit_model, digit_features, tmp_path / "c", formats=("nothing=8:1",))
