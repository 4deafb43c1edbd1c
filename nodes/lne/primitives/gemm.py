"""Convolution as a matrix product of gathered inputs (im2col); a fully connected layer as vector times matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.lne.dialect import finished, load, store, vector_type, zero
from nodes.lne.ir import Conv
from nodes.lne.layout import F32_CHW, F32_HWC, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.direct import vectors_refusal
from nodes.lne.primitives.kernel import Product, emit_product, packed, product_cost, walked
from nodes.lne.primitives.tile import Block, blocks, most_pixels
from nodes.lne.primitives.walk import Grid, Spots, Walk, conv_walk, conv_weight
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer

GATHERED_TILES = 4
"""Register tiles gathered at a time: they stay in the first cache."""
SUMS = 4
"""Independent sums per vector of a matrix row: as many as hide an addition's delay."""


@dataclass(frozen=True)
class Im2col(Primitive):
    """The inputs of some output rows side by side in the scratch, then one product of full depth."""

    vectors: int
    form: Format = F32_HWC

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"im2col-{self.vectors}{'' if self.form is F32_HWC else '-chw'}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        if op.groups != 1:
            return "it has groups"
        if op.kernel == (1, 1):
            return "a 1x1 kernel needs no gathering"
        if out.h * out.w == 1:
            return "there is one output"
        return vectors_refusal(task, self.vectors, dots=False)

    def signature(self, task: Task) -> Signature:
        return Signature((self.form, F32_HWC)[: len(task.op.inputs)], F32_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def scratch_bytes(self, task: Task) -> int:
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        return 4 * (self._rows(task) * out.w * int(op.weight[0].size) + 16)

    def cost(self, task: Task) -> float:
        """A direct product, and a copy of every input it reads."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        depth, channels = int(op.weight[0].size), len(op.weight)
        return product_cost(out.h * out.w, depth, channels, task.target, self.vectors) + 4.0 * out.h * out.w * depth

    def _rows(self, task: Task) -> int:
        """Output rows gathered at a time."""
        out = task.graph.maps[task.op.output]
        return max(1, min(out.h, GATHERED_TILES * most_pixels(self.vectors, task.target) // out.w))

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out = place.task.op, place.output
        assert isinstance(op, Conv)
        rows = self._rows(place.task)
        whole = out.map.h - out.map.h % rows
        writer.line("float *restrict g = (float *)s;")
        for first, last, count in ((0, whole, rows), (whole, out.map.h, out.map.h % rows)):
            if first < last:
                writer.line(f"for (int top = {first}; top < {last}; top += {count}) {{")
                writer.line(*_gathering(op, place.inputs[0], out, count))
                self._product(place, count, writer)
                writer.line("}")

    def _product(self, place: Place, rows: int, writer: Writer) -> None:
        op, out = place.task.op, place.output
        assert isinstance(op, Conv)
        depth = op.weight[0].size
        pointers = ["g", f"(o + top * {out.row_step})", "x1"]
        residual = None
        if op.has_residual:
            r = place.inputs[1]
            residual, pointers[2] = Spots(r.origin, r.row_step, r.column_step), f"(x1 + top * {r.row_step})"
        result = Spots(out.origin, out.row_step, out.column_step)
        grid = Grid(rows, out.map.w, Spots(0, out.map.w * depth, depth), result, residual)
        weight = op.weight.transpose(2, 3, 1, 0).reshape(1, 1, depth, -1)
        product = Product(place.task.target, grid, Walk(1, 0, 1, 0, depth), weight, op, self.vectors, label=f"r{rows}")
        emit_product(product, writer, (pointers[0], pointers[1], pointers[2]))


def _gathering(op: Conv, x: Buffer, out: Buffer, rows: int) -> Iterator[str]:
    """Kernel rows, kernel columns, channels of every output of `rows` rows, one after another."""
    (high, wide), inputs = op.kernel, op.weight.shape[1]
    start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
    yield f"  for (int y = 0; y < {rows}; y++) for (int x = 0; x < {out.map.w}; x++) {{"
    yield (
        f"    const float *from = x0 + {start} + (top + y) * {op.stride[0] * x.row_step}"
        f" + x * {op.stride[1] * x.column_step};"
    )
    yield f"    float *to = g + (y * {out.map.w} + x) * {high * wide * inputs};"
    row, column = op.dilation[0] * x.row_step, op.dilation[1] * x.column_step
    yield f"    for (int p = 0; p < {high}; p++, from += {row}, to += {wide * inputs})"
    if x.channel_step == 1 and x.channels == inputs and op.dilation[1] == 1:
        yield f"      memcpy(to, from, {4 * wide * inputs});"
    elif x.channel_step == 1:
        yield f"      for (int q = 0; q < {wide}; q++) memcpy(to + q * {inputs}, from + q * {column}, {4 * inputs});"
    else:
        yield f"      for (int q = 0; q < {wide}; q++) for (int c = 0; c < {inputs}; c++)"
        yield f"        to[q * {inputs} + c] = from[q * {column} + c * {x.channel_step}];"
    yield "  }"


@dataclass(frozen=True)
class Gemv(Primitive):
    """One output pixel: a row of weights per input, in several sums that do not wait for each other."""

    form: Format = F32_HWC

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"gemv{'' if self.form is F32_HWC else '-chw'}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        if task.target.vector == 1:
            return "the target has no vectors"
        if op.groups != 1 or out.h * out.w != 1:
            return "it has groups or several outputs per channel"
        return ""

    def signature(self, task: Task) -> Signature:
        return Signature((self.form, F32_HWC)[: len(task.op.inputs)], F32_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def cost(self, task: Task) -> float:
        """Every weight is loaded for one multiply."""
        return 1.5 * super().cost(task)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x, target = place.task.op, place.inputs[0], place.task.target
        assert isinstance(op, Conv)
        walk = conv_walk(op, x)
        weight = conv_weight(op, walk)
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        for block in blocks(len(op.weight), 4 if target.registers > 16 else 2, target):
            writer.line("{", f"const float *restrict x = x0 + {start}, *w = {writer.constant(packed(weight, block))};")
            writer.line(*self._sums(block, walk), *_ends(place, block, writer), "}")

    def _sums(self, block: Block, walk: Walk) -> Iterator[str]:
        parts = min(SUMS, walk.length)
        pairs = list(enumerate(zip(block.offsets, block.widths, strict=True)))
        for j, (_, width) in pairs:
            yield f"{vector_type(width)} {', '.join(f'a{part}_{j} = {zero(width)}' for part in range(parts))};"

        def step(part: int, place: str) -> str:
            sums = (f"a{part}_{j} += v * {load(width, f'w + {place} + {offset}')};" for j, (offset, width) in pairs)
            return " ".join(sums)

        def inner(run: Walk) -> Iterator[str]:
            whole = run.length - run.length % parts
            yield f"    for (int k = 0; k < {whole}; k += {parts}, w += {parts * block.channels}) {{"
            for part in range(parts):
                yield f"      {{ float v = xp[(k + {part}) * {run.step}]; {step(part, str(part * block.channels))} }}"
            yield "    }"
            for k in range(whole, run.length):
                here = str((k - whole) * block.channels)
                yield f"    {{ float v = xp[{k * run.step}]; {step(k - whole, here)} }}"
            yield f"    w += {(run.length - whole) * block.channels};"

        yield from walked(walk, inner)
        for j, _ in pairs:
            names = [f"a{part}_{j}" for part in range(parts)]
            yield f"a0_{j} = {' + '.join(names)};"


def _ends(place: Place, block: Block, writer: Writer) -> Iterator[str]:
    """Bias, residual, activation and the stores."""
    op, out = place.task.op, place.output
    assert isinstance(op, Conv)
    arrays = [
        writer.constant(packed(part, block)) if part is not None else "" for part in (op.bias, op.scale, op.shift)
    ]
    for j, (offset, width) in enumerate(zip(block.offsets, block.widths, strict=True)):
        there = load(width, f"x1 + {place.inputs[1].origin + block.first + offset}") if op.has_residual else ""
        bias, *pair = (load(width, f"{array} + {offset}") for array in arrays)
        value = finished(op, width, f"(a0_{j} + {bias})", there, *pair)
        yield store(width, f"o + {out.origin + block.first + offset}", value)


PRIMITIVES: tuple[Primitive, ...] = (
    Im2col(2),
    Im2col(2, F32_CHW),
    Im2col(4),
    Gemv(),
    Gemv(F32_CHW),
)
