"""The quantize node in fixed point and its fine-tuning, on real digits: to the bit, formats as a file, bad input."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from engine import Context, FeatureMeta, FeatureSet, Model, ModelMeta, OssicleError, Report
from engine.audio import Clip, make_table, read_features, table_of, write_features
from nodes.compress import QuantizeParams, quantize
from nodes.deploy import DeployParams, deploy
from nodes.embedded.feed import feed
from nodes.embedded.sequence import answer
from nodes.embedded.session import rounded
from nodes.embedded.wish import Clips, Network, Watch, Wish
from nodes.evaluate import BenchmarkParams, benchmark
from nodes.lne.ir import Binary, Softmax
from nodes.lne.reading import read_onnx
from nodes.optimise import OptimiseParams, optimise
from nodes.quant.fixed import Fixed, codes
from nodes.quant.formats import FIXED_FILE, integer_graph, read_formats
from nodes.quant.integer import evaluate
from nodes.quant.trained_onnx import write_onnx
from nodes.sensitivity import SensitivityParams, sensitivity
from nodes.zoo import architecture, build, describe, export_onnx
from nodes.zoo.weights import load_weights, save_weights


def quantized(model: Model, features: FeatureSet, folder: Path, **params: Any) -> Model:
    made: Model = quantize(model, features, params=QuantizeParams(**params), ctx=Context.for_test(folder))
    return made


def explored(model: Model, features: FeatureSet, folder: Path, **params: Any) -> Report:
    made: Report = sensitivity(model, features, SensitivityParams(**params), Context.for_test(folder))
    return made


def with_kernels(model: Model, folder: Path, change: Any) -> Model:
    """The model with other kernels: `change` of a name and an array."""
    folder.mkdir()
    for name in ("architecture.json", "weights.safetensors"):
        shutil.copy(model.file(name), folder / name)
    weights = load_file(folder / "weights.safetensors")
    changed = {name: change(name, value) if value.ndim > 1 else value for name, value in weights.items()}
    save_file(changed, folder / "weights.safetensors")
    network = build(json.loads((folder / "architecture.json").read_text()))
    load_weights(network, folder / "weights.safetensors")
    export_onnx(network.eval(), folder / "model.onnx")
    return Model(folder, model.meta)


def accuracy(made: Model) -> float:
    return float(made.json("quantization.json")["accuracy"]["after"]["value"])


@pytest.mark.parametrize("method", ["sqnr", "overload"])
@pytest.mark.parametrize(("bits", "most_lost", "agreement"), [(8, 0.05, 0.9), (16, 0.0, 1.0)])
def test_both_rules_keep_the_accuracy(
    method: str, bits: int, most_lost: float, agreement: float, digit_model: Model, digit_features: FeatureSet,
    tmp_path: Path,
) -> None:  # fmt: skip
    made = quantized(digit_model, digit_features, tmp_path, method=method, bits=bits)
    report = made.json("quantization.json")
    before, after = (report["accuracy"][name]["value"] for name in ("before", "after"))
    assert before - after <= most_lost and report["agreement"] >= agreement
    assert made.meta.precision == report["precision"] == f"fixed{bits}"
    assert made.meta.size_bytes == report["size_bytes"]["after"] < report["size_bytes"]["before"] * bits / 24
    assert read_formats(made.file(FIXED_FILE)).bits == bits
    assert report["rule"]["name"] == method and report["sqnr_db"] > 20


def test_the_benchmark_computes_it_in_integers(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantized(digit_model, digit_features, tmp_path / "q", method="sqnr", bits=5)
    scored = benchmark(made, digit_features, BenchmarkParams(), Context.for_test(tmp_path / "b"))
    assert scored.meta.metrics["accuracy"] == accuracy(made) == made.meta.metrics["accuracy"]
    graph = integer_graph(made.file("model.onnx"))
    rows = read_features(digit_features, table_of(digit_features).subset == "testing")
    hits = [
        evaluate(graph, codes(clip.astype(np.float64), graph.forms[graph.source]))[graph.result].argmax()
        for clip in rows[::6]
    ]
    listed = scored.json("report.json")["predictions"][::6]
    assert [row["prediction"] for row in listed] == [made.meta.classes[int(hit)] for hit in hits]


def test_every_layer_and_every_tensor_has_its_price(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path, method="sqnr")
    report = made.json("quantization.json")
    layers = {row["layer"]: row for row in report["layers"]}
    assert {"conv1", "b1.conv1", "b1.short", "pool", "fc"} <= layers.keys()
    assert all(row["sqnr_db"] > 10 for row in layers.values())
    found = layers["conv1"]["activation"]
    assert sum(found["counts"]) == 120 * 8 * 98 and found["edges_low"] < found["low"] < found["high"]
    tensors = {row["name"]: row for row in report["tensors"]}
    assert {"features", "conv1", "conv1 weight", "fc weight"} <= tensors.keys()
    assert tensors["conv1 weight"]["kind"] == "weight" and tensors["features"]["kind"] == "map"
    noise = sum(10 ** (-row["sqnr_db"] / 10) for row in tensors.values() if row["sqnr_db"] is not None)
    assert report["sqnr_db"] == pytest.approx(-10 * np.log10(noise))


def test_rule_b_follows_its_threshold(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = (
        quantized(digit_model, digit_features, tmp_path / str(share), method="overload", overload=share)
        for share in (0.02, 1e-6)
    )
    fine, coarse = (read_formats(model.file(FIXED_FILE)) for model in made)
    steps = [fine.formats[name].fraction - coarse.formats[name].fraction for name in fine.formats]
    assert min(steps) >= 0 and sum(steps) >= 5


def test_formats_can_be_set_by_hand(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    hand = ("conv1 weight=4:3", "b1.conv1=6:2")
    made = quantized(digit_model, digit_features, tmp_path, method="sqnr", formats=hand)
    formats = read_formats(made.file(FIXED_FILE)).formats
    assert formats["conv1 weight"] == Fixed(4, 3) and formats["b1.conv1"] == Fixed(6, 2)


@pytest.mark.parametrize("scales", ["power_of_two", "per_channel"])
def test_scales_per_channel_work(scales: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantized(digit_model, digit_features, tmp_path, method="sqnr", weight_scales=scales)
    assert read_formats(made.file(FIXED_FILE)).channel_scales == (scales == "per_channel")
    assert made.json("quantization.json")["agreement"] >= 0.9


def test_learning_wins_back_what_few_bits_lost(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    params: dict[str, Any] = {"method": "sqnr", "bits": 4, "learning_rate": 2e-3, "augmentation": "none"}
    plain, learnt = (
        quantized(digit_model, digit_features, tmp_path / str(steps), steps=steps, **params) for steps in (0, 60)
    )
    assert accuracy(learnt) >= accuracy(plain) + 0.05
    told = learnt.json("quantization.json")["fine_tuning"]
    assert told["kept"] and told["steps"] == 60
    assert told["validation_after"]["accuracy"] > told["validation_before"]["accuracy"]
    assert plain.file("model.onnx").read_bytes() == digit_model.file("model.onnx").read_bytes()
    assert learnt.file("model.onnx").read_bytes() != digit_model.file("model.onnx").read_bytes()
    assert not (learnt.path / "weights.safetensors").exists(), "the norms are folded: no such weights any more"
    assert read_formats(learnt.file(FIXED_FILE)).formats == read_formats(plain.file(FIXED_FILE)).formats


def test_affine_int8_learns_too(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    made = quantized(digit_model, digit_features, tmp_path, steps=40, augmentation="none")
    report = made.json("quantization.json")
    assert report["fine_tuning"]["steps"] == 40 and made.meta.precision == "int8"
    assert accuracy(made) >= report["accuracy"]["before"]["value"] - 0.03
    before, after = (load_file(model.file("weights.safetensors")) for model in (digit_model, made))
    assert before.keys() == after.keys()
    assert all(not np.array_equal(before[name], after[name]) for name in before if before[name].ndim > 1)


@pytest.mark.parametrize("method", ["minmax", "sqnr"])
def test_zeros_stay_zero_while_learning(
    method: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    def prune(_name: str, value: np.ndarray) -> np.ndarray:
        return np.where(np.abs(value) < np.median(np.abs(value)), 0.0, value).astype(value.dtype)

    sparse = with_kernels(digit_model, tmp_path / "sparse", prune)
    made = quantized(sparse, digit_features, tmp_path / "q", method=method, steps=5, augmentation="none")
    if method == "sqnr":
        assert made.json("quantization.json")["fine_tuning"]["kept"]
        graph = integer_graph(made.file("model.onnx"))
        weights = [op.weight for op in graph.ops if hasattr(op, "weight")]
    else:
        weights = [value for value in load_file(made.file("weights.safetensors")).values() if value.ndim > 1]
    assert all((value == 0).mean() >= 0.49 for value in weights)


@pytest.fixture
def patches(tmp_path: Path) -> tuple[Model, FeatureSet]:
    """M20k with random weights over two patches, and a few clips of noise whose second patch is louder."""
    torch.manual_seed(0)
    folder, shape, classes = tmp_path / "patched", (2, 64, 96), ("hum", "hiss")
    folder.mkdir()
    made = architecture("m20k_rnn", input_shape=shape, classes=2)
    network = build(made).eval()
    export_onnx(network, folder / "model.onnx")
    save_weights(network, folder / "weights.safetensors")
    (folder / "architecture.json").write_text(json.dumps(made))
    subsets = ["training"] * 6 + ["validation"] * 2 + ["testing"] * 4
    clips = [Clip(f"c{n}", classes[n % 2], subset=subset) for n, subset in enumerate(subsets)]
    table = make_table(clips, [8000] * len(clips), [""] * len(clips))
    noise = np.random.default_rng(1).normal(0, 1, (len(clips), *shape)).astype(np.float32)
    noise[:, 1] *= 12.0
    (tmp_path / "noise").mkdir()
    write_features(tmp_path / "noise", table, shape, [(slice(0, len(clips)), noise)])
    meta = FeatureMeta(front_end={}, layout="patches", shape=shape, classes=classes, about="noise")
    facts = {"architecture": "m20k_rnn", "front_end": {}, "parameters": describe(made).params, "size_bytes": 1}
    return Model(folder, ModelMeta(input_shape=shape, classes=classes, **facts)), FeatureSet(tmp_path / "noise", meta)


def test_a_network_over_patches_learns_and_is_the_firmwares_to_the_bit(
    patches: tuple[Model, FeatureSet], tmp_path: Path
) -> None:
    """The file of formats, the benchmark's network and the one that a device calls patch by patch are the same."""
    model, features = patches
    made = quantized(model, features, tmp_path / "q", method="sqnr", clips=6, steps=2, batch=4, error_clips=2)
    graph = read_onnx(made.file("model.onnx")).graph
    fed = feed(graph)
    assert fed.pieces == 2
    whole, network = integer_graph(made.file("model.onnx")), Network("n", b"", Clips(np.zeros((0,), np.float32)))
    pieces = rounded(graph, replace(network, formats=made.file(FIXED_FILE)), fed, Wish(), Watch())
    for clip in read_features(features, table_of(features).subset == "testing"):
        given = np.stack([codes(piece, pieces.forms[pieces.source]) for piece in fed.inputs(clip)])
        wanted = evaluate(whole, codes(clip.astype(np.float64), whole.forms[whole.source]))[whole.result]
        np.testing.assert_array_equal(answer(pieces, given), wanted)
    assert benchmark(made, features, BenchmarkParams(), Context.for_test(tmp_path / "b")) is not None


