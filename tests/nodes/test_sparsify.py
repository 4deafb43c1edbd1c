"""ossicle.sparsify on spoken digits: zeros, smaller networks, from scratch, going on, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from node_runs import Told, content
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import ValidationError
from safetensors.numpy import load_file

from engine import Cancelled, Context, FeatureSet, Model, OssicleError
from engine.audio import read_features, table_of, write_features
from engine.params import schema
from nodes.evaluate import BenchmarkParams, benchmark
from nodes.fine_tune import FineTuneParams, fine_tune
from nodes.learn import checkpoint
from nodes.sparsify import sparsify
from nodes.sparsify_params import SparsifyParams
from nodes.sparsifying.told import SPARSITY_FILE
from nodes.training.result import CURVES_FILE
from nodes.zoo import describe

QUICK = SparsifyParams(target=0.6, epochs=4, batch=50, seed=1, updates=10)
NARROW = SparsifyParams(method="channels", target=0.4, epochs=6, batch=50, seed=1, rounds=2)
METHODS = {"weights": QUICK, "channels": NARROW}


def run(
    folder: Path, features: FeatureSet, model: Model | None, params: SparsifyParams = QUICK, **changes: object
) -> Model:
    folder.mkdir(exist_ok=True)
    ctx = Context.for_test(folder, **changes)
    return sparsify(features, model, params=params, ctx=ctx)  # type: ignore[no-any-return]


def zeros(model: Model) -> float:
    """Share of zeros in the kernels of model.onnx."""
    graph = onnx.load(model.file("model.onnx")).graph
    kernels = [numpy_helper.to_array(one) for one in graph.initializer if one.name.endswith(("weight", "recurrent"))]
    return sum(int((one == 0).sum()) for one in kernels) / sum(one.size for one in kernels)


def accuracy(model: Model, features: FeatureSet, folder: Path) -> float:
    folder.mkdir()
    report = benchmark(model, features, BenchmarkParams(subset="validation"), Context.for_test(folder))
    return float(report.meta.metrics["accuracy"])


# ---- what it makes


def test_weights_become_zero_and_the_digits_are_still_told_apart(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    told = Told([])
    model = run(tmp_path, digit_features, digit_model, sink=told)
    assert {*Model.files, "weights.safetensors", CURVES_FILE, SPARSITY_FILE} == set(content(model))
    assert model.meta.sparsity == pytest.approx(0.6, abs=1e-3) == zeros(model)
    assert model.json("architecture.json") == digit_model.json("architecture.json")
    metrics = model.meta.metrics
    assert metrics["validation_accuracy"] > metrics["validation_accuracy_before"] - 0.05 > 0.85
    assert metrics["validation_accuracy"] == pytest.approx(accuracy(model, digit_features, tmp_path / "b"))
    facts = model.json(SPARSITY_FILE)
    assert facts["sparsity"] == model.meta.sparsity and facts["rounds"] == []
    assert sum(row["zeros"] for row in facts["layers"]) == round(0.6 * sum(row["weights"] for row in facts["layers"]))
    assert [row["name"] for row in facts["layers"]][:2] == ["conv1", "b1.conv1"]
    points = [row["step"] for row in told.of("metric")]
    assert points == [point["step"] for point in model.json(CURVES_FILE)["points"]] and len(points) == 4


def test_channels_go_and_the_model_shrinks(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    told = Told([])
    model = run(tmp_path, digit_features, digit_model, NARROW, sink=told)
    made = model.json("architecture.json")
    counted, before = describe(made), describe(digit_model.json("architecture.json"))
    assert model.meta.parameters == counted.params < before.params
    assert model.meta.flops["true"] == counted.flops["true"] <= 0.6 * before.flops["true"]
    assert model.meta.size_bytes < 0.8 * digit_model.meta.size_bytes and model.meta.sparsity == 0.0
    facts = model.json(SPARSITY_FILE)
    assert [round(row["share"], 3) for row in facts["rounds"]] == [0.225, 0.4]
    assert facts["rounds"][-1]["blocks"] == made["blocks"]
    assert sum(row["params"] for row in facts["layers"]) == counted.params
    assert sum(row["params_before"] for row in facts["layers"]) == before.params
    assert facts["validation"]["after"]["accuracy"] > facts["rounds"][0]["pruned"]["accuracy"]
    assert model.meta.metrics["validation_accuracy"] == pytest.approx(accuracy(model, digit_features, tmp_path / "b"))
    steps = [row["step"] for row in told.of("metric")]
    assert steps == sorted(steps) and steps[-1] == model.json(CURVES_FILE)["steps"] == 72
    assert [row["fraction"] for row in told.of("progress")][-1] == 1.0


@pytest.mark.parametrize("method", METHODS)
def test_from_scratch(digit_features: FeatureSet, tmp_path: Path, method: str) -> None:
    params = METHODS[method].model_copy(update={"epochs": 12, "width": 0.5, "begin": 0.2, "rounds": 1})
    model = run(tmp_path, digit_features, None, params)
    assert model.meta.metrics["validation_accuracy"] > 0.5
    facts = model.json(SPARSITY_FILE)
    assert (facts["validation"]["before"] is None) == (method == "weights")
    assert (model.meta.sparsity > 0.5) == (method == "weights")


def test_layers_left_whole(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    params = QUICK.model_copy(update={"epochs": 1, "scope": "layer", "dense_layers": ("conv1", "b1.short", "fc")})
    model = run(tmp_path, digit_features, digit_model, params)
    rows = {row["name"]: row for row in model.json(SPARSITY_FILE)["layers"]}
    assert {name for name, row in rows.items() if not row["zeros"]} == {"conv1", "b1.short", "fc"}


def test_both_after_another(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    """A smaller network becomes sparse; zeros outlive fine-tuning."""
    small = run(tmp_path / "small", digit_features, digit_model, NARROW.model_copy(update={"epochs": 2}))
    both = run(tmp_path / "both", digit_features, small, QUICK.model_copy(update={"epochs": 1}))
    assert both.meta.parameters == small.meta.parameters and both.meta.sparsity == pytest.approx(0.6, abs=1e-3)
    tuned_params = FineTuneParams(recipe="s0", epochs=1, second_epochs=1, batch=50, learning_rate=0.01)
    folder = tmp_path / "tuned"
    folder.mkdir()
    tuned: Model = fine_tune(digit_features, both, params=tuned_params, ctx=Context.for_test(folder))
    assert tuned.meta.sparsity == pytest.approx(both.meta.sparsity)
    before, after = (load_file(one.file("weights.safetensors")) for one in (both, tuned))
    name = "b2.conv1.conv.weight"
    assert ((before[name] == 0) == (after[name] == 0)).all() and (before[name] != after[name]).any()


def test_what_is_stored(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    model = run(tmp_path, digit_features, digit_model, QUICK.model_copy(update={"epochs": 1}))
    facts = model.json(SPARSITY_FILE)
    rows = {row["bits"]: row for row in facts["storage"]}
    weights = sum(row["weights"] for row in facts["layers"])
    gone = sum(row["zeros"] for row in facts["layers"])
    assert rows[16]["dense_bytes"] == 2 * model.meta.parameters
    assert rows[16]["sparse_bytes"] == 2 * (model.meta.parameters - gone) + -(-weights // 8) < rows[16]["dense_bytes"]


# ---- repeating and going on


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path, method: str
) -> None:
    params = METHODS[method].model_copy(update={"epochs": 2})
    one, other = (run(tmp_path / str(n), digit_features, digit_model, params, threads=n) for n in (1, 3))
    assert content(one) == content(other) and one.meta == other.meta


@pytest.mark.parametrize(("method", "step"), [("weights", 20), ("channels", 20)])
def test_a_cancelled_training_goes_on_where_it_was(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path, method: str, step: int
) -> None:
    params = METHODS[method].model_copy(update={"epochs": 3})
    whole = run(tmp_path / "whole", digit_features, digit_model, params)
    told = Told([])

    def is_cancelled() -> bool:
        return any(row.get("step", 0) > step for row in told.of("metric"))

    with pytest.raises(Cancelled):
        run(tmp_path / "cut", digit_features, digit_model, params, sink=told, is_cancelled=is_cancelled)
    left = sorted(path.parent.name for path in (tmp_path / "cut" / "scratch").rglob(checkpoint.FILE))
    assert left == (["round-0"] if method == "weights" else ["round-1-done", "round-2"])
    again = Told([])
    resumed = run(tmp_path / "cut", digit_features, digit_model, params, sink=again)
    assert content(resumed) == content(whole)
    assert any("went on from the checkpoint" in row["text"] for row in again.of("log"))
    assert not any((tmp_path / "cut" / "scratch").iterdir())


def test_a_budget_that_ends_it_early_still_meets_the_target(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    told = Told([])
    params = QUICK.model_copy(update={"epochs": 4000, "time_budget_s": 2.0, "end": 1.0})
    model = run(tmp_path, digit_features, digit_model, params, sink=told)
    assert model.meta.sparsity == pytest.approx(0.6, abs=1e-3)
    assert any("before the zeros had grown" in row["text"] for row in told.of("log"))
    assert model.meta.metrics["validation_accuracy"] == pytest.approx(accuracy(model, digit_features, tmp_path / "b"))


# ---- parameters and what it refuses


def test_every_parameter_is_explained_and_has_a_section() -> None:
    described = schema(SparsifyParams)
    assert all(entry["description"] for entry in described["properties"].values())
    placed = [name for _, names in described["sections"] for name in names]
    assert sorted(placed) == sorted(described["properties"]) and placed[0] == "method"
    assert sparsify.isolation == "process"
    assert [(port.name, port.optional) for port in sparsify.inputs] == [
        ("features", False), ("model", True), ("audio", True)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"begin": 0.6, "end": 0.6}, "expected begin before end"),
        ({"selection": "best"}, "expected the last ones"),
        ({"patience": 3}, "expected the last ones"),
        ({"target": 1.0}, "less than 1"),
        ({"target": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SparsifyParams(**values)


def test_a_recipe_that_keeps_the_best_weights_keeps_the_last_ones_here() -> None:
    assert SparsifyParams(recipe="s1").made_recipe().selection == "last"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"dense_layers": ("conv9",)}, "There is no layer 'conv9' with weights.*conv1"),
        ({"method": "channels", "dense_layers": ("conv9",)}, "There is no layer 'conv9' that makes channels.*b1.conv1"),
        ({"method": "channels", "target": 0.95, "least_share": 0.6}, r"95% of the operations shall go.*must stay"),
    ],
)
def test_what_the_network_does_not_allow(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(OssicleError, match=words):
        run(tmp_path, digit_features, digit_model, QUICK.model_copy(update={"rounds": 1, "epochs": 1, **params}))


def test_other_classes_a_quantized_model_and_another_front_end(
    digit_features: FeatureSet, digit_model: Model, tmp_path: Path
) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"classes": ("zero", "uno", *digit_model.meta.classes[2:])}, "the model knows the classes zero, uno"),
        ({"precision": "int8"}, "the model is int8.*float32"),
        ({"front_end": {**digit_model.meta.front_end, "n_mels": 40}}, r"n_mels = 32.*n_mels = 40"),
    ]
    for changes, words in cases:
        other = Model(digit_model.path, digit_model.meta.model_copy(update=changes))
        with pytest.raises(OssicleError, match=words):
            run(tmp_path, digit_features, other)


def test_classes_in_another_order(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    turned = (*digit_features.meta.classes[5:], *digit_features.meta.classes[:5])
    features = FeatureSet(digit_features.path, digit_features.meta.model_copy(update={"classes": turned}))
    model = run(tmp_path, features, digit_model, QUICK.model_copy(update={"epochs": 1, "target": 0.1}))
    assert model.meta.metrics["validation_accuracy_before"] > 0.9 and model.meta.classes == turned


def test_weights_that_are_no_numbers(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    broken = tmp_path / "broken"
    broken.mkdir()
    for path in digit_model.path.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(digit_model.file("weights.safetensors"))
    weights["b1.conv1.conv.weight"][0, 0, 0] = np.nan
    save_file(weights, broken / "weights.safetensors")
    with pytest.raises(OssicleError, match="Weights of b1.conv1.conv.weight are not finite"):
        run(tmp_path / "run", digit_features, Model(broken, digit_model.meta))


def test_training_clips_of_one_class(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    table = table_of(digit_features)
    rows: NDArray[np.bool_] = table.label == "one"
    folder = tmp_path / "one"
    folder.mkdir()
    made = table.take(rows)
    write_features(
        folder, made, digit_features.meta.shape, [(slice(0, len(made)), read_features(digit_features, rows))]
    )
    with pytest.raises(OssicleError, match="of one class"):
        run(tmp_path / "run", FeatureSet(folder, digit_features.meta), digit_model)


def test_the_facts_are_json(digit_features: FeatureSet, digit_model: Model, tmp_path: Path) -> None:
    model = run(tmp_path, digit_features, digit_model, NARROW.model_copy(update={"epochs": 1, "rounds": 1}))
    text = model.file(SPARSITY_FILE).read_text()
    assert json.loads(text)["kind"] == "sparsity" and str(tmp_path) not in text
