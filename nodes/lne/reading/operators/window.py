"""What convolutions and pools have in common: clips along the first axis, and padding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nodes.lne.ir import Map, Pad, Pads
from nodes.lne.reading.call import Call, UnsupportedError, Value


def maps_of_clips(call: Call, value: Value) -> list[Map]:
    """(N, C, rows, columns) or (N, C, columns) as one map per N: each is computed on its own."""
    shape = value.shape if len(value.shape) == 4 else (*value.shape[:2], 1, *value.shape[2:])
    return [call.as_map(ids) for ids in value.ids.reshape(shape)]


def value_of_clips(call: Call, maps: Sequence[Map], axes: int) -> Value:
    """The tensor (N, C, rows, columns) or (N, C, columns) of one map per N."""
    ids = np.stack([call.draft.ids(made) for made in maps])
    return Value(ids if axes == 2 else ids[:, :, 0])


def pair(values: Sequence[int]) -> tuple[int, int]:
    """Of rows and columns; one axis is the columns."""
    if min(values, default=0) < 1:
        raise UnsupportedError(f"it has a size or step of {list(values)}", "sizes and steps of at least one")
    return (1, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))


def padding(call: Call, size: Sequence[int], reach: Sequence[int], stride: Sequence[int]) -> Pads:
    """Zeros around a map, from `pads` or `auto_pad`."""
    kind = call.attribute("auto_pad", "NOTSET")
    if kind in ("SAME_UPPER", "SAME_LOWER"):
        pairs = [_same(*axis, is_upper=kind == "SAME_UPPER") for axis in zip(size, reach, stride, strict=True)]
        return Pads(pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1])
    given = [int(pad) for pad in call.attribute("pads", [])] if kind == "NOTSET" else []
    if min(given, default=0) < 0:
        raise UnsupportedError("its padding is negative", "a Slice before it")
    if len(given) == 2:
        return Pads(0, given[0], 0, given[1])
    return Pads(*given) if given else Pads()


def bordered(call: Call, held: Map, pads: Pads, value: float = 0.0) -> Map:
    """A map with a border of its own."""
    shape = (held.c, held.h + pads.top + pads.bottom, held.w + pads.left + pads.right)
    return call.add(shape, lambda name, out: Pad(name, (held.name,), out, pads=pads, value=value))


def _same(size: int, reach: int, stride: int, *, is_upper: bool) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + reach - size)
    return (total // 2, total - total // 2) if is_upper else (total - total // 2, total // 2)
