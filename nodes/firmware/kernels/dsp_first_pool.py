"""A 3x3 first layer of one channel and the 2x2 maximum behind it: four sums in registers, one code stored.

Four bytes of four rows hold all that the four outputs of a window see; they are loaded and sign-extended once for all
channels. The outer taps of a row meet in one SMLAD, the middle ones by halves. The maximum is taken of sums: shifting
and saturating do not change an order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, biases, general_refusal, scale_words
from nodes.firmware.kernels.dsp_block import split
from nodes.firmware.kernels.dsp_conv_pool import alone
from nodes.firmware.kernels.dsp_sums import SCALE_WORDS, Sums
from nodes.firmware.writer import Writer
from nodes.lne.ir import Pads
from nodes.quant.integer import IntConvPool, Scale, Shift

RECORD = 6
"""Words per channel: bias, outer taps of the first row, middle taps of two rows, outer taps of two, the last middle."""
OUTER, MIDDLE = "outer", "middle"
_TAPS = ((OUTER, 0), (MIDDLE, 0), (MIDDLE, 1), (OUTER, 1), (OUTER, 2), (MIDDLE, 2))
"""The kernel's rows in the order of their words; two middle taps share one."""


@dataclass(frozen=True)
class DspFirstPool(Kernel):
    """One channel, 3x3, stride 1, maximum of 2x2; no borders."""

    ops = (IntConvPool,)

    @property
    def name(self) -> str:
        return "dsp-first-2x2-max"

    @property
    def rank(self) -> int:
        return 30

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntConvPool)
        if reason := general_refusal(alone(task)):
            return reason
        if not task.is_byte or not (isinstance(op.conv.requantise, Shift) or Sums(alone(task)).streams_scale):
            return "it is not in 8 bits, or its scales are not short"
        conv, pool = op.conv, op.pool
        if task.inputs[0].c != 1 or conv.kernel != (3, 3) or conv.groups != 1 or len(op.inputs) > 1:
            return "it is not a 3x3 convolution of one channel"
        if (conv.stride, conv.dilation, conv.pads) != ((1, 1), (1, 1), Pads()):
            return "it has a stride, dilation or border"
        if (pool.kernel, pool.stride, pool.pads) != ((2, 2), (2, 2), Pads()):
            return "its maximum is not of 2x2"
        if 2 * task.output.h > op.between.h or 2 * task.output.w > op.between.w:
            return "its last window is cut"
        return "its sums may need 64 bits" if Sums(alone(task)).is_wide else ""

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConvPool)
        writer.function(DIALECT)
        writer.function(_tile())
        sums = Sums(alone(task))
        weight = writer.constant("weight", packed(sums))
        words = ", ".join(f"{name}{row}" for row in range(4) for name in "eo")
        writer.line(
            "const int8_t *p = x0;",
            "int8_t *q = o;",
            f"for (int y = 0; y < {out.h}; y++, p += {2 * x.w - 2 * out.w})",
            f"  for (const int8_t *end = p + {2 * out.w}; p != end; p += 2) {{",
            f"    uint32_t f0 = LOAD4(p), f1 = LOAD4(p + {x.w}), f2 = LOAD4(p + {2 * x.w}), f3 = LOAD4(p + {3 * x.w});",
            *(f"    uint32_t e{row} = SXTB16(f{row}), o{row} = SXTB16_ODD(f{row});" for row in range(4)),
            f"    const uint32_t *w = {weight};",
        )
        for first, end, part in split(out.c, (4, 2, 1)):
            writer.line(f"    for (int k = {first}; k < {end}; k += {part}, q += {part}) {{")
            for j in range(part):
                writer.line(f"      {{ const int32_t sum = tile_3x3({words}, &w);", *sums.multiplier(0))
                writer.line(f"      q[{j}] = (int8_t){sums.code('sum', 0, 'k', writer)}; }}")
                if sums.streams_scale:
                    writer.line(f"      w += {SCALE_WORDS};")
            writer.line("    }")
        writer.line("  }")


def _tile() -> str:
    """C of the largest sum of a channel: a and b above, c and d below; e and o are even and odd codes of four rows."""
    words = [f"{name}{row}" for row in range(4) for name in "eo"]
    return "\n".join(
        (
            "static inline __attribute__((always_inline, unused)) int32_t",
            f"tile_3x3({', '.join(f'uint32_t {word}' for word in words)}, const uint32_t **w) {{",
            "  int32_t a, b, c, d;",
            "#if OSSICLE_BLOCKS",
            "  const uint32_t *v = *w;",
            "  uint32_t t;",
            "  __asm volatile(",
            *(f'      "{line}\\n"' for line in _assembler()),
            '      : [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d), [v] "+r"(v), [t] "=&r"(t)',
            f"      : {', '.join(f'[{word}] {chr(34)}r{chr(34)}({word})' for word in words)}",
            '      : "cc", "memory");',
            "  *w = v;",
            "#else",
            "  const uint32_t *v = *w;",
            "  a = b = c = d = (int32_t)v[0];",
            *(f"  {line}" for line in _twin()),
            "  a = a < b ? b : a, c = c < d ? d : c, a = a < c ? c : a;",
            f"  *w += {RECORD};",
            "#endif",
            "  return a;",
            "}",
        )
    )


def _assembler() -> Iterator[str]:
    yield "ldr %[a], [%[v]], #4"
    for index, (kind, row) in enumerate(_TAPS):
        if (kind, row) != (MIDDLE, 1):
            yield "ldr %[t], [%[v]], #4"
        products = list(_products(kind, row))
        for sum_, name, code in (*products[1:], products[0]) if not index else products:
            yield f"{name.lower()} %[{sum_}], %[{code}], %[t], %[{'a' if not index else sum_}]"
    for kept, other in (("a", "b"), ("c", "d"), ("a", "c")):
        yield from (f"cmp %[{kept}], %[{other}]", "it lt", f"movlt %[{kept}], %[{other}]")


def _twin() -> Iterator[str]:
    at = 0
    for kind, row in _TAPS:
        at += (kind, row) != (MIDDLE, 1)
        for sum_, name, code in _products(kind, row):
            yield f"{sum_} = {name}({code}, v[{at}], {sum_});"


def _products(kind: str, row: int) -> Iterator[tuple[str, str, str]]:
    """(sum, instruction, codes): the middle tap meets the odd code on the left, and the even one two further."""
    half = "T" if row == 1 else "B"
    for left, right, at in (("a", "b", row), ("c", "d", row + 1)):
        if kind == OUTER:
            yield from ((left, "SMLAD", f"e{at}"), (right, "SMLAD", f"o{at}"))
        else:
            yield from ((left, f"SMLAB{half}", f"o{at}"), (right, f"SMLAT{half}", f"e{at}"))


def packed(sums: Sums) -> NDArray[np.uint32]:
    """Records of the channels, see RECORD, with multipliers behind if there are."""
    op = sums.op
    taps = op.weight[:, 0].astype(np.int64) & 0xFFFF
    outer = taps[:, :, 0] | taps[:, :, 2] << 16
    middle = taps[:, 0, 1] | taps[:, 1, 1] << 16
    words = (outer[:, 0], middle, outer[:, 1], outer[:, 2], taps[:, 2, 1])
    record = np.stack((biases(op), *(word.astype(np.uint32) for word in words)), 1)
    if not sums.streams_scale:
        return record
    assert isinstance(op.requantise, Scale)
    return np.concatenate((record, scale_words(op.requantise)), 1)


KERNELS: tuple[Kernel, ...] = (DspFirstPool(),)
