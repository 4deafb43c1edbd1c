"""Write a network as ONNX straight from its plan: one node per layer under the layer's own name.

Torch's exporter names nodes after its own graph and turns TensorFlow's asymmetric SAME padding into separate Pad nodes;
here the padding is an attribute of the convolution and every norm is folded into the layer before it, so profilers,
quantizers and code generators see the layers of the table and nothing else. What belongs to a layer besides its node is
named after it: `conv1.relu`, `b1.add.norm`. The same network gives the same bytes.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nodes.zoo.block import RECURRENT
from nodes.zoo.export_weights import Tensors, is_folded, tensors_of
from nodes.zoo.layer import JOINS, Layer
from nodes.zoo.network import Network
from nodes.zoo.picture_export import picture_nodes
from nodes.zoo.plan import Plan, plan

INPUT: Final = "features"
OUTPUT: Final = "logits"
OPSET: Final = 17
IR_VERSION: Final = 8

Nodes = Iterator[onnx.NodeProto]


def export_onnx(network: Network, path: Path) -> None:
    """Write the network in inference form to `path`.

    Input `features` float32 (batch, coefficients, frames) or (batch, patches, bands, frames), output `logits` float32
    (batch, classes), free batch.
    """
    onnx.save(to_onnx(network), str(path))


def to_onnx(network: Network) -> onnx.ModelProto:
    """Make the ONNX model of a network in inference form."""
    planned = plan(network.architecture)
    tensors = {layer.name: tensors_of(layer, network.get_submodule(layer.name)) for layer in planned.layers}
    names = _tensor_names(planned)
    graph = helper.make_graph(
        [*_view(planned), *(node for layer in planned.layers for node in _nodes(layer, names, tensors[layer.name]))],
        str(network.architecture["name"]),
        [_value(INPUT, planned.input_shape)],
        [_value(OUTPUT, (planned.classes,))],
        [numpy_helper.from_array(value, name) for group in tensors.values() for name, value in group.items()],
        value_info=[
            _value(names[layer.name], layer.out_shape, _runs(planned, layer))
            for layer in planned.layers[:-1]
            if layer.op != "drop"
        ],
    )
    model = helper.make_model(graph, producer_name="ossicle", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def _runs(planned: Plan, layer: Layer) -> str:
    """Name of the first axis: clips, or the patches of all clips."""
    is_patch = planned.view == "patches" and layer.steps > 1 and layer.op not in RECURRENT
    return "patches" if is_patch else "batch"


def _tensor_names(planned: Plan) -> Mapping[str, str]:
    """Name of the tensor each layer leaves; "" is the map the first layer reads."""
    names = {"": INPUT if planned.view == "temporal" else "view"}
    for layer in planned.layers:
        names[layer.name] = names[layer.source] if layer.op == "drop" else layer.name
    return names | {planned.layers[-1].name: OUTPUT}


def _view(planned: Plan) -> Nodes:
    """Nodes that turn features into the map of the first layer."""
    if planned.view == "temporal":
        return
    if planned.view == "patches":
        _, bands, frames = planned.input_shape
        yield from _reshape(INPUT, "view.patches", (-1, 1, bands, frames))
        yield helper.make_node("Transpose", ["view.patches"], ["view"], "view", perm=[0, 1, 3, 2])
        return
    source = INPUT
    if planned.view == "time_frequency":
        source = "view.transpose"
        yield helper.make_node("Transpose", [INPUT], [source], "view.transpose", perm=[0, 2, 1])
    yield _constant("view.axes", (1,))
    yield helper.make_node("Unsqueeze", [source, "view.axes"], ["view"], "view")


def _nodes(layer: Layer, names: Mapping[str, str], tensors: Tensors) -> Nodes:
    """The layer's own node, what prepares its input, and norm and activation where they are nodes of their own."""
    if layer.op == "drop":
        return
    inputs = [names[source] for source in layer.sources]
    end = list(_end(layer))
    made = [layer.name + suffix for suffix, _ in end]  # `conv1.linear` before `conv1.relu`
    if layer.op == "norm":  # which is its own operation
        made[0] = inputs[0]
    outputs = [*made, names[layer.name]]
    if layer.op != "norm":
        yield from _operation(layer, inputs, outputs[0], tensors)
    for (_, write), source, target in zip(end, outputs, outputs[1:], strict=False):
        yield from write(layer, source, target)


_Write = Callable[[Layer, str, str], Nodes]


def _end(layer: Layer) -> Iterator[tuple[str, _Write]]:
    """What follows the operation: the suffix of the tensor it reads, and how it is written."""
    steps: list[tuple[str, _Write]] = []
    if layer.norm != "none" and not is_folded(layer):
        steps.append((".plain", _banded_norm if layer.norm == "ssn" and len(layer.out_shape) == 3 else _norm))
    if layer.activation != "none":
        steps.append((".linear", _ACTIVATIONS[layer.activation]))
    yield from steps if layer.first == "norm" else reversed(steps)


def _operation(layer: Layer, inputs: list[str], output: str, tensors: Tensors) -> Nodes:
    if layer.op in RECURRENT:
        yield from _recurrent(layer, inputs[0], output, tensors)
        return
    if layer.op == "image":
        yield from picture_nodes(layer, inputs[0], output)
        return
    if layer.op == "dense" and len(layer.in_shape) > 1:
        flat = f"{layer.name}.flat"
        yield helper.make_node("Flatten", inputs, [flat], f"{layer.name}.flatten", axis=1)
        inputs = [flat]
    own = [name for name in (f"{layer.name}.weight", f"{layer.name}.bias") if name in tensors]
    yield helper.make_node(_operator(layer), [*inputs, *own], [output], layer.name, **_attributes(layer))


