"""Sums of products in registers: the inner loops that direct, pointwise and first-layer convolutions share.

Two kernels compute the same thing. The broadcast kernel keeps a tile of pixels times vectors of channels: per
input value it loads the weights of all channels and, per pixel, broadcasts one value. Channels that do not fill a
vector waste lanes there. The dot kernel computes those last channels with lanes along the inputs, which are
neighbours in memory, and adds up the lanes of many sums at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from nodes.lne.dialect import finished, load, store, vector_type, zero
from nodes.lne.ir import Conv, Weights
from nodes.lne.primitives.lanes import lanes, pick, sums, widened
from nodes.lne.primitives.tile import Block, Tile, blocks, most_pixels, register_tiles
from nodes.lne.primitives.walk import Grid, Walk
from nodes.lne.target import Target
from nodes.lne.writer import Writer

SHARED = 400
"""Multiply-adds of a kernel from which on a call costs nothing beside them."""
UNROLLED = 12
"""Loops of at most so many rounds are written out."""


@dataclass(frozen=True)
class Batch:
    """The same product `count` times with other weights: steps from one to the next in input and output."""

    count: int
    source: int
    result: int


@dataclass(frozen=True)
class Product:
    """A layer: every output of a grid is a sum over a walk.

    Attributes:
        label: in the names of its functions, where a layer has several products.
        op: whose bias, residual and activation end it; none: the bare sums are stored.
        weight: (rows, columns, length, channels), as the walk goes; of a batch, with that axis before them.
        dots: the walk of the dot kernel and its weights, for the channels that do not fill a vector.
    """

    target: Target
    grid: Grid
    walk: Walk
    weight: Weights
    op: Conv | None = None
    vectors: int = 2
    dots: tuple[Walk, Weights] | None = None
    batch: Batch | None = None
    label: str = ""


def has_tail(channels: int, target: Target) -> bool:
    """Whether the last channels fill half a vector or less, so that dots are worth it."""
    return target.vector > 1 and 0 < channels % target.vector <= target.vector // 2


def packed(values: Weights, block: Block) -> Weights:
    """The block's channels (last axis), padding zeroed."""
    result = np.zeros((*values.shape[:-1], block.channels))
    part = values[..., block.first : block.first + block.channels]
    result[..., : part.shape[-1]] = part
    return result


