"""Means of windows: four channels at a time, their sums in halves of words."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, general_refusal
from nodes.firmware.kernels.requantise import code_of
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntPool

MOST_SUMMED = 255
"""Codes of 8 bits whose sum always fits in 16."""


@dataclass(frozen=True)
class DspMean(Kernel):
    """Channels in fours; windows of any shape, cut to the map."""

    ops = (IntPool,)

    @property
    def name(self) -> str:
        return "dsp-mean"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntPool)
        if reason := general_refusal(task):
            return reason
        if op.requantise is None:
            return "it is a maximum"
        if not task.is_byte or task.output.c % 4:
            return "it is not in 8 bits, or its channels do not come in fours"
        return "its windows are too large" if op.kernel[0] * op.kernel[1] > MOST_SUMMED else ""

    def emit(self, task: Task, writer: Writer) -> None:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntPool) and op.requantise is not None
        writer.function(DIALECT)
        (down, right), (rows, columns) = op.stride, op.kernel
        writer.line(
            "int8_t *q = o;",
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  int top = y * {down} - {op.pads.top}, bottom = top + {rows};",
            f"  top = top < 0 ? 0 : top; bottom = bottom > {x.h} ? {x.h} : bottom;",
            f"  for (int x = 0; x < {out.w}; x++) {{",
            f"    int left = x * {right} - {op.pads.left}, end = left + {columns};",
            f"    left = left < 0 ? 0 : left; end = end > {x.w} ? {x.w} : end;",
            f"    for (int c = 0; c < {x.c}; c += 4, q += 4) {{",
            "      uint32_t even = 0, odd = 0;",
            "      for (int i = top; i < bottom; i++) {",
            f"        const int8_t *p = x0 + (i * {x.w} + left) * {x.c} + c;",
            f"        for (int j = left; j < end; j++, p += {x.c}) {{",
            "          uint32_t four = LOAD4(p);",
            "          even = SXTAB16(even, four), odd = SXTAB16_ODD(odd, four);",
            "        }",
            "      }",
        )
        for lane, (word, high) in enumerate((("even", 0), ("odd", 0), ("even", 1), ("odd", 1))):
            code = code_of(op.requantise, f"half({word}, {high})", f"c + {lane}", writer, wide=False, folded=False)
            writer.line(f"      q[{lane}] = (int8_t){code};")
        writer.line("    }", "  }", "}")


KERNELS: tuple[Kernel, ...] = (DspMean(),)
