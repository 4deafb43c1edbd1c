"""The compare node on reports of real networks, and on reports written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Context, FeatureSet, Model, OssicleError, Report, ReportMeta
from engine.evidence import figures_of
from nodes.compare import CompareParams, compare
from nodes.evaluate import BenchmarkParams, benchmark

Rows = list[tuple[str, str, str]]


def run(reports: list[Report], folder: Path, **params: Any) -> Report:
    made: Report = compare(reports, CompareParams(**params), Context.for_test(folder))
    return made


def handmade(
    folder: Path, rows: Rows, classes: tuple[str, ...] = ("a", "b"), title: str = "Benchmark of net"
) -> Report:
    """A benchmark's report from (clip, truth, prediction)."""
    folder.mkdir(parents=True)
    predictions = [{"clip_id": c, "truth": t, "prediction": p, "score": 0.9} for c, t, p in rows]
    raw = {"kind": "benchmark", "classes": list(classes), "predictions": predictions}
    (folder / "report.json").write_text(json.dumps(raw))
    return Report(folder, ReportMeta(title=title))


@pytest.fixture(scope="module")
def scored(digit_model: Model, digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    """The digit network, and the same with the frames of a clip's second half muted, so that it errs more."""
    folder = tmp_path_factory.mktemp("scored")
    weak = folder / "weak"
    weak.mkdir()
    import onnx

    network = onnx.load(str(digit_model.file("model.onnx")))
    first = next(t for t in network.graph.initializer if t.name.endswith("weight"))
    kernel = onnx.numpy_helper.to_array(first).copy()
    kernel[: len(kernel) // 2] = 0.0
    first.CopyFrom(onnx.numpy_helper.from_array(kernel, first.name))
    onnx.save(network, str(weak / "model.onnx"))
    (weak / "architecture.json").write_bytes(digit_model.file("architecture.json").read_bytes())
    models = (digit_model, replace(digit_model, path=weak))
    return [
        benchmark(model, digit_features, BenchmarkParams(), Context.for_test(folder / str(place)))
        for place, model in enumerate(models)
    ]


def test_two_networks_on_real_digits(scored: list[Report], tmp_path: Path) -> None:
    report = run(scored, tmp_path)
    found = report.json("report.json")
    raw = [one.json("report.json") for one in scored]
    right = [np.array([row["truth"] == row["prediction"] for row in one["predictions"]]) for one in raw]
    (pair,) = found["pairs"]
    gain = right[1].mean() - right[0].mean()
    assert pair["accuracy_difference"]["value"] == pytest.approx(gain)
    assert pair["accuracy_difference"]["low"] <= gain <= pair["accuracy_difference"]["high"] < 0
    assert pair["mcnemar"]["only_first"] == (right[0] & ~right[1]).sum()
    assert pair["mcnemar"]["p"] < 0.01 and pair["mcnemar"]["p_holm"] == pair["mcnemar"]["p"]
    assert sum(pair["agreement"][key] for key in ("both_right", "only_first", "only_second", "both_wrong")) == 120
    uar = [one["uar"]["value"] for one in raw]
    assert pair["uar_difference"]["value"] == pytest.approx(uar[1] - uar[0])
    differ = sum(a["prediction"] != b["prediction"] for a, b in zip(*(one["predictions"] for one in raw), strict=True))
    assert len(found["disagreements"]) == differ
    assert report.meta.metrics["p_value"] == pair["mcnemar"]["p"] and "McNemar" in report.meta.about
    drawn = figures_of(report, "compare-1")
    assert not drawn.missing and [figure.title for figure in drawn.figures] == [
        "Accuracy · compare-1", "ROC, averaged vertically · compare-1",
    ]  # fmt: skip


def test_reports_of_one_name_are_runs_of_one_model(scored: list[Report], tmp_path: Path) -> None:
    report = run([*scored, scored[0]], tmp_path, names=("net", "net", "best"))
    found = report.json("report.json")
    values = [one.meta.metrics["accuracy"] for one in scored]
    net, best = found["models"]
    assert (net["runs"], best["runs"]) == (2, 1)
    assert net["accuracy"]["mean"] == pytest.approx(np.mean(values))
    assert net["accuracy"]["sd"] == pytest.approx(np.std(values, ddof=1)) and best["accuracy"]["sd"] is None
    areas = [one.json("report.json")["roc"]["area"] for one in scored]
    assert net["roc_area"] == pytest.approx(np.mean(areas), abs=3e-3)
    (pair,) = found["pairs"]
    assert pair["mcnemar"] is None and pair["agreement"] is None
    assert pair["accuracy_difference"]["value"] == pytest.approx(values[0] - np.mean(values))
    assert "low" in found["plots"][0]["lines"][0] and "low" not in found["plots"][0]["lines"][1]


def test_runs_of_a_single_model_give_its_mean_and_spread(scored: list[Report], tmp_path: Path) -> None:
    report = run(scored, tmp_path, names=("net", "net"))
    values = [one.meta.metrics["accuracy"] for one in scored]
    assert report.meta.metrics["accuracy"] == pytest.approx(np.mean(values))
    assert report.meta.metrics["accuracy_sd"] == pytest.approx(np.std(values, ddof=1))
    assert report.json("report.json")["pairs"] == []


def test_the_same_inputs_give_the_same_bytes(scored: list[Report], tmp_path: Path) -> None:
    made = [run(scored, tmp_path / name).file("report.json").read_bytes() for name in ("a", "b")]
    assert made[0] == made[1]


def test_the_order_of_clips_and_classes_does_not_matter(tmp_path: Path) -> None:
    rows = [("1", "a", "a"), ("2", "a", "b"), ("3", "b", "b"), ("4", "b", "a")]
    first, second = handmade(tmp_path / "x", rows), handmade(tmp_path / "y", rows[::-1], ("b", "a"))
    (pair,) = run([first, second], tmp_path).json("report.json")["pairs"]
    assert pair["agreement"] == {
        "both_right": 2, "only_first": 0, "only_second": 0, "both_wrong": 2, "alike": 1.0, "kappa": 1.0,
    }  # fmt: skip


def test_reports_are_lettered_where_they_have_no_names(tmp_path: Path) -> None:
    rows = [("1", "a", "a"), ("2", "b", "a")]
    made = run([handmade(tmp_path / "x", rows), handmade(tmp_path / "y", rows, title="Benchmark of other")], tmp_path)
    assert [model["name"] for model in made.json("report.json")["models"]] == ["A: net", "B: other"]


def test_folds_are_pooled_and_their_spread_told(tmp_path: Path) -> None:
    one = [handmade(tmp_path / "a1", [("1", "a", "a"), ("2", "b", "b")]), handmade(tmp_path / "a2", [("3", "a", "b")])]
    other = [
        handmade(tmp_path / "b1", [("1", "a", "b")]),
        handmade(tmp_path / "b2", [("3", "a", "a"), ("2", "b", "a")]),
    ]
    found = run([*one, *other], tmp_path, names=("x", "x", "y", "y"), clips="folds").json("report.json")
    assert [(model["runs"], model["clips"]) for model in found["models"]] == [(2, 3), (2, 3)]
    assert found["models"][0]["accuracy"]["mean"] == 0.5  # folds weigh alike: 2 of 2 and 0 of 1
    (pair,) = found["pairs"]
    assert (pair["mcnemar"]["only_first"], pair["mcnemar"]["only_second"]) == (2, 1)
    assert pair["accuracy_difference"]["value"] == pytest.approx(-1 / 3)


# ---- what cannot be compared

ROWS: Rows = [("1", "a", "a"), ("2", "b", "b"), ("3", "b", "a")]


@pytest.mark.parametrize(
    ("other", "params", "words"),
    [
        (ROWS[:2], {}, "was scored on '3'"),
        ([*ROWS, ("4", "a", "a")], {}, "was scored on '4'"),
        ([("1", "a", "a"), ("2", "a", "a"), ("3", "b", "a")], {}, "the clip '2' is 'b' in A: net and 'a' in B: net"),
        ([*ROWS[:2], ROWS[0]], {}, "has the clip '1' twice"),
        (ROWS, {"names": ("x",)}, "names has 1 entries"),
        (ROWS, {"names": ("x", "")}, "names has 2 entries"),
        (ROWS, {"names": ("x", "x"), "clips": "folds"}, "tested in the folds 1 and 2"),
        (ROWS[:2], {"names": ("x", "y"), "clips": "folds"}, "was scored on '3'"),
    ],
)
def test_what_cannot_be_compared_is_refused(other: Rows, params: dict[str, Any], words: str, tmp_path: Path) -> None:
    reports = [handmade(tmp_path / "x", ROWS), handmade(tmp_path / "y", other)]
    with pytest.raises(OssicleError) as caught:
        run(reports, tmp_path, **params)
    assert words in caught.value.what


def test_a_report_without_answers_is_refused(scored: list[Report], tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"kind": "quantization"}')
    with pytest.raises(OssicleError, match="of kind 'quantization'"):
        run([scored[0], Report(tmp_path, ReportMeta(title="x"))], tmp_path / "run")


@pytest.mark.parametrize("count", [0, 1])
def test_one_report_is_nothing_to_compare(count: int, scored: list[Report], tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="wired"):
        run(scored[:count], tmp_path)


def test_the_node_has_one_port_for_many_reports() -> None:
    (port,) = compare.inputs
    assert (port.name, port.many, port.type) == ("reports", True, Report)
