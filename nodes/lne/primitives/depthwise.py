"""Depthwise convolution: one vector of channels, a tile of outputs in registers.

An input vector is loaded once and used by every output and tap that reads it. The channels are the innermost loop, so
memory is read and written in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.lne.dialect import finished, load, store, vector_type
from nodes.lne.ir import Conv
from nodes.lne.layout import Buffer, Halo
from nodes.lne.primitive import Place, Primitive, Task
from nodes.lne.primitives.kernel import loops, packed
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
        op, out = place.task.op, place.output
        assert isinstance(op, Conv)
        every = Block(0, place.task.target.vectors(out.map.c))
        weight = packed(op.weight[:, 0].transpose(1, 2, 0), every)  # (rows, columns, stored channels)
        arrays = [("w", weight)] + [
            (name, packed(array, every))
            for name, array in (("b", op.bias), ("m", op.scale), ("a", op.shift))
            if array is not None
        ]
        writer.line(*(f"const float *restrict {name} = {writer.constant(array)};" for name, array in arrays))
        for tile in even_tiles(out.map.h, out.map.w, self.rows, self.columns):
            self._tile(place, tile, [name for name, _ in arrays], writer)

    def _tile(self, place: Place, tile: Tile, constants: list[str], writer: Writer) -> None:
        """Loops over places, then over channels: whole vectors, and the half one behind them."""
        op, x, out = place.task.op, place.inputs[0], place.output
        assert isinstance(op, Conv)
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        given = f"x0 + {start} + y * {op.stride[0] * x.row_step} + x * {op.stride[1] * x.column_step} + c"
        pointers = [("x", given), ("o", f"o + {_pixel(out)}")]
        pointers += [("r", f"x1 + {_pixel(place.inputs[1])}")] if op.has_residual else []
        pointers += [(name, f"{name} + c") for name in constants]
        widths = place.task.target.vectors(out.map.c)
        writer.line(f"{loops(tile)} {{")
        for width in dict.fromkeys(widths):
            first = sum(one for one in widths[: widths.index(width)])
            name = writer.unique(f"w{width}_{tile.rows}x{tile.columns}")
            parameters = ", ".join(f"{'' if key == 'o' else 'const '}float *restrict {key}" for key, _ in pointers)
            head = f"static inline __attribute__((always_inline)) void {name}({parameters}) {{"
            writer.function("\n".join((head, *_body(place, tile, width, weight_step=sum(widths)), "}")))
            last = first + width * widths.count(width)
            arguments = ", ".join(value for _, value in pointers)
            writer.line(f"  for (int c = {first}; c < {last}; c += {width}) {name}({arguments});")
        writer.line("}")


def _pixel(buffer: Buffer) -> str:
    return f"{buffer.origin} + y * {buffer.row_step} + x * {buffer.column_step} + c"


def _body(place: Place, tile: Tile, width: int, weight_step: int) -> Iterator[str]:
    """Input rows in turn: each is loaded column by column, and added to all outputs it belongs to."""
    op, x = place.task.op, place.inputs[0]
    assert isinstance(op, Conv)
    pixels = [(row, column) for row in range(tile.rows) for column in range(tile.columns)]
    kind = vector_type(width)
    columns = op.kernel[1]
    yield f"  const {kind} start = {load(width, 'b')};"
    yield "  " + " ".join(f"{kind} a{row}_{column} = start;" for row, column in pixels)
    readers = _readers(tile, op)
    for top in sorted({top for top, _ in readers}):
        taps = sorted({row for here, uses in readers.items() if here[0] == top for row, _, _, _ in uses})
        names = {(row, column): f"w{row}_{column}" for row in taps for column in range(columns)}
        yield "  {"
        for (row, column), name in names.items():
            yield f"    const {kind} {name} = {load(width, f'w + {(row * columns + column) * weight_step}')};"
        for left in sorted({left for here, left in readers if here == top}):
            value = load(width, f"x + {top * x.row_step + left * x.column_step}")
            sums = " ".join(f"a{p}_{q} += v * {names[row, column]};" for row, column, p, q in readers[top, left])
            yield f"    {{ {kind} v = {value}; {sums} }}"
        yield "  }"
    yield from _results(place, pixels, width)


def _readers(tile: Tile, op: Conv) -> dict[tuple[int, int], list[tuple[int, int, int, int]]]:
    """For every input (row, column) from the tile's first: (tap row, tap column, output row, output column)."""
    found: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    for p in range(tile.rows):
        for q in range(tile.columns):
            for row in range(op.kernel[0]):
                for column in range(op.kernel[1]):
                    here = (p * op.stride[0] + row * op.dilation[0], q * op.stride[1] + column * op.dilation[1])
                    found.setdefault(here, []).append((row, column, p, q))
    return found


def _results(place: Place, pixels: list[tuple[int, int]], width: int) -> Iterator[str]:
    op, out = place.task.op, place.output
    assert isinstance(op, Conv)
    for row, column in pixels:
        there = ""
        if op.has_residual:
            residual = place.inputs[1]
            there = load(width, f"r + {row * residual.row_step + column * residual.column_step}")
        value = finished(op, width, f"a{row}_{column}", there, load(width, "m"), load(width, "a"))
        yield f"  {store(width, f'o + {row * out.row_step + column * out.column_step}', value)}"


PRIMITIVES: tuple[Primitive, ...] = tuple(Depthwise(*shape) for shape in ((1, 4), (1, 8), (2, 4), (2, 8)))
