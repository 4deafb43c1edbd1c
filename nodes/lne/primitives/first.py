"""First layer, one input channel: Toom-Cook along the rows; taps along a row stay a sum.

F(m, r) turns the r taps of a kernel column (of one phase, at a stride) into m + r - 1 products for m output rows. Each
point of the transform is a product of depth phases x kernel columns. One row of tiles is transformed at a time, and its
products block by block, so that all of it stays in the first cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import finished, load, store, vector_type
from nodes.lne.ir import Conv, Weights
from nodes.lne.layout import F32_CHW, F32_HWC, Buffer, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.kernel import Batch, Product, emit_product, packed
from nodes.lne.primitives.tile import Block, blocks
from nodes.lne.primitives.toom import POINTS, Toom, before_lines, float32_error, straight_line, toom
from nodes.lne.primitives.walk import Grid, Spots, Walk
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer

LARGEST_ERROR = 4e-6
"""Of a transform in float32, beside the spread of its result."""
APART = 16
"""Floats between the products of one point and those of the next, so that they do not lie a power of two apart."""
DEEPEST = 3
"""Input channels: more are better served by products over channels."""


@dataclass(frozen=True)
class First(Primitive):
    """`outputs` rows at once, in blocks of `vectors` channel vectors."""

    outputs: int
    vectors: int

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"first-{self.outputs}-{self.vectors}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op, target, out = task.op, task.target, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        if target.vector == 1:
            return "the target has no vectors"
        if op.groups != 1 or op.dilation != (1, 1) or op.has_residual:
            return "it is grouped, dilated or has a residual"
        if op.weight.shape[1] > DEEPEST:
            return f"it reads more than {DEEPEST} channels"
        taps = _taps(op)
        if taps < 3 or out.h < self.outputs:
            return "its kernel or map has too few rows"
        if self.outputs + taps - 2 not in POINTS:
            return "its kernel has too many rows"
        if self.vectors > max(1, min(len(target.vectors(out.c)), 2 if target.vector == 8 else 3)):
            return "it has fewer channel vectors"
        return "the transform is not exact enough" if float32_error(self.outputs, taps) > LARGEST_ERROR else ""

    def signature(self, task: Task) -> Signature:
        return Signature((F32_CHW,), F32_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        """Whole tiles of rows are read."""
        op, given = task.op, task.graph.maps[task.op.inputs[0]]
        assert isinstance(op, Conv)
        rows = (self._shape(task).tiles * self.outputs - 1) * op.stride[0] + _taps(op) * op.stride[0]
        below = max(0, rows - given.h - op.pads.top)
        return conv_halo(task).union(Halo(bottom=below))

    def scratch_bytes(self, task: Task) -> int:
        shape = self._shape(task)
        return 4 * (shape.spread_size + shape.points_size)

    def cost(self, task: Task) -> float:
        """Products, then a store and a load of every point, and the transforms' sums."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        shape = self._shape(task)
        values = shape.tiles * shape.transform.points * out.w * task.target.padded(out.c)
        return float(values * (shape.depth + 5))

    def _shape(self, task: Task) -> _Shape:
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        width = task.target.vector
        columns = -(-((out.w - 1) * op.stride[1] + op.kernel[1]) // width) * width
        block = blocks(out.c, self.vectors, task.target)[0].channels
        return _Shape(
            toom(self.outputs, _taps(op)),
            -(-out.h // self.outputs),
            op.weight.shape[1] * op.stride[0],
            op.kernel[1],
            columns,
            out.w * max(block, task.target.vector * self.vectors) + APART,
        )

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out, target = place.task.op, place.output, place.task.target
        assert isinstance(op, Conv)
        shape = self._shape(place.task)
        writer.function(_spread(writer.unique("spread"), place, shape))
        writer.line(
            f"float *restrict v = (float *)s, *restrict p = v + {shape.spread_size};",
            f"for (int t = 0; t < {shape.tiles}; t++) {{",
            f"{writer.unique('spread')}(x0 + t * {self.outputs * op.stride[0] * place.inputs[0].row_step}, v);",
        )
        weight = _weight(op, shape.transform)
        for block in blocks(out.map.c, self.vectors, target):
            self._block(place, shape, block, weight, writer)
        writer.line("}")

    def _block(self, place: Place, shape: _Shape, block: Block, weight: Weights, writer: Writer) -> None:
        """The products of a block of channels at every point, then the transform of its outputs."""
        op, out = place.task.op, place.output
        assert isinstance(op, Conv)
        grid = Grid(1, out.map.w, Spots(0, 0, op.stride[1]), Spots(0, 0, block.channels))
        product = Product(
            place.task.target,
            grid,
            Walk(shape.phases, shape.columns, 1, 0, shape.taps),
            packed(weight, block),
            None,
            len(block.widths),
            batch=Batch(shape.transform.points, shape.phases * shape.columns, _point_step(out, block)),
            label=f"c{block.first}",
        )
        emit_product(product, writer, ("v", "p", ""))
        rest = out.map.h % self.outputs
        full = self._gather(place, shape, block, self.outputs, writer)
        if not rest:
            writer.line(full)
            return
        writer.line(f"if (t < {shape.tiles - 1}) {full}", f"else {self._gather(place, shape, block, rest, writer)}")

    def _gather(self, place: Place, shape: _Shape, block: Block, rows: int, writer: Writer) -> str:
        """The loop that transforms a block's outputs, `rows` of them per tile."""
        op, out = place.task.op, place.output
        assert isinstance(op, Conv)
        name = writer.unique(f"gather{block.first}_{rows}")
        arrays = [
            (key, array) for key, array in (("b", op.bias), ("m", op.scale), ("a", op.shift)) if array is not None
        ]
        keys = ["p", "o", *(key for key, _ in arrays)]
        parameters = ", ".join(f"{'' if key == 'o' else 'const '}float *restrict {key}" for key in keys)
        lines = [f"static inline __attribute__((always_inline)) void {name}({parameters}) {{"]
        step = _point_step(out, block)
        for offset, width in zip(block.offsets, block.widths, strict=True):
            lines += _gathered(op, out, shape.transform, rows, width, offset, step)
        writer.function("\n".join((*lines, "}")))
        result = f"o + {out.origin + block.first} + t * {self.outputs * out.row_step} + x * {out.column_step}"
        constants = [writer.constant(packed(array, block)) for _, array in arrays]
        arguments = ", ".join((f"p + x * {block.channels}", result, *constants))
        return f"for (int x = 0; x < {out.map.w}; x++) {name}({arguments});"


@dataclass(frozen=True)
class _Shape:
    """Sizes of a layer: rows of tiles, phases (input channels x stride) and taps of a product, stored columns."""

    transform: Toom
    tiles: int
    phases: int
    taps: int
    columns: int
    block_size: int

    @property
    def depth(self) -> int:
        """Of a product."""
        return self.phases * self.taps

    @property
    def spread_size(self) -> int:
        """Floats of the transformed inputs of a row of tiles, and what is read past them."""
        return self.transform.points * self.phases * self.columns + 64

    @property
    def points_size(self) -> int:
        """Floats of a block's products."""
        return self.transform.points * self.block_size + 64


def _point_step(out: Buffer, block: Block) -> int:
    """Floats from the products of one point to those of the next."""
    return out.map.w * block.channels + APART


def _taps(op: Conv) -> int:
    """Kernel rows of one phase."""
    return -(-op.kernel[0] // op.stride[0])


def _weight(op: Conv, transform: Toom) -> Weights:
    """(points, phases, 1, kernel columns, channels): input channel by input channel, phase by phase."""
    outputs, inputs, rows, columns = op.weight.shape
    down = op.stride[0]
    taps = np.zeros((outputs, inputs, transform.taps * down, columns))
    taps[:, :, :rows] = op.weight
    phased = taps.reshape(outputs, inputs, transform.taps, down, columns)
    spread = np.einsum("ak,oikqc->aiqco", transform.matrices[1], phased)
    return np.asarray(spread).reshape(transform.points, inputs * down, 1, columns, outputs)


def _spread(name: str, place: Place, shape: _Shape) -> str:
    """A function: the inputs of one row of tiles at every point, vectors along the columns."""
    op, x, width = place.task.op, place.inputs[0], place.task.target.vector
    assert isinstance(op, Conv)
    kind, points, down = vector_type(width), shape.transform.points, op.stride[0]
    start = x.origin - op.pads.top * x.row_step - op.pads.left
    lines = [
        f"static inline void {name}(const float *restrict x, float *restrict v) {{",
        f"  for (int i = 0; i < {op.weight.shape[1]}; i++) for (int q = 0; q < {down}; q++)",
        f"    for (int c = 0; c < {shape.columns}; c += {width}) {{",
        f"      const float *from = x + {start} + i * {x.channel_step} + q * {x.row_step} + c;",
        f"      float *to = v + (i * {down} + q) * {shape.columns} + c;",
    ]
    lines += [f"      const {kind} x{k} = {load(width, f'from + {k * down * x.row_step}')};" for k in range(points)]
    found = before_lines(shape.transform, [f"x{k}" for k in range(points)], kind)
    lines += [f"      {line}" for line in found.shared]
    step = shape.phases * shape.columns
    lines += [f"      {store(width, f'to + {k * step}', row)}" for k, row in enumerate(found.rows)]
    return "\n".join((*lines, "    }", "}"))


def _gathered(op: Conv, out: Buffer, transform: Toom, rows: int, width: int, offset: int, step: int) -> Iterator[str]:
    """The first `rows` outputs of a tile for one vector of channels."""
    kind, names = vector_type(width), [f"m{k}" for k in range(transform.points)]
    yield "  {"
    for k, name in enumerate(names):
        yield f"    const {kind} {name} = {load(width, f'p + {k * step + offset}')};"
    found = straight_line(transform.after[:rows], names, kind)
    yield from (f"    {line}" for line in found.shared)
    bias, pair = load(width, f"b + {offset}"), (load(width, f"m + {offset}"), load(width, f"a + {offset}"))
    for row, value in enumerate(found.rows):
        ended = finished(op, width, f"({value} + {bias})", "", *pair)
        yield f"    {store(width, f'o + {row * out.row_step + offset}', ended)}"
    yield "  }"


PRIMITIVES: tuple[Primitive, ...] = tuple(First(outputs, vectors) for outputs in (4, 5, 6) for vectors in (1, 2))
