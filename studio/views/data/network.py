"""A network's layers and weights, from model.onnx or weights.safetensors; no torch, nothing is run.

Layers are named as everywhere in Ossicle: after their weights, or after their node.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import OssicleError

if TYPE_CHECKING:
    import onnx

Floats = NDArray[np.float32]
Shape = tuple[int, ...]
PREFIX_BYTES: Final = 8
MOST_HEADER_BYTES: Final = 100_000_000
_DTYPES: Final = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "|i1", "U8": "|u1"}
_DEQUANTIZE: Final = "DequantizeLinear"
_CONVERT: Final = frozenset({"QuantizeLinear", _DEQUANTIZE})
_WEIGHTED: Final = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "GRU", "LSTM", "RNN"})
_SILENT: Final = frozenset(
    {"Relu", "Clip", "Flatten", "Reshape", "Transpose", "Identity", "Squeeze", "Unsqueeze", "Constant", *_CONVERT}
)


@dataclass(frozen=True)
class Codes:
    """How a tensor's numbers become 8 bits: value = scale * (code - zero).

    Attributes:
        scale: one per output channel, or one.
        saturated: share of codes at the lowest or highest code, if the codes are stored.
    """

    scale: Floats
    zero: NDArray[np.int64]
    lowest: int
    highest: int
    saturated: float | None = None

    @property
    def low(self) -> float:
        """Lowest value that any channel can show."""
        return float((self.scale * (self.lowest - self.zero)).min())

    @property
    def high(self) -> float:
        """Highest value that any channel can show."""
        return float((self.scale * (self.highest - self.zero)).max())


@dataclass(frozen=True)
class LayerFacts:
    """One layer: what it does, how large it is, its weights (None where it has none)."""

    name: str
    operator: str
    in_shape: Shape = ()
    out_shape: Shape = ()
    parameters: int = 0
    flops: int = 0
    """2 x multiply-adds."""
    size_bytes: int = 0
    """Bytes of its weights and biases as stored."""
    weights: Floats | None = field(default=None, repr=False, compare=False)
    codes: Codes | None = None
    """Of the weights."""
    activation: Codes | None = None
    """Of the layer's output."""

    @property
    def sparsity(self) -> float:
        """Share of weights that are zero."""
        return float((self.weights == 0).mean()) if self.weights is not None and self.weights.size else 0.0


@dataclass(frozen=True)
class Net:
    """All layers in the order they are computed."""

    layers: tuple[LayerFacts, ...]

    def layer(self, name: str) -> LayerFacts | None:
        """The layer of that name."""
        return next((layer for layer in self.layers if layer.name == name), None)


def read_network(path: Path) -> Net:
    """Layers of a model.onnx (float or QDQ int8).

    Raises:
        OssicleError: it is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path)
        if not model.graph.node:
            raise DecodeError("no nodes")
        inferred = onnx.shape_inference.infer_shapes(model)
    except (DecodeError, onnx.shape_inference.InferenceError, OSError, ValueError) as error:
        raise OssicleError(
            f"{path.name} cannot be read ({error})", "an ONNX network", "Run the node that made the model again"
        ) from error
    return Net(tuple(_Reader(inferred.graph).layers()))


class _Reader:
    """Looks up tensors of one graph."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        from onnx import numpy_helper

        self.graph = graph
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.writers = {name: node for node in graph.node for name in node.output}
        self.readers = {name: node for node in graph.node for name in node.input}
        values = (*graph.input, *graph.value_info, *graph.output)
        self.shapes = {value.name: _shape(value) for value in values}

    def layers(self) -> Iterator[LayerFacts]:
        for node in self.graph.node:
            if node.op_type not in _SILENT:
                yield self._layer(node)

    def _layer(self, node: onnx.NodeProto) -> LayerFacts:
        source = self._float_source(node.input[0]) if node.input else ""
        out_shape = self.shapes.get(node.output[0], ())[1:]
        facts = LayerFacts(
            self._name(node), node.op_type, self.shapes.get(source, self.shapes.get(node.input[0], ()))[1:], out_shape
        )
        if node.op_type not in _WEIGHTED or len(node.input) < 2:
            return replace(facts, activation=self._activation(node.output[0]))
        stored = [self._stored(name) for name in node.input[1:]]
        weights, codes = self._weights(node.input[1])
        return replace(
            facts,
            parameters=sum(array.size for array in stored if array is not None),
            flops=_flops(node.op_type, weights, out_shape),
            size_bytes=sum(array.nbytes for array in stored if array is not None),
            weights=weights,
            codes=codes,
            activation=self._activation(node.output[0]),
        )

    def _name(self, node: onnx.NodeProto) -> str:
        """After its weights ("b1.conv1.weight"), else after the node."""
        if node.op_type in _WEIGHTED:
            for name in node.input[1:2]:
                root = self._root(name).removesuffix("_quantized")
                if root.endswith((".weight", "/weight")):
                    return root[: -len(".weight")]
        return node.name or node.output[0]

    def _root(self, name: str) -> str:
        while name in self.writers and self.writers[name].op_type in _CONVERT:
            name = self.writers[name].input[0]
        return name

    def _float_source(self, name: str) -> str:
        """The tensor before a pair of quantize and dequantize nodes."""
        return self._root(name)

    def _stored(self, name: str) -> NDArray[Any] | None:
        return self.constants.get(self._root(name)) if name else None

    def _weights(self, name: str) -> tuple[Floats | None, Codes | None]:
        node = self.writers.get(name)
        if node is None or node.op_type != _DEQUANTIZE or node.input[0] not in self.constants:
            array = self.constants.get(name)
            return (None if array is None else array.astype(np.float32)), None
        codes = self.constants[node.input[0]]
        found = self._codes(node, codes.dtype)
        axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
        shape = [-1 if index == axis else 1 for index in range(codes.ndim)] if found.scale.size > 1 else []
        values = (codes.astype(np.float32) - found.zero.reshape(shape)) * found.scale.reshape(shape)
        at_end = float(((codes <= -127) | (codes >= found.highest)).mean()) if codes.size else 0.0
        return values.astype(np.float32), replace(found, saturated=at_end)

    def _codes(self, node: onnx.NodeProto, dtype: np.dtype[Any]) -> Codes:
        info = np.iinfo(dtype)
        zero = self.constants[node.input[2]] if len(node.input) > 2 else np.zeros(1, dtype)
        scale = np.atleast_1d(self.constants[node.input[1]]).astype(np.float32)
        return Codes(scale, np.atleast_1d(zero).astype(np.int64), int(info.min), int(info.max))

    def _activation(self, name: str) -> Codes | None:
        """The codes of the first quantize node after a layer and its activation function."""
        for _ in range(4):
            node = self.readers.get(name)
            if node is None:
                return None
            if node.op_type == "QuantizeLinear" and node.input[1] in self.constants:
                zero = self.constants.get(node.input[2]) if len(node.input) > 2 else None
                return self._codes(node, zero.dtype if zero is not None else np.dtype(np.uint8))
            if node.op_type not in ("Relu", "Clip", "Flatten"):
                return None
            name = node.output[0]
        return None


