"""Networks quantized by onnxruntime: real weights and ranges of every map, within the noise of quantizing."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_checks import difference, session
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from nodes.lne.ir import Activation, Conv
from nodes.lne.reading import read_onnx
from nodes.lne.reading.random_cnn import random_cnn

SEEDS = (2, 6, 14)


class Noise(CalibrationDataReader):
    """Eight random clips."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(7)
        self.clips = iter([{"features": rng.standard_normal(shape).astype(np.float32)} for _ in range(8)])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.clips, None)


def quantized(seed: int, folder: Path, kind: QuantType) -> Path:
    plain, made = folder / "plain.onnx", folder / "quantized.onnx"
    onnx.save(random_cnn(seed), plain)
    shape = read_onnx(plain).graph.source_shape
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    quantize_static(
        str(plain), str(made), Noise(shape), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=kind, weight_type=QuantType.QInt8,
    )  # fmt: skip
    logging.disable(level)
    return made


@pytest.mark.parametrize("kind", [QuantType.QUInt8, QuantType.QInt8], ids=str)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_quantized_network_is_read_as_a_real_one_with_ranges(seed: int, kind: QuantType, tmp_path: Path) -> None:
    made = quantized(seed, tmp_path, kind)
    reading = read_onnx(made)
    x = np.random.default_rng(1).standard_normal(reading.graph.source_shape).astype(np.float32)
    noise = np.abs(
        session(made).run(None, {"features": x})[0] - session(tmp_path / "plain.onnx").run(None, {"features": x})[0]
    )
    largest = np.abs(session(made).run(None, {"features": x})[0]).max()
    assert difference(made, reading) < max(0.02, 2.0 * noise.max() / largest)
    assert set(reading.graph.maps) == set(reading.ranges)
    assert all(value.scale > 0.0 and 0 <= value.zero <= 255 for value in reading.ranges.values())


def test_a_relu_that_the_quantizer_left_to_the_range_is_kept(tmp_path: Path) -> None:
    made = quantized(2, tmp_path, QuantType.QUInt8)
    plain = [op.activation for op in read_onnx(tmp_path / "plain.onnx").graph.ops if isinstance(op, Conv)]
    relus = sum(node.op_type == "Relu" for node in onnx.load(made).graph.node)
    found = [op.activation for op in read_onnx(made).graph.ops if isinstance(op, Conv)]
    assert relus < sum(one is Activation.RELU for one in plain) <= sum(one is Activation.RELU for one in found)


def test_weights_are_dequantized_exactly(tmp_path: Path) -> None:
    graph = read_onnx(quantized(2, tmp_path, QuantType.QUInt8)).graph
    conv = next(op for op in graph.ops if isinstance(op, Conv))
    for channel in conv.weight:
        steps = channel / (np.abs(channel).max() / 127.0)
        assert np.abs(steps - np.round(steps)).max() < 1e-9
