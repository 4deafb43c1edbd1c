"""What a network computes in mixed precision, for many clips at once: the integer reference of the 8-bit kernels.

Where an operation's signature says bytes, its inputs are rounded to their ranges and the kernels' own integer
arithmetic is repeated; elsewhere it is computed in float32. Sums of integers are exact in float64, so bytes agree with
the generated C bit for bit wherever a sum becomes a byte directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Affine, Binary, Conv, Graph, Map, Op, Pads, Pool
from nodes.lne.layout import U8_HWC, Format
from nodes.lne.primitive import Range, Signature
from nodes.lne.primitives.int8_affine_numbers import byte_table
from nodes.lne.primitives.int8_numbers import (
    Bytes,
    Floats,
    clip_of,
    conv_numbers,
    fused,
    is_whole,
    mean_factor,
    only_clips,
    sum_factors,
    to_bytes,
    to_real,
)
from nodes.lne.reference import activate, compute

Ranges = Mapping[str, Range]
Wide = NDArray[np.float64]
BATCH = 32
EXACT = 2**24 // (255 * 128)
"""Products of a byte and a signed byte whose sum float32 holds exactly."""
Number = TypeVar("Number", bound=np.generic)


@dataclass
class Held:
    """A map of several clips (clips, channels, rows, columns), as its producer left it."""

    values: NDArray[np.generic]
    given: Range | None
    """Its range, where it may be stored in bytes."""

    @property
    def real(self) -> Floats:
        """Real values."""
        if self.values.dtype != np.uint8:
            return self.values.astype(np.float32, copy=False)
        assert self.given is not None
        return to_real(self.values.astype(np.uint8, copy=False), self.given)

    @property
    def stored(self) -> Bytes:
        """Bytes."""
        if self.values.dtype == np.uint8:
            return self.values.astype(np.uint8, copy=False)
        assert self.given is not None
        return to_bytes(self.values.astype(np.float32, copy=False), self.given)


@dataclass(frozen=True)
class Simulation:
    """A network with a format for every operation; without `signatures` all in float32."""

    graph: Graph
    ranges: Ranges = field(default_factory=dict)
    signatures: Mapping[str, Signature] = field(default_factory=dict)

    def outputs(self, clips: Floats) -> Floats:
        """The network's outputs for clips (clips, channels, rows, columns), or as ONNX has them, stacked."""
        found = [maps[self.graph.result].real for maps in self.batches(clips)]
        return np.concatenate(found).reshape(len(clips), *self.graph.result_shape[1:])

    def batches(self, clips: Floats) -> Iterator[dict[str, Held]]:
        """Every map by name, for a few clips at a time."""
        for start in range(0, len(clips), BATCH):
            yield self.maps(clips[start : start + BATCH])

    def maps(self, clips: Floats) -> dict[str, Held]:
        """Every map by name."""
        source = self.graph.maps[self.graph.source]
        values = np.asarray(clips, np.float32).reshape(-1, *source.shape)
        found = {source.name: Held(values, self.ranges.get(source.name))}
        for op in self.graph.ops:
            found[op.output] = self.step(op, [found[name] for name in op.inputs])
        return found

    def step(self, op: Op, inputs: Sequence[Held]) -> Held:
        """The map one operation gives."""
        return Held(self._values(op, inputs), self.ranges.get(op.output))

    def _values(self, op: Op, inputs: Sequence[Held]) -> NDArray[np.generic]:
        signature = self.signatures.get(op.name)
        out = self.graph.maps[op.output]
        if signature is not None and U8_HWC in signature.inputs and type(op) in _INTEGER:
            return _INTEGER[type(op)](op, [held.stored for held in inputs], out, self.ranges, signature.output)
        rule = _REAL.get(type(op), _one_by_one)  # also what only moves bytes: it gives back the same ones
        found = rule(op, [held.real for held in inputs], out).astype(np.float32)
        if signature is not None and signature.output is U8_HWC:
            return to_bytes(found, self.ranges[op.output])
        return found


def _one_by_one(op: Op, inputs: list[Floats], out: Map) -> NDArray[np.floating]:
    """Any operation, a clip at a time."""
    clips = zip(*(given.astype(np.float64) for given in inputs), strict=True)
    return np.stack([compute(op, list(maps), out) for maps in clips])


def _bordered(x: NDArray[np.generic], pads: Pads, value: float) -> NDArray[np.generic]:
    border = ((0, 0), (0, 0), (pads.top, pads.bottom), (pads.left, pads.right))
    return np.pad(x, border, constant_values=value)


