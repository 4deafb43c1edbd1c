"""Sums back to codes, in C."""

from __future__ import annotations

import numpy as np

from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import Requantise, Scale, Shift

CLAMP = """#if defined(__ARM_FEATURE_SAT) && __ARM_FEATURE_SAT
#define OSSICLE_SATURATE(name, bits) \\
  ({ int32_t code_; __asm(name " %0, #" #bits ", %1" : "=r"(code_) : "r"(x) : "cc"); code_; })
#endif
static inline __attribute__((always_inline, unused)) int32_t
ossicle_clamp(int32_t x, int32_t low, int32_t high) {
#ifdef OSSICLE_SATURATE /* one instruction, by limits that are known here */
  if (low == -128 && high == 127) return OSSICLE_SATURATE("ssat", 8);
  if (low == 0 && high == 127) return OSSICLE_SATURATE("usat", 7);
  if (low == -32768 && high == 32767) return OSSICLE_SATURATE("ssat", 16);
  if (low == 0 && high == 32767) return OSSICLE_SATURATE("usat", 15);
#endif
  return x < low ? low : x > high ? high : x;
}"""
CLAMP64 = (
    "static inline __attribute__((always_inline, unused)) int32_t\n"
    "ossicle_clamp64(int64_t x, int32_t low, int32_t high) {\n"
    "  return x < low ? low : x > high ? high : (int32_t)x;\n}"
)


def with_half(bias: Codes, rule: Requantise) -> Codes:
    """A bias into which the rounding of a right shift is folded, so that no kernel adds it."""
    if isinstance(rule, Shift) and rule.right > 0:
        return np.asarray(bias + (1 << (rule.right - 1)))
    return bias


def code_of(rule: Requantise, total: str, channel: str, writer: Writer, *, wide: bool, folded: bool = True) -> str:
    """C of the code for a sum. With `folded`, the sum already holds the half of `with_half`; `wide`: int64_t sums."""
    writer.function(CLAMP64 if wide or isinstance(rule, Scale) else CLAMP)
    if isinstance(rule, Shift):
        half = 0 if folded or rule.right <= 0 else 1 << (rule.right - 1)
        by = f">> {rule.right}" if rule.right >= 0 else f"* ({'(int64_t)' if wide else ''}1 << {-rule.right})"
        moved = f"(({total}{f' + {half}' if half else ''}) {by})"
        return f"ossicle_clamp{'64' if wide else ''}({moved}, {rule.low}, {rule.high})"
    multiplier = writer.constant("multiplier", rule.multiplier.astype(np.int32))
    right = writer.constant("right", rule.right.astype(np.int8))
    product = f"(int64_t)({total}) * {multiplier}[{channel}] + ((int64_t)1 << ({right}[{channel}] - 1))"
    return f"ossicle_clamp64((({product}) >> {right}[{channel}]) + {rule.zero}, {rule.low}, {rule.high})"