def _shape(value: onnx.ValueInfoProto) -> Shape:
    return tuple(int(dim.dim_value) for dim in value.type.tensor_type.shape.dim)


def _flops(operator: str, weights: Floats | None, out_shape: Shape) -> int:
    """2 x multiply-adds; recurrent layers are left out, their steps are not known here."""
    if weights is None or operator not in ("Conv", "Gemm", "MatMul"):
        return 0
    positions = math.prod(out_shape[1:]) if operator == "Conv" else 1
    return 2 * weights.size * max(positions, 1)


# ---- safetensors


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors by name, as https://huggingface.co/docs/safetensors describes the file: the header's length in 8 bytes
    (little-endian), a JSON header, the numbers. Types numpy does not have are left out.

    Raises:
        OssicleError: it is no safetensors file, or it is cut short.
    """
    data = path.read_bytes()
    try:
        (length,) = struct.unpack_from("<Q", data)
        if not 2 <= length <= min(MOST_HEADER_BYTES, len(data) - PREFIX_BYTES):
            raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
        header = json.loads(data[PREFIX_BYTES : PREFIX_BYTES + length])
        body = memoryview(data)[PREFIX_BYTES + length :]
        return {name: _tensor(entry, body) for name, entry in header.items() if _is_known(name, entry)}
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise OssicleError(
            f"{path.name} cannot be read ({error})", "a safetensors file", "Run the node that made the model again"
        ) from error


def _is_known(name: str, entry: Mapping[str, Any]) -> bool:
    return name != "__metadata__" and entry["dtype"] in _DTYPES


def _tensor(entry: Mapping[str, Any], body: memoryview) -> NDArray[Any]:
    first, last = entry["data_offsets"]
    if not 0 <= first <= last <= len(body):
        raise ValueError(f"numbers from {first} to {last} of {len(body)}")
    return np.frombuffer(body[first:last], _DTYPES[entry["dtype"]]).reshape(entry["shape"])


def network_of_tensors(tensors: Mapping[str, NDArray[Any]]) -> Net:
    """Layers of a weights file alone: no shapes, no operations; what ends in .weight and is no norm."""
    found: list[LayerFacts] = []
    for name, array in sorted(tensors.items()):
        if name.endswith(".weight") and array.ndim > 1:
            layer = name.removesuffix(".weight").removesuffix(".conv")
            values = array.astype(np.float32)
            found.append(LayerFacts(layer, "", (), (), array.size, 0, array.nbytes, values))
    return Net(tuple(found))


# ---- histograms


@dataclass(frozen=True)
class Histogram:
    """Counts (bins,) between edges (bins + 1,)."""

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]


def histogram(values: Sequence[float] | Floats, bins: int = 101) -> Histogram:
    """Counts around zero; an odd number of bins keeps zero in the middle of one."""
    array = np.asarray(values, np.float64).ravel()
    finite = array[np.isfinite(array)]
    top = float(np.abs(finite).max()) if finite.size else 1.0
    counts, edges = np.histogram(finite, bins, (-(top or 1.0), top or 1.0))
    return Histogram(counts, edges)


def power_of_two(values: Floats) -> float:
    """The smallest power of two that no magnitude passes: the range a shift-only kernel would take."""
    top = float(np.abs(values).max()) if values.size else 0.0
    return 2.0 ** math.ceil(math.log2(top)) if top > 0 else 1.0


def clipped_share(values: Floats, low: float, high: float) -> float:
    """Share of values outside a range."""
    return float(((values < low) | (values > high)).mean()) if values.size else 0.0
