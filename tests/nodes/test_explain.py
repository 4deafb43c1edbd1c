"""The explain node on a network that knows digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import torch

from engine import Context, FeatureSet, Model, OssicleError, Report
from engine.audio import Clip, read_features, table_of, write_audio, write_features
from engine.context import Cancelled
from engine.evidence import figures_of
from nodes.explain import ExplainParams, explain
from nodes.zoo import build
from nodes.zoo.weights import load_weights


def run(model: Model, features: FeatureSet, folder: Path, audio: Any = None, **params: Any) -> Report:
    made: Report = explain(model, features, audio, ExplainParams(**params), Context.for_test(folder))
    return made


@pytest.fixture(scope="module")
def explained(digit_model: Model, digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Four digits."""
    return run(digit_model, digit_features, tmp_path_factory.mktemp("explained"), most_classes=4)


def test_every_class_has_a_positive_and_a_negative_clip(explained: Report, digit_model: Model) -> None:
    rows = explained.json("report.json")["samples"]
    assert [(row["class"], row["sample"]) for row in rows] == [
        (label, kind) for label in digit_model.meta.classes[:4] for kind in ("positive", "negative")
    ]
    for row in rows:
        assert (row["truth"] == row["class"]) == (row["sample"] == "positive")
        if row["sample"] == "positive":
            assert row["probability"] > 0.5 and row["prediction"] == row["class"]


def test_shares_add_up_to_the_score_of_the_network(
    explained: Report, digit_model: Model, digit_features: FeatureSet
) -> None:
    found = explained.json("report.json")
    network = build(digit_model.json("architecture.json"))
    load_weights(network, digit_model.file("weights.safetensors"))
    network.eval()
    table = table_of(digit_features)
    clips = read_features(digit_features)
    nothing = torch.from_numpy(clips[table.subset == "testing"].mean(0, keepdims=True))
    for row in found["samples"]:
        clip = torch.from_numpy(clips[np.flatnonzero(table.clip_id == row["clip_id"])])
        with torch.no_grad():
            p = [float(torch.softmax(network(one), 1)[0, found_class(digit_model, row)]) for one in (clip, nothing)]
        odds = [np.log(value / (1 - value)) for value in p]
        assert row["score"] == pytest.approx(odds[0], rel=0.01) and row["baseline_score"] == pytest.approx(
            odds[1], abs=0.01
        )
        assert row["gradients_sum"] == pytest.approx(odds[0] - odds[1], abs=0.05 * abs(odds[0] - odds[1]) + 0.02)
        assert row["shap_sum"] == pytest.approx(row["score"] - row["baseline_score"], abs=1e-3)
    assert found["completeness"]["worst_relative_gap"] < 0.05
    assert explained.meta.metrics["completeness_gap"] == found["completeness"]["worst_relative_gap"]
    assert found["largest_difference_from_model"] < 1e-4


def found_class(model: Model, row: dict[str, Any]) -> int:
    return model.meta.classes.index(row["class"])


def test_hiding_what_speaks_for_a_class_lowers_it_most(
    explained: Report, digit_model: Model, digit_features: FeatureSet
) -> None:
    """Insertion of meaning: the tenth that gradients call best is worth more than a tenth drawn at random."""
    network = build(digit_model.json("architecture.json"))
    load_weights(network, digit_model.file("weights.safetensors"))
    network.eval()
    table, clips = table_of(digit_features), read_features(digit_features)
    nothing = clips[table.subset == "testing"].mean(0)
    rng, drops = np.random.default_rng(0), []
    with np.load(explained.file("arrays.npz")) as arrays, torch.no_grad():
        for row in explained.json("report.json")["samples"]:
            if row["sample"] == "negative":
                continue
            clip = clips[np.flatnonzero(table.clip_id == row["clip_id"])[0]]
            found = arrays[f"gradients_{row['arrays']}"]
            best = found >= np.percentile(found, 90)
            drawn = rng.permutation(best.ravel()).reshape(best.shape)
            shown = np.stack([np.where(hidden, nothing, clip) for hidden in (best, drawn)]).astype(np.float32)
            p = torch.softmax(network(torch.from_numpy(shown)), 1)[:, found_class(digit_model, row)]
            drops.append(float(p[1] - p[0]))
    assert np.mean(drops) > 0.1


def test_arrays_and_pictures_lie_beside_the_report(explained: Report) -> None:
    found = explained.json("report.json")
    with np.load(explained.file("arrays.npz"), allow_pickle=False) as arrays:
        assert len(arrays.files) == 3 * 8
        assert {arrays[name].shape for name in arrays.files} == {(20, 49)}
    for picture in found["pictures"]:
        text = explained.file(picture["file"]).read_text()
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg") and "http" not in text.replace("http://www.w3.org", "")
    drawn = figures_of(explained, "explain-1")
    assert not drawn.missing and len(drawn.figures) == 4
    assert drawn.figures[0].title == "What speaks for zero · explain-1"
    assert "time / s" in drawn.figures[0].body and "coefficient" in drawn.figures[0].body


