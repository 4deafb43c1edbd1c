"""Where a product reads and writes: runs of inputs, grids of outputs, and how a convolution is turned into both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nodes.lne.ir import Conv, Weights
from nodes.lne.layout import Buffer
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class Walk:
    """What is read for one output: rows x columns runs of `length` values that are `step` apart."""

    rows: int
    row_step: int
    columns: int
    column_step: int
    length: int
    step: int = 1

    @property
    def depth(self) -> int:
        """Values in all."""
        return self.rows * self.columns * self.length


@dataclass(frozen=True)
class Spots:
    """Where the pixels of a grid are in a buffer: by steps, or by a table (a C expression) of one offset per column."""

    start: int
    row: int
    column: int
    table: str = ""

    def base(self, name: str, first: int) -> str:
        """Of the tile at (y, x), at channel `first`."""
        if self.table:
            return f"{name} + {first}"
        return f"{name} + {self.start + first} + y * {self.row} + x * {self.column}"

    def pixel(self, name: str, row: int, column: int, offset: int) -> str:
        """Inside a tile, in the kernel."""
        if self.table:
            return f"{name} + {name}t[{column}] + {offset}"
        return f"{name} + {row * self.row + column * self.column + offset}"

    def values(self, name: str) -> list[tuple[str, str, str]]:
        """Type, parameter and argument that a kernel needs beside the pointer."""
        return [("const int32_t *restrict ", f"{name}t", f"{self.table} + x")] if self.table else []


@dataclass(frozen=True)
class Grid:
    """The outputs of a layer as rows x columns, where each one reads, writes, and finds its residual."""

    height: int
    width: int
    source: Spots
    result: Spots
    residual: Spots | None = None


def conv_walk(op: Conv, x: Buffer) -> Walk:
    """Kernel rows, kernel columns, input channels; the last two are one run where memory allows."""
    (rows, columns), inputs = op.kernel, op.weight.shape[1]
    row_step, column_step = op.dilation[0] * x.row_step, op.dilation[1] * x.column_step
    if x.channel_step == 1 and (columns == 1 or (x.channels == inputs and op.dilation[1] == 1)):
        return Walk(rows, row_step, 1, 0, columns * inputs)
    if inputs == 1 and x.column_step == 1:
        return Walk(rows, row_step, 1, 0, columns, op.dilation[1])
    return Walk(rows, row_step, columns, column_step, inputs, x.channel_step)


def conv_weight(op: Conv, walk: Walk) -> Weights:
    """Weights in the order of `conv_walk`."""
    return op.weight.transpose(2, 3, 1, 0).reshape(walk.rows, walk.columns, walk.length, -1)


def dot_walk(op: Conv, x: Buffer) -> tuple[Walk, Weights]:
    """Runs of whole pixels, padding channels included: their weights are zero."""
    (rows, columns), (outputs, inputs) = op.kernel, op.weight.shape[:2]
    weight = np.zeros((rows, columns, x.channels, outputs))
    weight[:, :, :inputs] = op.weight.transpose(2, 3, 1, 0)
    row_step = op.dilation[0] * x.row_step
    if op.dilation[1] == 1:
        walk = Walk(rows, row_step, 1, 0, columns * x.channels)
    else:
        walk = Walk(rows, row_step, columns, op.dilation[1] * x.column_step, x.channels)
    return walk, weight.reshape(walk.rows, walk.columns, walk.length, outputs)


def conv_grid(op: Conv, inputs: Sequence[Buffer], out: Buffer) -> Grid:
    """Every pixel of the output where it is; tiles follow rows."""
    x = inputs[0]
    start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
    source = Spots(start, op.stride[0] * x.row_step, op.stride[1] * x.column_step)
    residual = _spots(inputs[1]) if op.has_residual else None
    return Grid(out.map.h, out.map.w, source, _spots(out), residual)


def _spots(buffer: Buffer) -> Spots:
    return Spots(buffer.origin, buffer.row_step, buffer.column_step)


def flat_spots(buffer: Buffer, writer: Writer) -> Spots:
    """The map's pixels as one long row: by steps if nothing lies between its rows, else by a table."""
    if not buffer.halo or buffer.map.h == 1:
        return Spots(buffer.origin, 0, buffer.column_step)
    ys, xs = np.mgrid[: buffer.map.h, : buffer.map.w]
    offsets = buffer.origin + ys * buffer.row_step + xs * buffer.column_step
    return Spots(0, 0, 0, writer.constant(offsets.ravel().astype(np.int32)))