def product_cost(pixels: int, depth: int, channels: int, target: Target, vectors: int, dots: bool = False) -> float:
    """Estimated time of a product, in multiply-accumulates at full speed; a half vector takes the time of a whole one.

    Two operands can be loaded while two vectors are multiplied, so a small tile waits for its loads. The dot kernel
    ends with about three shuffles and sums per lane.
    """
    width = target.vector
    whole = channels - channels % width if dots else channels
    tile = most_pixels(vectors, target)
    waits = max(1.0, 1.0 / tile + 1.0 / vectors) + 0.05 / vectors
    total = float(len(target.vectors(whole)) * width * (depth * waits + 4.0))
    if dots:
        total += lanes(channels - whole) * (width * -(-depth // width) + 3.0 * width)
    return pixels * total


def emit_product(product: Product, writer: Writer, pointers: tuple[str, str, str] = ("x0", "o", "x1")) -> None:
    """Constants, kernels and loops of a product; `pointers` are C names of input, output and residual."""
    channels, target, grid = product.weight.shape[-1], product.target, product.grid
    whole = channels - channels % target.vector if product.dots else channels
    if whole:
        for block in blocks(whole, product.vectors, target):
            for tile in register_tiles(grid.height, grid.width, most_pixels(len(block.widths), target)):
                _Kernel(product, block, tile, pointers).emit(writer)
    if product.dots:
        tail = Block(whole, (target.padded(channels) - whole,))
        for tile in register_tiles(grid.height, grid.width, target.vector // lanes(channels - whole)):
            _Dots(product, tail, tile, pointers).emit(writer)


@dataclass(frozen=True)
class _Kernel:
    """One block of channels, one shape of tile."""

    product: Product
    block: Block
    tile: Tile
    pointers: tuple[str, str, str]

    prefix = "b"

    def emit(self, writer: Writer) -> None:
        """Its function, its constants, and the loops that call it."""
        calls = list(self.arguments(writer))
        tile, batch = self.tile, self.product.batch
        parameters = ", ".join(kind + parameter for kind, parameter, _ in calls)
        body = "\n".join((f"({parameters}) {{", *self.body(), "}"))
        shape = f"{self.prefix}{len(self.vectors)}_{tile.rows}x{tile.columns}"
        work = self.product.walk.depth * len(self.pixels) * len(self.vectors)
        name, kind = function_name(f"{self.product.label}{self.block.first}", shape, body, work, writer)
        writer.function(f"static {kind} void {name}{body}")
        again = f"for (int z = 0; z < {batch.count}; z++) " if batch else ""
        writer.line(f"{again}{loops(tile)} {name}({', '.join(argument for _, _, argument in calls)});")

    def arguments(self, writer: Writer) -> Iterator[tuple[str, str, str]]:
        """Type, parameter and argument."""
        given, result, residual = self.pointers
        grid, first, batch = self.product.grid, self.block.first, self.product.batch
        moves = (f" + z * {batch.source}", f" + z * {batch.result}") if batch else ("", "")
        yield "const float *restrict ", "x", grid.source.base(given, 0) + moves[0]
        yield "float *restrict ", "o", grid.result.base(result, first) + moves[1]
        yield from grid.result.values("o")
        if grid.residual is not None:
            yield "const float *restrict ", "r", grid.residual.base(residual, first)
            yield from grid.residual.values("r")
        for name, array in self.constants():
            move = f" + z * {array[0].size}" if batch and name == "w" else ""
            yield "const float *restrict ", name, writer.constant(array) + move

    @property
    def pixels(self) -> list[tuple[int, int]]:
        """(row, column) in the tile."""
        return [(row, column) for row in range(self.tile.rows) for column in range(self.tile.columns)]

    @property
    def vectors(self) -> list[tuple[int, int, int]]:
        """(index, offset, width) of the block's vectors."""
        return list(zip(range(len(self.block.widths)), self.block.offsets, self.block.widths, strict=True))

    def constants(self) -> Iterator[tuple[str, Weights]]:
        """Weights, and what the operation's end reads, by the names the kernel gives them."""
        yield "w", self.weight()
        op = self.product.op
        if op is not None:
            arrays = (("b", op.bias), ("m", op.scale), ("a", op.shift))
            yield from ((name, packed(array, self.block)) for name, array in arrays if array is not None)

    def weight(self) -> Weights:
        """(rows, columns, length, channels of the block)."""
        return packed(self.product.weight, self.block)

    def body(self) -> Iterator[str]:
        """The function."""
        biased = self.product.op is not None
        for index in range(len(self.pixels)):
            for j, offset, width in self.vectors:
                start = load(width, f"b + {offset}") if biased else zero(width)
                yield f"  {vector_type(width)} a{index}_{j} = {start};"
        yield from walked(self.product.walk, self.inner)
        for index, (row, column) in enumerate(self.pixels):
            for j, offset, width in self.vectors:
                yield self.stored(f"a{index}_{j}", width, row, column, offset)

    def inner(self, walk: Walk) -> Iterator[str]:
        """One run."""
        yield rounds(walk.length)
        for j, offset, width in self.vectors:
            yield f"      {vector_type(width)} w{j} = {load(width, f'w + {offset}')};"
        source = self.product.grid.source
        for index, (row, column) in enumerate(self.pixels):
            steps = " ".join(f"a{index}_{j} += v * w{j};" for j, _, _ in self.vectors)
            yield f"      {{ float v = xp[k * {walk.step} + {row * source.row + column * source.column}]; {steps} }}"
        yield f"      w += {self.block.channels};"
        yield "    }"

    def stored(self, value: str, width: int, row: int, column: int, offset: int) -> str:
        """The end of one sum."""
        grid, op = self.product.grid, self.product.op
        if op is not None:
            there = "" if grid.residual is None else load(width, grid.residual.pixel("r", row, column, offset))
            value = finished(op, width, value, there, load(width, f"m + {offset}"), load(width, f"a + {offset}"))
        return f"  {store(width, grid.result.pixel('o', row, column, offset), value)}"


@dataclass(frozen=True)
class _Dots(_Kernel):
    """The last channels: sums with lanes along the inputs, then all lanes added up at once."""

    prefix = "d"

    @property
    def channels(self) -> int:
        """Computed: a power of two."""
        return lanes(self.product.weight.shape[-1] - self.block.first)

    @property
    def walk(self) -> Walk:
        """Of whole pixels."""
        assert self.product.dots is not None
        return self.product.dots[0]

    def weight(self) -> Weights:
        """(rows, columns, vectors of a run, channels, lanes)."""
        assert self.product.dots is not None
        given, size = self.product.dots[1][..., self.block.first :], self.product.target.vector
        rows, columns, length, channels = given.shape
        count = -(-length // size)
        result = np.zeros((rows, columns, count * size, self.channels))
        result[:, :, :length, :channels] = given
        return result.reshape(rows, columns, count, size, self.channels).swapaxes(3, 4)

    def body(self) -> Iterator[str]:
        """See `Primitive`."""
        size, used = self.product.target.vector, len(self.pixels) * self.channels
        yield "  " + " ".join(f"v{size} d{index} = {{0}};" for index in range(size))
        yield from walked(self.walk, self.inner)
        yield f"  v{size} t = sums{size}({', '.join(f'd{index}' for index in range(size))});"
        width = self.block.widths[0]
        for index, (row, column) in enumerate(self.pixels):
            here = [min(index * self.channels + lane % self.channels, used - 1) for lane in range(size)]
            value = pick(size, "t", "t", here)
            value = value if width == size else f"low{size}({value})"
            value = f"({value} + {load(width, 'b')})" if self.product.op is not None else value
            yield self.stored(value, width, row, column, 0)

    def inner(self, walk: Walk) -> Iterator[str]:
        """See `Primitive`."""
        size = self.product.target.vector
        whole, rest = divmod(walk.length, size)
        if whole:
            yield rounds(whole)
            yield from self._steps(f"k * {size}", size)
            yield "    }"
        if rest:
            yield "    {"
            yield from self._steps(str(whole * size), rest)
            yield "    }"

    def _steps(self, place: str, width: int) -> Iterator[str]:
        size, source = self.product.target.vector, self.product.grid.source
        for channel in range(self.channels):
            yield f"      v{size} w{channel} = {load(size, f'w + {channel * size}')};"
        for index, (row, column) in enumerate(self.pixels):
            value = load(width, f"xp + {place} + {row * source.row + column * source.column}")
            value = value if width == size else f"wide{size}({value})"
            first = index * self.channels
            steps = " ".join(f"d{first + channel} += v * w{channel};" for channel in range(self.channels))
            yield f"      {{ v{size} v = {value}; {steps} }}"
        yield f"      w += {self.channels * size};"

    def emit(self, writer: Writer) -> None:
        size = self.product.target.vector
        for text in (sums(size), widened(size)):
            writer.function(text)
        super().emit(writer)


def function_name(owner: str, shape: str, body: str, work: int, writer: Writer) -> tuple[str, str]:
    """Name and attributes of a kernel that does `work` multiply-adds: a large one is named by its text and shared."""
    if work < SHARED:
        return writer.unique(f"{owner}{shape}"), "inline __attribute__((always_inline))"
    return f"{writer.prefix}_{shape}_{crc32(body.encode()):08x}", "__attribute__((noinline))"


def loops(tile: Tile) -> str:
    """Over the places a tile is repeated at."""
    ys = f"for (int y = {tile.ys.start}; y < {tile.ys.stop}; y += {tile.ys.step})"
    return f"{ys} for (int x = {tile.xs.start}; x < {tile.xs.stop}; x += {tile.xs.step})"


def rounds(count: int) -> str:
    """The head of a loop over k, written out if it is short."""
    return f"\n#pragma GCC unroll {count if count <= UNROLLED else 2}\n    for (int k = 0; k < {count}; k++) {{"


def walked(walk: Walk, inner: Callable[[Walk], Iterator[str]]) -> Iterator[str]:
    """Loops over the runs of a walk; `inner` gives the lines of one run."""
    if walk.rows == walk.columns == 1:
        yield "  { const float *xp = x;"
    else:
        yield f"  for (int p = 0; p < {walk.rows}; p++) {{ const float *xp = x + p * {walk.row_step};"
    if walk.columns > 1:
        yield f"    for (int q = 0; q < {walk.columns}; q++, xp += {walk.column_step}) {{"
    yield from inner(walk)
    yield "  } }" if walk.columns > 1 else "  }"
