"""8-bit depthwise convolution: four places of the map side by side in every lane, met by four weights of the channel.

The four places follow each other down the rows (or along the columns, for a kernel that is longer that way). One
quadruple serves every output it reaches, each with its own zero-filled weights: with three taps, two outputs. Kernels
are straight-line code over 64 channels (then 32, then 16). Without VNNI pairs of products are summed in 16 bits; where
a pair of weights could pass them, the pair's two products are taken apart, so every sum is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Conv
from nodes.lne.layout import U8_HWC, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.int8_dialect import FOUR, has_dots, write_dialect
from nodes.lne.primitives.int8_numbers import LARGEST, clip_of, conv_numbers, only_clips
from nodes.lne.primitives.int8_tile import Run, Tile, cover, pixel, unranged
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer

QUAD = 4
MOST_OUTPUTS = {16: 2, 32: 5}
"""Of a tile, by the target's registers: each takes four, and unpacking a quadruple takes ten."""
LARGEST_PAIR = 32767 // 255
"""Of two weights of one sign, so that their products with bytes fit in 16 bits."""


@dataclass(frozen=True)
class Int8Depthwise(Primitive):
    """One filter per channel, on bytes, giving bytes."""

    ops = (Conv,)

    @property
    def name(self) -> str:
        return "int8-depthwise"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Conv)
        if not op.is_depthwise:
            return "it is not depthwise"
        if not only_clips(op) or op.has_residual:
            return "its activation or residual needs real numbers"
        if len(op.weight) <= QUAD:
            return "it has too few channels"
        return has_dots(task.target) or unranged(task, U8_HWC)

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC,), U8_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task)

    def cost(self, task: Task) -> float:
        return super().cost(task) / 3.0

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        target = place.task.target
        write_dialect(writer, target)
        layer = _Layer(place, "vnni" in target.features)
        rows, columns = layer.tile_size(MOST_OUTPUTS[target.registers])
        out = place.output.map
        for run in _runs(place.output.channels, target.vector):
            for tile in _tiles(out.h, out.w, rows, columns):
                name = writer.unique(f"c{run.first}_{tile.rows}x{tile.columns}")
                kernel = _Kernel(layer, run, tile)
                writer.function("\n".join(kernel.text(name)))
                writer.line(*kernel.call(name, writer))


def _runs(channels: int, vector: int) -> Iterator[Run]:
    """Blocks of four vectors, the widest that fit; the last block ends with the channels, over some already done."""
    width = vector
    while FOUR * width > channels:
        width //= 2
    count, rest = divmod(channels, FOUR * width)
    yield Run(0, (width,) * FOUR, count, interleaved=True)
    if rest:
        yield Run(channels - FOUR * width, (width,) * FOUR, 1, interleaved=True)


def _tiles(height: int, width: int, rows: int, columns: int) -> Iterator[Tile]:
    """Tiles of at most rows times columns that cover the map."""
    for tall in cover(height, 1, rows):
        for wide in cover(1, width, columns):
            yield Tile(tall.rows, wide.columns, tall.ys, wide.xs)


@dataclass(frozen=True)
class Axis:
    """A convolution along one axis; `step` is from one place of the input to the next."""

    taps: int
    stride: int
    dilation: int
    step: int

    def reach(self, outputs: int) -> int:
        """Places that neighbouring outputs see."""
        return (outputs - 1) * self.stride + (self.taps - 1) * self.dilation + 1

    def tap(self, place: int, output: int) -> int | None:
        """Which tap of an output sees a place, if any does."""
        tap, rest = divmod(place - output * self.stride, self.dilation)
        return tap if rest == 0 and 0 <= tap < self.taps else None


