"""Which layer of the architecture a node of an optimised graph belongs to.

onnxruntime folds norms, fuses activations, changes layouts and turns QDQ islands into integer kernels; names survive
partly. Evidence is used in this order: the weights a node reads, the tensor it writes, its own name, and else the node
it takes its input from. Layers are named after their weights (`b1.conv1.weight` gives `b1.conv1`), layers without any
after their node (`b1.add`, `pool`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import onnx

_WEIGHTED: Final = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "MatMul", "GRU", "LSTM", "RNN", "QLinearConv", "QLinearMatMul", "QGemm"}
)
_FOLLOWING: Final = frozenset(
    {
        "Relu", "Clip", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "HardSwish", "BatchNormalization", "Identity",
        "QuantizeLinear", "DequantizeLinear", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Cast", "Pad",
        "Shape", "Gather", "Concat", "Constant",
    }
)  # fmt: skip
_OF_SHAPES: Final = frozenset({"", "Shape", "Gather", "Constant", "Squeeze", "Unsqueeze", "Slice"})
"""What makes the parts of a shape; "" is an initializer or the model's input."""
_THROUGH: Final = frozenset({"DequantizeLinear", "QuantizeLinear", "Transpose", "Reshape", "Cast", "Identity"})
_MADE_BY_OPTIMISER: Final = re.compile(r"(_token_\d+|_nchwc|_nhwc|/duplicated)+$")
_FOLDED: Final = re.compile(r"^(ConvBnFusion_W_|ConvBnFusion_BN_B_|ConvMulFusion_W_|ConvAddFusion_B_)+")
_WEIGHT_NAME: Final = re.compile(r"^(?P<layer>.+?)[./](weight|kernel|W)(_quantized)?$")


@dataclass(frozen=True)
class LayerMap:
    """Layers of a model in graph order, and the layer of its nodes, tensors and weights by name."""

    order: tuple[str, ...]
    operators: Mapping[str, str]
    """Operator that gives each layer its character, by layer."""
    nodes: Mapping[str, str]
    tensors: Mapping[str, str]
    weights: Mapping[str, str]


def with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every node has a name, so that profiles can be read back."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    taken = {node.name for node in copy.graph.node}
    for index, node in enumerate(copy.graph.node):
        if not node.name:
            node.name = next(name for name in _names(f"{node.op_type}.{index}") if name not in taken)
    return copy


def _names(stem: str) -> Iterator[str]:
    yield stem
    yield from (f"{stem}.{count}" for count in range(1, 1 << 20))


def map_layers(model: onnx.ModelProto) -> LayerMap:
    """The layers of a model as it was exported (float or QDQ int8)."""
    graph = model.graph
    writers = {tensor: node for node in graph.node for tensor in node.output}
    initializers = {tensor.name for tensor in graph.initializer}
    weights = {node.name: _layer_of_weight(node, writers, initializers) for node in graph.node}
    alone = [node for node in graph.node if _stands_alone(node, weights, writers)]
    named = {node.name: weights[node.name] or _own_name(node) for node in alone}
    order: list[str] = []
    tensors: dict[str, str] = {}
    nodes: dict[str, str] = {}
    operators: dict[str, str] = {}
    for node in graph.node:
        layer = named.get(node.name) or _by_prefix(node.name, named.values()) or _followed(node, tensors)
        nodes[node.name] = layer
        tensors |= dict.fromkeys(node.output, layer)
        if node.name in named:
            operators.setdefault(layer, node.op_type)
            order += [layer] if layer not in order else []
    nodes = {name: layer or _reader(name, graph.node, nodes) for name, layer in nodes.items()}
    tensors = {tensor: nodes[writers[tensor].name] for tensor in tensors}
    read = _weights_by_layer(graph.node, writers, initializers, named)
    return LayerMap(tuple(order), operators, nodes, tensors, read)


def _stands_alone(node: onnx.NodeProto, names: Iterable[str], writers: Mapping[str, onnx.NodeProto]) -> bool:
    """Whether a node is a layer of its own and not a part of another, as `conv1.silu` is of `conv1`."""
    is_part = node.name.rpartition(".")[0] in names
    return not is_part and (node.op_type not in _FOLLOWING or _is_own_layer(node, writers))


