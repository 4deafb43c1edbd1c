"""How far an int8 model strays from its float model, layer by layer, as a signal-to-quantization-noise ratio."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from nodes.quant.calibrate import Blocks
from nodes.quant.tensors import first_output, float_tensors, watch

_DEQUANTIZED: Final = "_DequantizeLinear_Output"
BINS: Final = 64
MARGIN: Final = 0.1
"""Room beside the codes' range in a histogram, as a share of it."""
_ONLY_MOVE: Final = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


@dataclass(frozen=True)
class Activation:
    """Outputs of a layer in the float model, and the range that the int8 model's codes cover.

    Counts lie between `edges_low` and `edges_high`; the end bins also hold what lies beyond.
    """

    low: float
    high: float
    edges_low: float
    edges_high: float
    counts: tuple[int, ...]
    clipped: float
    """Share of the outputs outside low ... high."""


@dataclass(frozen=True)
class LayerError:
    """Error of one layer's output over the clips, and of its weights. None: no error at all, or no weights."""

    layer: str
    operator: str
    sqnr_db: float | None
    """10 log10(E[x^2] / E[(x - Q(x))^2]), S3 eq. 9 and 10."""
    max_error: float
    max_value: float
    """Largest magnitude in the float model, to read max_error against."""
    weights_sqnr_db: float | None
    activation: Activation | None = None
    """None where the output is not quantized."""


class Counts:
    """A histogram of one tensor, filled block by block."""

    def __init__(self, low: float, high: float) -> None:
        spare = MARGIN * (high - low)
        self.low, self.high = low, high
        self.edges = np.linspace(low - spare, high + spare, BINS + 1)
        self.counts = np.zeros(BINS, np.int64)
        self.beyond = 0

    def add(self, values: NDArray[Any]) -> None:
        """Count more values."""
        self.beyond += int(((values < self.low) | (values > self.high)).sum())
        self.counts += np.histogram(np.clip(values, self.edges[0], self.edges[-1]), self.edges)[0]

    def done(self) -> Activation:
        """The histogram so far."""
        counts = tuple(self.counts.tolist())
        ends = float(self.edges[0]), float(self.edges[-1])
        return Activation(self.low, self.high, *ends, counts, self.beyond / max(sum(counts), 1))


@dataclass
class Sums:
    """Energies of a layer's outputs and of their errors, filled block by block."""

    signal: float = 0.0
    noise: float = 0.0
    worst: float = 0.0
    largest: float = 0.0
    counts: Counts | None = None

    def add(self, true: NDArray[Any], found: NDArray[Any]) -> None:
        """Take what a layer gives in both models."""
        error = found.astype(np.float64) - true
        self.signal += float(np.square(true, dtype=np.float64).sum())
        self.noise += float(np.square(error).sum())
        self.worst = max(self.worst, float(np.abs(error).max()))
        self.largest = max(self.largest, float(np.abs(true).max()))
        if self.counts is not None:
            self.counts.add(true)

    def activation(self) -> Activation | None:
        """The histogram of what the float model gives, where there is a range."""
        return self.counts.done() if self.counts is not None else None


def layer_errors(folded: Path, quantized: Path, blocks: Blocks, threads: int = 1) -> list[LayerError]:
    """Compare every layer's output, after its activation, between the float and the int8 model.

    The error at a layer holds that of all layers before it.
    """
    true_model, found_model = onnx.load(folded), onnx.load(quantized)
    layers = _layers(true_model, found_model)
    true_names = [tensor for tensor, _ in layers.values()]
    found_names = [tensor for _, tensor in layers.values()]
    spans = _spans(found_model)
    sums = {layer: Sums(counts=Counts(*spans[twin]) if twin in spans else None) for layer, (_, twin) in layers.items()}
    pairs = zip(
        watch(folded, true_names, blocks(), threads), watch(quantized, found_names, blocks(), threads), strict=True
    )
    for true, found in pairs:
        for layer, (tensor, twin) in layers.items():
            sums[layer].add(true[tensor], found[twin])
    operators = {node.name: node.op_type for node in true_model.graph.node}
    weights = _weight_sqnr(true_model, found_model)
    return [
        LayerError(
            layer, operators[layer], sqnr_db(s.signal, s.noise), s.worst, s.largest, weights.get(layer), s.activation()
        )
        for layer, s in sums.items()
    ]


def sqnr_db(signal: float, noise: float) -> float | None:
    """Ratio of two energies in decibels; None where there is no noise or no signal."""
    return 10.0 * float(np.log10(signal / noise)) if noise > 0 and signal > 0 else None


def _layers(true_model: onnx.ModelProto, found_model: onnx.ModelProto) -> dict[str, tuple[str, str]]:
    """Per layer its output tensor in the float model and that tensor's dequantized twin.

    A part counts as its layer (`conv1.relu`, `conv1.norm` as `conv1`), the last part in place of those before; tensors
    that the quantizer fused away are skipped.
    """
    there = {name for node in found_model.graph.node for name in node.output}
    names = {node.name for node in true_model.graph.node}
    made = set(float_tensors(true_model)) - {value.name for value in true_model.graph.input}
    layers: dict[str, tuple[str, str]] = {}
    for node in true_model.graph.node:
        tensor = first_output(node)
        if node.op_type in _ONLY_MOVE:
            continue
        twin = next((name for name in (tensor + _DEQUANTIZED, tensor) if name in there), None)
        if tensor in made and twin is not None:
            layer = node.name.rpartition(".")[0]
            layers[layer if layer in names else node.name] = (tensor, twin)
    return layers


def _spans(model: onnx.ModelProto) -> Mapping[str, tuple[float, float]]:
    """Lowest and highest value of the codes of every quantized activation, by its dequantized tensor."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] not in constants and len(node.input) > 2:
            scale, zero = constants[node.input[1]], constants[node.input[2]]
            codes = np.iinfo(zero.dtype)
            low, high = (float(scale) * (code - int(zero)) for code in (codes.min, codes.max))
            found[node.output[0]] = (low, high)
    return found


def _weight_sqnr(true_model: onnx.ModelProto, found_model: onnx.ModelProto) -> Mapping[str, float | None]:
    """SQNR of the weights of every layer that has any."""
    true = _constants(true_model)
    found = dict(_dequantized(found_model))
    users = {name: node.name for node in true_model.graph.node for name in node.input[1:2] if name in found}
    return {
        layer: sqnr_db(float(np.square(true[name]).sum()), float(np.square(found[name] - true[name]).sum()))
        for name, layer in users.items()
    }


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.float64]]:
    return {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer}


def _dequantized(model: onnx.ModelProto) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """(weight's name in the float model, its values in the int8 model)."""
    constants = _constants(model)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            codes, scale, zero = (constants[name] for name in node.input)
            axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
            shape = [-1 if index == axis else 1 for index in range(codes.ndim)] if scale.ndim else []
            yield node.input[0].removesuffix("_quantized"), (codes - zero.reshape(shape)) * scale.reshape(shape)
