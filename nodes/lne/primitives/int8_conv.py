"""8-bit convolution: bytes times signed bytes, summed in 32 bits in registers, a tile of pixels at a time.

With VNNI (or NEON's dot product) four input channels meet four weights in one instruction. Without it, bytes are first
widened to 16 bits and two channels meet two weights: exact, and half as fast. A kernel row that lies in one piece is
read in one piece, so that a first layer with one channel takes four columns at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nodes.lne.dialect import activated, load, store
from nodes.lne.ir import Conv, macs
from nodes.lne.layout import F32_HWC, SLACK_BYTES, U8_HWC, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.int8_dialect import has_bytes, write_dialect
from nodes.lne.primitives.int8_neon import OFFSET
from nodes.lne.primitives.int8_numbers import Clip, ConvNumbers, clip_of, conv_numbers, only_clips
from nodes.lne.primitives.int8_taps import Taps
from nodes.lne.primitives.int8_tile import Run, Tile, cover, most_pixels, pixel, runs, unranged
from nodes.lne.primitives.window import conv_halo
from nodes.lne.target import Target
from nodes.lne.writer import Writer

Kind = Literal["vnni", "sdot", "pairs"]
GROUP: dict[Kind, int] = {"vnni": 4, "sdot": 4, "pairs": 2}
"""Input values that meet as many weights in one lane."""
BLOCK_COST = 0.15
"""Of reading the input once more for every block of channels, beside its products."""
BUSY = 8
"""Sums that must be under way at once, so that none waits for the one before it."""
SPEED: dict[Kind, float] = {"vnni": 3.5, "sdot": 3.5, "pairs": 1.5}
"""Estimated, beside float multiply-adds."""


@dataclass(frozen=True)
class Int8Conv(Primitive):
    """Register-blocked convolution of bytes, `vectors` vectors of sums at a time; gives bytes or floats.

    With `gathers`, the few bytes that an output of a first layer sees are first put side by side (see `int8_taps`).
    """

    kind: Kind
    vectors: int
    result: Format = U8_HWC
    gathers: bool = False

    ops = (Conv,)

    @property
    def name(self) -> str:
        ending = "-taps" if self.gathers else "" if self.result is U8_HWC else "-f32"
        return f"int8-{self.kind}-{self.vectors}{ending}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Conv)
        if op.groups != 1:
            return "it has groups"
        if kind_of(task.target) != self.kind:
            return "dot products are faster" if self.kind == "pairs" else f"the target has no {self.kind}"
        if self.vectors > 1 and len(task.target.vectors(len(op.weight))) < self.vectors:
            return "it has fewer channel vectors"
        if self.gathers and not Taps(task).saves:
            return "its taps lie well as they are"
        return has_bytes(task.target) or unranged(task, self.result)

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC,) * len(task.op.inputs), self.result)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def scratch_bytes(self, task: Task) -> int:
        if self.gathers:
            return Taps(task).buffer.bytes
        return 0 if self.kind != "pairs" else 2 * _widened(task).size + SLACK_BYTES

    def cost(self, task: Task) -> float:
        work = macs(task.op, task.graph) / SPEED[self.kind] * (1.0 + BLOCK_COST / self.vectors)
        return work + task.graph.maps[task.op.output].size * (0.5 if self.result is U8_HWC else 1.0)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        task, out = place.task, place.output
        write_dialect(writer, task.target)
        if self.gathers:
            taps = Taps(task)
            writer.line(*taps.lines(place.inputs[0]))
            place = replace(place, task=taps.task, inputs=(taps.buffer, *place.inputs[1:]))
        layer = _Layer(place, self)
        if self.kind == "pairs":
            writer.line(*_widen(place.inputs[0], layer.given))
        spare = self.kind == "pairs"
        for run in runs(out.map.c, self.vectors, task.target, self.result):
            constants = [writer.constant(values) for values in layer.constants(run)]
            for tile in cover(out.map.h, out.map.w, most_pixels(len(run.widths), task.target, spare)):
                name = writer.unique(f"b{run.first}_{tile.rows}x{tile.columns}")
                writer.function("\n".join(layer.kernel(name, run, tile)))
                writer.line(*layer.call(name, run, tile, constants))


def _widened(task: Task) -> Buffer:
    """The input in 16 bits, with no more border than this convolution reads."""
    given = task.graph.maps[task.op.inputs[0]]
    return Buffer(given, U8_HWC, conv_halo(task), U8_HWC.padded(given.c, task.target))


def _widen(given: Buffer, wide: Buffer) -> Iterator[str]:
    start = given.origin - wide.halo.top * given.row_step - wide.halo.left * given.column_step
    yield "int16_t *t = (int16_t *)s;"
    yield f"for (int y = 0; y < {wide.rows}; y++)"
    yield f"  for (int i = 0; i < {wide.row_step}; i++)"
    yield f"    t[y * {wide.row_step} + i] = x0[{start} + y * {given.row_step} + i];"


class _Layer:
    """One convolution while its C is written."""

    def __init__(self, place: Place, primitive: Int8Conv) -> None:
        task, op = place.task, place.task.op
        assert isinstance(op, Conv)
        self.place, self.op, self.kind, self.result = place, op, primitive.kind, primitive.result
        self.group = GROUP[self.kind]
        self.source = "t" if primitive.gathers or self.kind == "pairs" else "x0"
        self.given = place.inputs[0] if self.kind != "pairs" else _widened(task)
        self.side_by_side = self.kind != "pairs" or "neon" not in task.target.features
        self.numbers: ConvNumbers = conv_numbers(op, task.ranges)
        self.clips = only_clips(op) and self.result is U8_HWC
        self.element = "uint8_t" if self.kind != "pairs" else "int16_t"
        whole = self.given.channels * op.kernel[1]
        apart = op.kernel[1] * self.steps_of(op.weight.shape[1])
        self.merged = op.dilation[1] == 1 and self.steps_of(whole) <= apart
        self.steps = self.steps_of(whole if self.merged else op.weight.shape[1])

    def steps_of(self, values: int) -> int:
        """Instructions for so many input values."""
        return -(-values // self.group)

    @property
    def clip(self) -> Clip:
        """Of the output, in bytes."""
        given = self.place.task.ranges[self.op.output]
        return clip_of(self.op.activation, given) if self.clips else Clip(given.scale, given.zero, 0, 255)

    @property
    def in_sum(self) -> bool:
        """Whether a residual is added to the sums."""
        return self.op.has_residual and not self.op.residual_last

    @property
    def names(self) -> dict[str, str]:
        """The kernel's constants beside the weights, by name: what they are in C."""
        names = {"b": "int32_t", "u": "float"}
        names |= {"n": "float"} if self.in_sum else {}
        return names | ({"m": "float", "a": "float"} if self.op.scale is not None else {})

    def constants(self, run: Run) -> Iterator[NDArray[np.generic]]:
        """Weights, then what `names` lists, for blocks of channels."""
        weight = run.packed(self._rows(), axis=-2)
        yield weight if self.side_by_side else _by_values(weight)
        numbers = self.numbers
        factor = numbers.unit / np.float32(self.clip.scale) if self.clips else numbers.unit
        bias = numbers.bias
        if self.kind == "sdot":  # its bytes are signed
            bias = bias + OFFSET * numbers.weight.sum((1, 2, 3), dtype=np.int32)
        for values in (bias, factor, numbers.residual if self.in_sum else None, self.op.scale, self.op.shift):
            if values is not None:
                yield run.packed(np.asarray(values, np.int32 if values is bias else np.float32), axis=-1)

    def _rows(self) -> NDArray[np.generic]:
        """Weights as (kernel rows, columns or 1, steps, values of a step, outputs)."""
        weight = self.numbers.weight.transpose(2, 3, 1, 0)
        rows, columns, inputs, outputs = weight.shape
        if self.merged:
            weight = np.pad(weight, ((0, 0), (0, 0), (0, self.given.channels - inputs), (0, 0)))
            weight = weight.reshape(rows, 1, -1, outputs)
        missing = self.steps * self.group - weight.shape[2]
        weight = np.pad(weight, ((0, 0), (0, 0), (0, missing), (0, 0)))
        kind = np.int8 if self.kind != "pairs" else np.int16
        return weight.reshape(rows, weight.shape[1], self.steps, self.group, outputs).astype(kind)

    def call(self, name: str, run: Run, tile: Tile, constants: list[str]) -> Iterator[str]:
        """The layer's loops over blocks and tiles."""
        x, op = self.given, self.op
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        size = op.kernel[0] * (1 if self.merged else op.kernel[1]) * self.steps * self.group * run.channels
        step = f" + k * {run.channels}"
        arguments = [
            f"{self.source} + {start} + y * {op.stride[0] * x.row_step} + x * {op.stride[1] * x.column_step}",
            f"o + {pixel(self.place, -1, run.first)}{step}",
            *([f"x1 + {pixel(self.place, 1, run.first)}{step}"] if op.has_residual else []),
            f"{constants[0]} + k * {size}",
            *(f"{constant}{step}" for constant in constants[1:]),
        ]
        yield f"for (int k = 0; k < {run.count}; k++)"
        yield f"  {tile.loops}"
        yield f"    {name}({', '.join(arguments)});"

    def kernel(self, name: str, run: Run, tile: Tile) -> Iterator[str]:
        """One tile of one block."""
        weight = "int8_t" if self.kind != "pairs" else "int16_t"
        arguments = [
            f"const {self.element} *restrict x",
            f"{self.place.output.c_type} *restrict o",
            *(["const uint8_t *restrict r"] if self.op.has_residual else []),
            f"const {weight} *restrict w",
            *(f"const {kind} *restrict {constant}" for constant, kind in self.names.items()),
        ]
        yield f"static inline __attribute__((always_inline)) void {name}({', '.join(arguments)}) {{"
        pixels = [(row, column) for row in range(tile.rows) for column in range(tile.columns)]
        for index in range(len(pixels)):
            for j, (offset, width) in enumerate(zip(run.offsets, run.widths, strict=True)):
                yield f"  i{width} a{index}_{j} = *(const j{width} *)(b + {offset});"
        parts = min(self.steps, BUSY // (len(pixels) * len(run.widths)))
        if parts > 1:
            yield from self._sum_in_parts(run, pixels, parts)
        else:
            yield from self._sum(run, pixels)
        for index, (row, column) in enumerate(pixels):
            yield from self._finish(run, index, row, column)
        yield "}"

    def _sum(self, run: Run, pixels: list[tuple[int, int]]) -> Iterator[str]:
        yield from self._rows_begin()
        yield "\n#pragma GCC unroll 2"
        yield f"    for (int k = 0; k < {self.steps}; k++) {{"
        yield from self._step(run, pixels, "k", "a")
        yield f"      w += {run.channels * self.group};"
        yield from ("    }", "    }", "  }")

    def _sum_in_parts(self, run: Run, pixels: list[tuple[int, int]], parts: int) -> Iterator[str]:
        """Few sums: every step of several has sums of its own, added up at the end."""
        places = [(i, j) for i in range(len(pixels)) for j in range(len(run.widths))]
        for part in range(1, parts):
            for i, j in places:
                yield f"  i{run.widths[j]} s{part}_{i}_{j} = {{0}};"
        yield from self._rows_begin()
        size = run.channels * self.group
        whole = self.steps // parts * parts
        yield f"    for (int k = 0; k < {whole}; k += {parts}) {{"
        for part in range(parts):
            yield from self._step(run, pixels, f"(k + {part})", f"s{part}_" if part else "a")
            yield f"      w += {size};"
        yield "    }"
        for rest in range(whole, self.steps):
            yield from (*self._step(run, pixels, str(rest), "a"), f"      w += {size};")
        yield from ("    }", "  }")
        for i, j in places:
            yield f"  a{i}_{j} += {' + '.join(f's{part}_{i}_{j}' for part in range(1, parts))};"

    def _rows_begin(self) -> Iterator[str]:
        """Loops over the kernel's rows, and over its columns where they do not follow each other in memory."""
        op, x = self.op, self.given
        yield f"  for (int p = 0; p < {op.kernel[0]}; p++) {{"
        yield f"    const {self.element} *xp = x + p * {op.dilation[0] * x.row_step};"
        columns = 1 if self.merged else op.kernel[1]
        yield f"    for (int q = 0; q < {columns}; q++, xp += {op.dilation[1] * x.column_step}) {{"

    def _step(self, run: Run, pixels: list[tuple[int, int]], k: str, sums: str) -> Iterator[str]:
        """One group of input values of every pixel times its weights."""
        op, x, widest = self.op, self.given, max(run.widths)
        yield "      {"
        for j, (offset, width) in enumerate(zip(run.offsets, run.widths, strict=True)):
            yield f"      i{width} w{j} = *(const j{width} *)(w + {offset * self.group});"
        rule, take = _STEPS[self.kind]
        for index, (row, column) in enumerate(pixels):
            step = row * op.stride[0] * x.row_step + column * op.stride[1] * x.column_step
            lines = " ".join(
                f"{sums}{index}_{j} = {rule}{width}({sums}{index}_{j}, {_narrowed('v', widest, width)}, w{j});"
                for j, width in enumerate(run.widths)
            )
            yield f"      {{ i{widest} v = {take}{widest}(xp + {k} * {self.group} + {step}); {lines} }}"
        yield "      }"

    def _finish(self, run: Run, index: int, row: int, column: int) -> Iterator[str]:
        """Residual, activation and store of one pixel."""
        out = self.place.output
        for vectors in run.stores:
            if self.op.has_residual:
                r = self.place.inputs[1]
                yield from self._residual(run, index, vectors, row * r.row_step + column * r.column_step)
            at = row * out.row_step + column * out.column_step + run.offsets[vectors[0]]
            values = [self._value(run, index, j) for j in vectors]
            yield f"  {self._store(run.widths[vectors[0]], at, values)}"

    def _residual(self, run: Run, index: int, vectors: tuple[int, ...], at: int) -> Iterator[str]:
        zero, width = self.place.task.ranges[self.op.inputs[1]].zero, run.widths[vectors[0]]
        names = [f"r{index}_{j}" for j in vectors]
        if len(vectors) > 1:
            yield f"  i{width} {', '.join(names)};"
            yield f"  take_four{width}(r + {at}, {', '.join(f'&{name}' for name in names)});"
        else:
            yield f"  i{width} {names[0]} = take{width}(r + {at + run.offsets[vectors[0]]});"
        if self.in_sum:
            for j in vectors:
                units = load(width, f"n + {run.offsets[j]}")
                yield f"  a{index}_{j} += round{width}(real{width}(r{index}_{j} - {zero}) * {units});"

    def _value(self, run: Run, index: int, j: int) -> str:
        """What is stored: whole numbers for bytes, or floats."""
        offset, width, op = run.offsets[j], run.widths[j], self.op
        value = f"real{width}(a{index}_{j}) * {load(width, f'u + {offset}')}"
        if not self.clips:
            value = activated(op.activation, width, value)
            if op.has_residual and op.residual_last:
                given = self.place.task.ranges[op.inputs[1]]
                value = f"({value} + real{width}(r{index}_{j} - {given.zero}) * {float(given.scale)!r}f)"
            if op.scale is not None:
                value = f"({value} * {load(width, f'm + {offset}')} + {load(width, f'a + {offset}')})"
            if self.result is U8_HWC:
                value = f"{value} * {1.0 / float(self.clip.scale)!r}f"
        return f"round{width}({value})" if self.result is U8_HWC else value

    def _store(self, width: int, at: int, values: list[str]) -> str:
        if self.result is F32_HWC:
            return store(width, f"o + {at}", values[0])
        clip, out = self.clip, self.place.output
        ends = f"{clip.zero}, {clip.low}, {clip.high}"
        if len(values) > 1:
            return f"put_four{width}(o + {at}, {', '.join(values)}, {ends});"
        if out.channels < width:
            return (
                f"{{ uint8_t few[16]; put{width}(few, {values[0]}, {ends}); memcpy(o + {at}, few, {out.channels}); }}"
            )
        return f"put{width}(o + {at}, {values[0]}, {ends});"


_STEPS: dict[Kind, tuple[str, str]] = {
    "vnni": ("dot", "quad"),
    "sdot": ("dot", "signed_quad"),
    "pairs": ("madd", "quad"),
}
"""Functions of the dialect that multiply and that read a group of input values."""


def kind_of(target: Target) -> Kind:
    """The fastest way of a target that has vectors."""
    return "vnni" if "vnni" in target.features else "sdot" if "dotprod" in target.features else "pairs"


def _by_values(weight: NDArray[np.generic]) -> NDArray[np.generic]:
    """Weights (..., outputs, values): of each vector of four outputs by value first, as NEON takes them."""
    *front, outputs, values = weight.shape
    return weight.reshape(*front, outputs // 4, 4, values).swapaxes(-1, -2).reshape(weight.shape)


def _narrowed(value: str, have: int, want: int) -> str:
    """The low part of a register, for a narrower last vector."""
    cast = {(16, 8): "_mm512_castsi512_si256((__m512i)", (8, 4): "_mm256_castsi256_si128((__m256i)"}
    return value if have == want else f"(i{want}){cast[have, want]}{value})"


PRIMITIVES: tuple[Primitive, ...] = (
    *(Int8Conv(kind, vectors, result) for kind in GROUP for vectors in (1, 2, 3, 4) for result in (U8_HWC, F32_HWC)),
    *(Int8Conv(kind, vectors, gathers=True) for kind in ("vnni", "sdot") for vectors in (2, 4)),
)
