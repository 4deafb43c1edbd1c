"""Calibration: ranges from plain definitions, whatever the block size."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.quant.calibrate import BINS, Range, calibrate, entropy_bins
from nodes.quant.errors import QuantError
from nodes.zoo import architecture, build, export_onnx

METHODS = ["minmax", "percentile", "entropy"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    export_onnx(build(architecture("tc_resnet8", input_shape=(20, 49), classes=10)), path)
    return path


def clips(count: int = 70, size: int = 32) -> Iterator[np.ndarray]:
    features = np.random.default_rng(0).normal(size=(count, 20, 49)).astype(np.float32)
    return (features[first : first + size] for first in range(0, count, size))


def test_extremes_are_those_of_the_data(model: Path) -> None:
    found = calibrate(model, clips)
    features = np.concatenate(list(clips()))
    assert found["features"] == Range(float(features.min()), float(features.max()))
    assert found["conv1"].low == 0.0 < found["conv1"].high  # after ReLU
    assert found["conv1.linear"].low < 0.0 and found["conv1.linear"].high == found["conv1"].high
    assert {"b1.add", "b3.short", "pool", "logits"} <= found.keys()


@pytest.mark.parametrize("method", METHODS)
def test_the_block_size_does_not_matter(method: str, model: Path) -> None:
    whole, parts = (calibrate(model, lambda size=size: clips(size=size), method) for size in (70, 9))  # type: ignore[arg-type, misc]
    assert whole.keys() == parts.keys()
    for name, span in whole.items():
        assert (parts[name].low, parts[name].high) == pytest.approx((span.low, span.high), rel=2e-2, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_clips_give_the_same_ranges(method: str, model: Path) -> None:
    assert calibrate(model, clips, method) == calibrate(model, clips, method)  # type: ignore[arg-type]


def test_a_percentile_clips_that_share_of_magnitudes(model: Path) -> None:
    span = calibrate(model, clips, "percentile", percentile=95.0)["features"]
    share = np.mean(np.abs(np.concatenate(list(clips()))) <= span.high)
    assert span.low == -span.high
    assert share == pytest.approx(0.95, abs=0.005)


def test_no_method_goes_beyond_the_extremes(model: Path) -> None:
    extremes = calibrate(model, clips)
    for method in ("percentile", "entropy"):
        for name, span in calibrate(model, clips, method).items():  # type: ignore[arg-type]
            assert extremes[name].low <= span.low <= span.high <= extremes[name].high


def test_a_tensor_with_few_values_keeps_its_extremes_under_entropy(model: Path) -> None:
    assert calibrate(model, clips, "entropy")["logits"] == calibrate(model, clips)["logits"]


@pytest.mark.parametrize("draw", ["normal", "relu", "spike", "outliers"])
def test_entropy_cuts_outliers_and_nothing_else(draw: str) -> None:
    rng = np.random.default_rng(0)
    values = np.abs(rng.normal(size=200_000))
    if draw == "relu":
        values[::2] = 0.0
    if draw == "spike":  # the padding of short clips
        values[::3] = 1.7
    if draw == "outliers":
        values[:3] = 100.0
    top = values.max()
    limit = entropy_bins(np.histogram(values, BINS, (0, top))[0], 128) * top / BINS
    assert (3.5 < limit < 5.0) if draw != "outliers" else (4.0 < limit < 10.0)


def test_no_clips(model: Path) -> None:
    with pytest.raises(QuantError, match="0 calibration clips"):
        calibrate(model, lambda: iter(()))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named(value: float, model: Path) -> None:
    block = np.full((1, 20, 49), value, np.float32)
    with pytest.raises(QuantError, match="'features' takes values that are not finite"):
        calibrate(model, lambda: iter([block]))
