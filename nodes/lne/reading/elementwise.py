"""Operations on single values, whatever shape ONNX has them in: they are done in the maps the values already lie in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Activation, Affine, Binary, Map, Op, Weights
from nodes.lne.reading.call import Call, Constant, Operand, UnsupportedError, Value, floats
from nodes.lne.reading.draft import Ids, natural

COMMUTATIVE = ("add", "multiply", "maximum", "minimum")


def affine(
    call: Call,
    value: Value,
    scale: Constant | float = 1.0,
    shift: Constant | float = 0.0,
    activation: Activation = Activation.NONE,
) -> Value:
    """activation(value * scale + shift), the constants broadcast as numpy does."""
    factors, offsets = np.asarray(scale, np.float64), np.asarray(shift, np.float64)
    if not (np.isfinite(factors).all() and np.isfinite(offsets).all()):
        raise UnsupportedError("its constants are not finite", "finite constants")
    shape = np.broadcast_shapes(value.shape, factors.shape, offsets.shape)
    value = compact(call, Value(np.broadcast_to(value.ids, shape)))
    if factors.size == offsets.size == 1:
        return _each(call, value, lambda made, where: _affine(made, factors.ravel(), offsets.ravel(), activation))
    factors, offsets = np.broadcast_to(factors, shape), np.broadcast_to(offsets, shape)
    found: dict[str, tuple[Weights, Weights]] = {}
    for made, where in call.draft.pieces(value.ids):
        places = call.draft.places(value.ids[where], made)
        pair = [_per_channel(values[where], places, made) for values in (factors, offsets)]
        if pair[0] is None or pair[1] is None:
            return _uneven(call, value, factors, offsets, activation)
        found[made.name] = (pair[0], pair[1])
    return _each(call, value, lambda made, where: _affine(made, *found[made.name], activation))


def activate(call: Call, value: Value, activation: Activation) -> Value:
    """An activation of every value."""
    return affine(call, value, activation=activation)


def compact(call: Call, value: Value) -> Value:
    """The value itself, or a copy where it is a small part of its maps."""
    if sum(made.size for made in call.draft.maps_of(value.ids)) <= value.ids.size:
        return value
    return _copied(call, value.ids)


def _copied(call: Call, ids: Ids) -> Value:
    """The values in a map of their own."""
    made = call.as_map(ids.reshape(natural(ids.shape)))
    return Value(call.draft.ids(made).reshape(ids.shape))


_Make = Callable[[str, str], Op]
_Where = NDArray[np.bool_] | slice


def _each(call: Call, value: Value, make: Callable[[Map, _Where], _Make]) -> Value:
    """One operation per map of a value, each giving a map of the same shape."""
    ids = np.empty_like(value.ids)
    for made, where in call.draft.pieces(value.ids):
        output = call.add(made.shape, make(made, where))
        places = call.draft.places(value.ids[where], made)
        ids[where] = call.draft.ids(output).ravel()[places]
    return Value(ids)


def _affine(made: Map, scale: Weights, shift: Weights, activation: Activation) -> _Make:
    full = [np.array(np.broadcast_to(values, made.c)) for values in (scale, shift)]
    return lambda name, out: Affine(name, (made.name,), out, scale=full[0], shift=full[1], activation=activation)


def _per_channel(values: NDArray[np.float64], places: Ids, made: Map) -> Weights | None:
    """Constants of a tensor as constants of its map's channels, or None if a channel has several."""
    held = np.zeros(made.size)
    held[places] = values
    lanes = held.reshape(made.c, -1)
    is_one = (held[places] == values).all() and (lanes == lanes[:, :1]).all()
    return np.array(lanes[:, 0]) if is_one else None


def _uneven(call: Call, value: Value, factors: Weights, offsets: Weights, activation: Activation) -> Value:
    """Constants that differ within a channel: maps of their own where they are few, else the channels are others."""
    small = [_without_repeats(constant) for constant in (factors, offsets)]
    if not call.draft.is_whole(value.ids) or 4 * max(one.size for one in small) > value.ids.size:
        return affine(call, _along_varying(call, value, factors, offsets), factors, offsets, activation)
    for kind, constant, neutral in (("multiply", small[0], 1.0), ("add", small[1], 0.0)):
        if (constant != neutral).any():
            value = binary(call, kind, value, constant_value(call, constant))
    return value if activation is Activation.NONE else activate(call, value, activation)


def _without_repeats(values: NDArray[Any]) -> NDArray[Any]:
    """Constants with one value along every axis along which they do not change."""
    for axis in range(values.ndim):
        first = values.take([0], axis)
        values = first if (values == first).all() else values
    return values


def _along_varying(call: Call, value: Value, *constants: Constant) -> Value:
    """The value in a map whose channels are the axes along which the constants differ."""
    axes = [
        axis
        for axis in range(len(value.shape))
        if any((np.diff(values, axis=axis) != 0).any() for values in constants)
    ]  # fmt: skip
    count = int(np.prod([value.shape[axis] for axis in axes]))
    places = np.arange(len(axes))
    moved = np.moveaxis(value.ids, axes, places)
    made = call.as_map(moved.reshape(count, 1, -1))
    return Value(np.moveaxis(call.draft.ids(made).reshape(moved.shape), places, axes))


def binary(call: Call, kind: str, first: Operand, second: Operand) -> Value:
    """Two tensors value by value, broadcast as numpy does; at least one is computed."""
    a, b = (one if isinstance(one, Value) else constant_value(call, floats(one)) for one in (first, second))
    shape = np.broadcast_shapes(a.shape, b.shape)
    if not _leads(call, a, shape) and _leads(call, b, shape):
        return _led(call, kind, b, a, is_swapped=True)
    if not _leads(call, a, shape):
        a = _copied(call, np.broadcast_to(a.ids, shape))
    return _led(call, kind, a, b, is_swapped=False)


def _leads(call: Call, value: Value, shape: tuple[int, ...]) -> bool:
    return value.shape == shape and call.draft.is_whole(value.ids)


def _led(call: Call, kind: str, leader: Value, other: Value, *, is_swapped: bool) -> Value:
    """A binary operation in the leader's maps."""
    follower = np.broadcast_to(other.ids, leader.shape)

    def make(made: Map, where: _Where) -> _Make:
        arranged = np.empty(made.size, np.int64)
        arranged[:] = follower[where].ravel()[0]
        arranged[call.draft.places(leader.ids[where], made).ravel()] = follower[where].ravel()
        full = arranged.reshape(made.shape)
        may_be_short = not is_swapped or kind in COMMUTATIVE
        held = call.as_map(_without_repeats(full) if may_be_short else full)
        names = (held.name, made.name) if is_swapped and kind not in COMMUTATIVE else (made.name, held.name)
        return lambda name, out: Binary(name, names, out, kind=kind)

    return _each(call, leader, make)


def constant_value(call: Call, values: Weights) -> Value:
    """A constant as a map: a value of the input times nothing, plus the constant."""
    name = f"{call.name}.constant"
    blank = call.draft.as_map(np.zeros((values.size, 1, 1), np.int64), "constants")
    made = call.draft.add(
        name,
        name,
        blank.shape,
        lambda op, out: Affine(op, (blank.name,), out, scale=np.zeros(values.size), shift=values.ravel().astype(float)),
    )
    return Value(call.draft.ids(made).reshape(values.shape))
