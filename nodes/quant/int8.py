"""Static int8 quantization for onnxruntime: QuantizeLinear and DequantizeLinear around every operator (QDQ)."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import QDQQuantizer, QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from nodes.quant.calibrate import Range
from nodes.quant.errors import QuantError


@dataclass(frozen=True)
class Settings:
    """How numbers become 8 bits."""

    per_channel: bool = True
    """One scale per output channel of a weight, or one for all."""
    symmetric_activations: bool = False
    """Zero point of activations at zero: simpler kernels, one bit lost on one-sided values."""
    reduced_range: bool = False
    """Weights in 7 bits: no saturation on x86 processors without VNNI."""
    keep_float: tuple[str, ...] = ()
    """Layers left in float32."""


def fold(source: Path, target: Path) -> None:
    """Write the model with norms folded into convolutions and every shape inferred."""
    with _quiet():
        quant_pre_process(source, target, skip_symbolic_shape=True)


def quantize(folded: Path, target: Path, ranges: Mapping[str, Range], settings: Settings) -> None:
    """Write the int8 form of a folded model; equal inputs give equal bytes.

    Raises:
        QuantError: a layer to be kept in float does not exist.
    """
    model = onnx.load(folded)
    excluded = _nodes_of(model, settings.keep_float)
    with _quiet():
        quantizer = QDQQuantizer(
            model,
            settings.per_channel,
            settings.reduced_range,
            QuantType.QInt8,
            QuantType.QUInt8,  # onnxruntime leaves signed activations of residual branches in float: 3 times slower
            {name: TensorData(lowest=_array(span.low), highest=_array(span.high)) for name, span in ranges.items()},
            [],
            excluded,
            sorted({*QDQRegistry, *QLinearOpsRegistry}),
            {"ActivationSymmetric": settings.symmetric_activations, "WeightSymmetric": True},
        )
        quantizer.quantize_model()
        quantizer.model.save_model_to_file(str(target))


def _nodes_of(model: onnx.ModelProto, layers: tuple[str, ...]) -> list[str]:
    """The nodes of some layers: each with the nodes named after it, as its activation is."""
    names = [node.name for node in model.graph.node]
    missing = sorted(set(layers) - set(names))
    if missing:
        raise QuantError(
            f"There is no layer '{missing[0]}' to keep in float.", f"one of {', '.join(names)}", "Correct keep_float."
        )
    return [name for name in names if name in layers or name.rpartition(".")[0] in layers]


def _array(value: float) -> np.ndarray[tuple[()], np.dtype[np.float32]]:
    return np.array(value, np.float32)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep onnxruntime's advice to developers out of the user's log."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
