"""A typed graph as an ONNX file: how fine-tuned weights become a model again, its norms and gates already folded.

Nodes and tensors carry the names of the graph's operations and maps, so that the file is read back as the same graph,
formats by name and all. The batch axis is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nodes.lne.ir import (
    Activation,
    Affine,
    Binary,
    Concat,
    Conv,
    Graph,
    Op,
    Pad,
    Pads,
    Pool,
    Rearrange,
    Recurrent,
    Softmax,
)
from nodes.quant.errors import QuantError

OPSET: Final = 17
_GATES: Final = {"gru": "GRU", "lstm": "LSTM", "rnn": "RNN"}


@dataclass
class _File:
    """Nodes and constants so far."""

    graph: Graph
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    laid: dict[str, str] = field(default_factory=dict)
    """Maps whose tensor of that name has another shape, with the tensor that has theirs."""

    def add(self, kind: str, inputs: Sequence[str], output: str, name: str, **attributes: Any) -> str:
        given = [self.laid.get(one, one) for one in inputs]
        self.nodes.append(helper.make_node(kind, given, [output], name, **attributes))
        return output

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        self.constants.append(numpy_helper.from_array(np.array(values, kind, order="C"), name))
        return name

    def shaped(self, given: str, output: str, shape: tuple[int, ...], name: str) -> str:
        """Another shape behind the batch axis."""
        return self.add("Reshape", [given, self.constant(f"{name}.shape", (0, *shape), np.int64)], output, name)


def write_onnx(graph: Graph, path: Path) -> None:
    """Write a graph; equal graphs give equal bytes.

    Raises:
        QuantError: a map is moved about in a way that ONNX has no operator for.
    """
    file = _File(graph)
    given, wanted = graph.maps[graph.source].shape, graph.source_shape[1:]
    if given != wanted:
        file.laid[graph.source] = file.shaped(graph.source, f"{graph.source}.laid", given, f"{graph.source}.shape")
    for op in graph.ops:
        _WRITERS[type(op)](file, op)
    result = file.shaped(graph.result, f"{graph.result}.logits", graph.result_shape[1:], f"{graph.result}.shape_out")
    made = helper.make_graph(
        file.nodes,
        graph.name,
        [helper.make_tensor_value_info(graph.source, TensorProto.FLOAT, ["batch", *wanted])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["batch", *graph.result_shape[1:]])],
        file.constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="ossicle")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _activated(file: _File, name: str, kind: Activation, given: str, output: str) -> str:
    """An activation between two names; of ONNX's own operators, as the reader knows them."""
    if kind is Activation.SWISH:
        gate = file.add("Sigmoid", [given], f"{output}.gate", f"{name}.gate")
        return file.add("Mul", [given, gate], output, name)
    operator, attributes, limits = _ACTIVATIONS[kind]
    last = [file.constant(f"{output}.limit{index}", value) for index, value in enumerate(limits)]
    return file.add(operator, [given, *last], output, name, **attributes)


_ACTIVATIONS: Mapping[Activation, tuple[str, dict[str, float], tuple[float, ...]]] = MappingProxyType(
    {
        Activation.NONE: ("Identity", {}, ()),
        Activation.RELU: ("Relu", {}, ()),
        Activation.RELU6: ("Clip", {}, (0.0, 6.0)),
        Activation.SIGMOID: ("Sigmoid", {}, ()),
        Activation.TANH: ("Tanh", {}, ()),
        Activation.HARD_SIGMOID: ("HardSigmoid", {"alpha": 1.0 / 6.0, "beta": 0.5}, ()),
        Activation.HARD_SWISH: ("HardSwish", {}, ()),
    }
)


