"""ossicle.fine_tune on spoken digits: new classes, two phases, weights from a file, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from node_runs import Told, content
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from engine import Cancelled, Context, FeatureSet, Model, OssicleError
from engine.audio import read_features, table_of, write_features
from engine.params import schema
from nodes.fine_tune import FineTuneParams, fine_tune
from nodes.learn.head import base_of
from nodes.training.result import CURVES_FILE
from nodes.zoo import build

QUICK = FineTuneParams(recipe="s0", learning_rate=0.01, epochs=3, second_epochs=2, batch=50, frozen_layers=12, seed=1)


def run(
    folder: Path, features: FeatureSet, model: Model | None, params: FineTuneParams = QUICK, **changes: object
) -> Model:
    folder.mkdir(exist_ok=True)
    ctx = Context.for_test(folder, **changes)
    return fine_tune(features, model, params=params, ctx=ctx)  # type: ignore[no-any-return]


def changed(**values: object) -> FineTuneParams:
    return QUICK.model_copy(update=values)


@pytest.fixture(scope="module")
def parity(digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """The digits one to four as two classes that the digit model does not know: odd and even."""
    folder = tmp_path_factory.mktemp("parity")
    table = table_of(digit_features)
    names = {"one": "odd", "two": "even", "three": "odd", "four": "even"}
    rows: NDArray[np.bool_] = np.isin(table.label, list(names))
    labels = np.array([names[label] for label in table.label[rows].tolist()])
    made = table.take(rows).with_columns(label=labels)
    write_features(
        folder, made, digit_features.meta.shape, [(slice(0, len(made)), read_features(digit_features, rows))]
    )
    return FeatureSet(folder, digit_features.meta.model_copy(update={"classes": ("even", "odd")}))


# ---- what it makes


def test_new_classes_are_learnt_on_what_is_known(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    told = Told([])
    model = run(tmp_path, parity, digit_model, sink=told)
    assert model.meta.classes == ("even", "odd") and model.json("architecture.json")["classes"] == 2
    assert model.meta.metrics["validation_accuracy"] > 0.9
    assert any("made anew for even, odd" in row["text"] for row in told.of("log"))
    assert {*Model.files, "weights.safetensors", CURVES_FILE} == set(content(model))


def test_both_phases_are_one_training(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    told = Told([])
    model = run(tmp_path, parity, digit_model, sink=told)
    points, per_epoch = model.json(CURVES_FILE)["points"], 240 // 50
    assert [point["step"] for point in points] == [per_epoch * epoch for epoch in (1, 2, 3, 4, 5)]
    rates = [point["learning_rate"] for point in points]  # s0's second rate is 0.3 times its first
    assert rates[0] == pytest.approx(0.003) and rates[3] == pytest.approx(0.0003)
    assert [row["step"] for row in told.of("metric")] == [point["step"] for point in points]
    assert [row["fraction"] for row in told.of("progress")][-1] == 1.0
    assert any("12 of the" in row["text"] and "stay frozen" in row["text"] for row in told.of("log"))
    assert not any((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize(("epochs", "second", "kept"), [(2, 0, None), (0, 2, 12), (2, 2, 12)])
def test_frozen_layers_are_bit_for_bit_the_given_ones(
    parity: FeatureSet, digit_model: Model, tmp_path: Path, epochs: int, second: int, kept: int | None
) -> None:
    params = changed(epochs=epochs, second_epochs=second, selection="last", recipe="s1", weight_decay=0.01)
    model = run(tmp_path, parity, digit_model, params)
    base = base_of(build(digit_model.json("architecture.json")))
    frozen = base if kept is None else base[:kept]
    before, after = (load_file(one.file("weights.safetensors")) for one in (digit_model, model))
    for name in before:
        is_frozen = name.rpartition(".")[0] in frozen
        assert (before[name].shape == after[name].shape and torch.equal(before[name], after[name])) == is_frozen, name


def test_the_same_classes_keep_the_last_layer(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    still = changed(learning_rate=1e-12, epochs=1, second_epochs=1)
    model = run(tmp_path, digit_features, digit_model, still)
    before, after = (load_file(one.file("weights.safetensors")) for one in (digit_model, model))
    torch.testing.assert_close(after["fc.dense.weight"], before["fc.dense.weight"])
    assert model.meta.metrics["validation_accuracy"] > 0.9


def test_a_share_of_the_layers(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    told = Told([])
    run(tmp_path, parity, digit_model, changed(frozen_layers=None, frozen_share=0.5, epochs=1), sink=told)
    count = len(base_of(build(digit_model.json("architecture.json"))))
    assert any(f"{count // 2} of the {count} layers" in row["text"] for row in told.of("log"))


def test_weights_from_a_file(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    """What the file holds is named by the parameters; its head is not used."""
    (tmp_path / "given.safetensors").write_bytes(digit_model.file("weights.safetensors").read_bytes())
    from_file = run(tmp_path, parity, None, changed(weights="given.safetensors"))
    (tmp_path / "b").mkdir()
    from_model = run(tmp_path / "b", parity, digit_model)
    assert content(from_file) == content(from_model)
    before, after = fine_tune.fingerprint, FineTuneParams(weights="given.safetensors")
    assert before is not None and before(after, tmp_path) != before(FineTuneParams(), tmp_path) == ""


def test_a_file_without_a_head(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    tensors = load_file(digit_model.file("weights.safetensors"))
    save_file(
        {name: value for name, value in tensors.items() if not name.startswith("fc.")}, tmp_path / "base.safetensors"
    )
    model = run(tmp_path, parity, None, changed(weights="base.safetensors", epochs=1))
    assert model.meta.metrics["validation_accuracy"] > 0.6


# ---- repeating and going on


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(
    parity: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    one, other = (run(tmp_path / str(threads), parity, digit_model, threads=threads) for threads in (1, 3))
    assert content(one) == content(other) and one.meta == other.meta


@pytest.mark.parametrize("points", [2, 4])
def test_a_cancelled_training_goes_on_in_its_phase(
    parity: FeatureSet, digit_model: Model, tmp_path: Path, points: int
) -> None:
    whole = run(tmp_path / "whole", parity, digit_model)
    told = Told([])
    with pytest.raises(Cancelled):
        run(
            tmp_path / "cut", parity, digit_model, sink=told,
            is_cancelled=lambda: len(list(told.of("metric"))) >= points,
        )  # fmt: skip
    again = Told([])
    assert content(run(tmp_path / "cut", parity, digit_model, sink=again)) == content(whole)
    assert any("went on from the checkpoint" in row["text"] for row in again.of("log"))
    assert len(list(again.of("metric"))) == 5 - points


# ---- parameters and what it refuses


def test_every_parameter_is_explained_and_has_a_section() -> None:
    described = schema(FineTuneParams)
    assert all(entry["description"] for entry in described["properties"].values())
    placed = [name for _, names in described["sections"] for name in names]
    assert sorted(placed) == sorted(described["properties"])
    assert "fine-tuned layers" in described["properties"]["frozen_layers"]["description"]
    assert [(port.name, port.optional) for port in fine_tune.inputs] == [
        ("features", False), ("model", True), ("audio", True)
    ]  # fmt: skip


def test_no_phase_at_all() -> None:
    with pytest.raises(ValidationError, match="both phases have 0 epochs"):
        FineTuneParams(epochs=0, second_epochs=0)


def test_nothing_or_two_things_to_start_from(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="no model is wired and no weights file is named"):
        run(tmp_path, parity, None)
    with pytest.raises(OssicleError, match="both a model and a weights file"):
        run(tmp_path, parity, digit_model, changed(weights="a.safetensors"))


def test_another_front_end(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    meta = digit_model.meta.model_copy(update={"front_end": {**digit_model.meta.front_end, "hop_samples": 80}})
    with pytest.raises(OssicleError, match="hop_samples = 160"):
        run(tmp_path, parity, Model(digit_model.path, meta))


def test_more_frozen_layers_than_there_are(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="298 layers shall stay frozen.*at most"):
        run(tmp_path, parity, digit_model, changed(frozen_layers=298))


def test_a_file_of_another_network(parity: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    (tmp_path / "given.safetensors").write_bytes(digit_model.file("weights.safetensors").read_bytes())
    with pytest.raises(OssicleError, match=r"no layer's: .*b1\.conv1.*conv1\.conv\.weight \(16, 20, 3\) for"):
        run(tmp_path, parity, None, changed(weights="given.safetensors", architecture="seed_cnn"))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("none.safetensors", None, "there is no weights file"),
        ("a.safetensors", b"\x80\x04K\x00.", "a pickle"),
        ("b.safetensors", b"hello, world, this is text", "no safetensors file"),
    ],
)
def test_files_that_hold_no_weights(
    parity: FeatureSet, tmp_path: Path, name: str, data: bytes | None, told: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(OssicleError, match=told):
        run(tmp_path, parity, None, changed(weights=name))
