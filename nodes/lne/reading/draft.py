"""The graph while it is read: operations so far, and ONNX tensors as views of their maps.

An ONNX tensor is an array of element numbers (`Ids`): which value of which map stands at each place. So a reshape,
transpose, slice, split, squeeze, expand or concatenation is plain numpy on numbers and costs nothing; only when an
operation needs its input as a map of its own does a `Rearrange` or `Concat` appear, and only if the values do not
already lie so.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Container, Iterator

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Concat, Map, Op, Rearrange

Ids = NDArray[np.int64]
"""Element numbers in the shape of an ONNX tensor: `Draft.base` of a map plus the place in it, in CHW order."""
Shape = tuple[int, int, int]


class Draft:
    """A graph under construction. Every method that needs an operation adds it."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.maps: dict[str, Map] = {}
        self._bases: list[int] = []
        self._order: list[Map] = []
        self._base: dict[str, int] = {}
        self._end = 0
        self._made: dict[tuple[Shape, bytes], Map] = {}
        self._op_names: set[str] = set()

    def new_map(self, name: str, shape: Shape) -> Map:
        """A map with numbers of its own."""
        made = Map(_unique(name, self.maps), *shape)
        self.maps[made.name] = made
        self._base[made.name] = self._end
        self._bases.append(self._end)
        self._order.append(made)
        self._end += made.size
        return made

    def add(self, name: str, output: str, shape: Shape, make: Callable[[str, str], Op]) -> Map:
        """Add the operation that `make` builds from its own name and its output's."""
        made = self.new_map(output, shape)
        own = _unique(name, self._op_names)
        self._op_names.add(own)
        self.ops.append(make(own, made.name))
        return made

    def ids(self, made: Map) -> Ids:
        """The numbers of a map's values, (channels, rows, columns)."""
        base = self._base[made.name]
        return np.arange(base, base + made.size, dtype=np.int64).reshape(made.shape)

    def places(self, ids: Ids, made: Map) -> Ids:
        """Where values lie in their map."""
        return ids - self._base[made.name]

    def maps_of(self, ids: Ids) -> list[Map]:
        """Maps that some of the values come from, oldest first."""
        first, last = (int(np.searchsorted(self._bases, edge, "right")) - 1 for edge in (ids.min(), ids.max()))
        if first == last:
            return [self._order[first]]
        counts = np.bincount(np.searchsorted(self._bases, ids.ravel(), "right") - 1)
        return [self._order[index] for index in np.flatnonzero(counts)]

    def is_whole(self, ids: Ids) -> bool:
        """Whether the values are all of their maps and nothing else, each once."""
        if sum(made.size for made in self.maps_of(ids)) != ids.size:
            return False
        return all(_is_each_once(self.places(ids[where], made), made.size) for made, where in self.pieces(ids))

    def pieces(self, ids: Ids) -> Iterator[tuple[Map, NDArray[np.bool_] | slice]]:
        """The maps of a tensor, each with the places of the tensor it fills."""
        found = self.maps_of(ids)
        for made in found:
            base = self._base[made.name]
            yield made, (slice(None) if len(found) == 1 else (ids >= base) & (ids < base + made.size))

    def as_map(self, ids: Ids, name: str) -> Map:
        """A map (channels, rows, columns) with these values: the one they lie in, or a new one made of them."""
        shape: Shape = (ids.shape[0], ids.shape[1], ids.shape[2])
        found = self.maps_of(ids)
        if len(found) > 1:
            return self._joined(ids, found, name)
        (held,) = found
        table = self.places(ids, held)
        if shape == held.shape and _is_ordered(table):
            return held
        key = (shape, _digest(ids))
        if key not in self._made:
            values = np.ascontiguousarray(table.ravel(), np.int32)
            self._made[key] = self.add(
                f"{name}.view", f"{name}.view", shape, lambda op, out: Rearrange(op, (held.name,), out, table=values)
            )
        return self._made[key]

    def _joined(self, ids: Ids, found: list[Map], name: str) -> Map:
        """Values of several maps: whole slabs one after another if they lie so, else all of the maps in a row."""
        key = ((ids.shape[0], ids.shape[1], ids.shape[2]), _digest(ids))
        if key in self._made:
            return self._made[key]
        owner = np.searchsorted(self._bases, ids, "right")
        for axis, letter in enumerate("chw"):
            lanes = np.moveaxis(owner, axis, 0).reshape(ids.shape[axis], -1)
            if (lanes == lanes[:, :1]).all():
                cuts = np.flatnonzero(np.diff(lanes[:, 0])) + 1
                parts = [self.as_map(part, name) for part in np.split(ids, cuts, axis)]
                self._made[key] = self._concat(parts, letter, key[0], name)
                return self._made[key]
        flat = [self.as_map(self.ids(made).reshape(-1, 1, 1), name) for made in found]
        row = self._concat(flat, "c", (sum(made.size for made in found), 1, 1), name)
        numbers = np.concatenate([self.ids(made).ravel() for made in found])
        return self.as_map(self.ids(row).ravel()[np.searchsorted(numbers, ids)], name)

    def _concat(self, parts: list[Map], axis: str, shape: Shape, name: str) -> Map:
        names = tuple(part.name for part in parts)
        return self.add(f"{name}.joined", f"{name}.joined", shape, lambda op, out: Concat(op, names, out, axis=axis))


def _unique(name: str, taken: Container[str]) -> str:
    tried, count = name, 1
    while tried in taken:
        count += 1
        tried = f"{name}.{count}"
    return tried


def _digest(ids: Ids) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(ids).data).digest()


def _is_each_once(places: Ids, size: int) -> bool:
    seen = np.zeros(size, bool)
    seen[places.ravel()] = True
    return bool(seen.all())


def _is_ordered(table: Ids) -> bool:
    return bool((table.ravel() == np.arange(table.size)).all())


def natural(shape: tuple[int, ...]) -> Shape:
    """The map that a tensor of this shape is, in the same order: (N, C, H, W), (1, C, T), (1, N), (N,) and others."""
    if len(shape) <= 1:
        return math.prod(shape), 1, 1
    if len(shape) == 2:
        return (shape[1], 1, 1) if shape[0] == 1 else (shape[0], 1, shape[1])
    kept = shape[1:] if shape[0] == 1 else (shape[0] * shape[1], *shape[2:])
    if len(kept) == 1:
        return kept[0], 1, 1
    return kept[0], math.prod(kept[1:-1]), kept[-1]