def _is_own_layer(node: onnx.NodeProto, writers: Mapping[str, onnx.NodeProto]) -> bool:
    """A norm that no product stands before, or maps (not shapes) put together."""
    before = [writers[root].op_type if root in writers else "" for root in (_root(i, writers) for i in node.input)]
    if node.op_type == "BatchNormalization":
        return before[0] not in _WEIGHTED
    return node.op_type == "Concat" and not any(operator in _OF_SHAPES for operator in before)


def _own_name(node: onnx.NodeProto) -> str:
    """The name of a layer without named weights: `/b1/conv1/Conv` (torch) gives b1.conv1, `/b1/Add` gives b1.Add."""
    parts = node.name.strip("/").split("/")
    is_module = len(parts) > 1 and node.op_type in _WEIGHTED and parts[-1].startswith(node.op_type)
    return ".".join(parts[:-1] if is_module else parts)


def _layer_of_weight(node: onnx.NodeProto, writers: Mapping[str, onnx.NodeProto], initializers: Iterable[str]) -> str:
    """The layer that the weights of a node are named after, "" where there is none."""
    if node.op_type not in _WEIGHTED:
        return ""
    roots = [_root(name, writers) for name in node.input[1:]]
    found = (_WEIGHT_NAME.match(root) for root in roots if root in initializers)
    return next((match["layer"] for match in found if match), "")


def _root(tensor: str, writers: Mapping[str, onnx.NodeProto]) -> str:
    """The tensor that a chain of conversions began with."""
    while tensor in writers and writers[tensor].op_type in _THROUGH:
        tensor = writers[tensor].input[0]
    return tensor


def _by_prefix(name: str, layers: Iterable[str]) -> str:
    fitting = [layer for layer in layers if name == layer or name.startswith((f"{layer}.", f"{layer}_", f"{layer}/"))]
    return max(fitting, key=len, default="")


def _followed(node: onnx.NodeProto, tensors: Mapping[str, str]) -> str:
    return next((tensors[name] for name in node.input if tensors.get(name)), "")


def _reader(name: str, nodes: Iterable[onnx.NodeProto], known: Mapping[str, str]) -> str:
    """The layer that a node in front of the first layer works for."""
    written = {tensor for node in nodes if node.name == name for tensor in node.output}
    readers = [node.name for node in nodes if written & set(node.input)]
    found = [known[reader] or _reader(reader, nodes, known) for reader in readers]
    return next((layer for layer in found if layer), "")


def _weights_by_layer(
    nodes: Iterable[onnx.NodeProto],
    writers: Mapping[str, onnx.NodeProto],
    initializers: set[str],
    named: Mapping[str, str],
) -> Mapping[str, str]:
    """Initializers that only one layer multiplies or adds, with that layer."""
    found: dict[str, set[str]] = {}
    for node in nodes:
        if node.name in named and node.op_type in _WEIGHTED:
            for root in (_root(name, writers) for name in node.input[1:]):
                found.setdefault(root, set()).add(named[node.name])
    return {root: next(iter(layers)) for root, layers in found.items() if root in initializers and len(layers) == 1}


def map_optimised(optimised: onnx.ModelProto, layers: LayerMap) -> Mapping[str, str]:
    """Layer of every node of an optimised graph by node name; "" where nothing tells."""
    graph = optimised.graph
    known: dict[str, str] = {}
    tensors: dict[str, str] = {}
    for node in graph.node:
        known[node.name] = _evidence(node, layers) or _followed(node, tensors)
        tensors |= dict.fromkeys(node.output, known[node.name])
    return {name: layer or _reader(name, graph.node, known) for name, layer in known.items()}


def _evidence(node: onnx.NodeProto, layers: LayerMap) -> str:
    name = _MADE_BY_OPTIMISER.sub("", node.name)
    candidates = (
        *(layers.weights.get(_FOLDED.sub("", tensor), "") for tensor in node.input),
        *(layers.tensors.get(tensor, "") for tensor in node.output),
        layers.nodes.get(name, ""),
        layers.tensors.get(name, ""),
    )
    return next((layer for layer in candidates if layer), "")