def _sums(op: Conv, x: NDArray[np.generic], weight: NDArray[np.floating], out: Map, blank: int) -> NDArray[np.floating]:
    """Convolution without bias, in the weights' type.

    Bytes times weights of few enough input channels sum up exactly in float32; taps are then added in float64.
    """
    kind = weight.dtype if weight.dtype == np.float32 or weight.shape[1] > EXACT else np.dtype(np.float32)
    reach = [
        max(0, (size - 1) * stride + (taps - 1) * step + 1 - have)
        for size, stride, taps, step, have in zip(
            (out.h, out.w), op.stride, op.kernel, op.dilation, _bordered(x[:1, :1], op.pads, 0).shape[2:], strict=True
        )
    ]
    pads = Pads(op.pads.top, op.pads.left, op.pads.bottom + reach[0], op.pads.right + reach[1])
    given = _bordered(x, pads, blank).astype(kind).transpose(0, 2, 3, 1)
    total = np.zeros((len(x), out.h, out.w, out.c), weight.dtype)
    taps = weight.astype(kind)
    for p, q in np.ndindex(*op.kernel):
        top, left = p * op.dilation[0], q * op.dilation[1]
        rows = slice(top, top + (out.h - 1) * op.stride[0] + 1, op.stride[0])
        seen = given[:, rows, left : left + (out.w - 1) * op.stride[1] + 1 : op.stride[1]]
        total += _tap(op, seen, taps[:, :, p, q])
    return total.transpose(0, 3, 1, 2)


def _tap(op: Conv, seen: NDArray[np.floating], weight: NDArray[np.floating]) -> NDArray[np.floating]:
    """What one tap adds to every output."""
    if op.is_depthwise:
        return np.asarray(seen * weight[:, 0])
    flat = np.ascontiguousarray(seen).reshape(-1, seen.shape[3])
    if op.groups == 1:
        found = flat @ weight.T
    else:
        parts = zip(np.split(flat, op.groups, 1), np.split(weight, op.groups), strict=True)
        found = np.concatenate([part @ own.T for part, own in parts], 1)
    return np.asarray(found.reshape(*seen.shape[:3], len(weight)))


def _column(values: NDArray[Number]) -> NDArray[Number]:
    return np.asarray(values[:, None, None])


def _conv(op: Op, inputs: list[Floats], out: Map) -> NDArray[np.floating]:
    assert isinstance(op, Conv)
    total = _sums(op, inputs[0], op.weight.astype(np.float32), out, 0) + _column(op.bias)
    if op.has_residual and not op.residual_last:
        total = total + inputs[1]
    return _behind(op, total, inputs[1] if op.has_residual and op.residual_last else None)


def _behind(op: Conv, total: NDArray[np.floating], last: NDArray[np.floating] | None) -> NDArray[np.floating]:
    """Activation, a residual behind it, scale and shift."""
    total = activate(op.activation, total.astype(np.float64))
    if last is not None:
        total = total + last
    return total if op.scale is None or op.shift is None else total * _column(op.scale) + _column(op.shift)


def _pool(op: Op, inputs: list[Floats], out: Map) -> NDArray[np.floating]:
    assert isinstance(op, Pool)
    if op.kind == "max":
        return _largest(op, inputs[0], out, -np.inf).astype(np.float32)
    total, count = _totals(op, inputs[0], out)
    return np.asarray(total / (op.kernel[0] * op.kernel[1] if op.counts_pads else count))


def _windows(op: Pool, out: Map) -> Iterator[tuple[int, int, slice, slice]]:
    """Each output with the rows and columns of its window that lie in the map."""
    for y, x in np.ndindex(out.h, out.w):
        top, left = y * op.stride[0] - op.pads.top, x * op.stride[1] - op.pads.left
        rows = slice(max(0, top), max(0, top + op.kernel[0]))
        yield y, x, rows, slice(max(0, left), max(0, left + op.kernel[1]))


def _largest(op: Pool, x: NDArray[np.generic], out: Map, least: float) -> NDArray[np.generic]:
    result = np.full((len(x), *out.shape), least, np.result_type(x))
    for y, column, rows, columns in _windows(op, out):
        result[:, :, y, column] = x[:, :, rows, columns].max((2, 3))
    return result


def _totals(op: Pool, x: NDArray[np.generic], out: Map) -> tuple[Wide, Wide]:
    """Sum of every window, and how many values it has."""
    total, count = np.empty((len(x), *out.shape)), np.empty((out.h, out.w))
    for y, column, rows, columns in _windows(op, out):
        window = x[:, :, rows, columns].astype(np.float64)
        total[:, :, y, column], count[y, column] = window.sum((2, 3)), window[0, 0].size
    return total, count


_BINARY: Mapping[str, Callable[[Floats, Floats], NDArray[np.floating]]] = MappingProxyType(
    {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "divide": np.divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }
)


def _binary(op: Op, inputs: list[Floats], out: Map) -> NDArray[np.floating]:
    assert isinstance(op, Binary)
    found = _BINARY[op.kind](inputs[0], inputs[1]).astype(np.float64)
    return activate(op.activation, np.broadcast_to(found, (len(found), *out.shape)))


