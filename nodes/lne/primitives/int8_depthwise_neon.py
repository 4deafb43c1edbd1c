"""8-bit depthwise convolution on aarch64: sixteen channels at a time, tap by tap, the sums in registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import load
from nodes.lne.ir import Conv
from nodes.lne.layout import U8_HWC, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.int8_dialect import write_dialect
from nodes.lne.primitives.int8_numbers import clip_of, conv_numbers, only_clips
from nodes.lne.primitives.int8_tile import unranged
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer

BLOCK = 16
"""Channels of a block: four vectors of sums."""
SUMS = ("s0", "s1", "s2", "s3")
MOST_TAPS = 9
"""Written out; longer kernels are looped over."""


@dataclass(frozen=True)
class NeonDepthwise(Primitive):
    """One filter per channel, on bytes, giving bytes."""

    ops = (Conv,)

    @property
    def name(self) -> str:
        return "int8-depthwise-neon"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Conv)
        if "neon" not in task.target.features:
            return "the target has no NEON"
        if not op.is_depthwise:
            return "it is not depthwise"
        if not only_clips(op) or op.has_residual:
            return "its activation or residual needs real numbers"
        if len(op.weight) < BLOCK:
            return "it has too few channels"
        return unranged(task, U8_HWC)

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC,), U8_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task)

    def cost(self, task: Task) -> float:
        return super().cost(task) / 2.0

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x, out = place.task.op, place.inputs[0], place.output
        assert isinstance(op, Conv)
        numbers, clip = conv_numbers(op, place.task.ranges), clip_of(op.activation, place.task.ranges[op.output])
        missing = out.channels - len(op.weight)
        weight = np.pad(numbers.weight[:, 0].transpose(1, 2, 0), ((0, 0), (0, 0), (0, missing))).astype(np.int16)
        bias = np.pad(numbers.bias, (0, missing))
        factor = np.pad((numbers.unit / np.float32(clip.scale)).astype(np.float32), (0, missing))
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        write_dialect(writer, place.task.target)
        writer.line(
            f"const int16_t *w = {writer.constant(weight)};",
            f"const int32_t *b = {writer.constant(bias)};",
            f"const float *u = {writer.constant(factor)};",
            f"for (int y = 0; y < {out.map.h}; y++)",
            f"  for (int x = 0; x < {out.map.w}; x++)",
            f"    for (int k = 0; k < {out.channels}; k += {BLOCK}) {{",
            f"      const uint8_t *from = x0 + {start} + y * {op.stride[0] * x.row_step}"
            f" + x * {op.stride[1] * x.column_step} + k;",
            *(f"      i4 {name} = *(const j4 *)(b + k + {4 * j});" for j, name in enumerate(SUMS)),
            *(f"      {line}" for line in _taps(op, x.row_step, x.column_step, out.channels)),
            *(f"      {name} = round4(real4({name}) * {load(4, f'u + k + {4 * j}')});" for j, name in enumerate(SUMS)),
            f"      put_four4(o + {out.origin} + y * {out.row_step} + x * {out.column_step} + k, s0, s1, s2, s3,"
            f" {clip.zero}, {clip.low}, {clip.high});",
            "    }",
        )


def _taps(op: Conv, row: int, column: int, channels: int) -> Iterator[str]:
    """Every tap of a block, in order."""
    down, right = op.dilation[0] * row, op.dilation[1] * column
    if op.kernel[0] * op.kernel[1] > MOST_TAPS:
        yield f"for (int p = 0; p < {op.kernel[0]}; p++)"
        yield f"  for (int q = 0; q < {op.kernel[1]}; q++)"
        at = f"w + (p * {op.kernel[1]} + q) * {channels} + k"
        yield f"    tap_four4(from + p * {down} + q * {right}, {at}, &s0, &s1, &s2, &s3);"
        return
    for index, (p, q) in enumerate(np.ndindex(*op.kernel)):
        yield f"tap_four4(from + {p * down + q * right}, w + {index * channels} + k, &s0, &s1, &s2, &s3);"


PRIMITIVES: tuple[Primitive, ...] = (NeonDepthwise(),)
