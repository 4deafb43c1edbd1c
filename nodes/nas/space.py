"""The search space: which kernel, how many channels and how many blocks every layer of a base architecture may have.

A space is made from the block strings of any architecture of the zoo. Blocks of the kinds in SEARCHED vary; pools,
dropout, recurrent and dense layers stay as they are. On a two-dimensional map kernel height and width are apart,
as S4 5.3 searches them; residual blocks may also be repeated at stride 1, which is how TC-ResNet8 becomes TC-ResNet14.

>>> space = shape_space(architecture("tc_resnet8", input_shape=(40, 98), classes=12), kernels=(3, 5, 9))
>>> space.architecture(space.smallest)["blocks"][:2]
['conv_k3_c16', 'res_k3_s2_c16']
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from nodes.nas.errors import NasError
from nodes.zoo import Architecture, ZooError
from nodes.zoo.block import Block, decode, encode
from nodes.zoo.plan import plan

Value = int | float | str
Params = Mapping[str, Value]

PLANE_KERNELS: Final = (1, 3, 5)
PLANE_CHANNELS: Final = (20, 30, 40, 50)
"""S4 prints no ranges; these are what its three nets show (S4 T4, 8.1; slip 13)."""
TEMPORAL_KERNELS: Final = (3, 5, 7, 9, 11)
TEMPORAL_CHANNELS: Final = (8, 12, 16, 24, 32, 48, 64)
"""Around TC-ResNet8's kernel 9 and its 16 to 48 channels."""
SEARCHED: Final[Mapping[str, frozenset[str]]] = {
    "conv": frozenset({"kernel"}),
    "ds": frozenset({"kernel"}),
    "res": frozenset({"kernel", "blocks"}),
    "tcs": frozenset({"kernel"}),
    "sep": frozenset(),
    "bc": frozenset(),
}
"""Kinds of blocks that vary in their channels, and what else varies: the kernel, and how often they stand in a row (at
stride 1, so that the map keeps its size)."""


@dataclass(frozen=True)
class Choice:
    """One of some values, in rising order."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """Any number between two, evenly by its logarithm."""

    name: str
    low: float
    high: float


Dimension = Choice | Range


@dataclass(frozen=True)
class _Place:
    """A searched block: its kind and number ("conv1") and the names of its dimensions."""

    name: str
    kernels: tuple[str, ...]
    """One name for all axes, or one for each; none where the kernel stays."""

    @property
    def channels(self) -> str:
        return f"{self.name}.channels"

    @property
    def blocks(self) -> str:
        return f"{self.name}.blocks"


@dataclass(frozen=True)
class ShapeSpace:
    """Every shape that a base architecture may take."""

    base: Architecture
    dimensions: tuple[Choice, ...]
    places: tuple[_Place | None, ...]
    """For each block of the base, how it is searched; None leaves it."""

    @property
    def size(self) -> int:
        """How many shapes there are."""
        return math.prod(len(dimension.values) for dimension in self.dimensions)

    @property
    def smallest(self) -> dict[str, Value]:
        """Every dimension at its lowest value."""
        return {dimension.name: dimension.values[0] for dimension in self.dimensions}

    @property
    def largest(self) -> dict[str, Value]:
        """Every dimension at its highest value."""
        return {dimension.name: dimension.values[-1] for dimension in self.dimensions}

    def ladder(self, rungs: int) -> list[dict[str, Value]]:
        """Shapes from the smallest to the largest, all dimensions rising together."""
        shares = [rung / max(rungs - 1, 1) for rung in range(rungs)]
        return [
            {d.name: d.values[round(share * (len(d.values) - 1))] for d in self.dimensions} for share in shares
        ]  # fmt: skip

    def architecture(self, params: Params) -> Architecture:
        """The architecture of one shape.

        Raises:
            ZooError: a kernel does not fit the map.
        """
        made: Architecture = {**self.base, "blocks": list(self._blocks(params))}
        plan(made)
        return made

    def _blocks(self, params: Params) -> Iterator[str]:
        for text, place in zip(self.base["blocks"], self.places, strict=True):
            if place is None:
                yield text
                continue
            block = replace(decode(text), channels=int(params[place.channels]))
            if place.kernels:
                block = replace(block, kernel=_short(tuple(int(params[name]) for name in place.kernels)))
            yield encode(block)
            for _ in range(int(params.get(place.blocks, 1)) - 1):
                yield encode(replace(block, stride=(1,)))

    def locate(self, blocks: Sequence[str]) -> dict[str, Value] | None:
        """The point of the space that has these blocks; None if there is none."""
        found = self._matched([decode(text) for text in blocks], 0)
        allowed = found is not None and all(found.get(d.name) in d.values for d in self.dimensions)
        return found if allowed else None

    def _matched(self, blocks: Sequence[Block], index: int) -> dict[str, Value] | None:
        """Values under which the base's blocks from `index` on are these; tries every split into blocks in a row."""
        if index == len(self.places):
            return None if blocks else {}
        base, place = decode(self.base["blocks"][index]), self.places[index]
        if not blocks or not _is_like(blocks[0], base, place):
            return None
        if place is None:
            return self._matched(blocks[1:], index + 1)
        for count in range(1, 1 + self._in_a_row(blocks, place)):
            rest = self._matched(blocks[count:], index + 1)
            if rest is not None:
                row: dict[str, Value] = {place.blocks: count} if place.blocks in self._names else {}
                return {**self._values_of(blocks[0], place), **row, **rest}
        return None

    def _values_of(self, block: Block, place: _Place) -> dict[str, Value]:
        sizes = _sizes(block, len(place.kernels))
        return {place.channels: block.channels, **dict(zip(place.kernels, sizes or (), strict=False))}

    def _in_a_row(self, blocks: Sequence[Block], place: _Place) -> int:
        """How often the first block may stand there, as far as blocks and space allow."""
        most, count = int(self._names.get(place.blocks, (1,))[-1]), 1
        while count < min(most, len(blocks)) and blocks[count] == replace(blocks[0], stride=(1,)):
            count += 1
        return count

    @cached_property
    def _names(self) -> dict[str, tuple[Value, ...]]:
        return {dimension.name: dimension.values for dimension in self.dimensions}

    @property
    def nearest(self) -> dict[str, Value]:
        """The shape whose values lie closest to the base's own."""
        found = dict[str, Value]()
        for text, place in zip(self.base["blocks"], self.places, strict=True):
            if place is not None:
                block = decode(text)
                sizes = _sizes(block, len(place.kernels)) or (max(block.kernel),)
                found |= {place.channels: block.channels, place.blocks: 1}
                found |= dict(zip(place.kernels, sizes, strict=False))
        return {d.name: _closest(d.values, found[d.name]) for d in self.dimensions}