def _conv(file: _File, op: Op) -> None:
    assert isinstance(op, Conv)
    has_scale = op.scale is not None and op.shift is not None
    steps = ["conv"]
    steps += ["residual"] * (op.has_residual and not op.residual_last)
    steps += ["activation"] * (op.activation is not Activation.NONE)
    steps += ["residual"] * (op.has_residual and op.residual_last)
    steps += ["scale", "shift"] * has_scale
    given = op.inputs[0]
    for place, step in enumerate(steps):
        output = op.output if place == len(steps) - 1 else f"{op.output}.step{place}"
        if step == "conv":
            given = _convolved(file, op, given, output)
        elif step == "residual":
            given = file.add("Add", [given, op.inputs[1]], output, f"{op.name}.add")
        elif step == "activation":
            given = _activated(file, f"{op.name}.{op.activation}", op.activation, given, output)
        else:
            values = np.asarray(op.scale if step == "scale" else op.shift)
            held = file.constant(f"{op.name}.{step}", values.reshape(-1, 1, 1))
            given = file.add("Mul" if step == "scale" else "Add", [given, held], output, f"{op.name}.{step}ed")


def _convolved(file: _File, op: Conv, given: str, output: str) -> str:
    held = [file.constant(f"{op.name}.weight", op.weight), file.constant(f"{op.name}.bias", op.bias)]
    return file.add(
        "Conv", [given, *held], output, op.name,
        kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation, pads=_pads(op.pads), group=op.groups,
    )  # fmt: skip


def _pads(pads: Pads) -> list[int]:
    return [pads.top, pads.left, pads.bottom, pads.right]


def _pool(file: _File, op: Op) -> None:
    assert isinstance(op, Pool)
    counts = {"count_include_pad": int(op.counts_pads)} if op.kind != "max" else {}
    kind = "MaxPool" if op.kind == "max" else "AveragePool"
    pads = _reaching(file.graph, op)
    file.add(kind, [op.inputs[0]], op.output, op.name, kernel_shape=op.kernel, strides=op.stride, pads=pads, **counts)


def _reaching(graph: Graph, op: Pool) -> list[int]:
    """Pads as far as the last window reaches; ours may stand over the border."""
    given, out = graph.maps[op.inputs[0]], graph.maps[op.output]
    below = (out.h - 1) * op.stride[0] + op.kernel[0] - given.h - op.pads.top
    right = (out.w - 1) * op.stride[1] + op.kernel[1] - given.w - op.pads.left
    return [op.pads.top, op.pads.left, max(op.pads.bottom, below), max(op.pads.right, right)]


_BINARY: Final = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "maximum": "Max", "minimum": "Min",
}  # fmt: skip


def _binary(file: _File, op: Op) -> None:
    assert isinstance(op, Binary)
    is_plain = op.activation is Activation.NONE
    inner = op.output if is_plain else f"{op.output}.in"
    file.add(_BINARY[op.kind], [*op.inputs], inner, op.name)
    if not is_plain:
        _activated(file, f"{op.name}.{op.activation}", op.activation, inner, op.output)


def _affine(file: _File, op: Op) -> None:
    """The reader calls a chain of them by its last node."""
    assert isinstance(op, Affine)
    is_plain, given = op.activation is Activation.NONE, op.inputs[0]
    if is_plain or (op.scale != 1.0).any() or op.shift.any():
        held = [
            file.constant(f"{op.name}.{name}", values.reshape(-1, 1, 1))
            for name, values in (("scale", op.scale), ("shift", op.shift))
        ]
        given = file.add("Mul", [given, held[0]], f"{op.output}.scaled", f"{op.name}.scaled")
        shifted, name = (op.output, op.name) if is_plain else (f"{op.output}.in", f"{op.name}.shifted")
        given = file.add("Add", [given, held[1]], shifted, name)
    if not is_plain:
        _activated(file, op.name, op.activation, given, op.output)


def _softmax(file: _File, op: Op) -> None:
    assert isinstance(op, Softmax)
    file.add("LogSoftmax" if op.is_log else "Softmax", [op.inputs[0]], op.output, op.name, axis=1)


def _concat(file: _File, op: Op) -> None:
    assert isinstance(op, Concat)
    file.add("Concat", [*op.inputs], op.output, op.name, axis=1 + "chw".index(op.axis))


def _pad(file: _File, op: Op) -> None:
    assert isinstance(op, Pad)
    amounts = [0, 0, op.pads.top, op.pads.left, 0, 0, op.pads.bottom, op.pads.right]
    held = [file.constant(f"{op.name}.pads", amounts, np.int64), file.constant(f"{op.name}.value", op.value)]
    file.add("Pad", [op.inputs[0], *held], op.output, op.name)


