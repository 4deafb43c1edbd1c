"""Every operation in float64 numpy, written for clarity: what primitives and passes are compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import (
    Activation,
    Affine,
    Binary,
    Concat,
    Conv,
    Graph,
    Map,
    Op,
    Pad,
    Pads,
    Pool,
    Rearrange,
    Recurrent,
    Softmax,
    Weights,
)  # fmt: skip

Maps = dict[str, Weights]


def evaluate(graph: Graph, values: Weights) -> Maps:
    """Every map (channels, rows, columns) of a network for one input, by name."""
    found: Maps = {graph.source: np.asarray(values, np.float64).reshape(graph.maps[graph.source].shape)}
    for op in graph.ops:
        inputs = [found[name] for name in op.inputs]
        found[op.output] = compute(op, inputs, graph.maps[op.output])
    return found


def compute(op: Op, inputs: list[Weights], out: Map) -> Weights:
    """The map one operation gives for one clip."""
    return _RULES[type(op)](op, inputs, out)


def _sigmoid(x: Weights) -> Weights:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


_ACTIVATIONS: Mapping[Activation, Callable[[Weights], Weights]] = MappingProxyType(
    {
        Activation.NONE: lambda x: x,
        Activation.RELU: lambda x: np.maximum(x, 0.0),
        Activation.RELU6: lambda x: np.clip(x, 0.0, 6.0),
        Activation.SIGMOID: _sigmoid,
        Activation.TANH: np.tanh,
        Activation.HARD_SIGMOID: lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
        Activation.HARD_SWISH: lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
        Activation.SWISH: lambda x: x * _sigmoid(x),
    }
)


def activate(activation: Activation, x: Weights) -> Weights:
    """An activation of every value."""
    return _ACTIVATIONS[activation](x)


def padded(x: Weights, pads: Pads, value: float = 0.0) -> Weights:
    """A map with a border."""
    return np.pad(x, ((0, 0), (pads.top, pads.bottom), (pads.left, pads.right)), constant_values=value)


def _column(values: Weights) -> Weights:
    return values[:, None, None]


def _conv(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Conv)
    x, per_group = padded(inputs[0], op.pads), len(op.weight) // op.groups
    missing = [max(0, r - size) for r, size in zip(_reach(op, out), x.shape[1:], strict=True)]
    x = np.pad(x, ((0, 0), (0, missing[0]), (0, missing[1])))
    windows = np.stack([_taps(x, op, out, p, q) for p in range(op.kernel[0]) for q in range(op.kernel[1])])
    grouped = windows.reshape(len(windows), op.groups, -1, out.h, out.w)
    weight = op.weight.reshape(op.groups, per_group, op.weight.shape[1], -1)
    total = np.einsum("tgchw,gkct->gkhw", grouped, weight).reshape(out.shape) + _column(op.bias)
    if op.has_residual and not op.residual_last:
        total = total + inputs[1]
    total = activate(op.activation, total)
    if op.has_residual and op.residual_last:
        total = total + inputs[1]
    if op.scale is not None and op.shift is not None:
        total = total * _column(op.scale) + _column(op.shift)
    return np.asarray(total)


def _reach(op: Conv, out: Map) -> list[int]:
    sizes = zip((out.h, out.w), op.stride, op.kernel, op.dilation, strict=True)
    return [(size - 1) * stride + (taps - 1) * step + 1 for size, stride, taps, step in sizes]


def _taps(x: Weights, op: Conv, out: Map, p: int, q: int) -> Weights:
    """What one tap of the kernel sees at every output."""
    top, left = p * op.dilation[0], q * op.dilation[1]
    rows = slice(top, top + (out.h - 1) * op.stride[0] + 1, op.stride[0])
    return x[:, rows, left : left + (out.w - 1) * op.stride[1] + 1 : op.stride[1]]


def _pool(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Pool)
    blank = -np.inf if op.kind == "max" else np.nan
    x = padded(inputs[0], op.pads, 0.0 if op.counts_pads and op.kind != "max" else blank)
    result = np.empty(out.shape)
    for y in range(out.h):
        for column in range(out.w):
            top, left = y * op.stride[0], column * op.stride[1]
            window = x[:, top : top + op.kernel[0], left : left + op.kernel[1]]
            result[:, y, column] = window.max((1, 2)) if op.kind == "max" else np.nanmean(window, (1, 2))
    return result


_BINARY: Mapping[str, Callable[[Weights, Weights], Weights]] = MappingProxyType(
    {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "divide": np.divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }
)


def _binary(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Binary)
    return activate(op.activation, np.broadcast_to(_BINARY[op.kind](*inputs), out.shape))


def _affine(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Affine)
    return activate(op.activation, inputs[0] * _column(op.scale) + _column(op.shift)).reshape(out.shape)


def _softmax(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Softmax)
    shifted = inputs[0] - inputs[0].max(0)
    logs = shifted - np.log(np.exp(shifted).sum(0))
    return np.asarray((logs if op.is_log else np.exp(logs)).reshape(out.shape))


def _concat(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Concat)
    return np.concatenate(inputs, "chw".index(op.axis)).reshape(out.shape)


def _pad(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Pad)
    return padded(inputs[0], op.pads, op.value).reshape(out.shape)


def _rearrange(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Rearrange)
    return inputs[0].ravel()[op.table].reshape(out.shape)


def _gru(op: Recurrent, x: Weights, state: tuple[Weights, ...]) -> tuple[Weights, ...]:
    units, (h,) = op.units, state
    given = op.weight @ x + op.bias[0]
    kept = op.recurrence @ h + op.bias[1]
    update, reset = (_sigmoid(given[i * units : (i + 1) * units] + kept[i * units : (i + 1) * units]) for i in (0, 1))
    inner = kept[2 * units :]
    if op.linear_before_reset:
        inner = reset * inner
    else:
        inner = op.recurrence[2 * units :] @ (reset * h) + op.bias[1][2 * units :]
    hidden = np.tanh(given[2 * units :] + inner)
    return ((1.0 - update) * hidden + update * h,)


def _lstm(op: Recurrent, x: Weights, state: tuple[Weights, ...]) -> tuple[Weights, ...]:
    h, c = state
    gates = (op.weight @ x + op.bias[0] + op.recurrence @ h + op.bias[1]).reshape(4, -1)
    cell = _sigmoid(gates[2]) * c + _sigmoid(gates[0]) * np.tanh(gates[3])
    return _sigmoid(gates[1]) * np.tanh(cell), cell


def _rnn(op: Recurrent, x: Weights, state: tuple[Weights, ...]) -> tuple[Weights, ...]:
    return (np.tanh(op.weight @ x + op.bias[0] + op.recurrence @ state[0] + op.bias[1]),)


_CELLS = {"gru": (_gru, 1), "lstm": (_lstm, 2), "rnn": (_rnn, 1)}


def _recurrent(op: Op, inputs: list[Weights], out: Map) -> Weights:
    assert isinstance(op, Recurrent)
    cell, states = _CELLS[op.kind]
    state: tuple[Weights, ...] = (np.zeros(op.units),) * states
    steps = inputs[0].shape[2]
    result = np.empty((op.units, 1, steps))
    for step in reversed(range(steps)) if op.reverse else range(steps):
        state = cell(op, inputs[0][:, 0, step], state)
        result[:, 0, step] = state[0]
    return result if op.whole else state[0].reshape(out.shape)


_RULES: Mapping[type[Op], Callable[[Op, list[Weights], Map], Weights]] = MappingProxyType(
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
