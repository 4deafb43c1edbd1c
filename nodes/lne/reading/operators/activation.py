"""Activations and Softmax."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from nodes.lne.ir import Activation, Softmax
from nodes.lne.reading.call import Call, Results, UnsupportedError, Value, floats
from nodes.lne.reading.elementwise import activate, affine, binary


def _plain(activation: Activation, call: Call) -> Results:
    return [activate(call, call.value(), activation)]


def _clip(call: Call) -> Results:
    """Any two limits, by shifting and scaling ReLU6; one limit by a shifted ReLU."""
    low, high = (call.constant(index, what) for index, what in ((1, "lower limit"), (2, "upper limit")))
    return [clip(call, call.value(), -np.inf if low is None else float(low), np.inf if high is None else float(high))]


def clip(call: Call, value: Value, low: float, high: float) -> Value:
    """The value between two limits, each of which may be infinite."""
    if low >= high:
        raise UnsupportedError(f"its limits are {low} and {high}", "a lower limit below the upper one")
    if (low, high) == (0.0, 6.0):
        return activate(call, value, Activation.RELU6)
    if np.isinf(low) and np.isinf(high):
        return value
    if np.isinf(high):
        shifted = affine(call, value, shift=-low, activation=Activation.RELU)
        return affine(call, shifted, shift=low) if low else shifted
    if np.isinf(low):
        return affine(call, affine(call, value, -1.0, high, Activation.RELU), -1.0, high)
    step = (high - low) / 6.0
    return affine(call, affine(call, value, 1.0 / step, -low / step, Activation.RELU6), step, low)


def _hard_sigmoid(call: Call) -> Results:
    """ONNX's max(0, min(1, alpha x + beta)); ours has the slope 1/6 and the middle 1/2."""
    alpha, beta = float(call.attribute("alpha", 0.2)), float(call.attribute("beta", 0.5))
    if abs(6.0 * alpha - 1.0) < 1e-6 and beta == 0.5:
        return [activate(call, call.value(), Activation.HARD_SIGMOID)]
    return [affine(call, call.value(), 6.0 * alpha, 6.0 * (beta - 0.5), Activation.HARD_SIGMOID)]


def _sloped(call: Call, slope: np.ndarray) -> Results:
    """max(x, slope x) for slopes up to one, else max(x, 0) - slope max(-x, 0)."""
    value = call.value()
    if (slope >= 0.0).all() and (slope <= 1.0).all():
        return [binary(call, "maximum", value, affine(call, value, slope))]
    above = activate(call, value, Activation.RELU)
    below = affine(call, affine(call, value, -1.0, 0.0, Activation.RELU), -slope)
    return [binary(call, "add", above, below)]


def _leaky(call: Call) -> Results:
    return _sloped(call, np.array(call.attribute("alpha", 0.01)))


def _prelu(call: Call) -> Results:
    return _sloped(call, floats(call.needed(1, "slope")))


def _abs(call: Call) -> Results:
    return _sloped(call, np.array(-1.0))


def _softmax(is_log: bool, call: Call) -> Results:
    """Over one axis, which becomes the channels."""
    value = call.value()
    axis = int(call.attribute("axis", -1)) % len(value.shape)
    moved = np.moveaxis(value.ids, axis, 0)
    flat = moved.reshape(len(moved), 1, -1) if len(value.shape) != 4 or axis != 1 else value.ids[0]
    held = call.as_map(flat)
    made = call.add(held.shape, lambda name, out: Softmax(name, (held.name,), out, is_log=is_log))
    return [Value(np.moveaxis(call.draft.ids(made).reshape(moved.shape), 0, axis))]


READERS: Mapping[str, Callable[[Call], Results]] = {
    "Relu": partial(_plain, Activation.RELU),
    "Sigmoid": partial(_plain, Activation.SIGMOID),
    "Tanh": partial(_plain, Activation.TANH),
    "HardSwish": partial(_plain, Activation.HARD_SWISH),
    "HardSigmoid": _hard_sigmoid,
    "Clip": _clip,
    "LeakyRelu": _leaky,
    "PRelu": _prelu,
    "Abs": _abs,
    "Softmax": partial(_softmax, False),
    "LogSoftmax": partial(_softmax, True),
}
