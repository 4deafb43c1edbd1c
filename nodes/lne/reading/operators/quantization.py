"""QuantizeLinear and DequantizeLinear around computed tensors: the network stays real, their ranges are kept.

What quantizing cuts off is kept too: quantizers leave out a Relu or Clip whose limits are those of the stored type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from nodes.lne.ir import Activation
from nodes.lne.primitive import Range
from nodes.lne.reading.call import Call, Constant, Results, UnsupportedError, Value, floats
from nodes.lne.reading.elementwise import activate

_STORED = {"uint8": 0, "int8": 128}
"""What is added to a zero point so that it counts from the least stored value."""
_LEAST_OF_SIX = 0.98
"""A quantized ReLU6 whose largest value was a little less than 6."""


def _quantize(call: Call) -> Results:
    value, scale, zero = call.value(), call.needed(1, "scale"), call.constant(2, "zero point")
    if scale.size != 1:
        raise UnsupportedError("it has several scales for a computed tensor", "one scale per tensor")
    kind = "uint8" if zero is None else str(zero.dtype)
    if kind not in _STORED:
        call.notes.append(f"{call.name}: stored as {kind}, read as real numbers")
        return [value]
    step = float(scale.ravel()[0])
    held = Range(step, (0 if zero is None else int(zero.ravel()[0])) + _STORED[kind])
    if held.zero == 0 and not _is_rounded(call, value, held):
        is_six = _LEAST_OF_SIX * 6.0 <= 255 * step <= 6.0 + 1e-5
        value = activate(call, value, Activation.RELU6 if is_six else Activation.RELU)
    if call.draft.is_whole(value.ids):
        call.ranges.update({made.name: held for made in call.draft.maps_of(value.ids)})
    return [value]


def _is_rounded(call: Call, value: Value, held: Range) -> bool:
    """Whether the values were rounded to the same bytes before."""
    return all(call.ranges.get(made.name) == held for made in call.draft.maps_of(value.ids))


def _dequantize(call: Call) -> Results:
    return [Value(np.asarray(call.value().ids))]


def _spread(call: Call, values: Constant, shape: tuple[int, ...]) -> Constant:
    """Scales or zero points in a shape that fits their tensor: one, one per channel, or one per block."""
    axis, block = int(call.attribute("axis", 1)) % max(1, len(shape)), int(call.attribute("block_size", 0))
    if block:
        return np.repeat(values, block, axis).take(np.arange(shape[axis]), axis)
    if values.size == 1:
        return values.reshape(())
    return values.reshape([-1 if place == axis else 1 for place in range(len(shape))])


def _constant_operands(call: Call) -> tuple[Constant, Constant, Constant]:
    """A constant, its scales and its zero points, ready to be combined."""
    given, scale, zero = call.needed(0, "tensor"), call.needed(1, "scale"), call.constant(2, "zero point")
    zeros = np.zeros_like(scale, np.int64) if zero is None else zero.astype(np.int64)
    return given, _spread(call, floats(scale), given.shape), _spread(call, zeros, given.shape)


def _dequantize_constant(call: Call) -> Results:
    """Exactly in float64, so that folding costs nothing."""
    given, scale, zero = _constant_operands(call)
    return [(given.astype(np.int64) - zero) * scale]


def _quantize_constant(call: Call) -> Results:
    given, scale, zero = _constant_operands(call)
    point = call.constant(2, "zero point")
    kind = np.dtype(np.uint8 if point is None else point.dtype)
    if kind.kind not in "iu":
        raise UnsupportedError(f"it is stored as {kind}", "whole numbers")
    limits = np.iinfo(kind)
    return [np.clip(np.round(floats(given) / scale) + zero, limits.min, limits.max).astype(kind)]


CONSTANTS: Mapping[str, Callable[[Call], Results]] = {
    "QuantizeLinear": _quantize_constant,
    "DequantizeLinear": _dequantize_constant,
}
"""Of constants alone."""
READERS: Mapping[str, Callable[[Call], Results]] = {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize}
