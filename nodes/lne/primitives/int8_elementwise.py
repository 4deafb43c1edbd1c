"""Sums of two maps of bytes, and scales and shifts of one, in the arithmetic of quantized models as onnxruntime has it.

Values behind the last channel are of no account, so whole vectors are computed; elsewhere the compiler makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import load
from nodes.lne.ir import Affine, Binary
from nodes.lne.layout import U8_HWC
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.int8_affine_numbers import Line, byte_table, line_of
from nodes.lne.primitives.int8_dialect import has_fused, write_dialect
from nodes.lne.primitives.int8_numbers import CLIPPED, Clip, clip_of, sum_factors
from nodes.lne.primitives.int8_tile import pixel, unranged
from nodes.lne.writer import Writer

FUSED = """static inline __attribute__((always_inline, unused)) float fused1(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_fmaf(a, b, c);
#else
  return (float)((double)a * b + c);
#endif
}"""
"""a b + c, rounded once."""
NEAREST = """static inline __attribute__((always_inline, unused)) int nearest(float x, float low, float high) {
  x = x < low ? low : x;
  x = x > high ? high : x;
  return (int)((x + 12582912.0f) - 12582912.0f);
}"""
"""1.5 x 2^23 added and taken away leaves the nearest even integer."""


@dataclass(frozen=True)
class Int8Sum(Primitive):
    """Sum or difference of two maps of bytes, rounded as onnxruntime rounds it."""

    ops = (Binary,)

    @property
    def name(self) -> str:
        return "int8-sum"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Binary)
        if op.kind not in ("add", "subtract"):
            return "it is no sum"
        if op.activation not in CLIPPED:
            return "its activation needs real numbers"
        out = task.graph.maps[op.output]
        if task.graph.maps[op.inputs[1]].shape not in (out.shape, (out.c, 1, 1)):
            return "its second map is repeated along one axis alone"
        return unranged(task, U8_HWC)

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC, U8_HWC), U8_HWC)

    def cost(self, task: Task) -> float:
        return super().cost(task) / 2.0

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out = place.task.op, place.output
        assert isinstance(op, Binary)
        factors, clip = sum_factors(op, place.task.ranges), clip_of(op.activation, place.task.ranges[op.output])
        is_whole = place.inputs[1].map.shape == out.map.shape
        each = _Each(place, out.channels * (out.map.w if is_whole else 1), clip)
        first, second, constant = (each.same(value) for value in (factors.first, factors.second, factors.constant))
        inner = each.fused(each.real("b"), second, constant)
        writer.line(
            *_loops(place, by_rows=is_whole),
            f"    const uint8_t *a = x0 + {pixel(place, 0)};",
            f"    const uint8_t *b = x1 + {pixel(place, 1) if is_whole else place.inputs[1].origin};",
            *each.lines(each.fused(each.real("a"), first, inner), writer),
            "  }",
        )


@dataclass(frozen=True)
class Int8Affine(Primitive):
    """Scale, shift and activation of a map of bytes: one multiply-add if that gives the same bytes, else by table."""

    ops = (Affine,)

    @property
    def name(self) -> str:
        return "int8-affine"

    def refuse(self, task: Task) -> str:
        shapes = {task.graph.maps[name].shape for name in (task.op.inputs[0], task.op.output)}
        return "it changes the shape" if len(shapes) > 1 else unranged(task, U8_HWC)

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC,), U8_HWC)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op = place.task.op
        assert isinstance(op, Affine)
        line = line_of(op, place.task.ranges)
        found = _by_table(op, place, writer) if line is None else _by_line(line, place, writer)
        before, *inside = found
        writer.line(
            before,
            *_loops(place, by_rows=False),
            f"    const uint8_t *a = x0 + {pixel(place, 0)};",
            *inside,
            "  }",
        )


def _by_table(op: Affine, place: Place, writer: Writer) -> Iterator[str]:
    yield f"const uint8_t *t = {writer.constant(byte_table(op, place.task.ranges))};"
    yield f"    for (int c = 0; c < {place.output.map.c}; c++) o[{pixel(place, -1)} + c] = t[256 * c + a[c]];"


def _by_line(line: Line, place: Place, writer: Writer) -> Iterator[str]:
    """Factors and constants, with zeros for the channels that only fill up."""
    channels = place.output.channels
    filled = (np.pad(values, (0, channels - len(values))) for values in (line.factor, line.constant))
    yield " ".join(f"const float *{n} = {writer.constant(values)};" for n, values in zip("mt", filled, strict=True))
    each = _Each(place, channels, line.clip)
    yield from each.lines(each.fused(each.real("a"), each.value("m"), each.value("t")), writer)


@dataclass(frozen=True)
class _Each:
    """A loop over neighbouring bytes, by vectors where the target has them, with expressions for what it reads."""

    place: Place
    count: int
    clip: Clip

    @property
    def width(self) -> int:
        """Values at a time."""
        target = self.place.task.target
        return target.vector if has_fused(target) and self.place.output.channels % target.vector == 0 else 1

    def real(self, name: str) -> str:
        """A byte as a real number."""
        return f"(float){name}[i]" if self.width == 1 else f"real{self.width}(take{self.width}({name} + i))"

    def value(self, name: str) -> str:
        """A float of an array."""
        return load(self.width, f"{name} + i")

    def same(self, value: np.float32) -> str:
        """A constant."""
        return real(value) if self.width == 1 else f"((v{self.width}){{0}} + {real(value)})"

    def fused(self, a: str, b: str, c: str) -> str:
        """a b + c."""
        return f"fused{self.width}({a}, {b}, {c})"

    def lines(self, value: str, writer: Writer) -> Iterator[str]:
        """The loop that stores a value's nearest byte."""
        low, high, width = self.clip.low, self.clip.high, self.width
        if width == 1:
            writer.function(FUSED)
            writer.function(NEAREST)
            stored = f"to[i] = (uint8_t)nearest({value}, {low}.0f, {high}.0f);"
        else:
            write_dialect(writer, self.place.task.target)
            stored = f"put{width}(to + i, round{width}({value}), 0, {low}, {high});"
        yield f"    uint8_t *to = o + {pixel(self.place, -1)};"
        yield f"    for (int i = 0; i < {self.count}; i += {width}) {stored}"


def _loops(place: Place, *, by_rows: bool) -> tuple[str, str]:
    """Over rows, and over their pixels unless a row is done at once."""
    columns = 1 if by_rows else place.output.map.w
    return (
        f"for (int y = 0; y < {place.output.map.h}; y++)",
        f"  for (int x = 0; x < {columns}; x++) {{",
    )


def real(value: float | np.float32) -> str:
    """A float32 in C."""
    return f"{float(np.float32(value))!r}f"


PRIMITIVES: tuple[Primitive, ...] = (Int8Sum(), Int8Affine())
