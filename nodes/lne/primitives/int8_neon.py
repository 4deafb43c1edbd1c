"""The C of 8-bit kernels on aarch64: what `int8_dialect` has for x86, for vectors of four sums.

With the dot product (`sdot`) bytes are shifted to signed ones by turning their highest bit; 128 times the weights' sum
goes into the bias. Without it, two values of 16 bits meet two vectors of weights by `smlal`. Four vectors lie in the
order of channels, which is what "interleaved" comes to for vectors of four.
"""

from __future__ import annotations

from nodes.lne.target import Target

OFFSET = 128
"""What turning the highest bit of a byte takes away."""
_START = "static inline __attribute__((always_inline, unused))"


def functions(target: Target) -> tuple[str, ...]:
    """Texts of all functions for a target."""
    product = (_DOT,) if "dotprod" in target.features else ()
    return tuple(text.replace("START", _START) for text in (_BASIS, _ALONE, _FOUR, _TAP, *product))


_BASIS = """typedef int32_t j4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint8_t m16 __attribute__((vector_size(16), aligned(1), may_alias));
START i4 quad4(const void *x) { int32_t q; memcpy(&q, x, 4); return (i4)vdupq_n_s32(q); }
START i4 madd4(i4 a, i4 x, i4 w) {
  const int16x4_t pair = vget_low_s16((int16x8_t)x);
  const int32x4_t first = vmlal_lane_s16((int32x4_t)a, vget_low_s16((int16x8_t)w), pair, 0);
  return (i4)vmlal_lane_s16(first, vget_high_s16((int16x8_t)w), pair, 1);
}
START m16 largest16(m16 a, m16 b) { return (m16)vmaxq_u8((uint8x16_t)a, (uint8x16_t)b); }
START v4 fused4(v4 a, v4 b, v4 c) { return (v4)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
START v4 real4(i4 x) { return (v4)vcvtq_f32_s32((int32x4_t)x); }
START i4 round4(v4 x) { return (i4)vcvtnq_s32_f32((float32x4_t)x); }"""

_ALONE = """START void put4(uint8_t *o, i4 x, int zero, int low, int high) {
  int16x4_t y = vqadd_s16(vqmovn_s32((int32x4_t)x), vdup_n_s16((int16_t)zero));
  uint8x8_t z = vqmovun_s16(vcombine_s16(y, y));
  z = vmin_u8(vmax_u8(z, vdup_n_u8((uint8_t)low)), vdup_n_u8((uint8_t)high));
  const uint32_t q = vget_lane_u32(vreinterpret_u32_u8(z), 0);
  memcpy(o, &q, 4);
}
START i4 take4(const uint8_t *x) {
  uint32_t q;
  memcpy(&q, x, 4);
  const uint16x8_t y = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(q)));
  return (i4)vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(y)));
}"""

_FOUR = """START void put_four4(uint8_t *o, i4 a, i4 b, i4 c, i4 d, int zero, int low, int high) {
  const int16x8_t more = vdupq_n_s16((int16_t)zero);
  const int16x8_t x = vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b));
  const int16x8_t y = vcombine_s16(vqmovn_s32((int32x4_t)c), vqmovn_s32((int32x4_t)d));
  uint8x16_t z = vcombine_u8(vqmovun_s16(vqaddq_s16(x, more)), vqmovun_s16(vqaddq_s16(y, more)));
  if (low > 0) z = vmaxq_u8(z, vdupq_n_u8((uint8_t)low));
  if (high < 255) z = vminq_u8(z, vdupq_n_u8((uint8_t)high));
  vst1q_u8(o, z);
}
START void take_four4(const uint8_t *x, i4 *a, i4 *b, i4 *c, i4 *d) {
  const uint8x16_t z = vld1q_u8(x);
  const uint16x8_t low = vmovl_u8(vget_low_u8(z)), high = vmovl_u8(vget_high_u8(z));
  *a = (i4)vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low)));
  *b = (i4)vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low)));
  *c = (i4)vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high)));
  *d = (i4)vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high)));
}"""

_TAP = """START void tap_four4(const uint8_t *x, const int16_t *w, i4 *a, i4 *b, i4 *c, i4 *d) {
  const uint8x16_t z = vld1q_u8(x);
  const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(z)));
  const int16x8_t high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(z)));
  const int16x8_t v = vld1q_s16(w), u = vld1q_s16(w + 8);
  *a = (i4)vmlal_s16((int32x4_t)*a, vget_low_s16(low), vget_low_s16(v));
  *b = (i4)vmlal_s16((int32x4_t)*b, vget_high_s16(low), vget_high_s16(v));
  *c = (i4)vmlal_s16((int32x4_t)*c, vget_low_s16(high), vget_low_s16(u));
  *d = (i4)vmlal_s16((int32x4_t)*d, vget_high_s16(high), vget_high_s16(u));
}"""
"""Sixteen channels times a weight of each."""

_DOT = """START i4 signed_quad4(const void *x) {
  return (i4)veorq_s32((int32x4_t)quad4(x), vdupq_n_s32((int32_t)0x80808080u));
}
START i4 dot4(i4 a, i4 x, i4 w) { return (i4)vdotq_s32((int32x4_t)a, (int8x16_t)x, (int8x16_t)w); }"""
