"""Products and pools of many clips at once in numpy: maps are arrays (clips, rows, columns, channels) of floats.

The integer simulation and the calibration both stand on these. A product is one matrix product over unrolled windows,
so that sums of whole numbers below 2^24 (float32) or 2^53 (float64) are exact in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from nodes.lne import reference
from nodes.lne.ir import Affine, Binary, Concat, Conv, Graph, Map, Op, Pads, Pool, Rearrange
from nodes.lne.reference import activate

Array = NDArray[Any]
UNROLLED_BYTES: Final = 8 << 20
"""Most memory of unrolled windows."""


class Window(Protocol):
    """What a convolution or pool tells of its window."""

    @property
    def kernel(self) -> tuple[int, int]: ...
    @property
    def stride(self) -> tuple[int, int]: ...
    @property
    def pads(self) -> Pads: ...


def channels_last(x: Array) -> Array:
    """(clips, channels, rows, columns) as (clips, rows, columns, channels)."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def channels_first(x: Array) -> Array:
    """(clips, rows, columns, channels) as (clips, channels, rows, columns)."""
    return x.transpose(0, 3, 1, 2)


def windows(x: Array, op: Window, out: Map, dilation: tuple[int, int] = (1, 1), fill: float = 0.0) -> Array:
    """A view (clips, rows, columns, kernel rows, kernel columns, channels) of what each output sees."""
    sizes = zip((out.h, out.w), op.stride, op.kernel, dilation, strict=True)
    reach = [(size - 1) * stride + (taps - 1) * step + 1 for size, stride, taps, step in sizes]
    below, right = max(0, reach[0] - x.shape[1] - op.pads.top), max(0, reach[1] - x.shape[2] - op.pads.left)
    border = ((0, 0), (op.pads.top, below), (op.pads.left, right), (0, 0))
    if any(map(any, border)):
        x = np.pad(x, border, constant_values=fill)
    clip, row, column, channel = x.strides
    steps = (clip, row * op.stride[0], column * op.stride[1], row * dilation[0], column * dilation[1], channel)
    return as_strided(x, (len(x), out.h, out.w, *op.kernel, x.shape[3]), steps, writeable=False)


def products(x: Array, weight: Array, op: Any, out: Map) -> Array:
    """Sums of a convolution without its bias, in the type of `x`; weight (outputs, inputs / groups, rows, columns)."""
    seen, weight = windows(x, op, out, op.dilation), weight.astype(x.dtype)
    if op.groups == 1:
        return _dense(seen, weight)
    if weight.shape[1] == 1 and len(weight) == op.groups:
        return _depthwise(seen, weight)
    share_in, share_out = weight.shape[1], len(weight) // op.groups
    parts = [
        _dense(seen[..., g * share_in : (g + 1) * share_in], weight[g * share_out : (g + 1) * share_out])
        for g in range(op.groups)
    ]
    return np.concatenate(parts, -1)


