"""What the kernels for processors with 16-bit SIMD share: their C dialect, expanded rows, packed weights.

Codes of 8 bits are sign-extended once into pairs of 16 bits. Four neighbouring codes give two words, codes 0 and 2,
then codes 1 and 3 ("even, odd"): one instruction each, and the weights are packed in the same order, so nothing is
shuffled.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Task
from nodes.firmware.kernels.requantise import CLAMP, with_half
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv, IntPool, IntRecurrent, Requantise, Shift

DIALECT = (Path(__file__).parent.parent / "templates" / "dsp.h").read_text()
EXPAND = """static inline __attribute__((always_inline, unused)) void
expand(const int8_t *from, uint32_t *to, int words) {
  for (int i = 0; i < words; i++) {
    uint32_t four = LOAD4(from + 4 * i);
    to[2 * i] = SXTB16(four);
    to[2 * i + 1] = SXTB16_ODD(four);
  }
}"""


def refusal(task: Task) -> str:
    """What all of these kernels ask for."""
    if "dsp" not in task.cpu.features:
        return "the processor has no 16-bit SIMD"
    if not task.is_byte:
        return "it is not in 8 bits"
    rule = getattr(task.op, "requantise", None)
    if isinstance(task.op, IntPool):
        return ""
    if not isinstance(rule, Shift) or not 0 <= rule.right <= 31:
        return "its sums are not shifted to codes"
    return ""


def pairs(codes: Codes) -> NDArray[np.uint32]:
    """Codes (..., 4 n) as words (..., 2 n): of every four, codes 0 and 2, then 1 and 3, as 16-bit halves."""
    four = codes.reshape(*codes.shape[:-1], -1, 4).astype(np.int64) & 0xFFFF
    words = np.stack((four[..., 0] | four[..., 2] << 16, four[..., 1] | four[..., 3] << 16), -1)
    return words.reshape(*codes.shape[:-1], -1).astype(np.uint32)


def biases(op: IntConv | IntRecurrent) -> NDArray[np.uint32]:
    """Bias words, with the half of the right shift folded in."""
    return (with_half(op.bias, op.requantise) & 0xFFFF_FFFF).astype(np.uint32)


def code_of(rule: Requantise, total: str, writer: Writer) -> str:
    """C of the code for a sum: one saturating instruction where the limits allow it."""
    assert isinstance(rule, Shift)
    if (rule.low, rule.high) in ((0, 127), (-128, 127)):
        return f"{'USAT7' if rule.low == 0 else 'SSAT8'}({total}, {rule.right})"
    writer.function(CLAMP)
    return f"ossicle_clamp({total} >> {rule.right}, {rule.low}, {rule.high})"