class _Layer:
    """One depthwise convolution seen along the axis of its quadruples: "down" is along it, "across" is the other."""

    def __init__(self, place: Place, exact: bool) -> None:
        op = place.task.op
        assert isinstance(op, Conv)
        x = place.inputs[0]
        self.place, self.op, self.exact = place, op, exact
        self.numbers = conv_numbers(op, place.task.ranges)
        self.upright = op.kernel[0] >= op.kernel[1]
        rows = Axis(op.kernel[0], op.stride[0], op.dilation[0], x.row_step)
        columns = Axis(op.kernel[1], op.stride[1], op.dilation[1], x.column_step)
        self.down, self.across = (rows, columns) if self.upright else (columns, rows)
        weight = self.numbers.weight[:, 0]
        self.weight = weight if self.upright else weight.transpose(0, 2, 1)

    def tile_size(self, most: int) -> tuple[int, int]:
        """Rows and columns of a tile: as many outputs down as the quadruples of one output reach, then across."""
        reach = self.down.reach(1)
        free = -(-reach // QUAD) * QUAD - reach
        down = min(most, free // self.down.stride + 1)
        across = max(1, most // down)
        return (down, across) if self.upright else (across, down)


class _Kernel:
    """The function for one tile of a run of channel blocks."""

    def __init__(self, layer: _Layer, run: Run, tile: Tile) -> None:
        self.layer, self.run, self.tile = layer, run, tile
        self.width = run.widths[0]
        sides = (tile.rows, tile.columns)
        self.down, self.across = sides if layer.upright else sides[::-1]
        self.span = layer.down.reach(self.down)
        self.weights: list[NDArray[np.generic]] = []

    def text(self, name: str) -> Iterator[str]:
        """The C function; fills `weights` in the order it reads them."""
        yield (
            f"static inline __attribute__((always_inline)) void {name}(const uint8_t *restrict x, "
            "uint8_t *restrict o, const int8_t *restrict w, const int32_t *restrict b, const float *restrict u) {"
        )
        width = self.width
        for d in range(self.down):
            for e in range(self.across):
                for j in range(FOUR):
                    yield f"  i{width} a{d}_{e}_{j} = *(const j{width} *)(b + {j * width});"
        for column in self._columns():
            for start in range(0, self.span, QUAD):
                yield from self._quadruple(column, start)
        for d in range(self.down):
            for e in range(self.across):
                yield f"  {self._store(d, e)}"
        yield "}"

    def _columns(self) -> list[int]:
        """Places across that any output sees."""
        axis = self.layer.across
        seen = {e * axis.stride + q * axis.dilation for e in range(self.across) for q in range(axis.taps)}
        return sorted(seen)

    def _quadruple(self, column: int, start: int) -> Iterator[str]:
        """Load four places and add their products to every output they reach."""
        layer, width = self.layer, self.width
        uses = list(self._uses(column, start))
        if not uses:
            return
        places = [min(start + i, self.span - 1) for i in range(QUAD)]
        addresses = [f"x + {place * layer.down.step + column * layer.across.step}" for place in places]
        yield "  {"
        yield f"    i{width} q0, q1, q2, q3;"
        yield f"    interleave{width}({', '.join(addresses)}, &q0, &q1, &q2, &q3);"
        for d, e, weight in uses:
            for part in self._parts(weight):
                packed = self.run.packed(part, axis=-2)  # (blocks, 4 places, lanes) before the lanes are turned over
                packed = np.ascontiguousarray(packed.reshape(self.run.count, FOUR, width, QUAD))
                at = len(self.weights) * FOUR * width * QUAD
                self.weights.append(packed)
                for j in range(FOUR):
                    vector = f"*(const j{width} *)(w + {at + j * width * QUAD})"
                    yield f"    a{d}_{e}_{j} = dot{width}(a{d}_{e}_{j}, q{j}, {vector});"
        yield "  }"

    def _uses(self, column: int, start: int) -> Iterator[tuple[int, int, NDArray[np.int8]]]:
        """Outputs that see any of four places: place down, place across, weights (4 places, channels)."""
        layer = self.layer
        for d in range(self.down):
            for e in range(self.across):
                q = layer.across.tap(column, e)
                taps = [layer.down.tap(start + i, d) for i in range(QUAD)]
                if q is None or all(p is None for p in taps):
                    continue
                none = np.zeros(len(layer.weight), np.int8)
                yield d, e, np.stack([none if p is None else layer.weight[:, p, q] for p in taps])

    def _parts(self, weight: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        """Weights whose pairs cannot pass 16 bits: themselves, or the first and the second of each pair apart."""
        pairs = weight.astype(np.int32).reshape(2, 2, -1)
        highest, lowest = np.maximum(pairs, 0).sum(1).max(), np.minimum(pairs, 0).sum(1).min()
        if self.layer.exact or (highest <= LARGEST_PAIR and lowest >= -LARGEST_PAIR):
            return [weight]
        first, second = weight.copy(), weight.copy()
        first[1::2], second[::2] = 0, 0
        return [first, second]

    def _store(self, d: int, e: int) -> str:
        row, column = (d, e) if self.layer.upright else (e, d)
        place = self.layer.place
        out = place.output
        clip = clip_of(self.layer.op.activation, place.task.ranges[self.layer.op.output])
        width = self.width
        values = [
            f"round{width}(real{width}(a{d}_{e}_{j}) * *(const u{width} *)(u + {j * width}))" for j in range(FOUR)
        ]
        at = row * out.row_step + column * out.column_step
        return f"put_four{width}(o + {at}, {', '.join(values)}, {clip.zero}, {clip.low}, {clip.high});"

    def call(self, name: str, writer: Writer) -> Iterator[str]:
        """The loops over blocks and tiles, after `text`."""
        layer, run, place = self.layer, self.run, self.layer.place
        x, op, numbers = place.inputs[0], layer.op, layer.numbers
        clip = clip_of(op.activation, place.task.ranges[op.output])
        weights = np.stack(self.weights, 1)
        factor = numbers.unit / np.float32(clip.scale)
        bias, units = (writer.constant(run.packed(part, axis=-1)) for part in (numbers.bias, factor))
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step + run.first
        step = f"k * {run.channels}"
        arguments = (
            f"x0 + {start} + y * {op.stride[0] * x.row_step} + x * {op.stride[1] * x.column_step} + {step}",
            f"o + {pixel(place, -1, run.first)} + {step}",
            f"{writer.constant(weights)} + k * {weights[0].size}",
            f"{bias} + {step}",
            f"{units} + {step}",
        )
        yield f"for (int k = 0; k < {run.count}; k++)"
        yield f"  {self.tile.loops}"
        yield f"    {name}({', '.join(arguments)});"


assert LARGEST <= LARGEST_PAIR, "a weight alone fits in 16 bits"
PRIMITIVES: tuple[Primitive, ...] = (Int8Depthwise(),)
