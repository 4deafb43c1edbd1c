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
from nodes.firmware.kernels.dsp import DIALECT, biases, code_of, refusal
from nodes.firmware.kernels.dsp_conv_pool import alone
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.writer import Writer
from nodes.lne.ir import Pads
from nodes.quant.integer import IntConv, IntConvPool

RECORD = 6
"""Words per channel: outer taps of three rows, middle taps of two rows, that of the third, bias."""
LARGER = (
    "static inline __attribute__((always_inline, unused)) int32_t larger(int32_t x, int32_t y) "
    "{ return x > y ? x : y; }"
)


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
        op = task.op
        assert isinstance(op, IntConvPool)
        if reason := refusal(alone(task)):
            return reason
        conv, pool = op.conv, op.pool
        if task.inputs[0].c != 1 or conv.kernel != (3, 3) or conv.groups != 1 or len(op.inputs) > 1:
            return "it is not a 3x3 convolution of one channel"
        if (conv.stride, conv.dilation, conv.pads) != ((1, 1), (1, 1), Pads()):
            return "it has a stride, dilation or border"
        if (pool.kernel, pool.stride, pool.pads) != ((2, 2), (2, 2), Pads()):
            return "its maximum is not of 2x2"
        if 2 * task.output.h > op.between.h or 2 * task.output.w > op.between.w:
            return "its last window is cut"
        return "its sums may need 64 bits" if is_wide(sum_bound(conv, alone(task))) else ""

    def emit(self, task: Task, writer: Writer) -> None:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConvPool)
        writer.function(DIALECT)
        writer.function(LARGER)
        weight = writer.constant("weight", packed(op.conv))
        code = code_of(op.conv.requantise, "larger(larger(a, b), larger(c, d))", writer)
        writer.line(
            f"for (int y = 0; y < {out.h}; y++)",
            f"  for (int x = 0; x < {out.w}; x++) {{",
            f"    const int8_t *p = x0 + y * {2 * x.w} + 2 * x;",
            f"    uint32_t f0 = LOAD4(p), f1 = LOAD4(p + {x.w}), f2 = LOAD4(p + {2 * x.w}), f3 = LOAD4(p + {3 * x.w});",
            *(f"    uint32_t e{row} = SXTB16(f{row}), o{row} = SXTB16_ODD(f{row});" for row in range(4)),
            f"    const uint32_t *w = {weight};",
            f"    int8_t *q = o + (y * {out.w} + x) * {out.c};",
            f"    for (int k = 0; k < {out.c}; k++, w += {RECORD}) {{",
            *(f"      {line}" for line in _sums()),
            f"      q[k] = (int8_t){code};",
            "    }",
            "  }",
        )


def _sums() -> Iterator[str]:
    """Sums of the window's outputs: a and b above, c and d below."""
    yield f"int32_t a = (int32_t)w[{RECORD - 1}], b = a, c = a, d = a;"
    yield "uint32_t v = w[3], u = w[4];"
    middle = (("B", "v"), ("T", "v"), ("B", "u"))  # half of which word holds a row's middle tap
    for row, (half, word) in enumerate(middle):
        yield f"a = SMLAD(e{row}, w[{row}], a); b = SMLAD(o{row}, w[{row}], b);"
        yield f"c = SMLAD(e{row + 1}, w[{row}], c); d = SMLAD(o{row + 1}, w[{row}], d);"
        yield f"a = SMLAB{half}(o{row}, {word}, a); b = SMLAT{half}(e{row}, {word}, b);"
        yield f"c = SMLAB{half}(o{row + 1}, {word}, c); d = SMLAT{half}(e{row + 1}, {word}, d);"


def packed(op: IntConv) -> NDArray[np.uint32]:
    """Records of the channels, see RECORD."""
    taps = op.weight[:, 0].astype(np.int64) & 0xFFFF
    outer = taps[:, :, 0] | taps[:, :, 2] << 16
    middle = np.stack((taps[:, 0, 1] | taps[:, 1, 1] << 16, taps[:, 2, 1]), 1)
    return np.concatenate((outer.astype(np.uint32), middle.astype(np.uint32), biases(op)[:, None]), 1)


KERNELS: tuple[Kernel, ...] = (DspFirstPool(),)
