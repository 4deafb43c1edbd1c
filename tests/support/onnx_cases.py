"""Models of one operator or a few, in the variants that are read: what tests of reading and of passes run over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper
from onnx_checks import one_input_model

RNG = np.random.default_rng(11)
LARGEST = np.iinfo(np.int64).max


def weight(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(0.0, 0.5, shape).astype(np.float32)


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def real(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


@dataclass(frozen=True)
class Case:
    """A model of one node, or of several that end in y."""

    label: str
    shape: tuple[int, ...]
    nodes: Sequence[NodeProto]
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    opset: int = 17


def one(
    operator: str, shape: tuple[int, ...], *operands: NDArray[Any] | None, opset: int = 17, **attributes: Any
) -> Case:
    """One node that reads x and constants."""
    names = ["" if operand is None else f"w{index}" for index, operand in enumerate(operands)]
    weights = {name: operand for name, operand in zip(names, operands, strict=True) if operand is not None}
    label = " ".join([operator, str(shape), *(f"{key}={value}" for key, value in attributes.items())])
    return Case(
        label, shape, [helper.make_node(operator, ["x", *names], ["y"], operator, **attributes)], weights, opset
    )


def chain(
    label: str, shape: tuple[int, ...], *nodes: tuple[Any, ...], opset: int = 17, **weights: NDArray[Any]
) -> Case:
    """Nodes given as (operator, inputs, outputs, attributes)."""
    made = [
        helper.make_node(operator, inputs.split(), outputs.split(), f"{operator}{index}", **(rest[0] if rest else {}))
        for index, (operator, inputs, outputs, *rest) in enumerate(nodes)
    ]
    return Case(label, shape, made, weights, opset)


MAP, ROW, FLAT, PATCHES = (1, 6, 9, 7), (1, 6, 15), (1, 12), (3, 2, 9, 7)
CONVOLUTIONS = (
    one("Conv", MAP, weight(5, 6, 3, 3), weight(5), pads=[1, 0, 2, 1], strides=[2, 1]),
    one("Conv", MAP, weight(4, 6, 3, 2), dilations=[2, 3], group=1),
    one("Conv", MAP, weight(12, 2, 3, 3), weight(12), group=3, auto_pad="SAME_UPPER", strides=[2, 2]),
    one("Conv", MAP, weight(6, 1, 4, 3), weight(6), group=6, auto_pad="SAME_LOWER"),
    one("Conv", MAP, weight(6, 6, 9, 7), auto_pad="VALID"),
    one("Conv", ROW, weight(8, 6, 9), weight(8), pads=[4, 4], strides=[2]),
    one("Conv", ROW, weight(6, 1, 3), dilations=[3], pads=[3, 3], group=6),
    one("Conv", PATCHES, weight(4, 2, 3, 3), weight(4)),
    one("Gemm", FLAT, weight(12, 5), weight(5)),
    one("Gemm", FLAT, weight(5, 12), real(0.5), transB=1, alpha=0.5, beta=2.0),
    one("Gemm", (4, 12), weight(12, 5), weight(4, 5)),
    one("Gemm", (12, 4), weight(12, 5), weight(1, 5), transA=1),
    one("MatMul", FLAT, weight(12, 3)),
    one("MatMul", (1, 9, 12), weight(12, 3)),
    one("MatMul", (1, 2, 9, 12), weight(12, 3)),
    one("MatMul", (12,), weight(12, 3)),
    one("MatMul", (1, 12), weight(12)),
    one("MatMul", (2, 4, 12), weight(1, 12, 3)),
    chain("MatMul of a constant", (1, 9, 5), ("MatMul", "w x", "y"), w=weight(4, 9)),
    chain(
        "Gemm of a transposed map", MAP, ("Transpose", "x", "t", {"perm": [0, 2, 3, 1]}), ("Flatten", "t", "f"),
        ("Gemm", "f w", "y"), w=weight(378, 4),
    ),
    chain("Gemm of a slice", MAP, ("Slice", "x a b c", "t"), ("Flatten", "t", "f"), ("Gemm", "f w", "y"),
          a=ints(2), b=ints(5), c=ints(2), w=weight(126, 4)),
)  # fmt: skip
POOLS = (
    *(
        one(kind, MAP, kernel_shape=[3, 2], strides=[2, 2], pads=pads, ceil_mode=ceil)
        for kind in ("MaxPool", "AveragePool")
        for ceil in (0, 1)
        for pads in ([0, 0, 0, 0], [1, 0, 1, 1])
    ),
    one("AveragePool", MAP, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    one("AveragePool", (1, 3, 8, 8), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1,
        ceil_mode=1, opset=19),
    one("MaxPool", MAP, kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1),
    one("MaxPool", ROW, kernel_shape=[3], strides=[2], auto_pad="SAME_UPPER"),
    one("AveragePool", ROW, kernel_shape=[4]),
    one("MaxPool", PATCHES, kernel_shape=[2, 2]),
    *(one(kind, shape) for kind in ("GlobalAveragePool", "GlobalMaxPool") for shape in (MAP, ROW, PATCHES)),
)  # fmt: skip
VALUES = (
    *(one(kind, MAP, weight(6, 1, 1)) for kind in ("Add", "Sub", "Mul", "Div")),
    *(one(kind, MAP, weight(1, 1, 1, 7)) for kind in ("Add", "Mul")),
    *(one(kind, MAP, weight(9, 1)) for kind in ("Sub", "Div")),
    one("Add", MAP, weight(1, 6, 9, 7)),
    one("Mul", MAP, weight(2, 1, 1, 1)),
    one("Add", (1, 1, 9, 7), weight(1, 6, 1, 1)),
    one("Add", ROW, weight(15)),
    *(one(kind, MAP, real(0.25)) for kind in ("Add", "Mul", "Max", "Min")),
    *(chain(f"{kind} after a constant", MAP, (kind, "w x", "y"), w=weight(6, 1, 1)) for kind in ("Add", "Sub", "Mul")),
    chain("Div after a constant", MAP, ("Abs", "x", "a"), ("Add", "a o", "b"), ("Div", "w b", "y"),
          o=real(1), w=weight(7)),
    *(
        chain(f"{kind} of two", MAP, ("Conv", "x w", "a"), (kind, "a x", "y"), w=weight(6, 6, 1, 1))
        for kind in ("Add", "Sub", "Mul", "Max", "Min")
    ),
    *(
        chain(f"{kind} of a mean", MAP, ("ReduceMean", "x", "m", {"axes": axes}), (kind, order, "y"))
        for kind in ("Sub", "Mul")
        for order in ("m x", "x m")
        for axes in ([2, 3], [1], [2], [3], [1, 2, 3])
    ),
    chain("both ways", MAP, ("ReduceMean", "x", "a", {"axes": [2]}), ("ReduceMean", "x", "b", {"axes": [3]}),
          ("Add", "a b", "y")),
    chain("Div of two", MAP, ("Sigmoid", "x", "s"), ("Div", "x s", "y")),
    chain("Add of turned", (1, 3, 5, 5), ("Transpose", "x", "t", {"perm": [0, 1, 3, 2]}), ("Add", "x t", "y")),
    chain("with itself twice", MAP, ("Gather", "x i", "g", {"axis": 1}), ("Relu", "x", "r"), ("Mul", "g r", "y"),
          i=ints(0, 0, 1, 1, 2, 2)),
    chain("Sum of three", MAP, ("Neg", "x", "n"), ("Relu", "x", "r"), ("Sum", "x n r", "y")),
    chain("Mean of two", MAP, ("Relu", "x", "r"), ("Mean", "x r", "y")),
    one("Sum", MAP),
    one("Neg", ROW),
    *(one("Pow", MAP, real(exponent)) for exponent in (1.0, 2.0, 3.0)),
    *(
        one("BatchNormalization", shape, weight(shape[1]), weight(shape[1]), weight(shape[1]), np.abs(weight(shape[1])))
        for shape in (MAP, ROW, FLAT, PATCHES)
    ),
    chain("patches", PATCHES, ("Conv", "x w", "a"), ("Relu", "a", "b"), ("Add", "b a", "y"), w=weight(4, 2, 3, 3)),
)  # fmt: skip
ACTIVATIONS = (
    *(one(kind, MAP) for kind in ("Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Abs")),
    one("HardSigmoid", MAP, alpha=0.3, beta=0.4),
    one("LeakyRelu", MAP, alpha=1.5),
    one("PRelu", MAP, weight(6, 1, 1)),
    one("PRelu", MAP, weight(1)),
    *(
        one("Clip", MAP, low, high)
        for low, high in (
            (real(0), real(6)), (real(0), None), (None, real(0.5)), (real(-0.5), None), (real(-1), real(0.7)),
            (None, None),
        )
    ),
    *(one(kind, shape, axis=axis) for kind in ("Softmax", "LogSoftmax")
      for shape, axis in ((FLAT, 1), (MAP, 1), (MAP, 3), (ROW, -1))),
    chain("Swish", MAP, ("Sigmoid", "x", "s"), ("Mul", "s x", "y")),
    chain("HardSwish written out", MAP, ("Add", "x a", "b"), ("Clip", "b l u", "c"), ("Div", "c u", "d"),
          ("Mul", "x d", "y"),
          a=real(3), l=real(0), u=real(6)),
    chain("HardSwish, divided last", MAP, ("Add", "x a", "b"), ("Clip", "b l u", "c"), ("Mul", "x c", "d"),
          ("Div", "d u", "y"),
          a=real(3), l=real(0), u=real(6)),
)  # fmt: skip
MOVES = (
    one("Reshape", MAP, ints(0, 2, -1, 7)),
    one("Transpose", MAP, perm=[0, 3, 1, 2]),
    one("Transpose", (3, 4)),
    one("Flatten", MAP, axis=2),
    one("Squeeze", (1, 6, 1, 7), ints(2)),
    one("Unsqueeze", ROW, ints(1, -1)),
    one("Slice", MAP, ints(1, 6), ints(LARGEST, 0), ints(1, 2), ints(2, -1)),
    one("Gather", MAP, ints(4, 0, 0), axis=2),
    one("GatherElements", (1, 4), np.array([[3, 0]], np.int64), axis=1),
    one("GatherND", (1, 4, 3), np.array([[[2]]], np.int64), batch_dims=1),
    one("ReverseSequence", (1, 5, 2), ints(5), batch_axis=0, time_axis=1),
    one("Expand", (1, 6, 1, 7), ints(1, 6, 3, 7)),
    one("Tile", ROW, ints(1, 2, 3)),
    one("DepthToSpace", (1, 8, 3, 2), blocksize=2),
    one("SpaceToDepth", (1, 2, 6, 4), blocksize=2),
    one("Identity", MAP),
    one("Dropout", MAP),
    one("Cast", MAP, to=1),
    one("CastLike", MAP, real(0)),
    chain("Split", MAP, ("Split", "x s", "a b", {"axis": 1}), ("Concat", "b a", "y", {"axis": 1}), s=ints(2, 4)),
    chain("Concat along rows", MAP, ("Relu", "x", "a"), ("Concat", "x a x", "y", {"axis": 2})),
    chain("Concat along columns", MAP, ("Relu", "x", "a"), ("Concat", "a x", "y", {"axis": -1})),
    chain("Concat of a constant", MAP, ("Concat", "x w", "y", {"axis": 1}), w=weight(1, 2, 9, 7)),
    chain("interleaved", (1, 4, 3), ("Relu", "x", "a"), ("Unsqueeze", "x e", "b"), ("Unsqueeze", "a e", "c"),
          ("Concat", "b c", "d", {"axis": 3}), ("Reshape", "d s", "y"), e=ints(3), s=ints(1, 4, 6)),
    one("Pad", MAP, ints(0, 0, 1, 2, 0, 0, 0, 3)),
    one("Pad", MAP, ints(0, 1, 0, 0, 0, 2, 0, 0), real(0.5)),
    one("Pad", MAP, ints(0, 0, -1, 2, 0, 0, 1, -3)),
    one("Pad", MAP, ints(0, 0, 1, 2, 0, 0, 2, 1), mode="reflect"),
    one("Pad", MAP, ints(0, 0, 1, 2, 0, 0, 2, 1), mode="edge"),
    one("Pad", ROW, ints(2, 1), real(-1.0), ints(2), opset=18),
    *(
        one("Resize", (1, 3, 5, 4), None, np.array([1, 1, 2, 1.5], np.float32), mode=mode,
            coordinate_transformation_mode=place)
        for mode in ("nearest", "linear")
        for place in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    ),
    one("Resize", (1, 3, 5, 4), None, None, ints(1, 3, 8, 3), mode="linear"),
    chain("Shape", MAP, ("Shape", "x", "s"), ("Gather", "s i", "c", {"axis": 0}), ("Concat", "f c m", "t", {"axis": 0}),
          ("Reshape", "x t", "y"), i=ints(1), f=ints(1), m=ints(-1)),
    chain("Size", MAP, ("Size", "x", "s"), ("Unsqueeze", "s z", "u"), ("Concat", "f u", "t", {"axis": 0}),
          ("Reshape", "x t", "y"), z=ints(0), f=ints(1)),
)  # fmt: skip
REDUCTIONS = (
    *(
        one(kind, MAP, axes=axes, keepdims=keeps)
        for kind in ("ReduceMean", "ReduceMax", "ReduceMin")
        for axes, keeps in (([2, 3], 1), ([2, 3], 0), ([1], 1), ([-1], 0), ([1, 2, 3], 1), ([2], 1))
    ),
    one("ReduceMean", MAP, ints(2), opset=18),
    one("ReduceMean", MAP, ints(), opset=18, noop_with_empty_axes=1),
    one("ReduceSum", MAP, ints(1, 3)),
    one("ReduceSum", ROW, ints(2), keepdims=0),
    chain("mean of a sequence", (1, 9, 4), ("MatMul", "x w", "a"), ("ReduceMean", "a", "y", {"axes": [1]}),
          w=weight(4, 6)),
)  # fmt: skip


def recurrent(
    kind: str, gates: int, direction: str = "forward", *, whole: bool = True, bias: bool = True, **attributes: Any
) -> Case:
    """A recurrent layer of 5 units over 7 steps of 4 features."""
    turns = 2 if direction == "bidirectional" else 1
    weights = {"w": weight(turns, gates * 5, 4), "r": weight(turns, gates * 5, 5)}
    if bias:
        weights["b"] = weight(turns, 2 * gates * 5)
    inputs = ["x", *weights]
    outputs = ["y"] if whole else ["", "y"]
    node = helper.make_node(kind, inputs, outputs, kind, hidden_size=5, direction=direction, **attributes)
    shape = (1, 7, 4) if attributes.get("layout") else (7, 1, 4)
    return Case(f"{kind} {direction} {whole} {attributes}", shape, [node], weights)


RECURRENT = (
    *(recurrent(kind, gates, way, whole=whole)
      for kind, gates in (("GRU", 3), ("LSTM", 4), ("RNN", 1))
      for way in ("forward", "reverse", "bidirectional")
      for whole in (True, False)),
    recurrent("GRU", 3, linear_before_reset=1),
    recurrent("LSTM", 4, bias=False),
    Case("zero state", (7, 1, 4), [helper.make_node("GRU", ["x", "w", "r", "", "", "h"], ["y"], "g", hidden_size=5)],
         {"w": weight(1, 15, 4), "r": weight(1, 15, 5), "h": np.zeros((1, 1, 5), np.float32)}),
    chain("outputs and last state", (7, 1, 4), ("RNN", "x w r", "a h", {"hidden_size": 5}), ("Squeeze", "a o", "b"),
          ("Squeeze", "h z", "c"), ("Add", "b c", "y"), w=weight(1, 5, 4), r=weight(1, 5, 5), o=ints(1, 2), z=ints(0)),
)  # fmt: skip
TABLE = np.abs(weight(5, 3)).cumsum(0).astype(np.float32)
LOOKUPS = (
    chain("a table between whose rows is interpolated", (1, 6, 7), ("Sigmoid", "x", "s"), ("Mul", "s four", "v"),
          ("Floor", "v", "f"), ("Cast", "f", "i", {"to": 7}), ("Sub", "v f", "r"), ("Unsqueeze", "r last", "share"),
          ("Gather", "steps i", "step"), ("Mul", "share step", "more"), ("Gather", "rows i", "row"),
          ("Add", "row more", "c"), ("Transpose", "c", "y", {"perm": [0, 3, 1, 2]}), four=real(4), last=ints(-1),
          rows=TABLE, steps=np.diff(TABLE, axis=0, append=TABLE[-1:])),
)  # fmt: skip
QUANTIZED = (
    chain("QDQ", MAP, ("QuantizeLinear", "x s z", "q"), ("DequantizeLinear", "q s z", "d"), ("Relu", "d", "y"),
          s=real(0.03), z=np.array(128, np.uint8)),
)  # fmt: skip
EXACT = (*CONVOLUTIONS, *POOLS, *VALUES, *ACTIVATIONS, *MOVES, *REDUCTIONS, *LOOKUPS, *RECURRENT)
CASES = (*EXACT, *QUANTIZED)


def model_of(case: Case) -> bytes:
    made = one_input_model(case.nodes, case.shape, dict(case.weights), opset=case.opset)
    return bytes(made.SerializeToString())
