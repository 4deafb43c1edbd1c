"""The benchmark node on real digits: exact figures, clear errors, the same bytes every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from engine import Context, FeatureSet, Model, OssicleError, Report
from engine.audio import Clip, make_table, read_features, table_of, write_features
from engine.context import Cancelled
from nodes.evaluate import BenchmarkParams, benchmark


def measure(model: Model, features: FeatureSet, folder: Path, **params: Any) -> Report:
    report: Report = benchmark(model, features, BenchmarkParams(**params), Context.for_test(folder))
    return report


def relabelled(features: FeatureSet, folder: Path, changes: dict[str, str], classes: tuple[str, ...]) -> FeatureSet:
    """The same features with some labels renamed."""
    table = table_of(features)
    labels = np.array([changes.get(label, label) for label in table.label.tolist()])
    rows = read_features(features)
    write_features(folder, table.with_columns(label=labels), rows.shape[1:], [(slice(0, len(rows)), rows)])
    return FeatureSet(folder, features.meta.model_copy(update={"classes": classes}))


def with_front_end(features: FeatureSet, **changes: Any) -> FeatureSet:
    front_end = {**features.meta.front_end, **changes}
    return replace(features, meta=features.meta.model_copy(update={"front_end": front_end}))


def test_the_report_agrees_with_a_plain_loop_over_clips(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = measure(digit_model, digit_features, tmp_path, batch_clips=32).json("report.json")  # 120 = 3 x 32 + 24
    table = table_of(digit_features)
    rows = np.flatnonzero(table.subset == "testing")
    session = onnxruntime.InferenceSession(digit_model.file("model.onnx"))
    features, classes = read_features(digit_features), digit_model.meta.classes
    wanted = []
    for row in rows:
        guess = int(session.run(None, {"features": features[row : row + 1]})[0].argmax())
        wanted.append((str(table.clip_id[row]), str(table.label[row]), classes[guess]))
    assert [(row["clip_id"], row["truth"], row["prediction"]) for row in report["predictions"]] == wanted
    correct = sum(truth == guess for _, truth, guess in wanted)
    assert report["accuracy"]["value"] == correct / 120
    assert report["accuracy"]["low"] < correct / 120 <= report["accuracy"]["high"]
    assert np.array(report["confusion"]).sum() == report["clips"] == 120
    assert correct / 120 > 0.6  # far above the chance of 0.1: features, labels and network belong together


@pytest.mark.parametrize(("subset", "clips"), [("testing", 120), ("validation", 180), ("training", 600), ("all", 900)])
def test_every_subset_is_scored_once(
    subset: str, clips: int, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = measure(digit_model, digit_features, tmp_path, subset=subset)
    ids = [row["clip_id"] for row in report.json("report.json")["predictions"]]
    assert len(ids) == len(set(ids)) == clips == report.meta.metrics["clips"]


def test_the_batch_size_does_not_change_the_bytes(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    reports = [
        measure(digit_model, digit_features, tmp_path / name, batch_clips=size)
        for name, size in (("one", 256), ("again", 256), ("small", 50))
    ]
    for name in ("report.json", "arrays.npz"):
        assert reports[0].file(name).read_bytes() == reports[1].file(name).read_bytes()
    assert reports[0].json("report.json")["confusion"] == reports[2].json("report.json")["confusion"]


def test_arrays_hold_what_plots_need_and_no_objects(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = measure(digit_model, digit_features, tmp_path)
    with np.load(report.file("arrays.npz"), allow_pickle=False) as arrays:
        assert arrays["probabilities"].shape == (120, 10)
        np.testing.assert_allclose(arrays["probabilities"].sum(1), 1, atol=1e-6)
        area = np.trapezoid(arrays["roc_false_reject"], arrays["roc_false_alarm"])
        assert report.meta.metrics["roc_area"] == pytest.approx(area)


def test_costs_stand_beside_the_accuracy(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    facts = measure(digit_model, digit_features, tmp_path).json("report.json")["model"]
    assert facts["parameters"] == digit_model.meta.parameters
    assert {"true", "tf"} <= facts["flops"].keys()


def test_classes_are_matched_by_name_not_by_order(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    turned = digit_features.meta.model_copy(update={"classes": tuple(reversed(digit_features.meta.classes))})
    reports = [
        measure(digit_model, features, tmp_path / name)
        for name, features in {"as": digit_features, "turned": replace(digit_features, meta=turned)}.items()
    ]
    assert reports[0].json("report.json") == reports[1].json("report.json")


def test_classes_the_model_lacks_count_as_wrong_or_are_left_out(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    classes = (*digit_features.meta.classes[:-1], "neuf")
    foreign = relabelled(digit_features, tmp_path / "data", {"nine": "neuf"}, classes)
    wrong = measure(digit_model, foreign, tmp_path / "wrong").json("report.json")
    skipped = measure(digit_model, foreign, tmp_path / "skip", foreign_classes="skip").json("report.json")
    plain = measure(digit_model, digit_features, tmp_path / "plain").json("report.json")
    assert (wrong["clips"], skipped["clips"]) == (120, 108)
    assert wrong["classes"] == [*digit_model.meta.classes, "neuf"]
    assert wrong["per_class"][-1]["recall"] == 0.0
    assert "12 clips of 1 classes" in wrong["data"]["note"] and "neuf" in wrong["data"]["note"]
    nines = plain["per_class"][-1]
    correct = round(plain["accuracy"]["value"] * 120) - round(nines["recall"] * 12)
    assert round(wrong["accuracy"]["value"] * 120) == round(skipped["accuracy"]["value"] * 108) == correct


def test_a_class_without_clips_is_null_not_nan(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    changes = {"nine": "eight"}
    fewer = relabelled(digit_features, tmp_path / "data", changes, digit_features.meta.classes[:-1])
    report = measure(digit_model, fewer, tmp_path / "run").json("report.json")
    assert report["per_class"][-1]["recall"] is None and report["per_class"][-1]["support"] == 0
    assert report["uar"]["chance"] == pytest.approx(1 / 9)


def test_clips_of_one_recording_are_also_judged_together(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    table, rows = table_of(digit_features), read_features(digit_features)
    (tmp_path / "data").mkdir()
    sources = np.array([f"{label}-{who}" for label, who in zip(table.label, table.speaker, strict=True)])
    write_features(tmp_path / "data", table.with_columns(source=sources), rows.shape[1:], [(slice(0, len(rows)), rows)])
    report = measure(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path).json("report.json")
    assert report["by_recording"]["recordings"] == 60
    assert 0.5 < report["by_recording"]["accuracy"]["value"] <= 1.0
    assert measure(digit_model, digit_features, tmp_path / "plain").json("report.json")["by_recording"] is None


def test_an_empty_subset_says_what_there_is(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    table = make_table([Clip("a", "one", subset="training")], [8000], [""])
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", table, (20, 49), [(slice(0, 1), np.zeros((1, 20, 49), np.float32))])
    with pytest.raises(OssicleError) as caught:
        measure(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path)
    assert caught.value.what == "there are no testing clips"
    assert "training 1" in caught.value.expected


def test_no_clips_at_all(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", make_table([], [], []), (20, 49), [])
    with pytest.raises(OssicleError, match="there are no clips"):
        measure(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path, subset="all")


def test_only_foreign_classes_left_out_is_an_error(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    changes = {label: f"mot {label}" for label in digit_features.meta.classes}
    foreign = relabelled(digit_features, tmp_path / "data", changes, tuple(changes.values()))
    with pytest.raises(OssicleError, match="no testing clip has a class of the model"):
        measure(digit_model, foreign, tmp_path, foreign_classes="skip")
    report = measure(digit_model, foreign, tmp_path / "wrong")
    assert report.meta.metrics["accuracy"] == 0.0


@pytest.mark.parametrize("change", [{"hop_samples": 80}, {"n_mels": 64}, {"new_option": 1}])
def test_another_front_end_is_refused_by_name(
    change: dict[str, Any], digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError) as caught:
        measure(digit_model, with_front_end(digit_features, **change), tmp_path)
    ((name, value),) = change.items()
    assert f"{name} = {value}" in caught.value.what
    assert f"{name} = {digit_model.meta.front_end.get(name)}" in caught.value.expected


def test_another_shape_is_refused(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    other = replace(digit_features, meta=digit_features.meta.model_copy(update={"shape": (20, 48)}))
    with pytest.raises(OssicleError, match=r"the shape \(20, 48\)"):
        measure(digit_model, other, tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x80\x04}."])
def test_a_damaged_model_file_is_refused(
    content: bytes, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(OssicleError, match=r"model\.onnx"):
        measure(replace(digit_model, path=tmp_path), digit_features, tmp_path)


def test_a_model_with_other_outputs_is_refused(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    fewer = digit_model.meta.model_copy(update={"classes": digit_model.meta.classes[:-1]})
    with pytest.raises(OssicleError, match=r"outputs of shape \(10,\)"):
        measure(replace(digit_model, meta=fewer), digit_features, tmp_path)


def test_stop_is_obeyed(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        benchmark(digit_model, digit_features, BenchmarkParams(), Context.for_test(tmp_path, is_cancelled=lambda: True))


def test_progress_ends_at_one(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    events: list[Any] = []
    benchmark(digit_model, digit_features, BenchmarkParams(), Context.for_test(tmp_path, sink=events.append))
    assert [event.values["fraction"] for event in events if event.kind == "progress"][-1] == 1.0


def test_the_operating_point_and_the_curves_are_told(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = measure(digit_model, digit_features, tmp_path, false_alarm_budget=0.05)
    found = report.json("report.json")
    operating = found["roc"]["operating"]
    assert operating["budget"] == 0.05 and operating["false_alarm"] <= 0.05
    with np.load(report.file("arrays.npz")) as arrays:
        accepted = arrays["probabilities"].astype(float) >= operating["threshold"] - 1e-6
        target = arrays["truth"][:, None] == np.arange(10)
    assert (~accepted & target).sum() / 120 == pytest.approx(operating["false_reject"])
    assert found["roc"]["auc"] == pytest.approx(1 - found["roc"]["area"])
    assert [row["class"] for row in found["roc"]["per_class"]] == found["classes"]
    assert [plot["title"] for plot in found["plots"]] == ["ROC", "DET"]
    assert found["two_class"] is None and found["uar"]["chance"] == 0.1


def test_a_positive_class_that_the_model_lacks_is_refused(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError) as caught:
        measure(digit_model, digit_features, tmp_path / "wrong", positive_class="elf")
    assert "'elf'" in caught.value.what and "zero" in caught.value.expected


def test_every_clip_stands_once_in_the_csv(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    report = measure(digit_model, digit_features, tmp_path, batch_clips=7)
    lines = report.file("predictions.csv").read_text().splitlines()
    rows = report.json("report.json")["predictions"]
    assert lines[0] == "clip_id,truth,prediction,score" and len(lines) == 121
    assert [line.split(",")[0] for line in lines[1:]] == [row["clip_id"] for row in rows]
    assert not (report.path / "predictions_by_recording.csv").exists()
