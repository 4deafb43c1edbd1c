"""Convolution on planes (CHW): lanes run along a row of the map, and the weights are broadcast.

For maps with few channels and wide rows, where vectors of channels would be mostly empty. A tile is output channels x
rows of one vector: a column of input vectors is loaded once and used by every channel and kernel row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import finished, load, store
from nodes.lne.ir import Conv, Weights
from nodes.lne.layout import F32_CHW, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.lanes import columns, partial
from nodes.lne.primitives.tile import Tile, even_tiles
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer

SPARE = 8
"""Registers for a column of inputs and a weight."""


@dataclass(frozen=True)
class Planar(Primitive):
    """Tiles of up to `channels` x `rows` vectors."""

    channels: int
    rows: int

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"planar-{self.channels}x{self.rows}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        if task.target.vector == 1:
            return "the target has no vectors"
        if op.groups != 1 or op.stride[1] != 1:
            return "it has groups, or a stride along the row"
        if 3 * out.w < 2 * task.target.vector:
            return "its rows are shorter than a vector"
        if self.channels > out.c or self.rows > out.h:
            return "the map is smaller"
        return "too few registers" if self.channels * self.rows + SPARE > task.target.registers else ""

    def signature(self, task: Task) -> Signature:
        return Signature((F32_CHW,) * len(task.op.inputs), F32_CHW)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def cost(self, task: Task) -> float:
        """Lanes past the end of a row are lost; channels are not padded. Small tiles wait for their loads."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        width, rows = task.target.vector, op.kernel[0]
        loads = (self.rows + rows - 1 + rows * self.channels) / (rows * self.channels * self.rows)
        return (0.95 + 0.5 * loads) * float(op.weight.size) * out.h * -(-out.w // width) * width

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out, width = place.task.op, place.output, place.task.target.vector
        assert isinstance(op, Conv)
        writer.function(partial(width))
        for tile in even_tiles(out.map.c, out.map.h, self.channels, self.rows):
            self._tile(place, tile, writer)

    def _tile(self, place: Place, tile: Tile, writer: Writer) -> None:
        """Loops over channels, rows, and vectors of a row; the last one may overlap the one before it."""
        op, x, out = place.task.op, place.inputs[0], place.output
        assert isinstance(op, Conv)
        parts = columns(out.map.w, place.task.target.vector)
        name = writer.unique(f"c{tile.rows}x{tile.columns}")
        arrays = [("w", _packed(op.weight, tile, out.map.c))]
        arrays += [(key, array) for key, array in _ends(op) if array is not None]
        origin = x.origin - op.pads.top * x.row_step - op.pads.left
        pointers = [
            ("x", f"x0 + {origin} + x + y * {op.stride[0] * x.row_step}"),
            ("o", f"o + {out.origin} + x + z * {out.channel_step} + y * {out.row_step}"),
        ]
        if op.has_residual:
            r = place.inputs[1]
            pointers.append(("r", f"x1 + {r.origin} + x + z * {r.channel_step} + y * {r.row_step}"))
        pointers += [
            (key, f"{writer.constant(array)} + {f'z * {op.weight[0].size}' if key == 'w' else 'z'}")
            for key, array in arrays
        ]
        parameters = ", ".join(f"{'' if key == 'o' else 'const '}float *restrict {key}" for key, _ in pointers)
        head = f"static __attribute__((noinline)) void {name}({parameters}) {{"
        writer.function("\n".join((head, *self._body(place, tile, parts[0][1]), "}")))
        call = f"{name}({', '.join(value for _, value in pointers)});"
        writer.line(
            f"for (int z = {tile.ys.start}; z < {tile.ys.stop}; z += {tile.ys.step})"
            f" for (int y = {tile.xs.start}; y < {tile.xs.stop}; y += {tile.xs.step}) {{",
            f"  for (int x = 0; x < {parts[-1][0]}; x += {place.task.target.vector}) {call}",
            f"  {{ const int x = {parts[-1][0]}; {call} }}",
            "}",
        )

    def _body(self, place: Place, tile: Tile, used: int) -> Iterator[str]:
        op, x, width = place.task.op, place.inputs[0], place.task.target.vector
        assert isinstance(op, Conv)
        (rows, taps), inputs = op.kernel, op.weight.shape[1]
        for channel in range(tile.rows):
            sums = ", ".join(f"a{channel}_{row} = bias{channel}" for row in range(tile.columns))
            yield f"  const v{width} bias{channel} = b[{channel}] + (v{width}){{0}};"
            yield f"  v{width} {sums};"
        yield f"  for (int i = 0; i < {inputs}; i++, x += {x.channel_step}, w += {rows * taps * tile.rows}) {{"
        reads = sorted({r * op.stride[0] + p * op.dilation[0] for r in range(tile.columns) for p in range(rows)})
        for tap in range(taps):
            yield "    {"
            for read in reads:
                value = load(width, f"x + {read * x.row_step + tap * op.dilation[1]}")
                yield f"      const v{width} x{read} = {value};"
            for p in range(rows):
                for channel in range(tile.rows):
                    sums = " ".join(
                        f"a{channel}_{r} += k * x{r * op.stride[0] + p * op.dilation[0]};" for r in range(tile.columns)
                    )
                    yield f"      {{ const float k = w[{(tap * rows + p) * tile.rows + channel}]; {sums} }}"
            yield "    }"
        yield "  }"
        yield from self._results(place, tile, used)

    def _results(self, place: Place, tile: Tile, used: int) -> Iterator[str]:
        op, out, width = place.task.op, place.output, place.task.target.vector
        assert isinstance(op, Conv)
        for channel in range(tile.rows):
            for row in range(tile.columns):
                there = ""
                if op.has_residual:
                    r = place.inputs[1]
                    there = load(width, f"r + {channel * r.channel_step + row * r.row_step}")
                value = finished(op, width, f"a{channel}_{row}", there, f"m[{channel}]", f"a[{channel}]")
                to = f"o + {channel * out.channel_step + row * out.row_step}"
                yield f"  {store(width, to, value)}" if used == width else f"  part{width}({to}, {value}, {used});"


def _ends(op: Conv) -> tuple[tuple[str, Weights | None], ...]:
    """What the end of a sum reads, by the kernel's names."""
    return ("b", op.bias), ("m", op.scale), ("a", op.shift)


def _packed(weight: Weights, tile: Tile, channels: int) -> Weights:
    """(blocks, inputs, columns, rows, channels of a block), from the layer's first channel on.

    Channels that belong to tiles of another size hold their weights elsewhere: `z` steps over whole channels.
    """
    packed = np.zeros((channels, *weight.shape[1:]))
    for z in tile.ys:
        block = weight[z : z + tile.rows].transpose(1, 3, 2, 0)
        packed.reshape(channels, -1)[z : z + tile.rows] = block.reshape(tile.rows, -1)
    return packed


PRIMITIVES: tuple[Primitive, ...] = (Planar(2, 8), Planar(4, 4), Planar(4, 2), Planar(1, 4))
