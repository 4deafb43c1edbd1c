"""Resize: nearest only moves values; linear multiplies each resized axis by a constant matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Weights
from nodes.lne.reading.call import Call, Results, UnsupportedError, Value, floats
from nodes.lne.reading.operators.convolution import dense

Axis = NDArray[np.float64]
"""Where along the input each value of the output lies, in input pixels."""


def _half_pixel(out: Axis, size: int, made: int, scale: float) -> Axis:
    del size, made
    return (out + 0.5) / scale - 0.5


def _torch_half_pixel(out: Axis, size: int, made: int, scale: float) -> Axis:
    return _half_pixel(out, size, made, scale) if made > 1 else out * 0.0


def _align_corners(out: Axis, size: int, made: int, scale: float) -> Axis:
    del scale
    return out * (size - 1) / (made - 1) if made > 1 else out * 0.0


def _asymmetric(out: Axis, size: int, made: int, scale: float) -> Axis:
    del size, made
    return out / scale


def _half_pixel_symmetric(out: Axis, size: int, made: int, scale: float) -> Axis:
    middle = size / 2.0
    return middle * (1.0 - made / (scale * size)) + (out + 0.5) / scale - 0.5


_COORDINATES: Mapping[str, Callable[[Axis, int, int, float], Axis]] = MappingProxyType(
    {
        "half_pixel": _half_pixel,
        "pytorch_half_pixel": _torch_half_pixel,
        "align_corners": _align_corners,
        "asymmetric": _asymmetric,
        "half_pixel_symmetric": _half_pixel_symmetric,
    }
)
_ROUNDING: Mapping[str, Callable[[Axis], Axis]] = MappingProxyType(
    {
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
        "floor": np.floor,
        "ceil": np.ceil,
    }
)


def _resize(call: Call) -> Results:
    value = call.value()
    mode, place = call.attribute("mode", "nearest"), call.attribute("coordinate_transformation_mode", "half_pixel")
    if mode not in ("nearest", "linear") or call.attribute("antialias", 0):
        raise UnsupportedError(f"its mode is {mode}, or it is smoothed", "nearest, or linear without antialias")
    if place not in _COORDINATES or call.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnsupportedError(f"its coordinates are {place}", f"one of {', '.join(_COORDINATES)}")
    ids = value.ids
    for axis, (made, scale) in enumerate(_sizes(call, value.shape)):
        size = ids.shape[axis]
        if (made, scale) == (size, 1.0):
            continue
        x = _COORDINATES[place](np.arange(made, dtype=np.float64), size, made, scale)
        if mode == "nearest":
            rounded = _ROUNDING[call.attribute("nearest_mode", "round_prefer_floor")](x)
            ids = np.take(ids, np.clip(rounded, 0, size - 1).astype(np.int64), axis)
        else:
            last = np.moveaxis(ids, axis, -1)
            ids = np.moveaxis(dense(call, last, _mixing(x, size), np.zeros(made)).ids, -1, axis)
    return [Value(ids)]


def _sizes(call: Call, shape: tuple[int, ...]) -> list[tuple[int, float]]:
    """Size and scale of every axis of the output."""
    scales, sizes = call.constant(2, "scales"), call.constant(3, "sizes")
    axes = [int(axis) % len(shape) for axis in call.attribute("axes", range(len(shape)))]
    found = [(size, 1.0) for size in shape]
    if sizes is not None and sizes.size:
        for axis, size in zip(axes, sizes, strict=True):
            found[axis] = (int(size), int(size) / shape[axis])
        return found
    if scales is None:
        raise UnsupportedError("it has neither scales nor sizes", "constant sizes")
    for axis, scale in zip(axes, floats(scales), strict=True):
        found[axis] = (int(np.floor(shape[axis] * np.float32(scale))), float(scale))
    return found


def _mixing(x: Axis, size: int) -> Weights:
    """What each output takes from each input, (outputs, inputs)."""
    clipped = np.clip(x, 0.0, size - 1.0)
    low = np.floor(clipped).astype(np.int64)
    share = clipped - low
    matrix = np.zeros((len(x), size))
    rows = np.arange(len(x))
    np.add.at(matrix, (rows, low), 1.0 - share)
    np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), share)
    return matrix


READERS: Mapping[str, Callable[[Call], Results]] = {"Resize": _resize}
