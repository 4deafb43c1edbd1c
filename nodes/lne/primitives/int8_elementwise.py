"""Sums of two maps of bytes, and scales and shifts of one, in the arithmetic of quantized models as onnxruntime has it.

The loops run over whole rows, so that the compiler makes the vectors; values behind the last channel are of no account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.lne.dialect import activated
from nodes.lne.ir import Affine, Binary
from nodes.lne.layout import U8_HWC
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.int8_numbers import CLIPPED, clip_of, sum_factors
from nodes.lne.primitives.int8_tile import pixel, unranged
from nodes.lne.writer import Writer

FUSED = """static inline __attribute__((always_inline, unused)) float fused(float a, float b, float c) {
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
        op, out = place.task.op, place.output
        assert isinstance(op, Binary)
        factors, clip = sum_factors(op, place.task.ranges), clip_of(op.activation, place.task.ranges[op.output])
        is_whole = place.inputs[1].map.shape == out.map.shape
        other = pixel(place, 1) if is_whole else str(place.inputs[1].origin)
        first, second, constant = (real(value) for value in (factors.first, factors.second, factors.constant))
        writer.function(FUSED)
        writer.function(NEAREST)
        writer.line(
            *_loops(place, by_rows=is_whole),
            f"    const uint8_t *a = x0 + {pixel(place, 0)}, *b = x1 + {other};",
            f"    uint8_t *to = o + {pixel(place, -1)};",
            f"    for (int i = 0; i < {out.channels * (out.map.w if is_whole else 1)}; i++)",
            f"      to[i] = (uint8_t)nearest(fused((float)a[i], {first}, fused((float)b[i], {second}, {constant})),"
            f" {clip.low}.0f, {clip.high}.0f);",
            "  }",
        )


@dataclass(frozen=True)
class Int8Affine(Primitive):
    """Scale, shift and activation of a map of bytes: the real value, computed in float32 step by step, as a byte."""

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
        op, out = place.task.op, place.output
        assert isinstance(op, Affine)
        given, after = place.task.ranges[op.inputs[0]], place.task.ranges[op.output]
        scale, shift = (writer.constant(_filled(values, out.channels)) for values in (op.scale, op.shift))
        writer.function(FUSED)
        writer.function(NEAREST)
        value = f"(float)(a[c] - {given.zero}) * {real(given.scale)}"
        # Zero is added to the product so that the compiler cannot join it with the shift, and rounds it.
        value = activated(op.activation, 1, f"fused({value}, m[c], 0.0f) + t[c]")
        ends = f"{-after.zero}.0f, {255 - after.zero}.0f"
        writer.line(
            f"const float *m = {scale}, *t = {shift};",
            *_loops(place, by_rows=False),
            f"    const uint8_t *a = x0 + {pixel(place, 0)};",
            f"    uint8_t *to = o + {pixel(place, -1)};",
            f"    for (int c = 0; c < {out.channels}; c++)",
            f"      to[c] = (uint8_t)({after.zero} + nearest(({value}) / {real(after.scale)}, {ends}));",
            "  }",
        )


def _loops(place: Place, *, by_rows: bool) -> tuple[str, str]:
    """Over rows, and over their pixels unless a row is done at once."""
    columns = 1 if by_rows else place.output.map.w
    return (
        f"for (int y = 0; y < {place.output.map.h}; y++)",
        f"  for (int x = 0; x < {columns}; x++) {{",
    )


def _filled(values: NDArray[np.float64], channels: int) -> NDArray[np.float32]:
    """With zeros for the channels that only fill up."""
    return np.pad(values.astype(np.float32), (0, channels - len(values)))


def real(value: float | np.float32) -> str:
    """A float32 in C."""
    return f"{float(np.float32(value))!r}f"


PRIMITIVES: tuple[Primitive, ...] = (Int8Sum(), Int8Affine())
