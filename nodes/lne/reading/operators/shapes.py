"""Operators that only move values: they are computed on the numbers of the values, so they cost nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from nodes.lne.ir import Pads
from nodes.lne.reading.call import Call, Constant, Results, UnsupportedError, Value, floats
from nodes.lne.reading.draft import Ids
from nodes.lne.reading.elementwise import constant_value
from nodes.lne.reading.folding import evaluate_node
from nodes.lne.reading.operators.window import bordered


def _view(call: Call) -> Results:
    """The node itself, done to the numbers of the values instead of the values."""
    value = call.value()
    arrays: dict[str, Constant] = {call.node.input[0]: value.ids}
    for index, name in enumerate(call.node.input[1:], 1):
        if name:
            arrays[name] = call.needed(index, f"operand {index}")
    return [Value(np.asarray(ids, np.int64)) for ids in evaluate_node(call.node, arrays, call.opset)]


def _same(call: Call) -> Results:
    """Identity, Dropout and casts between kinds of real numbers."""
    return [call.value()]


def _cast(call: Call) -> Results:
    if call.attribute("to") not in (1, 10, 11, 16):
        raise UnsupportedError("it turns computed values into whole numbers", "real numbers all the way")
    return [call.value()]


def _shape(call: Call) -> Results:
    sizes = call.value().shape[call.attribute("start", 0) : call.attribute("end", None)]
    return [np.array(sizes, np.int64)]


def _size(call: Call) -> Results:
    return [np.array(math.prod(call.value().shape), np.int64)]


def _concat(call: Call) -> Results:
    values = [one for one in call.operands if one is not None]
    parts = [
        one.ids if isinstance(one, Value) else constant_value(call, floats(one)).ids
        for one in values
        if not (isinstance(one, np.ndarray) and one.size == 0)
    ]
    return [Value(np.concatenate(parts, int(call.attribute("axis"))))]


def _pad(call: Call) -> Results:
    """Constant borders are operations; reflected and repeated ones, and negative ones, only move values."""
    mode = call.attribute("mode", "constant")
    value, amounts = call.value(), [int(pad) for pad in call.needed(1, "padding")]
    axes = call.constant(3, "axes")
    count = len(value.shape)
    chosen = range(count) if axes is None else [int(axis) % count for axis in axes]
    pairs = [(0, 0)] * count
    for axis, before, after in zip(chosen, amounts[: len(chosen)], amounts[len(chosen) :], strict=True):
        pairs[axis] = (before, after)
    ids = value.ids[
        tuple(slice(max(0, -a), size - max(0, -b)) for (a, b), size in zip(pairs, value.shape, strict=True))
    ]
    added = [(max(0, before), max(0, after)) for before, after in pairs]
    if mode != "constant":
        return [Value(np.pad(ids, added, mode=mode))]
    fill = call.constant(2, "value")
    return [pad_constant(call, ids, added, 0.0 if fill is None or not fill.size else float(fill.ravel()[0]))]


def pad_constant(call: Call, ids: Ids, pairs: list[tuple[int, int]], fill: float) -> Value:
    """A border of a constant: rows and columns of every clip at once, other axes one after another."""
    count = ids.ndim
    if count in (3, 4) and not any(pairs[0] + pairs[1]) and any(map(any, pairs)):
        top, left = pairs[2] if count == 4 else (0, 0), pairs[-1]
        grown = [_bordered(call, one, Pads(top[0], left[0], top[1], left[1]), fill) for one in _clips(ids)]
        stacked = np.stack(grown)
        return Value(stacked if count == 4 else stacked[:, :, 0])
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            split = ids.reshape(math.prod(ids.shape[:axis]), ids.shape[axis], -1)
            grown_ids = _bordered(call, split, Pads(before, 0, after, 0), fill)
            ids = grown_ids.reshape(*ids.shape[:axis], -1, *ids.shape[axis + 1 :])
    return Value(ids)


def _clips(ids: Ids) -> Ids:
    return ids if ids.ndim == 4 else ids[:, :, None]


def _bordered(call: Call, ids: Ids, pads: Pads, fill: float) -> Ids:
    return call.draft.ids(bordered(call, call.as_map(ids), pads, fill))


_VIEWS = (
    "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Gather", "Expand", "Tile",
    "DepthToSpace", "SpaceToDepth", "GatherElements", "GatherND", "ReverseSequence",
)  # fmt: skip
READERS: Mapping[str, Callable[[Call], Results]] = {
    **dict.fromkeys(_VIEWS, _view),
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "CastLike": _same,
    "Shape": _shape,
    "Size": _size,
    "Concat": _concat,
    "Pad": _pad,
}