def test_the_same_input_gives_the_same_bytes(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    one, two = (
        quantized(digit_model, digit_features, tmp_path / name, method="overload", steps=3) for name in ("one", "two")
    )
    for name in ("model.onnx", FIXED_FILE, "quantization.json"):
        assert one.file(name).read_bytes() == two.file(name).read_bytes()


def test_a_model_in_fixed_point_is_not_quantized_again(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path / "once", method="sqnr")
    with pytest.raises(OssicleError, match="already fixed8"):
        quantized(made, digit_features, tmp_path / "twice", method="sqnr")


@pytest.mark.parametrize("pack", [deploy, optimise])
def test_applications_for_other_machines_refuse_it(
    pack: Any, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path / "q", method="sqnr")
    params = DeployParams() if pack is deploy else OptimiseParams()
    more = (None, None, None) if pack is deploy else (None, None)
    with pytest.raises(OssicleError, match="fixed point .fixed8. for microcontrollers"):
        pack(made, *more, params, Context.for_test(tmp_path / "d"))


def test_a_damaged_file_of_formats_is_told_by_the_benchmark(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    made = quantized(digit_model, digit_features, tmp_path / "q", method="sqnr")
    made.file(FIXED_FILE).unlink()
    (made.path / FIXED_FILE).write_text("{")
    with pytest.raises(OssicleError, match="not usable"):
        benchmark(made, digit_features, BenchmarkParams(), Context.for_test(tmp_path / "b"))


@pytest.mark.parametrize(
    ("formats", "told"),
    [
        (("conv9=8:3",), "There is no tensor 'conv9'"),
        (("conv1",), "There is no tensor ''"),
        (("conv1=8",), "The format of conv1 is '8'"),
        (("conv1=99:1",), "The format of conv1"),
        (("conv1=8:x",), "The format of conv1"),
        (("conv1=8:1000",), "The format of conv1"),
    ],
)
def test_formats_that_cannot_be_read_are_told(
    formats: tuple[str, ...], told: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError, match=told):
        quantized(digit_model, digit_features, tmp_path, method="sqnr", formats=formats)


@pytest.mark.parametrize("method", ["minmax", "sqnr"])
def test_calibration_clips_of_one_class_are_refused(
    method: str, digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError, match="of one class"):
        quantized(digit_model, digit_features, tmp_path, method=method, clips=1)


def test_no_calibration_clips_are_told(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    table = make_table([Clip("a", "one", subset="testing")], [8000], [""])
    (tmp_path / "data").mkdir()
    write_features(tmp_path / "data", table, (20, 49), [(slice(0, 1), np.ones((1, 20, 49), np.float32))])
    with pytest.raises(OssicleError, match="there are no training clips"):
        quantized(digit_model, replace(digit_features, path=tmp_path / "data"), tmp_path, method="sqnr")


def test_operators_without_an_integer_form_are_listed_at_once(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    graph = read_onnx(digit_model.file("model.onnx")).graph
    last = graph.maps[graph.result]
    more = (
        Softmax("middle", (graph.result,), "shares"),
        Binary("ratio", ("shares", graph.result), "quotient", kind="divide"),
    )
    maps = {**graph.maps, **{name: replace(last, name=name) for name in ("shares", "quotient")}}
    folder = tmp_path / "m"
    folder.mkdir()
    write_onnx(replace(graph, ops=(*graph.ops, *more), maps=maps, result="quotient"), folder / "model.onnx")
    for explore in (quantized, explored):
        with pytest.raises(OssicleError, match=r"no integer form of middle \(softmax\), ratio \(divide\)"):
            explore(Model(folder, digit_model.meta), digit_features, tmp_path / explore.__name__, method="sqnr")


def test_weights_that_overflow_are_listed(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    huge = with_kernels(digit_model, tmp_path / "m", lambda name, value: value * (1e9 if name.startswith("fc") else 1))
    with pytest.raises(OssicleError, match="fc weight.*overflow"):
        quantized(huge, digit_features, tmp_path / "q", method="sqnr")


def test_a_dead_layer_is_told_and_still_has_a_format(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path
) -> None:
    dead = with_kernels(digit_model, tmp_path / "m", lambda name, value: value * (not name.startswith("fc")))
    told: list[str] = []
    ctx = Context.for_test(tmp_path / "q", sink=lambda event: told.append(str(event)))
    made = quantize(dead, digit_features, params=QuantizeParams(method="sqnr"), ctx=ctx)
    assert any("constant over all calibration clips" in one and "logits" in one for one in told)
    assert accuracy(made) == made.json("quantization.json")["accuracy"]["before"]["value"]
