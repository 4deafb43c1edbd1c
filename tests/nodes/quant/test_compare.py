"""The error of each layer: against a plain computation, growing as bits are lost."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from nodes.quant.calibrate import Range, calibrate
from nodes.quant.compare import LayerError, layer_errors, sqnr_db
from nodes.quant.int8 import Settings, fold, quantize
from nodes.quant.tensors import watch
from nodes.zoo import architecture, build, export_onnx

PLAIN = Settings()


def clips() -> Iterator[np.ndarray]:
    features = np.random.default_rng(2).normal(size=(50, 20, 49)).astype(np.float32)
    return (features[first : first + 16] for first in range(0, 50, 16))


def compared(folder: Path, scale: float = 1.0, settings: Settings = PLAIN) -> dict[str, LayerError]:
    """Layer errors of TC-ResNet8 whose ranges are stretched by `scale`."""
    torch.manual_seed(0)
    export_onnx(build(architecture("tc_resnet8", input_shape=(20, 49), classes=10)), folder / "model.onnx")
    fold(folder / "model.onnx", folder / "folded.onnx")
    ranges = calibrate(folder / "folded.onnx", clips)
    ranges = {name: Range(span.low * scale, span.high * scale) for name, span in ranges.items()}
    quantize(folder / "folded.onnx", folder / "int8.onnx", ranges, settings)
    return {row.layer: row for row in layer_errors(folder / "folded.onnx", folder / "int8.onnx", clips)}


def values(path: Path, name: str) -> np.ndarray:
    return np.concatenate([block[name] for block in watch(path, [name], clips())]).astype(float)


def test_every_layer_has_a_row_with_its_operator(tmp_path: Path) -> None:
    rows = compared(tmp_path)
    assert list(rows)[:5] == ["conv1", "b1.conv1", "b1.conv2", "b1.short", "b1.add"]
    assert list(rows)[-2:] == ["pool", "fc"]
    assert (rows["conv1"].operator, rows["b1.add"].operator, rows["fc"].operator) == ("Conv", "Add", "Gemm")
    assert all(row.sqnr_db is not None and row.sqnr_db > 25 for row in rows.values())
    assert rows["b1.add"].weights_sqnr_db is None


def test_a_row_is_the_definition(tmp_path: Path) -> None:
    row = compared(tmp_path)["b1.conv1"]
    true = values(tmp_path / "folded.onnx", "b1.conv1")
    twin = values(tmp_path / "int8.onnx", "b1.conv1_DequantizeLinear_Output")
    assert row.sqnr_db == pytest.approx(10 * math.log10((true**2).mean() / ((true - twin) ** 2).mean()))
    assert row.max_error == pytest.approx(np.abs(true - twin).max())
    assert row.max_value == pytest.approx(np.abs(true).max())


def test_the_weights_row_is_the_definition(tmp_path: Path) -> None:
    row = compared(tmp_path)["conv1"]
    true = {item.name: numpy_helper.to_array(item) for item in onnx.load(tmp_path / "folded.onnx").graph.initializer}
    codes = {item.name: numpy_helper.to_array(item) for item in onnx.load(tmp_path / "int8.onnx").graph.initializer}
    twin = codes["conv1.weight_quantized"] * codes["conv1.weight_scale"].reshape(-1, 1, 1).astype(float)
    noise = ((true["conv1.weight"] - twin) ** 2).sum()
    assert row.weights_sqnr_db == pytest.approx(10 * math.log10((true["conv1.weight"] ** 2).sum() / noise), rel=1e-4)


@pytest.mark.parametrize("scale", [8.0, 0.2])
def test_ranges_too_wide_or_too_narrow_cost_quality(scale: float, tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).mkdir()
    right, wrong = compared(tmp_path / "right"), compared(tmp_path / "wrong", scale)
    for layer in ("conv1", "b2.conv1", "fc"):
        assert wrong[layer].sqnr_db < right[layer].sqnr_db - 6  # type: ignore[operator]


def test_a_layer_kept_in_float_has_no_error_of_its_weights(tmp_path: Path) -> None:
    rows = compared(tmp_path, settings=Settings(keep_float=("conv1",)))
    assert rows["conv1"].weights_sqnr_db is None
    assert rows["b1.conv1"].weights_sqnr_db is not None


def test_no_noise_has_no_ratio() -> None:
    assert sqnr_db(1.0, 0.0) is None and sqnr_db(0.0, 1.0) is None
    assert sqnr_db(100.0, 1.0) == pytest.approx(20.0)
