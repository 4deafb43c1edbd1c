"""Engines in 8 bits: what our own 8-bit networks are compared with. Calibrated on the given input and on noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nodes.lne.backends.contender import Contender, Floats
from nodes.lne.backends.engines import onnxruntime, openvino

CALIBRATION = 16


def calibration(values: Floats) -> list[Floats]:
    """The input itself, then noise of its spread."""
    draw = np.random.default_rng(0)
    spread = float(values.std()) or 1.0
    noise = [draw.normal(float(values.mean()), spread, values.shape).astype(np.float32) for _ in range(CALIBRATION - 1)]
    return [values, *noise]


def onnxruntime_int8(model: Path, values: Floats) -> Contender:
    """ONNX Runtime on a QDQ graph: u8 activations, s8 weights per channel."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path, folded = model.with_name("model_qdq.onnx"), model.with_name("model_folded.onnx")
    name = onnx.load(str(model)).graph.input[0].name

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(calibration(values))

        def get_next(self) -> Any:
            found = next(self.left, None)
            return None if found is None else {name: found}

    if not path.exists():
        quant_pre_process(str(model), str(folded), skip_symbolic_shape=True)
        quantize_static(
            str(folded), str(path), Reader(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, per_channel=True,
        )  # fmt: skip
    return onnxruntime(path, values)


def openvino_int8(model: Path, values: Floats) -> Contender:
    """OpenVINO on a graph quantised by NNCF."""
    import nncf
    import openvino as ov

    path = model.with_name("model_int8.xml")
    if not path.exists():
        data = nncf.Dataset(calibration(values))
        quantised = nncf.quantize(ov.Core().read_model(str(model)), data, subset_size=CALIBRATION)
        ov.save_model(quantised, str(path), compress_to_fp16=False)
    return openvino(path, values)
