"""8-bit convolutions of any kind in plain C. The compiler makes the vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import activated
from nodes.lne.ir import Conv
from nodes.lne.layout import F32_HWC, U8_HWC, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.int8_cast import BYTE_OF
from nodes.lne.primitives.int8_numbers import Clip, clip_of, conv_numbers, only_clips
from nodes.lne.primitives.int8_tile import pixel, unranged
from nodes.lne.primitives.plain import SLOWNESS
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class Int8PlainConv(Primitive):
    """Any convolution of bytes, one output channel after another in the innermost loop."""

    result: Format = U8_HWC

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"int8-plain{'' if self.result is U8_HWC else '-f32'}"

    def refuse(self, task: Task) -> str:
        return unranged(task, self.result)

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC,) * len(task.op.inputs), self.result)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def cost(self, task: Task) -> float:
        return super().cost(task) * SLOWNESS

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op = place.task.op
        assert isinstance(op, Conv)
        x, numbers = place.inputs[0], conv_numbers(op, place.task.ranges)
        outputs, inputs, rows, columns = op.weight.shape
        per_group = outputs // op.groups
        weight = numbers.weight.reshape(op.groups, per_group, inputs, rows, columns).transpose(0, 3, 4, 2, 1)
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        writer.function(BYTE_OF)
        writer.line(
            f"const int8_t *w = {writer.constant(weight)};",
            f"const int32_t *b = {writer.constant(numbers.bias)};",
            f"for (int y = 0; y < {place.output.map.h}; y++)",
            f"  for (int x = 0; x < {place.output.map.w}; x++)",
            f"    for (int g = 0; g < {op.groups}; g++) {{",
            f"      int32_t sum[{per_group}];",
            f"      memcpy(sum, b + g * {per_group}, sizeof sum);",
            f"      for (int p = 0; p < {rows}; p++)",
            f"        for (int q = 0; q < {columns}; q++)",
            f"          for (int c = 0; c < {inputs}; c++) {{",
            f"            int32_t value = x0[{start} + (y * {op.stride[0]} + p * {op.dilation[0]}) * {x.row_step}"
            f" + (x * {op.stride[1]} + q * {op.dilation[1]}) * {x.column_step} + g * {inputs} + c];",
            f"            const int8_t *v = w + (((g * {rows} + p) * {columns} + q) * {inputs} + c) * {per_group};",
            f"            for (int k = 0; k < {per_group}; k++) sum[k] += value * v[k];",
            "          }",
            f"      for (int k = 0; k < {per_group}; k++) {{",
            f"        const int channel = g * {per_group} + k;",
            *(f"        {line}" for line in self._finish(place, writer)),
            "      }",
            "    }",
        )

    def _finish(self, place: Place, writer: Writer) -> Iterator[str]:
        """From `sum[k]` to what is stored."""
        op, ranges = place.task.op, place.task.ranges
        assert isinstance(op, Conv)
        numbers, target = conv_numbers(op, ranges), f"o[{pixel(place, -1)} + channel]"
        if op.has_residual:
            yield f"float more = (float)(x1[{pixel(place, 1)} + channel] - {ranges[op.inputs[1]].zero});"
        if op.has_residual and not op.residual_last:
            yield f"sum[k] += (int32_t)lrintf(more * {writer.constant(numbers.residual)}[channel]);"
        clips = self.result is U8_HWC and only_clips(op)
        if clips:
            clip = clip_of(op.activation, ranges[op.output])
            factor = writer.constant(numbers.unit / np.float32(clip.scale))
            yield f"{target} = byte_of((float)sum[k] * {factor}[channel], {_ends(clip)});"
            return
        yield f"float v = {activated(op.activation, 1, f'(float)sum[k] * {writer.constant(numbers.unit)}[channel]')};"
        if op.has_residual and op.residual_last:
            yield f"v += more * {float(ranges[op.inputs[1]].scale)!r}f;"
        if op.scale is not None and op.shift is not None:
            yield f"v = v * {writer.constant(op.scale)}[channel] + {writer.constant(op.shift)}[channel];"
        if self.result is not U8_HWC:
            yield f"{target} = v;"
            return
        given = ranges[op.output]
        yield f"{target} = byte_of(v * {1.0 / float(given.scale)!r}f, {given.zero}, 0, 255);"


def _ends(clip: Clip) -> str:
    return f"{clip.zero}, {clip.low}, {clip.high}"


PRIMITIVES: tuple[Primitive, ...] = tuple(Int8PlainConv(result) for result in (U8_HWC, F32_HWC))
