"""ossicle.distill on spoken digits: what it writes, tells and refuses, two stages, and going on after a stop."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from node_runs import Told, content
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import load_file

from engine import Cancelled, Context, FeatureSet, Model, OssicleError
from engine.audio import read_features, table_of, write_features
from engine.params import schema
from nodes.compress import QuantizeParams, quantize
from nodes.distill import DISTILLATION_FILE, DistillParams, distill
from nodes.evaluate import BenchmarkParams, benchmark
from nodes.learn import checkpoint
from nodes.training.result import CURVES_FILE

QUICK = DistillParams(width=0.5, epochs=3, batch=50, seed=1, alpha_soft=2.0, alpha_embedding=0.1, temperature=2.0)


def run(
    folder: Path,
    features: FeatureSet,
    teacher: Model,
    params: DistillParams = QUICK,
    student: Model | None = None,
    **changes: object,
) -> Model:
    folder.mkdir(exist_ok=True)
    ctx = Context.for_test(folder, **changes)
    return distill(features, teacher, student, params=params, ctx=ctx)  # type: ignore[no-any-return]


def changed(**values: object) -> DistillParams:
    return QUICK.model_copy(update=values)


# ---- what it makes


def test_it_writes_a_whole_model_and_tells_of_its_teacher(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    told = Told([])
    model = run(tmp_path, digit_features, digit_model, sink=told)
    assert set(content(model)) == {*Model.files, "weights.safetensors", CURVES_FILE, DISTILLATION_FILE}
    facts = model.json(DISTILLATION_FILE)
    assert facts["alphas"] == {"hard": 1.0, "soft": 2.0, "embedding": 0.1, "temperature": 2.0}
    assert facts["teacher"]["parameters"] == digit_model.meta.parameters > model.meta.parameters
    assert facts["teacher"]["validation"]["accuracy"] == model.meta.metrics["teacher_validation_accuracy"] > 0.9
    points = [row for row in told.of("metric") if "accuracy" in row]
    assert [row["step"] for row in points] == [point["step"] for point in model.json(CURVES_FILE)["points"]]
    parts = [row for row in told.of("metric") if "loss_soft" in row]
    assert len(parts) == len(points) == 3
    for whole, one in zip(points, parts, strict=True):
        wanted = one["loss_hard"] + 2.0 * one["loss_soft"] + 0.1 * one["loss_embedding"]
        assert whole["loss"] == pytest.approx(wanted, rel=1e-4)


def test_the_model_is_its_onnx(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    model = run(tmp_path, digit_features, digit_model)
    report = benchmark(model, digit_features, BenchmarkParams(subset="validation"), Context.for_test(tmp_path / "b"))
    assert report.meta.metrics["accuracy"] == pytest.approx(model.meta.metrics["validation_accuracy"])


def test_a_teacher_helps_where_labels_are_few(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    """Six clips per digit: what the teacher answers to mixtures of them says more than their labels."""
    table = table_of(digit_features)
    is_kept = [name.endswith("_5") for name in table.clip_id.tolist()]
    poor = subset(digit_features, np.array(is_kept) | (table.subset != "training"), tmp_path / "few")
    few = DistillParams(width=0.5, steps=300, batch=20, average=0.99, alpha_hard=0.0)
    taught = run(tmp_path / "taught", poor, digit_model, few)
    alone = run(tmp_path / "alone", poor, digit_model, few.model_copy(update={"alpha_hard": 1.0, "alpha_soft": 0.0}))
    assert taught.meta.metrics["validation_accuracy"] > alone.meta.metrics["validation_accuracy"]


def subset(features: FeatureSet, rows: NDArray[np.bool_], folder: Path) -> FeatureSet:
    folder.mkdir()
    table = table_of(features).take(rows)
    write_features(folder, table, features.meta.shape, [(slice(0, len(table)), read_features(features, rows))])
    return FeatureSet(folder, features.meta)


def test_a_student_may_come_trained(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    """With a rate of next to nothing it stays what it was, whatever form it learns in."""
    for name, recipe in (("plain", "s0"), ("scaled", "modern")):
        still = DistillParams.model_validate(
            {"recipe": recipe, "epochs": 1, "batch": 50, "learning_rate": 1e-12, "average": 0.0, "weight_decay": 0.0}
            | {"dropout": 0.0, "selection": "last", "architecture": "seed_cnn"}
        )
        model = run(tmp_path / name, digit_features, digit_model, still, student=digit_model)
        assert model.meta.architecture == "tc_resnet8"
        before, after = (load_file(one.file("weights.safetensors")) for one in (digit_model, model))
        kernels = [key for key in before if key.endswith("weight")]
        assert all(torch.allclose(before[key], after[key], rtol=1e-5, atol=1e-7) for key in kernels)


def test_two_stages_are_two_nodes(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    middle = run(tmp_path / "middle", digit_features, digit_model, changed(width=1.0))
    small = run(tmp_path / "small", digit_features, middle, changed(width=0.25))
    facts = small.json(DISTILLATION_FILE)["teacher"]
    assert facts["parameters"] == middle.meta.parameters > 4 * small.meta.parameters
    assert facts["sha256"] != middle.json(DISTILLATION_FILE)["teacher"]["sha256"]


def test_a_student_learnt_in_int8_is_float_and_tells_both(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    model = run(tmp_path, digit_features, digit_model, changed(quantize_in_loop=True))
    plain = run(tmp_path / "plain", digit_features, digit_model)
    assert model.meta.precision == "float32" and content(model)["model.onnx"] != content(plain)["model.onnx"]
    assert set(load_file(model.file("weights.safetensors"))) == set(load_file(plain.file("weights.safetensors")))
    told = model.meta.metrics
    assert told["validation_accuracy_in_int8"] == model.json(DISTILLATION_FILE)["validation_in_int8"]["accuracy"]
    quantized = quantize(
        model, digit_features, params=QuantizeParams(subset="validation"), ctx=Context.for_test(tmp_path / "q")
    )
    assert quantized.meta.metrics["accuracy"] == pytest.approx(told["validation_accuracy_in_int8"], abs=0.05)
    assert quantized.meta.metrics["accuracy_float"] == pytest.approx(told["validation_accuracy"])


# ---- repeating and going on


@pytest.mark.parametrize("rounds", [False, True])
def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path, rounds: bool
) -> None:
    params = changed(quantize_in_loop=rounds, epochs=1)
    one, other = (
        run(tmp_path / str(threads), digit_features, digit_model, params, threads=threads) for threads in (1, 3)
    )
    assert content(one) == content(other) and one.meta == other.meta


def test_a_cancelled_training_goes_on_where_it_was(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    whole = run(tmp_path / "whole", digit_features, digit_model)
    told = Told([])

    def is_cancelled() -> bool:
        return any("validation_loss" in row and row["step"] > 15 for row in told.of("metric"))

    with pytest.raises(Cancelled):
        run(tmp_path / "cut", digit_features, digit_model, sink=told, is_cancelled=is_cancelled)
    assert (tmp_path / "cut" / "scratch" / checkpoint.FILE).is_file()
    again = Told([])
    assert content(run(tmp_path / "cut", digit_features, digit_model, sink=again)) == content(whole)
    assert any("went on from the checkpoint" in row["text"] for row in again.of("log"))


def test_the_checkpoint_of_another_teacher_is_not_taken_up(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    told = Told([])
    with pytest.raises(Cancelled):
        run(
            tmp_path / "cut", digit_features, digit_model, sink=told,
            is_cancelled=lambda: any("validation_loss" in row for row in told.of("metric")),
        )  # fmt: skip
    other = run(tmp_path / "other", digit_features, digit_model, changed(epochs=1))
    again = Told([])
    run(tmp_path / "cut", digit_features, other, sink=again)
    assert not any("went on" in row["text"] for row in again.of("log"))


# ---- parameters and what it refuses


def test_every_parameter_is_explained_and_has_a_section() -> None:
    described = schema(DistillParams)
    assert all(entry["description"] for entry in described["properties"].values())
    placed = [name for _, names in described["sections"] for name in names]
    assert sorted(placed) == sorted(described["properties"]) and placed[0] == "alpha_hard"
    assert distill.isolation == "process"
    assert [(port.name, port.optional) for port in distill.inputs] == [
        ("features", False), ("teacher", False), ("student", True), ("audio", True)
    ]  # fmt: skip


def test_a_loss_of_nothing() -> None:
    with pytest.raises(ValidationError, match="all three alphas are 0"):
        DistillParams(alpha_hard=0.0, alpha_soft=0.0, alpha_embedding=0.0)


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_other_classes_are_listed(digit_features: FeatureSet, digit_model: Model, tmp_path: Path, role: str) -> None:
    words = ("zero", "uno", "dos", *digit_model.meta.classes[3:])
    other = Model(digit_model.path, digit_model.meta.model_copy(update={"classes": words}))
    teacher, student = (other, None) if role == "teacher" else (digit_model, other)
    with pytest.raises(OssicleError) as caught:
        run(tmp_path, digit_features, teacher, student=student)
    text = str(caught.value)
    assert f"the {role} knows the classes zero, uno, dos, three" in text
    assert "lacks one, two and has also uno, dos" in text and "zero, one, two, three" in text


def test_classes_in_another_order_are_the_same_classes(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    turned = (*digit_features.meta.classes[5:], *digit_features.meta.classes[:5])
    features = FeatureSet(digit_features.path, digit_features.meta.model_copy(update={"classes": turned}))
    model = run(tmp_path, features, digit_model, changed(epochs=1))
    assert model.meta.metrics["teacher_validation_accuracy"] > 0.9 and model.meta.classes == turned


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_another_front_end(digit_features: FeatureSet, digit_model: Model, tmp_path: Path, role: str) -> None:
    front_end = {**digit_model.meta.front_end, "n_mels": 40}
    other = Model(digit_model.path, digit_model.meta.model_copy(update={"front_end": front_end}))
    teacher, student = (other, None) if role == "teacher" else (digit_model, other)
    with pytest.raises(OssicleError, match=r"n_mels = 32.*n_mels = 40"):
        run(tmp_path, digit_features, teacher, student=student)


def test_a_quantized_teacher(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    other = Model(digit_model.path, digit_model.meta.model_copy(update={"precision": "int8"}))
    with pytest.raises(OssicleError, match="the model is int8.*float32"):
        run(tmp_path, digit_features, other)


def test_a_teacher_whose_weights_are_not_its_own(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    other = run(tmp_path / "other", digit_features, digit_model, changed(epochs=1))
    shutil.copytree(digit_model.path, tmp_path / "mixed")
    shutil.copy(other.file("weights.safetensors"), tmp_path / "mixed" / "weights.safetensors")
    with pytest.raises(OssicleError, match="does not fit the model.*tensors differ"):
        run(tmp_path / "run", digit_features, Model(tmp_path / "mixed", digit_model.meta))