def _dense(seen: Array, weight: Array) -> Array:
    clips, rows, columns = seen.shape[:3]
    flat = np.ascontiguousarray(weight.transpose(2, 3, 1, 0).reshape(-1, len(weight)))
    total = np.empty((clips, rows, columns, len(weight)), seen.dtype)
    at_once = max(1, UNROLLED_BYTES // max(1, rows * columns * len(flat) * seen.dtype.itemsize))
    for first in range(0, clips, at_once):
        part = seen[first : first + at_once]
        total[first : first + at_once] = (part.reshape(-1, len(flat)) @ flat).reshape(len(part), rows, columns, -1)
    return total


def _depthwise(seen: Array, weight: Array) -> Array:
    total = np.zeros((*seen.shape[:3], len(weight)), seen.dtype)
    for p in range(weight.shape[2]):
        for q in range(weight.shape[3]):
            total += seen[:, :, :, p, q] * weight[:, 0, p, q]
    return total


def greatest(x: Array, op: Window, out: Map) -> Array:
    """The largest value of every window."""
    seen = windows(x, op, out, fill=-np.inf)
    taps = [seen[:, :, :, p, q] for p in range(op.kernel[0]) for q in range(op.kernel[1])]
    return np.asarray(np.maximum.reduce(taps))


def summed(x: Array, op: Window, out: Map) -> Array:
    """The sum of every window; beyond the border there is nothing."""
    seen = windows(x, op, out)
    total = np.zeros((*seen.shape[:3], x.shape[3]), x.dtype)
    for p in range(op.kernel[0]):
        for q in range(op.kernel[1]):
            total += seen[:, :, :, p, q]
    return total


def rearranged(x: Array, table: Array, out: Map) -> Array:
    """The same values in another order; the table counts channels, rows, columns."""
    flat = channels_first(x).reshape(len(x), -1)
    return channels_last(flat[:, table.ravel()].reshape(len(x), *out.shape))


def concatenated(parts: list[Array], axis: str, out: Map) -> Array:
    """Maps one after another along "c", "h" or "w"."""
    joined = np.concatenate([channels_first(part) for part in parts], 1 + "chw".index(axis))
    return channels_last(joined.reshape(len(joined), *out.shape))


def each(function: Callable[[list[Array]], Array], inputs: list[Array]) -> Array:
    """A function of maps (channels, rows, columns) of one clip, clip by clip."""
    made = [function([x.transpose(2, 0, 1) for x in clip]) for clip in zip(*inputs, strict=True)]
    return channels_last(np.stack(made))


def float_maps(graph: Graph, clips: Array) -> dict[str, Array]:
    """Every map of a float network for clips (clips, *shape), in float64."""
    source = np.asarray(clips, np.float64).reshape(len(clips), *graph.maps[graph.source].shape)
    found = {graph.source: channels_last(source)}
    for op in graph.ops:
        inputs, out = [found[name] for name in op.inputs], graph.maps[op.output]
        rule = _RULES.get(type(op))
        found[op.output] = rule(op, inputs, out) if rule else _one_by_one(op, inputs, out)
    return found


def _one_by_one(op: Op, inputs: list[Array], out: Map) -> Array:
    return each(lambda maps: reference.compute(op, maps, out).reshape(out.shape), inputs)


def _conv(op: Op, inputs: list[Array], out: Map) -> Array:
    assert isinstance(op, Conv)
    total = products(inputs[0], op.weight, op, out) + op.bias
    if op.has_residual and not op.residual_last:
        total = total + inputs[1]
    total = activate(op.activation, total)
    if op.has_residual and op.residual_last:
        total = total + inputs[1]
    return total if op.scale is None or op.shift is None else total * op.scale + op.shift


def _pool(op: Op, inputs: list[Array], out: Map) -> Array:
    assert isinstance(op, Pool)
    if op.kind == "max":
        return greatest(inputs[0], op, out)
    whole = op.kernel[0] * op.kernel[1]
    filled = whole if op.counts_pads else summed(np.ones_like(inputs[0][:1]), op, out)
    return summed(inputs[0], op, out) / filled


def _affine(op: Op, inputs: list[Array], out: Map) -> Array:
    assert isinstance(op, Affine)
    return activate(op.activation, inputs[0] * op.scale + op.shift)


def _binary(op: Op, inputs: list[Array], out: Map) -> Array:
    assert isinstance(op, Binary)
    if op.kind != "add":
        return _one_by_one(op, inputs, out)
    return activate(op.activation, inputs[0] + inputs[1])


def _rearrange(op: Op, inputs: list[Array], out: Map) -> Array:
    assert isinstance(op, Rearrange)
    return rearranged(inputs[0], op.table, out)


def _concat(op: Op, inputs: list[Array], out: Map) -> Array:
    assert isinstance(op, Concat)
    return concatenated(inputs, op.axis, out)


_RULES: Mapping[type[Op], Callable[[Op, list[Array], Map], Array]] = MappingProxyType(
    {Conv: _conv, Pool: _pool, Affine: _affine, Binary: _binary, Rearrange: _rearrange, Concat: _concat}
)