_OPERATORS: Final = {
    "conv": "Conv", "dense": "Gemm", "avg": "AveragePool", "max": "MaxPool",
    "add": "Add", "mul": "Mul", "concat": "Concat",
}  # fmt: skip


def _operator(layer: Layer) -> str:
    return "GlobalAveragePool" if _is_global(layer) else _OPERATORS[layer.op]


def _attributes(layer: Layer) -> dict[str, Any]:
    if layer.op == "dense":
        return {"transB": 1}
    if layer.op in JOINS or _is_global(layer):
        return {"axis": 1} if layer.op == "concat" else {}
    window: dict[str, Any] = {"kernel_shape": list(layer.kernel), "strides": list(layer.stride)}
    before, after = zip(*layer.pads, strict=True)
    if layer.op == "conv" or any(before) or any(after):
        window["pads"] = [*before, *after]
    if max(layer.dilation, default=1) > 1:
        window["dilations"] = list(layer.dilation)
    return {**window, "group": layer.groups} if layer.op == "conv" else window


def _is_global(layer: Layer) -> bool:
    return layer.op == "avg" and layer.kernel == layer.in_shape[1:]


def _relu(layer: Layer, source: str, target: str) -> Nodes:
    yield helper.make_node("Relu", [source], [target], f"{layer.name}.relu")


def _silu(layer: Layer, source: str, target: str) -> Nodes:
    gate = f"{layer.name}.gate"
    yield helper.make_node("Sigmoid", [source], [gate], f"{layer.name}.sigmoid")
    yield helper.make_node("Mul", [source, gate], [target], f"{layer.name}.silu")


def _relu6(layer: Layer, source: str, target: str) -> Nodes:
    limits = [f"{layer.name}.{end}" for end in ("least", "most")]
    for name, value in zip(limits, (0.0, 6.0), strict=True):
        yield helper.make_node("Constant", [], [name], name, value_float=value)
    yield helper.make_node("Clip", [source, *limits], [target], f"{layer.name}.relu6")


def _sigmoid(layer: Layer, source: str, target: str) -> Nodes:
    yield helper.make_node("Sigmoid", [source], [target], f"{layer.name}.sigmoid")


def _arelu(layer: Layer, source: str, target: str) -> Nodes:
    bent = f"{layer.name}.bent"
    yield helper.make_node("PRelu", [source, f"{layer.name}.slope"], [bent], f"{layer.name}.prelu")
    yield helper.make_node("Mul", [bent, f"{layer.name}.rise"], [target], f"{layer.name}.arelu")


_ACTIVATIONS: Final[Mapping[str, _Write]] = {
    "relu": _relu,
    "relu6": _relu6,
    "silu": _silu,
    "sigmoid": _sigmoid,
    "arelu": _arelu,
    "arelufixed": _arelu,
}


def _norm(layer: Layer, source: str, target: str) -> Nodes:
    parts = [f"{layer.name}.norm.{part}" for part in ("scale", "offset", "mean", "variance")]
    name = layer.name if layer.op == "norm" else f"{layer.name}.norm"
    yield helper.make_node("BatchNormalization", [source, *parts], [target], name, epsilon=0.0)


def _banded_norm(layer: Layer, source: str, target: str) -> Nodes:
    """Bands of rows as channels, the norm, and back: the batch stays free, as a size of 0 copies it."""
    channels, rows, columns = layer.out_shape
    banded, normed = f"{layer.name}.banded", f"{layer.name}.normed"
    yield from _reshape(source, banded, (0, channels * layer.bands, rows // layer.bands, columns))
    yield from _norm(layer, banded, normed)
    yield from _reshape(normed, target, (0, channels, rows, columns), f"{layer.name}.unbanded")


def _recurrent(layer: Layer, source: str, output: str, tensors: Tensors) -> Nodes:
    """The operator wants (steps, batch, inputs) and gives the last state as (1, batch, units)."""
    order, stacked = [2, 0, 1], f"{layer.name}.sequence"
    if len(layer.in_shape) == 1:  # vectors of patches, those of one clip after the other
        clips = f"{layer.name}.clips"
        yield from _reshape(source, clips, (-1, layer.steps, layer.in_shape[0]))
        order, source = [1, 0, 2], clips
    yield helper.make_node("Transpose", [source], [stacked], f"{layer.name}.transpose", perm=order)
    state = f"{layer.name}.state"
    own = [f"{layer.name}.{part}" for part in ("weight", "recurrent", "bias") if f"{layer.name}.{part}" in tensors]
    kind: dict[str, Any] = {"linear_before_reset": 1} if layer.op == "gru" else {}
    inputs = [stacked, *own]
    yield helper.make_node(
        layer.op.upper(), inputs, ["", state], layer.name, hidden_size=layer.out_shape[0], **kind
    )  # fmt: skip
    yield _constant(f"{layer.name}.axes", (0,))
    yield helper.make_node("Squeeze", [state, f"{layer.name}.axes"], [output], f"{layer.name}.squeeze")


def _reshape(source: str, target: str, shape: tuple[int, ...], name: str = "") -> Nodes:
    name = name or target
    yield _constant(f"{name}.shape", shape)
    yield helper.make_node("Reshape", [source, f"{name}.shape"], [target], name)


def _constant(name: str, values: tuple[int, ...]) -> onnx.NodeProto:
    value = numpy_helper.from_array(np.array(values, np.int64))
    return helper.make_node("Constant", [], [name], name, value=value)


def _value(name: str, shape: tuple[int, ...], first: str = "batch") -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [first, *shape])
