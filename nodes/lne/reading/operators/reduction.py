"""Means, largest and smallest values and sums over axes, as pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from nodes.lne.ir import Map, Pool
from nodes.lne.reading.call import Call, Results, UnsupportedError, Value
from nodes.lne.reading.draft import Ids
from nodes.lne.reading.elementwise import affine


def _axes(call: Call, count: int) -> tuple[int, ...]:
    given = call.attribute("axes")
    if given is None:
        given = call.constant(1, "axes")
    if given is None or not len(given):
        return () if call.attribute("noop_with_empty_axes", 0) == 1 else tuple(range(count))
    return tuple(sorted(int(axis) % count for axis in given))


def _reduce(kind: str, call: Call) -> Results:
    value = call.value()
    axes = _axes(call, len(value.shape))
    if not axes:
        return [value]
    ids = reduced(call, value.ids, axes, kind)
    kept = [1 if axis in axes else size for axis, size in enumerate(value.shape)]
    shape = kept if call.attribute("keepdims", 1) == 1 else [size for axis, size in enumerate(kept) if axis not in axes]
    return [Value(ids.reshape(shape))]


def reduced(call: Call, ids: Ids, axes: tuple[int, ...], kind: str) -> Ids:
    """Pool over some axes: in the map the values lie in if the axes are its rows, columns or both."""
    others = [axis for axis in range(ids.ndim) if axis not in axes]
    lanes = np.transpose(ids, (*others, *axes)).reshape(math.prod(ids.shape[axis] for axis in others), -1)
    found = call.draft.maps_of(ids)
    if len(found) == 1 and found[0].size == ids.size:
        for kernel in ((found[0].h, found[0].w), (1, found[0].w), (found[0].h, 1)):
            order = _windows(call, found[0], kernel, lanes)
            if order is not None:
                return _pooled(call, found[0], kernel, kind)[order]
    return _pooled(call, call.as_map(lanes[:, None, :]), (1, lanes.shape[1]), kind)


def _pooled(call: Call, held: Map, kernel: tuple[int, int], kind: str) -> Ids:
    made = call.add(
        (held.c, held.h // kernel[0], held.w // kernel[1]),
        lambda name, out: Pool(name, (held.name,), out, kind=kind, kernel=kernel, stride=kernel),
    )
    return call.draft.ids(made).ravel()


def _windows(call: Call, held: Map, kernel: tuple[int, int], lanes: Ids) -> Ids | None:
    """Which window of the map each lane is, or None if lanes are no windows."""
    if lanes.shape[1] != kernel[0] * kernel[1]:
        return None
    out_w = held.w // kernel[1]
    places = call.draft.places(lanes, held)
    channel, rest = np.divmod(places, held.h * held.w)
    row, column = np.divmod(rest, held.w)
    window = (channel * (held.h // kernel[0]) + row // kernel[0]) * out_w + column // kernel[1]
    return np.asarray(window[:, 0]) if (window == window[:, :1]).all() else None


def _sum(call: Call) -> Results:
    (mean,) = _reduce("mean", call)
    assert isinstance(mean, Value)
    return [affine(call, mean, call.value().ids.size / max(1, mean.ids.size))]


def _smallest(call: Call) -> Results:
    value = affine(call, call.value(), -1.0)
    (found,) = _reduce("max", Call(**{**vars(call), "operands": (value, *call.operands[1:])}))
    assert isinstance(found, Value)
    return [affine(call, found, -1.0)]


def _no_place(call: Call) -> Results:
    raise UnsupportedError(
        "the place of the largest value is no computation of the engine", "outputs before the ArgMax"
    )


READERS: Mapping[str, Callable[[Call], Results]] = {
    "ReduceMean": partial(_reduce, "mean"),
    "ReduceMax": partial(_reduce, "max"),
    "ReduceMin": _smallest,
    "ReduceSum": _sum,
    "ArgMax": _no_place,
}
