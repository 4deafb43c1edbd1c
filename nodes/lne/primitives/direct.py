"""Direct convolution: a tile of pixels times vectors of channels stays in registers over the whole kernel.

Inner loop: load the weights of one input channel, then per pixel broadcast its value and one multiply-add per vector.
All strides, trip counts and offsets are literals. Weights are packed in the order they are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import finished, load, store, vector_type
from nodes.lne.ir import Conv, Weights
from nodes.lne.layout import F32_CHW, F32_HWC, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.tile import Block, Tile, blocks, most_pixels, tiles
from nodes.lne.primitives.window import conv_halo
from nodes.lne.target import Target
from nodes.lne.writer import Writer

Pixel = tuple[int, int]


@dataclass(frozen=True)
class Direct(Primitive):
    """Register-blocked convolution; `vectors` channel vectors at a time, input in `form`."""

    vectors: int
    form: Format = F32_HWC

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"direct-{self.vectors}{'' if self.form is F32_HWC else '-chw'}"

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, Conv)
        if op.groups != 1:
            return "it has groups"
        if task.target.vector == 1:
            return "the target has no vectors"
        if self.vectors > most_vectors(task.target):
            return "too few registers"
        if self.vectors > 1 and len(task.target.vectors(len(op.weight))) < self.vectors:
            return "it has fewer channel vectors"
        return ""

    def signature(self, task: Task) -> Signature:
        return Signature((self.form, F32_HWC)[: len(task.op.inputs)], F32_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def emit(self, place: Place, writer: Writer) -> None:
        op, out, target = place.task.op, place.output, place.task.target
        assert isinstance(op, Conv)
        for block in blocks(out.map.c, self.vectors, target):
            pointers = _constants(op, block, writer)
            for tile in tiles(out.map.h, out.map.w, most_pixels(len(block.widths), target)):
                name = writer.unique(f"b{block.first}_{tile.rows}x{tile.columns}")
                writer.function("\n".join(_kernel(name, place, block, tile)))
                writer.line(_loops(tile), f"    {_call(name, place, block, pointers)}")


def most_vectors(target: Target) -> int:
    """Channel vectors that leave room for several pixels."""
    return {4: 4 if target.registers > 16 else 2, 8: 2}.get(target.vector, 4)


def _constants(op: Conv, block: Block, writer: Writer) -> tuple[str, ...]:
    """Weights (rows, columns, inputs, channels of the block), bias, and scale and shift where there are."""
    weight = packed(op.weight.transpose(2, 3, 1, 0), block)
    vectors = [packed(part, block) for part in (op.bias, op.scale, op.shift) if part is not None]
    return tuple(writer.constant(array) for array in (weight, *vectors))


def packed(values: Weights, block: Block) -> Weights:
    """The block's channels (last axis), padding zeroed."""
    result = np.zeros((*values.shape[:-1], block.channels))
    part = values[..., block.first : block.first + block.channels]
    result[..., : part.shape[-1]] = part
    return result


def _loops(tile: Tile) -> str:
    ys = f"for (int y = 0; y < {tile.ys.stop}; y += {tile.ys.step})"
    return f"{ys} for (int x = {tile.xs.start}; x < {tile.xs.stop}; x += {tile.xs.step})"


def _call(name: str, place: Place, block: Block, pointers: tuple[str, ...]) -> str:
    op, x, out = place.task.op, place.inputs[0], place.output
    assert isinstance(op, Conv)
    start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
    source = f"x0 + {start} + y * {op.stride[0] * x.row_step} + x * {op.stride[1] * x.column_step}"
    result = f"o + {out.origin + block.first} + y * {out.row_step} + x * {out.column_step}"
    more = [f"x1 + {_pixel(place.inputs[1], block)}"] if op.has_residual else []
    return f"{name}({', '.join((source, result, *more, *pointers))});"


def _pixel(buffer: Buffer, block: Block) -> str:
    return f"{buffer.origin + block.first} + y * {buffer.row_step} + x * {buffer.column_step}"


def _kernel(name: str, place: Place, block: Block, tile: Tile) -> Iterator[str]:
    """One tile of one block of channels."""
    op = place.task.op
    assert isinstance(op, Conv)
    names = ["x", "o", *(["r"] if op.has_residual else []), "w", "b", *(["m", "a"] if op.scale is not None else [])]
    arguments = ", ".join(f"{'' if name == 'o' else 'const '}float *restrict {name}" for name in names)
    yield f"static inline __attribute__((always_inline)) void {name}({arguments}) {{"
    pixels = [(row, column) for row in range(tile.rows) for column in range(tile.columns)]
    for index in range(len(pixels)):
        for j, (offset, width) in enumerate(zip(block.offsets, block.widths, strict=True)):
            yield f"  {vector_type(width)} a{index}_{j} = {load(width, f'b + {offset}')};"
    yield from _sum(place, block, pixels)
    yield from _results(place, block, pixels)
    yield "}"


def _sum(place: Place, block: Block, pixels: list[Pixel]) -> Iterator[str]:
    """Loops over kernel rows, kernel columns and input channels; where memory allows, the last two are one."""
    op, x = place.task.op, place.inputs[0]
    assert isinstance(op, Conv)
    inputs, (rows, columns) = op.weight.shape[1], op.kernel
    merged = x.channel_step == 1 and x.channels == inputs and op.dilation[1] == 1
    yield f"  for (int p = 0; p < {rows}; p++) {{"
    yield f"    const float *xp = x + p * {op.dilation[0] * x.row_step};"
    if merged:
        yield from _inner(place, block, pixels, columns * inputs)
    else:
        yield f"    for (int q = 0; q < {columns}; q++, xp += {op.dilation[1] * x.column_step})"
        yield from _inner(place, block, pixels, inputs)
    yield "  }"


def _inner(place: Place, block: Block, pixels: list[Pixel], count: int) -> Iterator[str]:
    op, x = place.task.op, place.inputs[0]
    assert isinstance(op, Conv)
    yield "\n#pragma GCC unroll 2"
    yield f"    for (int k = 0; k < {count}; k++) {{"
    for j, (offset, width) in enumerate(zip(block.offsets, block.widths, strict=True)):
        yield f"      {vector_type(width)} w{j} = {load(width, f'w + {offset}')};"
    for index, (row, column) in enumerate(pixels):
        step = row * op.stride[0] * x.row_step + column * op.stride[1] * x.column_step
        sums = " ".join(f"a{index}_{j} += v * w{j};" for j in range(len(block.widths)))
        yield f"      {{ float v = xp[k * {x.channel_step} + {step}]; {sums} }}"
    yield f"      w += {block.channels};"
    yield "    }"


def _results(place: Place, block: Block, pixels: list[Pixel]) -> Iterator[str]:
    op, out = place.task.op, place.output
    assert isinstance(op, Conv)
    for index, (row, column) in enumerate(pixels):
        for j, (offset, width) in enumerate(zip(block.offsets, block.widths, strict=True)):
            residual = ""
            if op.has_residual:
                r = place.inputs[1]
                residual = load(width, f"r + {row * r.row_step + column * r.column_step + offset}")
            pair = (load(width, f"m + {offset}"), load(width, f"a + {offset}"))
            value = finished(op, width, f"a{index}_{j}", residual, *pair)
            yield f"  {store(width, f'o + {row * out.row_step + column * out.column_step + offset}', value)}"


PRIMITIVES: tuple[Primitive, ...] = tuple(
    Direct(vectors, form) for vectors in (1, 2, 3, 4) for form in (F32_HWC, F32_CHW)
)
