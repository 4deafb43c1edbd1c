"""Cutting 8-bit layers into blocks of channels and tiles of pixels, and what all of them ask before they begin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.lne.layout import U8_HWC, Format
from nodes.lne.primitive import Place, Task
from nodes.lne.primitives.int8_dialect import FOUR, is_four, order
from nodes.lne.target import Target

MOST_PIXELS = 14


@dataclass(frozen=True)
class Run:
    """Equal blocks of channels one after another.

    Attributes:
        first: channel of the first block.
        widths: sums in each vector of a block.
        count: blocks.
        interleaved: whether four vectors share the order of `int8_dialect`.
    """

    first: int
    widths: tuple[int, ...]
    count: int
    interleaved: bool

    @property
    def channels(self) -> int:
        """Of one block."""
        return sum(self.widths)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First sum of each vector, from the block's first."""
        return tuple(sum(self.widths[:index]) for index in range(len(self.widths)))

    @property
    def stores(self) -> Iterator[tuple[int, ...]]:
        """Vectors that are stored together."""
        return iter([tuple(range(FOUR))] if self.interleaved else [(j,) for j in range(len(self.widths))])

    def packed(self, values: NDArray[np.generic], axis: int) -> NDArray[np.generic]:
        """Values of these channels (last axis), block by block in front and vector by vector at `axis` behind it."""
        lanes = order(self.widths, self.interleaved)
        places = self.first + self.channels * np.arange(self.count)[:, None] + lanes
        missing = max(0, int(places.max()) + 1 - values.shape[-1])
        filled = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, missing)])
        return np.moveaxis(np.moveaxis(filled[..., places], -2, 0), -1, axis)


def runs(channels: int, per_block: int, target: Target, result: Format) -> Iterator[Run]:
    """Blocks of `per_block` vectors, then one with the rest; four are whole ones, so that they are stored together."""
    widths = target.vectors(channels)
    if per_block == FOUR and result is U8_HWC and channels > FOUR:
        widths = (target.vector,) * len(widths)
    whole = sum(width == target.vector for width in widths) // per_block
    size = per_block * target.vector
    if whole:
        yield _run(0, widths[:per_block], whole, result)
    if widths[whole * per_block :]:
        yield _run(whole * size, widths[whole * per_block :], 1, result)


def _run(first: int, widths: tuple[int, ...], count: int, result: Format) -> Run:
    return Run(first, widths, count, interleaved=result is U8_HWC and is_four(widths))


@dataclass(frozen=True)
class Tile:
    """Output pixels computed together, and the pixels it is repeated at: rows ys, columns xs."""

    rows: int
    columns: int
    ys: range
    xs: range

    @property
    def loops(self) -> str:
        """The head of two loops over y and x."""
        ys, xs = (f"{n} = {r.start}; {n} < {r.stop}; {n} += {r.step}" for n, r in (("y", self.ys), ("x", self.xs)))
        return f"for (int {ys}) for (int {xs})"


def most_pixels(vectors: int, target: Target, spare: int) -> int:
    """Pixels for which sums, weights, one input and `spare` more fit in the registers."""
    return max(1, min(MOST_PIXELS, (target.registers - 1 - spare - vectors) // vectors))


def cover(height: int, width: int, most: int) -> Iterator[Tile]:
    """Tiles of at most `most` pixels: whole rows if several fit, else parts of a row; as even as possible."""
    rows = min(height, max(1, most // width))
    for ys, tall in _parts(height, rows):
        for xs, wide in _parts(width, most):
            yield Tile(tall, wide, ys, xs)


def _parts(size: int, most: int) -> Iterator[tuple[range, int]]:
    """Equal steps over `size`, then equal smaller ones: where each begins, and how long it is."""
    count = -(-size // most)
    small, larger = divmod(size, count)
    middle = larger * (small + 1)
    if larger:
        yield range(0, middle, small + 1), small + 1
    if larger < count:
        yield range(middle, size, small), small


def unranged(task: Task, result: Format) -> str:
    """Why a task cannot be done in 8 bits: a map without a range."""
    names = (*task.op.inputs, *((task.op.output,) if result is U8_HWC else ()))
    missing = [name for name in names if name not in task.ranges]
    return f"the range of {missing[0]} is not known" if missing else ""


def pixel(place: Place, index: int, first: int = 0) -> str:
    """Offset of the output pixel (y, x) in input `index`, or in the output for -1."""
    buffer = place.output if index < 0 else place.inputs[index]
    return f"{buffer.origin + first} + y * {buffer.row_step} + x * {buffer.column_step}"