def _affine(op: Op, inputs: list[Floats], out: Map) -> NDArray[np.floating]:
    assert isinstance(op, Affine)
    return activate(op.activation, inputs[0] * _column(op.scale) + _column(op.shift)).reshape(-1, *out.shape)


_REAL: Mapping[type[Op], Callable[[Op, list[Floats], Map], NDArray[np.floating]]] = MappingProxyType(
    {Conv: _conv, Pool: _pool, Binary: _binary, Affine: _affine}
)


def _rounded(values: NDArray[np.floating], zero: int, low: int, high: int) -> Bytes:
    return np.asarray(np.clip(np.rint(values).astype(np.int64) + zero, low, high), np.uint8)


def _int8_conv(op: Op, inputs: list[Bytes], out: Map, ranges: Ranges, result: Format) -> NDArray[np.generic]:
    assert isinstance(op, Conv)
    numbers = conv_numbers(op, ranges)
    sums = _sums(op, inputs[0], numbers.weight.astype(np.float64), out, ranges[op.inputs[0]].zero)
    sums = sums + _column(numbers.bias)
    last = None
    if op.has_residual:
        given = ranges[op.inputs[1]]
        steps = (inputs[1].astype(np.int32) - given.zero).astype(np.float32)
        if op.residual_last:
            last = steps * np.float32(given.scale)
        else:
            sums = sums + np.rint(steps * _column(numbers.residual))
    real = sums.astype(np.float32)
    if result is U8_HWC and only_clips(op):
        clip = clip_of(op.activation, ranges[op.output])
        factor = numbers.unit / np.float32(clip.scale)
        return _rounded(real * _column(factor), clip.zero, clip.low, clip.high)
    found = _behind(op, real * _column(numbers.unit), last).astype(np.float32)
    return found if result is not U8_HWC else _rounded_real(found, ranges[op.output])


def _rounded_real(values: Floats, given: Range) -> Bytes:
    return _rounded(values * np.float32(1.0 / given.scale), given.zero, 0, 255)


def _int8_affine(op: Op, inputs: list[Bytes], out: Map, ranges: Ranges, result: Format) -> NDArray[np.generic]:
    assert isinstance(op, Affine)
    found = byte_table(op, ranges)[np.arange(len(op.scale))[:, None, None], inputs[0]]
    return found if result is U8_HWC else to_real(found, ranges[op.output])


def _int8_pool(op: Op, inputs: list[Bytes], out: Map, ranges: Ranges, result: Format) -> NDArray[np.generic]:
    assert isinstance(op, Pool)
    if op.kind == "max":
        return _largest(op, inputs[0], out, 0)
    given = ranges[op.inputs[0]]
    after = ranges[op.output] if result is U8_HWC else Range(1.0, 0)
    if result is U8_HWC and not is_whole(op, Map("", *inputs[0].shape[1:])):
        return _mean_of_reals(op, to_real(inputs[0], given), out, after)
    total, count = _totals(op, inputs[0], out)
    share = np.float32(op.kernel[0] * op.kernel[1]) if op.counts_pads else count.astype(np.float32)
    found = (total - count * given.zero).astype(np.float32) * (np.float32(mean_factor(given, after)) / share)
    return found if result is not U8_HWC else _rounded(found, after.zero, 0, 255)


def _mean_of_reals(op: Pool, x: Floats, out: Map, after: Range) -> Bytes:
    """Means of windows whose values are summed one by one."""
    total, count = np.zeros((len(x), *out.shape), np.float32), np.empty((out.h, out.w), np.float32)
    for y, column, rows, columns in _windows(op, out):
        window = x[:, :, rows, columns]
        count[y, column] = window[0, 0].size
        for values in np.moveaxis(window.reshape(*window.shape[:2], -1), 2, 0):
            total[:, :, y, column] += values
    mean = total / (np.float32(op.kernel[0] * op.kernel[1]) if op.counts_pads else count)
    return _rounded(mean / np.float32(after.scale) + np.float32(after.zero), 0, 0, 255)


def _int8_sum(op: Op, inputs: list[Bytes], out: Map, ranges: Ranges, result: Format) -> NDArray[np.generic]:
    assert isinstance(op, Binary)
    factors, clip = sum_factors(op, ranges), clip_of(op.activation, ranges[op.output])
    first, second = (part.astype(np.float32) for part in inputs)
    found = fused(first, factors.first, fused(second, factors.second, factors.constant))
    return np.broadcast_to(_rounded(found, 0, clip.low, clip.high), (len(found), *out.shape))


_INTEGER: Mapping[type[Op], Callable[[Op, list[Bytes], Map, Ranges, Format], NDArray[np.generic]]] = MappingProxyType(
    {Conv: _int8_conv, Affine: _int8_affine, Pool: _int8_pool, Binary: _int8_sum}
)
