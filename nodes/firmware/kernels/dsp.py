"""What the kernels for processors with 16-bit SIMD share: their C dialect, expanded rows, packed weights.

Codes of 8 bits are sign-extended once into pairs of 16 bits. Four neighbouring codes give two words, codes 0 and 2,
then codes 1 and 3 ("even, odd"): one instruction each, and the weights are packed in the same order, so nothing is
shuffled. Codes of 16 bits are pairs as they lie in memory.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Task
from nodes.firmware.kernels.requantise import CLAMP, with_half
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv, IntPool, IntRecurrent, Requantise, Scale, Shift

DIALECT = (Path(__file__).parent.parent / "templates" / "dsp.h").read_text()
EXPAND = """static inline __attribute__((always_inline, unused)) void
expand(const int8_t *from, uint32_t *to, int words) {
  for (int i = 0; i < words; i++) {
    uint32_t four = LOAD4(from + 4 * i);
    to[2 * i] = SXTB16(four);
    to[2 * i + 1] = SXTB16_ODD(four);
  }
}"""
LONGEST_SHIFT = 31


def refusal(task: Task) -> str:
    """What kernels for 8 bits and powers of two ask for."""
    if reason := general_refusal(task):
        return reason
    if not task.is_byte:
        return "it is not in 8 bits"
    if not isinstance(task.op, IntPool) and not isinstance(getattr(task.op, "requantise", None), Shift):
        return "its sums are not shifted to codes"
    return ""


def general_refusal(task: Task) -> str:
    """What all of these kernels ask for."""
    if "dsp" not in task.cpu.features:
        return "the processor has no 16-bit SIMD"
    if not task.is_byte and any(form.bits <= 8 for form in task.forms):
        return "some maps are in 8 bits, others are not"
    rule = getattr(task.op, "requantise", None)
    if isinstance(rule, Shift) and not 0 <= rule.right <= LONGEST_SHIFT:
        return "its sums are shifted to the left, or too far"
    return ""


def pairs(codes: Codes) -> NDArray[np.uint32]:
    """Codes (..., 4 n) as words (..., 2 n): of every four, codes 0 and 2, then 1 and 3, as 16-bit halves."""
    four = codes.reshape(*codes.shape[:-1], -1, 4)
    return neighbours(four[..., (0, 2, 1, 3)].reshape(codes.shape))


def neighbours(codes: Codes) -> NDArray[np.uint32]:
    """Codes (..., 2 n) as words (..., n) of two neighbours, as 16-bit halves."""
    two = codes.reshape(*codes.shape[:-1], -1, 2).astype(np.int64) & 0xFFFF
    return np.asarray((two[..., 0] | two[..., 1] << 16).astype(np.uint32))


def biases(op: IntConv | IntRecurrent) -> NDArray[np.uint32]:
    """Bias words, with the half of the right shift folded in."""
    return (with_half(op.bias, op.requantise) & 0xFFFF_FFFF).astype(np.uint32)


def code_of(rule: Requantise, total: str, writer: Writer) -> str:
    """C of the code for a sum of 32 bits: one saturating instruction where the limits allow it."""
    assert isinstance(rule, Shift)
    if (rule.low, rule.high) in ((0, 127), (-128, 127)):
        name = "USAT7" if rule.low == 0 else "SSAT8"
        return f"{name}({total}, {rule.right})" if rule.right else f"{name}_ALONE({total})"
    if (rule.low, rule.high) in ((0, 32767), (-32768, 32767)):
        name = "SSAT16" if rule.low else "USAT15"
        return f"{name}_BY({total}, {rule.right})" if rule.right else f"{name}({total})"
    writer.function(CLAMP)
    return f"ossicle_clamp({total} >> {rule.right}, {rule.low}, {rule.high})"


def scale_words(rule: Scale) -> NDArray[np.uint32]:
    """(channels, 3): multiplier, half, and shift of the high word of a product; see `is_quick`."""
    half = np.left_shift(1, np.maximum(rule.right - 33, 0))
    return np.stack((rule.multiplier, half, rule.right - 32), 1).astype(np.uint32)


def is_quick(rule: Scale) -> bool:
    """Whether the high word of a product suffices: no carry comes from the half, and the shift is one of 32 bits."""
    fits = (rule.multiplier >= 0).all() and (rule.multiplier < 1 << 31).all()
    return bool(fits and (rule.right >= 33).all() and (rule.right <= 62).all())
