"""How a convolution is cut for a Toom-Cook transform: phases, sub-filters, tiles, strips of tiles and blocks of strips.

Along each axis:

- Stride s: output y reads inputs s*y + k*d. The taps fall into s phases; each phase is an ordinary filter over every
  s-th input. All phases are transformed alike and add up before the transform back.
- Dilation d: the outputs fall into d phases, each an ordinary convolution of every d-th input.
- A long filter is cut into sub-filters of at most `LONGEST` taps, which add up the same way.

A `Term` is one such piece of the filter. A shorter term has a zero at infinity, so that product is left out.
Tiles in a row along the first axis form a strip: rows transformed across are shared by neighbouring tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from nodes.lne.ir import Conv, Weights
from nodes.lne.layout import Buffer, Halo
from nodes.lne.primitive import Task
from nodes.lne.primitives.toom import Toom, toom

LONGEST = 5
"""Taps of one term: more would need points of too large an error."""
STRIP_BYTES = 16 * 1024
"""Of half-transformed values, which should stay in the first cache with what they are made of."""
BLOCK_BYTES = 640 * 1024
"""Of transformed values and products, which should stay in the second cache with the weights."""
BLOCK_TILES = 16
"""Fewest tiles of a block: all weights are read again for each."""


LINE_FLOATS = 16
"""Floats of a cache line."""


def whole_lines(floats: int) -> int:
    """So many floats, rounded up to whole cache lines."""
    return -(-floats // LINE_FLOATS) * LINE_FLOATS


@dataclass(frozen=True)
class Term:
    """One piece of the filter along an axis: the taps it holds, and the input its first output starts at."""

    taps: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class Run:
    """Outputs first, first + dilation, ... of one phase, cut into tiles."""

    first: int
    outputs: int
    tiles: int


@dataclass(frozen=True)
class Axis:
    """Rows or columns of a convolution and the transform along them."""

    is_rows: bool
    size: int
    stride: int
    dilation: int
    pad: int
    transform: Toom
    terms: tuple[Term, ...]

    @property
    def points(self) -> int:
        """Of the transform."""
        return self.transform.points

    @property
    def is_plain(self) -> bool:
        """Nothing to transform."""
        return self.points == 1

    @property
    def full_terms(self) -> int:
        """Terms that are not zero at infinity; they come first."""
        return sum(len(term.taps) == self.transform.taps for term in self.terms)

    def terms_at(self, point: int) -> int:
        """Terms that are not zero at a point."""
        return self.full_terms if point == self.points - 1 else len(self.terms)

    def runs(self) -> tuple[Run, ...]:
        """One per phase."""
        counts = [-(-(self.size - phase) // self.dilation) for phase in range(min(self.dilation, self.size))]
        return tuple(Run(first, count, -(-count // self.transform.outputs)) for first, count in enumerate(counts))

    def reach(self) -> int:
        """One past the last input that any tile reads, counted from the map's first."""
        last = self.transform.outputs * self.dilation * self.stride
        ends = [
            run.first * self.stride + (run.tiles - 1) * last + (self.points - 1) * self.stride * self.dilation
            for run in self.runs()
        ]
        return max(ends) + max(term.offset for term in self.terms) + 1 - self.pad


@dataclass(frozen=True)
class Side:
    """What a convolution is along rows or columns."""

    is_rows: bool
    size: int
    taps: int
    stride: int
    dilation: int
    pad: int


