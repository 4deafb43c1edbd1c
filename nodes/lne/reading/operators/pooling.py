"""Pools over windows and over whole maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from nodes.lne.ir import Map, Pads, Pool
from nodes.lne.reading.call import Call, Results, UnsupportedError
from nodes.lne.reading.operators.window import bordered, maps_of_clips, padding, pair, value_of_clips


def _pool(kind: str, call: Call) -> Results:
    value = call.value()
    axes = len(value.shape) - 2
    if axes not in (1, 2):
        raise UnsupportedError(f"it moves over {axes} axes", "a pool over one or two axes")
    if any(step != 1 for step in call.attribute("dilations", [1])):
        raise UnsupportedError("its window has holes (dilations)", "a pool without dilation")
    if kind == "max" and call.is_used(1):
        raise UnsupportedError("the places of the largest values are used", "a MaxPool with one output")
    kernel, stride = (pair(call.attribute(name, [1] * axes)) for name in ("kernel_shape", "strides"))
    inputs = maps_of_clips(call, value)
    pads = padding(call, inputs[0].shape[1:], kernel, stride)
    around = ((pads.top, pads.bottom), (pads.left, pads.right))
    is_ceil = bool(call.attribute("ceil_mode", 0))
    sizes = (inputs[0].shape[1:], around, kernel, stride)
    out_h, out_w = (_steps(*axis, is_ceil=is_ceil) for axis in zip(*sizes, strict=True))
    if out_h < 1 or out_w < 1:
        raise UnsupportedError("its window is larger than its padded input", "an input at least as large as the window")
    counts_pads = kind == "mean" and bool(call.attribute("count_include_pad", 0))
    floor_sizes = (_steps(*axis, is_ceil=False) for axis in zip(*sizes, strict=True))
    if counts_pads and (out_h, out_w) != tuple(floor_sizes):  # what hangs over the border is not counted
        inputs = [bordered(call, held, pads) for held in inputs]
        pads, counts_pads = Pads(), False

    def one(held: Map) -> Map:
        return call.add(
            (held.c, out_h, out_w),
            lambda name, out: Pool(
                name,
                (held.name,),
                out,
                kind=kind,
                kernel=kernel,
                stride=stride,
                pads=pads,
                counts_pads=counts_pads,
            ),
        )

    return [value_of_clips(call, [one(held) for held in inputs], axes)]


def _steps(size: int, pads: tuple[int, int], taps: int, stride: int, *, is_ceil: bool) -> int:
    """Windows along one axis; with `ceil_mode` the last may hang over, but must begin in the map or the pad before."""
    free = size + sum(pads) - taps
    if not is_ceil:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pads[0] else count


def _global(kind: str, call: Call) -> Results:
    value = call.value()

    def one(held: Map) -> Map:
        return call.add(
            (held.c, 1, 1), lambda name, out: Pool(name, (held.name,), out, kind=kind, kernel=(held.h, held.w))
        )

    return [value_of_clips(call, [one(held) for held in maps_of_clips(call, value)], len(value.shape) - 2)]


READERS: Mapping[str, Callable[[Call], Results]] = {
    "MaxPool": partial(_pool, "max"),
    "AveragePool": partial(_pool, "mean"),
    "GlobalMaxPool": partial(_global, "max"),
    "GlobalAveragePool": partial(_global, "mean"),
}
