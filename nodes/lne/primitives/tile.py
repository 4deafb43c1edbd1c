"""Cutting a convolution into register tiles: pixels times channel vectors that stay in registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.lne.target import Target


@dataclass(frozen=True)
class Block:
    """Neighbouring channel vectors computed together: first channel, and the width of each vector."""

    first: int
    widths: tuple[int, ...]

    @property
    def channels(self) -> int:
        """In all."""
        return sum(self.widths)

    @property
    def offsets(self) -> tuple[int, ...]:
        """First channel of each vector, from the block's first."""
        return tuple(sum(self.widths[:index]) for index in range(len(self.widths)))


@dataclass(frozen=True)
class Tile:
    """Output pixels computed together, and the pixels it is repeated at: rows ys, columns xs."""

    rows: int
    columns: int
    ys: range
    xs: range


def blocks(channels: int, per_block: int, target: Target) -> tuple[Block, ...]:
    """Channel vectors in blocks of at most `per_block`, as even as possible."""
    widths = target.vectors(channels)
    count = -(-len(widths) // per_block)
    cuts = [round(index * len(widths) / count) for index in range(count + 1)]
    return tuple(Block(sum(widths[:start]), widths[start:end]) for start, end in zip(cuts, cuts[1:], strict=False))


def most_pixels(vectors: int, target: Target) -> int:
    """Pixels for which accumulators, weights and one input fit in the registers."""
    return max(1, (target.registers - 1 - vectors) // vectors)


def tiles(height: int, width: int, most: int) -> Iterator[Tile]:
    """Tiles that cover a map with at most `most` pixels each: several rows if they fit, else rows cut evenly."""
    if width <= most:
        rows = next(rows for rows in range(max(1, most // width), 0, -1) if height % rows == 0)
        yield Tile(rows, width, range(0, height, rows), range(1))
        return
    parts = -(-width // most)
    small, larger = divmod(width, parts)
    if larger:
        yield Tile(1, small + 1, range(height), range(0, larger * (small + 1), small + 1))
    if larger < parts:
        yield Tile(1, small, range(height), range(larger * (small + 1), width, small))


def register_tiles(height: int, width: int, most: int) -> Iterator[Tile]:
    """Tiles of at most `most` outputs: whole rows if they fit, else a row in parts."""
    return even_tiles(height, width, max(1, most // width), most)


def even_tiles(height: int, width: int, rows: int, columns: int) -> Iterator[Tile]:
    """Tiles of at most rows x columns that cover a map, each side cut as evenly as it goes."""
    for ys, down in _cuts(height, rows):
        for xs, across in _cuts(width, columns):
            yield Tile(down, across, ys, xs)


def _cuts(size: int, most: int) -> Iterator[tuple[range, int]]:
    """A side in equal parts, the larger ones first: where they start, and how long they are."""
    parts = -(-size // most)
    small, larger = divmod(size, parts)
    if larger:
        yield range(0, larger * (small + 1), small + 1), small + 1
    if larger < parts:
        yield range(larger * (small + 1), size, small), small
