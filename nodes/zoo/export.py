"""Write a network as ONNX straight from its plan: one node per layer under the layer's own name.

Torch's exporter names nodes after its own graph and turns TensorFlow's asymmetric SAME padding into separate Pad nodes;
here the padding is an attribute of the convolution and every norm is folded into the layer before it, so profilers,
quantizers and code generators see the layers of the table and nothing else. The same network gives the same bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from nodes.zoo.network import Network
from nodes.zoo.plan import Layer, Plan, plan

INPUT: Final = "features"
OUTPUT: Final = "logits"
OPSET: Final = 17
IR_VERSION: Final = 8

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Weights:
    """Kernel and offset of one layer after folding its norm."""

    kernel: Array
    offset: Array | None


def export_onnx(network: Network, path: Path) -> None:
    """Write the network in inference form to `path`.

    Input `features` float32 (batch, coefficients, frames), output `logits` float32 (batch, classes), free batch.
    """
    onnx.save(to_onnx(network), str(path))


def to_onnx(network: Network) -> onnx.ModelProto:
    """Make the ONNX model of a network in inference form."""
    planned = plan(network.architecture)
    folded = {layer.name: _fold(network.get_submodule(layer.name)) for layer in planned.layers if _has_weights(layer)}
    names = _tensor_names(planned)
    graph = helper.make_graph(
        [*_view(planned), *(node for layer in planned.layers for node in _nodes(layer, names, folded))],
        str(network.architecture["name"]),
        [_value(INPUT, planned.input_shape)],
        [_value(OUTPUT, (planned.classes,))],
        [tensor for name, weights in folded.items() for tensor in _tensors(name, weights)],
        value_info=[_value(names[layer.name], layer.out_shape) for layer in planned.layers[:-1] if layer.op != "drop"],
    )
    model = helper.make_model(graph, producer_name="ossicle", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def _has_weights(layer: Layer) -> bool:
    return layer.op in ("conv", "dense")


def _fold(unit: torch.nn.Module) -> _Weights:
    """Fold norm(w x + b) = w s x + (b - mean) s + offset, s = scale / sqrt(variance + eps), in double precision."""
    parts = dict(unit.named_children())
    product = parts["conv"] if "conv" in parts else parts["dense"]
    kernel, bias = _double(product.weight), None if product.bias is None else _double(product.bias)
    if "norm" in parts:
        norm = parts["norm"]
        scale = _double(norm.weight) / np.sqrt(_double(norm.running_var) + cast(float, norm.eps))
        bias = ((0.0 if bias is None else bias) - _double(norm.running_mean)) * scale + _double(norm.bias)
        kernel = kernel * scale.reshape(-1, *[1] * (kernel.ndim - 1))
    return _Weights(kernel.astype(np.float32), None if bias is None else bias.astype(np.float32))


def _double(value: torch.Tensor | torch.nn.Module) -> NDArray[np.float64]:
    array: NDArray[np.float64] = cast(torch.Tensor, value).detach().cpu().double().numpy()
    return array


def _tensor_names(planned: Plan) -> Mapping[str, str]:
    """Name of the tensor each layer leaves; "" is the map the first layer reads."""
    names = {"": INPUT if planned.view == "temporal" else "view"}
    for layer in planned.layers:
        names[layer.name] = names[layer.source] if layer.op == "drop" else layer.name
    return names | {planned.layers[-1].name: OUTPUT}


def _view(planned: Plan) -> Iterator[onnx.NodeProto]:
    """Nodes that turn (batch, coefficients, frames) into the map of the first layer."""
    if planned.view == "temporal":
        return
    source = INPUT
    if planned.view == "time_frequency":
        source = "view.transpose"
        yield helper.make_node("Transpose", [INPUT], [source], "view.transpose", perm=[0, 2, 1])
    axes = numpy_helper.from_array(np.array([1], np.int64))
    yield helper.make_node("Constant", [], ["view.axes"], "view.axes", value=axes)
    yield helper.make_node("Unsqueeze", [source, "view.axes"], ["view"], "view")


def _nodes(layer: Layer, names: Mapping[str, str], folded: Mapping[str, _Weights]) -> Iterator[onnx.NodeProto]:
    if layer.op == "drop":
        return
    last = names[layer.name]
    made = f"{layer.name}.linear" if layer.relu else last
    source = names[layer.source]
    if layer.op == "dense" and len(layer.in_shape) > 1:
        source = f"{layer.name}.flat"
        yield helper.make_node("Flatten", [names[layer.source]], [source], f"{layer.name}.flatten", axis=1)
    inputs = [source, *_operands(layer, names, folded)]
    yield helper.make_node(_operator(layer), inputs, [made], layer.name, **_attributes(layer))
    if layer.relu:
        yield helper.make_node("Relu", [made], [last], f"{layer.name}.relu")


_OPERATORS: Final = {"conv": "Conv", "dense": "Gemm", "add": "Add", "avg": "AveragePool", "max": "MaxPool"}


def _operator(layer: Layer) -> str:
    return "GlobalAveragePool" if _is_global(layer) else _OPERATORS[layer.op]


def _operands(layer: Layer, names: Mapping[str, str], folded: Mapping[str, _Weights]) -> list[str]:
    if layer.op == "add":
        return [names[layer.other]]
    if not _has_weights(layer):
        return []
    offset = [] if folded[layer.name].offset is None else [f"{layer.name}.bias"]
    return [f"{layer.name}.weight", *offset]


def _attributes(layer: Layer) -> dict[str, Any]:
    if layer.op == "dense":
        return {"transB": 1}
    if layer.op == "add" or _is_global(layer):
        return {}
    window = {"kernel_shape": list(layer.kernel), "strides": list(layer.stride)}
    if layer.op != "conv":
        return window
    before, after = zip(*layer.pads, strict=True)
    return {**window, "pads": [*before, *after], "group": layer.groups}


def _is_global(layer: Layer) -> bool:
    return layer.op == "avg" and layer.kernel == layer.in_shape[1:]


def _tensors(name: str, weights: _Weights) -> Iterator[onnx.TensorProto]:
    yield numpy_helper.from_array(weights.kernel, f"{name}.weight")
    if weights.offset is not None:
        yield numpy_helper.from_array(weights.offset, f"{name}.bias")


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
