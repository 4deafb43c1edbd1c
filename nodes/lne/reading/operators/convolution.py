"""Conv, Gemm and MatMul: all become `Conv`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from nodes.lne.ir import Conv, Map, Weights
from nodes.lne.reading.call import Call, Constant, Results, UnsupportedError, Value, floats
from nodes.lne.reading.elementwise import affine, binary
from nodes.lne.reading.operators.window import maps_of_clips, padding, pair, value_of_clips


def _conv(call: Call) -> Results:
    value, weight = call.value(), floats(call.needed(1, "weight"))
    bias = call.constant(2, "bias")
    axes = len(value.shape) - 2
    if axes not in (1, 2):
        raise UnsupportedError(f"it moves over {axes} axes", "a convolution over one or two axes")
    groups = int(call.attribute("group", 1))
    _check_sizes(value, weight, bias, groups)
    stride, dilation = (pair(call.attribute(name, [1] * axes)) for name in ("strides", "dilations"))
    kernel = pair(weight.shape[2:])
    reach = tuple((taps - 1) * step + 1 for taps, step in zip(kernel, dilation, strict=True))
    inputs = maps_of_clips(call, value)
    pads = padding(call, inputs[0].shape[1:], reach, stride)
    sizes = zip(inputs[0].shape[1:], (pads.top + pads.bottom, pads.left + pads.right), reach, stride, strict=True)
    out_h, out_w = ((size + around - covered) // step + 1 for size, around, covered, step in sizes)
    if out_h < 1 or out_w < 1:
        raise UnsupportedError("its window is larger than its padded input", "an input at least as large as the window")
    offsets = np.zeros(len(weight)) if bias is None else floats(bias).reshape(-1)

    def one(held: Map) -> Map:
        return call.add(
            (len(weight), out_h, out_w),
            lambda name, out: Conv(
                name,
                (held.name,),
                out,
                weight=weight.reshape(*weight.shape[:2], *kernel),
                bias=offsets,
                stride=stride,
                dilation=dilation,
                pads=pads,
                groups=groups,
            ),
        )

    return [value_of_clips(call, [one(held) for held in inputs], axes)]


def _check_sizes(value: Value, weight: Weights, bias: Constant | None, groups: int) -> None:
    outputs, inputs = weight.shape[:2]
    if weight.ndim != len(value.shape) or groups < 1 or outputs % groups or inputs * groups != value.shape[1]:
        raise UnsupportedError(
            f"its weight {weight.shape} in {groups} groups does not fit {value.shape}", "weights that fit the input"
        )
    if bias is not None and bias.size != outputs:
        raise UnsupportedError(f"it has {bias.size} biases for {outputs} channels", "one bias per channel")


def _gemm(call: Call) -> Results:
    weight = call.needed(1, "weight") if isinstance(call.operand(0), Value) else None
    if weight is None:
        raise UnsupportedError("its first matrix is a constant", "a computed matrix times a constant one")
    ids = call.value().ids.T if call.attribute("transA", 0) else call.value().ids
    matrix = floats(weight) if call.attribute("transB", 0) else floats(weight).T
    bias = call.operand(2)
    scaled = float(call.attribute("beta", 1.0))
    row = floats(bias) * scaled if bias is not None and not isinstance(bias, Value) else np.zeros(1)
    is_row = row.size == 1 or row.shape[-1] == row.size == len(matrix)
    full = np.broadcast_to(row.reshape(-1), len(matrix)) if is_row else np.zeros(len(matrix))
    alpha = float(call.attribute("alpha", 1.0))
    result = dense(call, ids, matrix if alpha == 1.0 else matrix * alpha, np.array(full))
    if isinstance(bias, Value):
        result = binary(call, "add", result, affine(call, bias, scaled) if scaled != 1.0 else bias)
    return [result if is_row else affine(call, result, shift=row)]


def _matmul(call: Call) -> Results:
    left, right = call.operand(0), call.operand(1)
    if isinstance(left, Value) and not isinstance(right, Value) and right is not None:
        return [_times_matrix(call, left, floats(right))]
    if isinstance(right, Value) and not isinstance(left, Value) and left is not None:
        turned = _times_matrix(call, Value(_turned(right.ids)), _turned(floats(left)))
        return [Value(_turned(turned.ids))]
    raise UnsupportedError("both matrices are computed", "a computed matrix times a constant one")


def _turned(matrix: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrix, -1, -2) if matrix.ndim > 1 else matrix


def _times_matrix(call: Call, left: Value, right: Weights) -> Value:
    if right.ndim > 2 and math.prod(right.shape[:-2]) > 1:
        raise UnsupportedError("the constant is a stack of matrices", "one constant matrix")
    matrix = right.reshape(right.shape[-2:]) if right.ndim > 1 else right[:, None]
    ids = left.ids if left.ids.ndim > 1 else left.ids[None, :]
    result = dense(call, ids, matrix.T, np.zeros(matrix.shape[1])).ids
    shape = (*left.shape[:-1], *right.shape[-1:]) if right.ndim > 1 else left.shape[:-1]
    return Value(result.reshape(shape))


def dense(call: Call, ids: np.ndarray, weight: Weights, bias: Weights) -> Value:
    """Rows (..., inputs) times weight (outputs, inputs) plus bias."""
    rows = math.prod(ids.shape[:-1])
    if rows == 1:
        return Value(_whole_map(call, ids.ravel(), weight, bias).reshape(*ids.shape[:-1], len(weight)))
    if weight.shape[1] != ids.shape[-1]:
        raise UnsupportedError(f"it multiplies {ids.shape} by {weight.shape[::-1]}", "matrices whose sizes fit")
    held = call.as_map(ids.reshape(rows, 1, -1).transpose(2, 1, 0))
    made = call.add(
        (len(weight), 1, rows),
        lambda name, out: Conv(name, (held.name,), out, weight=weight[:, :, None, None], bias=bias),
    )
    return Value(call.draft.ids(made).transpose(2, 1, 0).reshape(*ids.shape[:-1], len(weight)))


def _whole_map(call: Call, ids: np.ndarray, weight: Weights, bias: Weights) -> np.ndarray:
    """One row: the weights are put in the order in which the values lie in their map, so nothing is moved."""
    if weight.shape[1] != ids.size:
        raise UnsupportedError(f"it multiplies {ids.size} values by {weight.shape[::-1]}", "matrices whose sizes fit")
    found = call.draft.maps_of(ids)
    held = found[0]
    if len(found) > 1 or held.size > 2 * ids.size:
        held = call.as_map(ids.reshape(-1, 1, 1))
        ids = call.draft.ids(held).ravel()
    ordered = np.zeros((len(weight), held.size))
    np.add.at(ordered.T, call.draft.places(ids, held), weight.T)
    made = call.add(
        (len(weight), 1, 1),
        lambda name, out: Conv(name, (held.name,), out, weight=ordered.reshape(-1, *held.shape), bias=bias),
    )
    return call.draft.ids(made).ravel()


READERS: Mapping[str, Callable[[Call], Results]] = {"Conv": _conv, "Gemm": _gemm, "MatMul": _matmul}