def shape_space(
    base: Architecture,
    *,
    kernels: Sequence[int] | None = None,
    channels: Sequence[int] | None = None,
    most_blocks: int = 2,
    square: bool = False,
) -> ShapeSpace:
    """The space around a base architecture.

    Args:
        kernels: sizes of a kernel along one axis; by default those around the papers' nets.
        channels: of every searched block.
        most_blocks: how often a residual block may stand in a row.
        square: one size for both axes of a kernel.

    Raises:
        NasError: nothing of the base can be searched, or a list of values is empty or has one below 1.
    """
    plane = len(plan(base).map_shape) == 3
    kernel_values = _checked("kernels", kernels or (PLANE_KERNELS if plane else TEMPORAL_KERNELS))
    channel_values = _checked("channels", channels or (PLANE_CHANNELS if plane else TEMPORAL_CHANNELS))
    suffixes = ("kernel_height", "kernel_width") if plane and not square else ("kernel",)
    seen: dict[str, int] = {}
    places, dimensions = list[_Place | None](), list[Choice]()
    for block in map(decode, base["blocks"]):
        place = _place(block, seen, suffixes)
        places.append(place)
        if place is not None:
            dimensions += [Choice(name, kernel_values) for name in place.kernels]
            dimensions.append(Choice(place.channels, channel_values))
            if "blocks" in SEARCHED[block.kind] and most_blocks > 1:
                dimensions.append(Choice(place.blocks, tuple(range(1, most_blocks + 1))))
    if not dimensions:
        raise NasError(
            f"{base['name']} has no convolution to search",
            "an architecture with blocks such as conv_k3_c20, ds_k3_c20 or res_k9_c24",
            "Choose another architecture, or give such blocks",
        )
    return ShapeSpace(base, tuple(dimensions), tuple(places))


def variants(space: ShapeSpace, candidates: Sequence[Architecture]) -> list[dict[str, Value]]:
    """Those of some architectures that are points of the space, each once, in order."""
    found = [space.locate(made["blocks"]) for made in candidates if made["view"] == space.base["view"]]
    return [point for index, point in enumerate(found) if point is not None and point not in found[:index]]


def _place(block: Block, seen: dict[str, int], suffixes: tuple[str, ...]) -> _Place | None:
    if block.kind not in SEARCHED:
        return None
    seen[block.kind] = seen.get(block.kind, 0) + 1
    name = f"{block.kind}{seen[block.kind]}"
    return _Place(name, tuple(f"{name}.{suffix}" for suffix in suffixes if "kernel" in SEARCHED[block.kind]))


def _checked(name: str, values: Sequence[int]) -> tuple[int, ...]:
    if not values or min(values) < 1:
        raise NasError(f"{name} are {list(values)}", "whole numbers above 0", f"Correct {name}")
    return tuple(sorted(set(values)))


def _sizes(block: Block, count: int) -> tuple[int, ...] | None:
    """Kernel sizes as `count` numbers; None if one number cannot say them."""
    sizes = _short(block.kernel)
    return sizes * count if len(sizes) == 1 else sizes if len(sizes) == count else None


def _closest(values: Sequence[Value], wanted: Value) -> Value:
    return min(values, key=lambda value: abs(float(value) - float(wanted)))


def _short(kernel: tuple[int, ...]) -> tuple[int, ...]:
    """Equal sizes on all axes as one number, as people write it."""
    return kernel[:1] if len(set(kernel)) == 1 else kernel


def _is_like(block: Block, base: Block, place: _Place | None) -> bool:
    """Whether two blocks are the same but for what is searched."""
    if place is None:
        return block == base
    kernel = base.kernel if place.kernels else block.kernel
    return replace(block, kernel=kernel, channels=base.channels) == base


def zoo_variants(space: ShapeSpace, widths: Sequence[float] = (1.0, 0.5, 0.75, 1.5, 2.0)) -> list[dict[str, Value]]:
    """The papers' own nets that are points of the space, at the papers' width first."""
    from nodes.zoo import architecture, models

    shape = tuple(space.base["input_shape"])
    found: list[Architecture] = []
    for width in widths:
        for name in models():
            try:
                found.append(architecture(name, width=width, input_shape=shape, classes=space.base["classes"]))
            except ZooError:
                continue  # too small an input for that net, or no channels left: no point of this space
    return variants(space, found)
