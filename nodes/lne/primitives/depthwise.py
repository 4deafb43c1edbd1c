"""Depthwise convolution: one vector of channels, a tile of outputs in registers.

An input vector is loaded once and used by every output and tap that reads it. The channels are the innermost loop, so
memory is read and written in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from nodes.lne.dialect import finished, load, store, vector_type
from nodes.lne.ir import Conv, Weights
from nodes.lne.layout import Buffer, Halo
from nodes.lne.primitive import Place, Primitive, Task
from nodes.lne.primitives.kernel import function_name, loops, packed
from nodes.lne.primitives.lanes import paired, widened
from nodes.lne.primitives.tile import Block, Tile, even_tiles
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class Depthwise(Primitive):
    """Tiles of up to `rows` x `columns` outputs."""

    rows: int
    columns: int

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"depthwise-{self.rows}x{self.columns}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        if not op.is_depthwise:
            return "it is not depthwise"
        if task.target.vector == 1:
            return "the target has no vectors"
        if self.rows * self.columns + 3 > task.target.registers:
            return "too few registers"
        return "the map is smaller" if self.rows > out.h or self.columns >= 2 * max(2, out.w) else ""

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def cost(self, task: Task) -> float:
        """Loads of a tile's inputs and weights run beside its multiplies."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        rows, columns = min(self.rows, out.h), min(self.columns, out.w)
        taps = op.kernel[0] * op.kernel[1]
        reads = ((rows - 1) * op.stride[0] + op.kernel[0]) * ((columns - 1) * op.stride[1] + op.kernel[1]) + taps
        work = max(rows * columns * taps, reads) + 0.2 * reads + 2.0 * rows * columns
        vectors = len(task.target.vectors(out.c)) * task.target.vector
        return vectors * -(-out.h // rows) * -(-out.w // columns) * work

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        out, target = place.output, place.task.target
        widths = target.vectors(out.map.c)
        for tile in even_tiles(out.map.h, out.map.w, self.rows, self.columns):
            writer.line(f"{loops(tile)} {{")
            for width in dict.fromkeys(widths):
                count, first = widths.count(width), sum(widths[: widths.index(width)])
                half = width < target.vector and tile.columns % 2 == 0
                strip = _Strip(place, tile, Block(first, (width,) * count), target.vector if half else width)
                writer.line(strip.emit(writer))
            writer.line("}")


@dataclass(frozen=True)
class _Strip:
    """Some channels of a tile: vectors of one width, or the last half vector of both halves of the tile's columns.

    In the second case `width` is twice that of the channels: the lanes are the channels of an output, and those of the
    output half a tile to its right.
    """

    place: Place
    tile: Tile
    block: Block
    width: int

    @property
    def op(self) -> Conv:
        """The convolution."""
        assert isinstance(self.place.task.op, Conv)
        return self.place.task.op

    @property
    def is_joined(self) -> bool:
        """Whether a vector holds two outputs."""
        return self.width > self.block.widths[0]

    @property
    def columns(self) -> int:
        """Of outputs that have a vector each."""
        return self.tile.columns // 2 if self.is_joined else self.tile.columns

    def constant(self, values: Weights, writer: Writer) -> str:
        """Per-channel values (last axis) in the order they are read; twice, if a vector holds two outputs."""
        mine = packed(values, self.block)
        return writer.constant(np.concatenate([mine, mine], -1) if self.is_joined else mine)

    def emit(self, writer: Writer) -> str:
        """Write the function; the line that calls it for all channels."""
        op, x, out, first = self.op, self.place.inputs[0], self.place.output, self.block.first
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        given = f"x0 + {start + first} + y * {op.stride[0] * x.row_step} + x * {op.stride[1] * x.column_step}"
        pointers = [("x", given), ("o", f"o + {_pixel(out, first)}")]
        pointers += [("r", f"x1 + {_pixel(self.place.inputs[1], first)}")] if op.has_residual else []
        weight = op.weight[:, 0].transpose(1, 2, 0)  # (rows, columns, channels)
        arrays = (("w", weight), ("b", op.bias), ("m", op.scale), ("a", op.shift))
        pointers += [(key, self.constant(array, writer)) for key, array in arrays if array is not None]
        parameters = ", ".join(f"{'' if key == 'o' else 'const '}float *restrict {key}" for key, _ in pointers)
        step = self.block.widths[0]
        moves = ", ".join(f"{key} += {step}" for key, _ in pointers)
        loop = f"  for (int c = 0; c < {self.block.channels}; c += {step}, {moves}) {{"
        if self.is_joined:
            writer.function(widened(self.width))
            writer.function(paired(self.width))
        body = "\n".join((f"({parameters}) {{", loop, *(f"  {line}" for line in self.body()), "  }", "}"))
        shape = f"w{step}_{self.tile.rows}x{self.tile.columns}"
        name, kind = function_name("", shape, body, self.work, writer)
        writer.function(f"static {kind} void {name}{body}")
        return f"  {name}({', '.join(value for _, value in pointers)});"

    @property
    def work(self) -> int:
        """Multiply-adds of a call."""
        taps = self.op.kernel[0] * self.op.kernel[1]
        return len(self.block.widths) * self.tile.rows * self.columns * taps

    def load(self, name: str, offset: int, step: int) -> str:
        """A vector of a map; `step` is from one output to the next."""
        if not self.is_joined:
            return load(self.width, f"{name} + {offset}")
        half = self.width // 2
        parts = (load(half, f"{name} + {offset + more}") for more in (0, self.columns * step))
        return f"join{self.width}({', '.join(parts)})"

    def body(self) -> Iterator[str]:
        """Input rows in turn: each is loaded column by column, and added to all outputs it belongs to."""
        op, x, kind = self.op, self.place.inputs[0], vector_type(self.width)
        pixels = [(row, column) for row in range(self.tile.rows) for column in range(self.columns)]
        weight_step = self.width if self.is_joined else self.block.channels
        yield f"  const {kind} start = {load(self.width, 'b')};"
        yield "  " + " ".join(f"{kind} a{row}_{column} = start;" for row, column in pixels)
        readers = _readers(self.tile.rows, self.columns, op)
        for top in sorted({top for top, _ in readers}):
            taps = sorted({row for here, uses in readers.items() if here[0] == top for row, _, _, _ in uses})
            yield "  {"
            for row, column in ((row, column) for row in taps for column in range(op.kernel[1])):
                value = load(self.width, f"w + {(row * op.kernel[1] + column) * weight_step}")
                yield f"    const {kind} w{row}_{column} = {value};"
            for left in sorted({left for here, left in readers if here == top}):
                value = self.load("x", top * x.row_step + left * x.column_step, op.stride[1] * x.column_step)
                sums = " ".join(f"a{p}_{q} += v * w{row}_{column};" for row, column, p, q in readers[top, left])
                yield f"    {{ {kind} v = {value}; {sums} }}"
            yield "  }"
        for row, column in pixels:
            yield from self.stored(row, column)

    def stored(self, row: int, column: int) -> Iterator[str]:
        """The end of one vector of sums."""
        op, out, width = self.op, self.place.output, self.width
        there = ""
        if op.has_residual:
            r = self.place.inputs[1]
            there = self.load("r", row * r.row_step + column * r.column_step, r.column_step)
        value = finished(op, width, f"a{row}_{column}", there, load(width, "m"), load(width, "a"))
        to = row * out.row_step + column * out.column_step
        if not self.is_joined:
            yield f"  {store(width, f'o + {to}', value)}"
            return
        yield f"  {{ const v{width} z = {value};"
        yield f"    {store(width // 2, f'o + {to}', f'low{width}(z)')}"
        yield f"    {store(width // 2, f'o + {to + self.columns * out.column_step}', f'high{width}(z)')} }}"


def _pixel(buffer: Buffer, first: int) -> str:
    return f"{buffer.origin + first} + y * {buffer.row_step} + x * {buffer.column_step}"


def _readers(rows: int, columns: int, op: Conv) -> dict[tuple[int, int], list[tuple[int, int, int, int]]]:
    """For every input (row, column) from the tile's first: (tap row, tap column, output row, output column)."""
    found: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    for p, q, row, column in product(range(rows), range(columns), range(op.kernel[0]), range(op.kernel[1])):
        here = (p * op.stride[0] + row * op.dilation[0], q * op.stride[1] + column * op.dilation[1])
        found.setdefault(here, []).append((row, column, p, q))
    return found


PRIMITIVES: tuple[Primitive, ...] = tuple(Depthwise(*shape) for shape in ((1, 4), (1, 8), (2, 4), (2, 8)))