def _rearrange(file: _File, op: Op) -> None:
    """As plain rows, gathered, in the new shape: the reader makes one move of it."""
    assert isinstance(op, Rearrange)
    given, out = file.graph.maps[op.inputs[0]], file.graph.maps[op.output]
    flat = file.shaped(op.inputs[0], f"{op.output}.flat", (given.size,), f"{op.name}.flatten")
    table = file.constant(f"{op.name}.table", op.table.ravel(), np.int64)
    moved = file.add("Gather", [flat, table], f"{op.output}.moved", op.name, axis=1)
    file.shaped(moved, op.output, out.shape, f"{op.name}.shape")


def _recurrent(file: _File, op: Op) -> None:
    """(batch, features, 1, steps) to ONNX's (steps, batch, features) and back."""
    assert isinstance(op, Recurrent)
    axes = file.constant(f"{op.name}.axes", [2], np.int64)
    rows = file.add("Squeeze", [op.inputs[0], axes], f"{op.output}.rows", f"{op.name}.squeeze")
    steps = file.add("Transpose", [rows], f"{op.output}.steps", f"{op.name}.turn", perm=[2, 0, 1])
    held = [
        file.constant(f"{op.name}.{name}", values[None])
        for name, values in (("weight", op.weight), ("recurrence", op.recurrence), ("bias", op.bias.reshape(-1)))
    ]
    extra: dict[str, Any] = {"linear_before_reset": int(op.linear_before_reset)} if op.kind == "gru" else {}
    outputs = [op.output] if op.whole else ["", op.output]
    file.nodes.append(
        helper.make_node(
            _GATES[op.kind], [steps, *held], outputs, op.name,
            hidden_size=op.units, direction="reverse" if op.reverse else "forward", **extra,
        )
    )  # fmt: skip
    if op.whole:  # (steps, 1, batch, units)
        laid = file.add("Transpose", [op.output], f"{op.output}.laid", f"{op.name}.turn_back", perm=[2, 3, 1, 0])
    else:  # (1, batch, units)
        turned = file.add("Transpose", [op.output], f"{op.output}.turned", f"{op.name}.turn_back", perm=[1, 2, 0])
        last = file.constant(f"{op.name}.last_axis", [3], np.int64)
        laid = file.add("Unsqueeze", [turned, last], f"{op.output}.laid", f"{op.name}.unsqueeze")
    file.laid[op.output] = laid


_WRITERS: Mapping[type[Op], Callable[[_File, Op], None]] = MappingProxyType(
    {
        Conv: _conv,
        Pool: _pool,
        Binary: _binary,
        Affine: _affine,
        Softmax: _softmax,
        Concat: _concat,
        Pad: _pad,
        Rearrange: _rearrange,
        Recurrent: _recurrent,
    }
)


def same_structure(first: Graph, second: Graph) -> list[str]:
    """What differs in the names and shapes of two graphs; empty if formats of one serve the other."""
    told = [
        f"{name} {_shape(first, name)} and {_shape(second, name)}"
        for name in {**first.maps, **second.maps}
        if _shape(first, name) != _shape(second, name)
    ]
    ops = [[(op.name, type(op).__name__, op.inputs, op.output) for op in graph.ops] for graph in (first, second)]
    told += [str(one) for one in ops[0] if one not in ops[1]] + [str(one) for one in ops[1] if one not in ops[0]]
    return told


def _shape(graph: Graph, name: str) -> tuple[int, ...] | None:
    found = graph.maps.get(name)
    return found.shape if found else None


def check_read_back(path: Path, graph: Graph, read: Graph) -> None:
    """Make sure that a file was read as the graph it was written from.

    Raises:
        QuantError: names differ; the first is told.
    """
    differences = same_structure(graph, read)
    if differences:
        raise QuantError(
            f"{path.name} is read as another network than it was written from ({differences[0]}).",
            "operations that keep their names",
            "Quantize without fine-tuning: set steps to 0.",
        )