def test_the_same_bytes_every_time(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    for shap in ("partition", "gradient", "kernel"):
        made = [
            run(
                digit_model,
                digit_features,
                tmp_path / shap / name,
                classes=("two",),
                shap=shap,
                evaluations=40,
                steps=8,
            )
            for name in ("a", "b")
        ]
        for name in ("report.json", "arrays.npz", "explain-two.svg"):
            assert made[0].file(name).read_bytes() == made[1].file(name).read_bytes()


@pytest.mark.parametrize("baseline", ["mean", "silence", "blur"])
@pytest.mark.parametrize("output", ["log_odds", "probability", "logit"])
def test_every_baseline_and_output_is_complete(
    baseline: str, output: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    report = run(
        digit_model,
        digit_features,
        tmp_path,
        classes=("one",),
        baseline=baseline,
        output=output,
        steps=400,
        evaluations=10,
    )
    for row in report.json("report.json")["samples"]:
        assert row["relative_gap"] < 0.25 and row["shap_gap"] < 1e-3


def test_clips_come_along_as_sound(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    table = table_of(digit_features)
    rows = np.flatnonzero(table.subset == "testing")[::2]
    clips = [
        (Clip(str(table.clip_id[row]), str(table.label[row])), np.full(80, place, np.int16))
        for place, row in enumerate(rows)
    ]
    (tmp_path / "audio").mkdir()
    audio = write_audio(tmp_path / "audio", clips, 8000)
    report = run(digit_model, digit_features, tmp_path, audio, evaluations=4, steps=4)
    known = [clip.clip_id for clip, _ in clips]
    for row in report.json("report.json")["samples"]:
        path = report.path / f"clip_{row['arrays']}.wav"
        assert path.exists() == (row["clip_id"] in known)
        if path.exists():
            samples, rate_hz = soundfile.read(path, dtype="int16")
            assert rate_hz == 8000 and set(samples.tolist()) == {known.index(row["clip_id"])}


# ---- bad input


def relabelled(features: FeatureSet, folder: Path, changes: dict[str, str]) -> FeatureSet:
    folder.mkdir()
    table, rows = table_of(features), read_features(features)
    labels = np.array([changes.get(label, label) for label in table.label.tolist()])
    write_features(folder, table.with_columns(label=labels), rows.shape[1:], [(slice(0, len(rows)), rows)])
    return replace(features, path=folder)


def test_a_class_without_clips_is_told(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    events: list[Any] = []
    fewer = relabelled(digit_features, tmp_path / "data", {"nine": "eight"})
    context = Context.for_test(tmp_path, sink=events.append)
    params = ExplainParams(classes=("eight", "nine"), evaluations=4, steps=4)
    found = explain(digit_model, fewer, None, params, context).json("report.json")
    assert found["missing"] == ["nine"]
    assert [(row["class"], row["sample"]) for row in found["samples"]][2:] == [("nine", "negative")]
    assert len(found["maps"][1]["columns"]) == 1
    assert any("no clip of nine" in e.values["text"] for e in events if e.kind == "log")


def test_labels_all_foreign_are_refused(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    changes = {label: f"mot {label}" for label in digit_model.meta.classes}
    foreign = relabelled(digit_features, tmp_path / "data", changes)
    with pytest.raises(OssicleError, match="none of 120 clips has one of the classes zero") as caught:
        run(digit_model, foreign, tmp_path)
    assert "mot eight" in caught.value.expected


@pytest.mark.parametrize(
    ("params", "words"), [({"classes": ("elf",)}, "'elf'"), ({"subset": "testing"}, "hop_samples")]
)
def test_what_does_not_fit_is_refused(
    params: dict[str, Any], words: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    front_end = {**digit_features.meta.front_end, **({"hop_samples": 80} if words == "hop_samples" else {})}
    features = replace(digit_features, meta=digit_features.meta.model_copy(update={"front_end": front_end}))
    with pytest.raises(OssicleError) as caught:
        run(digit_model, features, tmp_path, **params)
    assert words in caught.value.what


def test_a_model_without_weights_or_with_others_is_refused(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    for name in ("model.onnx", "architecture.json"):
        (tmp_path / name).write_bytes(digit_model.file(name).read_bytes())
    with pytest.raises(OssicleError, match=r"no file weights\.safetensors"):
        run(replace(digit_model, path=tmp_path), digit_features, tmp_path / "a", classes=("one",))
    (tmp_path / "weights.safetensors").write_bytes(b"PK\x03\x04 not weights")
    with pytest.raises(OssicleError, match=r"weights\.safetensors"):
        run(replace(digit_model, path=tmp_path), digit_features, tmp_path / "b", classes=("one",))


def test_stop_is_obeyed(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        explain(
            digit_model, digit_features, None, ExplainParams(), Context.for_test(tmp_path, is_cancelled=lambda: True)
        )