def make_axis(side: Side, outputs: int) -> Axis:
    """One side of a convolution with tiles of so many outputs.

    Raises:
        ValueError: there is no such transform, or stride and dilation meet on one axis.
    """
    dilation = 1 if side.taps == 1 else side.dilation
    if side.stride > 1 and dilation > 1:
        raise ValueError("stride and dilation along the same axis")
    phases = [tuple(range(phase, side.taps, side.stride)) for phase in range(min(side.stride, side.taps))]
    pieces = -(-len(phases[0]) // LONGEST)
    longest = -(-len(phases[0]) // pieces)
    cut = [phase[start : start + longest] for phase in phases for start in range(0, len(phase), longest)]
    terms = tuple(Term(piece, piece[0] * dilation) for piece in sorted(cut, key=lambda piece: (-len(piece), piece)))
    return Axis(side.is_rows, side.size, side.stride, dilation, side.pad, toom(outputs, longest), terms)


@dataclass(frozen=True)
class Strip:
    """Tiles one after another along the first axis: their first output, their number, and what of them lies in the map.

    All tiles have `width` columns across; all but the last are whole along, which has `last`.
    """

    along: int
    across: int
    tiles: int
    last: int
    width: int


@dataclass(frozen=True)
class Tiling:
    """A convolution cut into tiles. `along` is the axis strips run along; sizes count floats."""

    along: Axis
    across: Axis
    inputs: int
    in_channels: int
    out_channels: int

    @property
    def points(self) -> int:
        """Multiplications per tile and term."""
        return self.along.points * self.across.points

    @property
    def terms(self) -> int:
        """Pieces of the filter."""
        return len(self.along.terms) * len(self.across.terms)

    @cached_property
    def is_shared(self) -> bool:
        """Whether term k of tile t reads what term 0 of tile t + k reads, so that it is transformed once."""
        axis = self.along
        regular = axis.stride == 1 and len(axis.terms) > 1 and axis.transform.outputs == axis.transform.taps
        return regular and self.across.size == 1 and len(self.across.terms) == 1 and axis.dilation == 1

    @property
    def extra(self) -> int:
        """Tiles transformed beyond those of the output, for the later terms."""
        return len(self.along.terms) - 1 if self.is_shared else 0

    @property
    def is_close(self) -> bool:
        """Whether the inputs of several terms lie side by side, without padding."""
        return self.terms > 1 and self.in_channels == self.inputs

    @property
    def in_step(self) -> int:
        """From one term's transformed inputs to the next: whole cache lines, or none of them is left out."""
        return self.in_channels if self.is_close else whole_lines(self.in_channels)

    @property
    def out_step(self) -> int:
        """From one tile's products to the next tile's."""
        return whole_lines(self.out_channels)

    @property
    def tile_step(self) -> int:
        """From a tile's transformed inputs to the next tile's."""
        return self.in_step * (1 if self.is_shared else self.terms)

    @property
    def term_steps(self) -> tuple[int, int]:
        """From one term's transformed inputs to the next one's, along and across."""
        return self.in_step * (1 if self.is_shared else len(self.across.terms)), self.in_step

    @cached_property
    def strips(self) -> tuple[Strip, ...]:
        """All, phase after phase."""
        return tuple(self._strips())

    def _strips(self) -> Iterator[Strip]:
        along, across = self.along, self.across
        m, n = along.transform.outputs, across.transform.outputs
        most = self._most_tiles()
        for down in along.runs():
            for right in across.runs():
                for column in range(right.tiles):
                    width = min(n, right.outputs - column * n)
                    start = right.first + column * n * across.dilation
                    for tile in range(0, down.tiles, most):
                        count = min(most, down.tiles - tile)
                        last = min(m, down.outputs - (tile + count - 1) * m)
                        yield Strip(down.first + tile * m * along.dilation, start, count, last, width)

    def _most_tiles(self) -> int:
        """Tiles of a strip whose half-transformed values fit in the first cache, for vectors of 16."""
        if self.across.is_plain:
            return self.along.size
        rows = STRIP_BYTES // (64 * self.across.points)
        return max(1, (rows - self.along.points) // self.along.transform.outputs + 1)

    @property
    def longest(self) -> int:
        """Tiles of the longest strip."""
        return max(strip.tiles for strip in self.strips)

    @cached_property
    def blocks(self) -> tuple[range, ...]:
        """Strips computed together, as evenly as their number allows."""
        total, strips = sum(strip.tiles for strip in self.strips), len(self.strips)
        size = 4 * total * self.points * (self.tile_step + self.out_step)
        least = max(1, min(strips, total // BLOCK_TILES, -(-size // BLOCK_BYTES)))
        even = (count for count in range(least, min(strips, 2 * least) + 1) if strips % count == 0)
        count = next(even, least)
        cuts = [round(index * len(self.strips) / count) for index in range(count + 1)]
        return tuple(range(start, end) for start, end in zip(cuts, cuts[1:], strict=False))

    @cached_property
    def tiles_per_block(self) -> tuple[int, ...]:
        """Tiles of each block."""
        return tuple(sum(self.strips[index].tiles for index in block) for block in self.blocks)

    @property
    def products(self) -> int:
        """Of tiles with filters, at all points."""
        terms = sum(
            self.along.terms_at(i) * self.across.terms_at(k)
            for i in range(self.along.points)
            for k in range(self.across.points)
        )
        return terms * sum(self.tiles_per_block)


def make_tiling(task: Task, rows: int, columns: int) -> Tiling:
    """Tiles of rows x columns outputs.

    Raises:
        ValueError: see `make_axis`.
    """
    op = task.op
    assert isinstance(op, Conv)
    sides = _sides(task)
    outputs, inputs = op.weight.shape[:2]
    return _tiling(sides, inputs, task.target.padded(inputs), task.target.padded(outputs), rows, columns)


def _sides(task: Task) -> tuple[Side, Side]:
    op, out = task.op, task.graph.maps[task.op.output]
    assert isinstance(op, Conv)
    return (
        Side(True, out.h, op.kernel[0], op.stride[0], op.dilation[0], op.pads.top),
        Side(False, out.w, op.kernel[1], op.stride[1], op.dilation[1], op.pads.left),
    )


@cache
def _tiling(
    sides: tuple[Side, Side], inputs: int, in_channels: int, out_channels: int, rows: int, columns: int
) -> Tiling:
    down, right = make_axis(sides[0], rows), make_axis(sides[1], columns)
    along, across = (right, down) if down.is_plain else (down, right)
    return Tiling(along, across, inputs, in_channels, out_channels)


def tile_halo(task: Task, tiling: Tiling) -> Halo:
    """Border of the input that the tiles read."""
    rows, columns = (tiling.along, tiling.across) if tiling.along.is_rows else (tiling.across, tiling.along)
    given = task.graph.maps[task.op.inputs[0]]
    return Halo(rows.pad, columns.pad, max(0, rows.reach() - given.h), max(0, columns.reach() - given.w))


def step(buffer: Buffer, axis: Axis) -> int:
    """From one element of an axis to the next in a buffer."""
    return buffer.row_step if axis.is_rows else buffer.column_step


def transformed(weight: Weights, tiling: Tiling) -> Weights:
    """Filters at every point: (points along, points across, terms along, terms across, inputs, outputs)."""
    turned = weight if tiling.along.is_rows else weight.swapaxes(2, 3)
    along, across = _cut(tiling.along), _cut(tiling.across)
    return np.asarray(np.einsum("atk,bsl,oikl->abtsio", along, across, turned, optimize=True))


def _cut(axis: Axis) -> Weights:
    """(points, terms, taps): what each tap of the whole filter adds to each point of each term."""
    weights = axis.transform.matrices[1]
    taps = 1 + max(tap for term in axis.terms for tap in term.taps)
    result = np.zeros((axis.points, len(axis.terms), taps))
    for index, term in enumerate(axis.terms):
        result[:, index, list(term.taps)] = weights[:, : len(term.taps)]
    return result
