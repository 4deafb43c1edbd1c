"""The numbers of 8-bit layers, equal in every primitive and in the integer reference.

A map holds bytes: real = scale * (byte - zero). A weight holds signed bytes with one scale per output channel. Sums
are exact in 32 bits; the halo holds the zero point, so its share of the sum is a constant that goes into the bias. A
sum is turned into a byte as onnxruntime does: times a float32 factor, to the nearest even integer, plus the zero point,
clipped. A residual is added to the sum, in its unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Activation, Binary, Conv, Map, Pads, Pool, Weights
from nodes.lne.primitive import Range

LARGEST = 127
GRID_TOLERANCE = 1e-3
"""How far from an integer, in steps, a weight may lie to count as already quantised."""
FIRST_LOOK = 12
"""Weights that tell most channels without a grid from those with one."""
LARGEST_BIAS = 2.0**29
"""In units of the sum: what keeps it inside 32 bits."""
CLIPPED = (Activation.NONE, Activation.RELU, Activation.RELU6)
"""Activations that only clip, so that they act on bytes."""

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int32]
Signed = NDArray[np.int8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ConvNumbers:
    """Constants of an 8-bit convolution.

    Attributes:
        weight: (outputs, inputs / groups, kernel rows, kernel columns).
        bias: what the sums start from, the input's zero point and the padding included.
        unit: real value of one unit of the sum, per output channel.
        residual: units of the sum in one step of the residual, per output channel; empty without one.
    """

    weight: Signed
    bias: Integers
    unit: Floats
    residual: Floats


@dataclass(frozen=True)
class Clip:
    """Bytes between which an output lies, its zero point, and its scale."""

    scale: float
    zero: int
    low: int
    high: int


def conv_numbers(op: Conv, ranges: Mapping[str, Range]) -> ConvNumbers:
    """Weights, bias and factors of a convolution whose input (and residual) lie in 8 bits."""
    given = ranges[op.inputs[0]]
    weight, scale = quantised(op.weight, op.bias, given.scale)
    unit = np.float32(given.scale) * scale
    bias = np.rint(op.bias / unit.astype(np.float64)) - given.zero * weight.sum((1, 2, 3), dtype=np.int64)
    residual = np.float32(ranges[op.inputs[1]].scale) / unit if len(op.inputs) > 1 else np.empty(0, np.float32)
    return ConvNumbers(weight, bias.astype(np.int32), unit.astype(np.float32), residual.astype(np.float32))


def quantised(weight: Weights, bias: Weights, input_scale: float) -> tuple[Signed, Floats]:
    """Signed bytes and a scale per output channel.

    Weights that already lie on a grid of 8 bits (from a quantised model) keep that grid; else the largest becomes 127.
    """
    flat = weight.reshape(len(weight), -1)
    scales = np.array([_scale(row, abs(shift), input_scale) for row, shift in zip(flat, bias, strict=True)], np.float32)
    stored = np.clip(np.rint(flat / scales[:, None].astype(np.float64)), -128, 127)
    return stored.astype(np.int8).reshape(weight.shape), scales


def _scale(row: Weights, bias: float, input_scale: float) -> float:
    top = float(np.abs(row).max(initial=0.0))
    least = bias / (input_scale * LARGEST_BIAS)
    if top == 0.0:
        return max(1.0, least)
    steps = _grid(row.tobytes())
    exact = _exact(row, top / steps) if steps else top / LARGEST
    return max(exact, least)


@lru_cache(maxsize=4096)
def _grid(row: bytes) -> int:
    """Steps in the largest weight if all lie on a common grid of 8 bits, the finest such grid; 0 if there is none."""
    values = np.frombuffer(row, np.float64)
    top = values[np.abs(values).argmax()]
    steps = np.arange(LARGEST + (top < 0), 0, -1)
    for part in (values[:FIRST_LOOK], values):
        places = part * (steps[:, None] / abs(top))
        steps = steps[np.abs(places - np.rint(places)).max(1) < GRID_TOLERANCE]
        if not len(steps):
            return 0
    return int(steps[0])


def _exact(row: Weights, near: float) -> float:
    """The float32 scale whose multiples, in float32, are these weights: the one a quantised model was stored with."""
    first = np.float32(near)
    stored, wanted = np.rint(row / near).astype(np.float32), row.astype(np.float32)
    close = [first, *(np.nextafter(first, np.float32(end)) for end in (0.0, np.inf))]
    best = min(close, key=lambda scale: int((stored * scale != wanted).sum()))
    return float(best)


def clip_of(activation: Activation, given: Range) -> Clip:
    """Where an output lies after an activation that only clips."""
    low = given.zero if activation in (Activation.RELU, Activation.RELU6) else 0
    six = round(6.0 / given.scale) + given.zero if activation is Activation.RELU6 else 255
    return Clip(given.scale, given.zero, low, min(255, six))


def only_clips(op: Conv | Binary) -> bool:
    """Whether sums become bytes without passing through real numbers."""
    plain = not isinstance(op, Conv) or (op.scale is None and not (op.has_residual and op.residual_last))
    return op.activation in CLIPPED and plain


def to_bytes(values: NDArray[np.floating], given: Range) -> Bytes:
    """Real values as a map's bytes."""
    places = np.rint(np.asarray(values, np.float32) / np.float32(given.scale))
    return np.asarray(np.clip(places, -given.zero, 255 - given.zero) + given.zero, np.uint8)


def to_real(stored: Bytes, given: Range) -> Floats:
    """A map's bytes as real values."""
    return np.asarray((stored.astype(np.float32) - np.float32(given.zero)) * np.float32(given.scale), np.float32)


@dataclass(frozen=True)
class SumFactors:
    """Two bytes' sum as a byte: first a + (second b + constant), each step rounded to float32, then to an integer."""

    first: np.float32
    second: np.float32
    constant: np.float32


def sum_factors(op: Binary, ranges: Mapping[str, Range]) -> SumFactors:
    """For a sum or a difference, in the arithmetic of onnxruntime's kernel; the constant holds the zero points."""
    one, other, out = (ranges[name] for name in (*op.inputs, op.output))
    first, second = (np.float32(np.float32(given.scale) / np.float32(out.scale)) for given in (one, other))
    second = second if op.kind == "add" else -second
    zeros = fused(np.float32(one.zero), first, np.float32(np.float32(other.zero) * second))
    return SumFactors(first, second, np.float32(np.float32(out.zero) - zeros))


def fused(
    a: NDArray[np.floating] | np.float32, b: np.floating | Floats, c: NDArray[np.floating] | np.float32
) -> Floats:
    """a b + c, rounded once to float32."""
    return np.asarray(np.asarray(a, np.float64) * b + c, np.float32)


def is_whole(op: Pool, given: Map) -> bool:
    """Whether a window is the whole map."""
    return op.kernel == (given.h, given.w) and op.pads == Pads()


def mean_factor(given: Range, after: Range) -> float:
    """Steps of the output in one step of the input, as float32."""
    return float(np.float32(given.scale) / np.float32(after.scale))
