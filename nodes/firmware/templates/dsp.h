#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2", "no-schedule-insns", "no-store-merging", "no-tree-slp-vectorize") /* whatever the project's flags: blocks need their registers */
#endif
/* 16-bit SIMD of Cortex-M4 and above, and twins of it in plain C that give the same codes on any machine. */
static inline __attribute__((always_inline, unused)) int32_t half(uint32_t x, int high) { return (int16_t)(x >> (16 * high)); }
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#ifdef __OPTIMIZE__ /* without it registers do not suffice for blocks in assembler */
#define OSSICLE_BLOCKS 1
#endif
#include <arm_acle.h>
#define SXTB16(x) ((uint32_t)__sxtb16(x))
static inline __attribute__((always_inline, unused)) uint32_t SXTB16_ODD(uint32_t x) {
  uint32_t pair;
  __asm("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(x));
  return pair;
}
#define LOAD8(first, second, from, offset) \
  __asm volatile("ldrd %0, %1, [%2, %3]" : "=r"(first), "=r"(second) : "r"(from), "i"(offset) : "memory")
#define SXTAB16(sum, x) ({ uint32_t sum_; __asm("sxtab16 %0, %1, %2" : "=r"(sum_) : "r"(sum), "r"(x)); sum_; })
#define SXTAB16_ODD(sum, x) ({ uint32_t sum_; __asm("sxtab16 %0, %1, %2, ror #8" : "=r"(sum_) : "r"(sum), "r"(x)); sum_; })
#define SMLAD(x, y, sum) __smlad((int32_t)(x), (int32_t)(y), sum)
#define SMLABB(x, y, sum) __smlabb((int32_t)(x), (int32_t)(y), sum)
#define SMLABT(x, y, sum) __smlabt((int32_t)(x), (int32_t)(y), sum)
#define SMLATB(x, y, sum) __smlatb((int32_t)(x), (int32_t)(y), sum)
#define SMLATT(x, y, sum) __smlatt((int32_t)(x), (int32_t)(y), sum)
#define USAT7(x, right) ({ int32_t code_; __asm("usat %0, #7, %1, asr %2" : "=r"(code_) : "r"(x), "I"(right) : "cc"); code_; })
#define SSAT8(x, right) ({ int32_t code_; __asm("ssat %0, #8, %1, asr %2" : "=r"(code_) : "r"(x), "I"(right) : "cc"); code_; })
#define USAT7_ALONE(x) ({ int32_t code_; __asm("usat %0, #7, %1" : "=r"(code_) : "r"(x) : "cc"); code_; })
#define SSAT8_ALONE(x) ({ int32_t code_; __asm("ssat %0, #8, %1" : "=r"(code_) : "r"(x) : "cc"); code_; })
#define USAT15(x) ({ int32_t code_; __asm("usat %0, #15, %1" : "=r"(code_) : "r"(x) : "cc"); code_; })
#define SSAT16(x) ({ int32_t code_; __asm("ssat %0, #16, %1" : "=r"(code_) : "r"(x) : "cc"); code_; })
#define USAT15_BY(x, right) ({ int32_t code_; __asm("usat %0, #15, %1, asr %2" : "=r"(code_) : "r"(x), "I"(right) : "cc"); code_; })
#define SSAT16_BY(x, right) ({ int32_t code_; __asm("ssat %0, #16, %1, asr %2" : "=r"(code_) : "r"(x), "I"(right) : "cc"); code_; })
#define QADD8(x, y) ({ uint32_t sum_; __asm("qadd8 %0, %1, %2" : "=r"(sum_) : "r"(x), "r"(y)); sum_; })
#define SHADD8(x, y) ({ uint32_t sum_; __asm("shadd8 %0, %1, %2" : "=r"(sum_) : "r"(x), "r"(y)); sum_; })
#define SMMLA(x, y, high) ({ int32_t top_; __asm("smmla %0, %1, %2, %3" : "=r"(top_) : "r"(x), "r"(y), "r"(high)); top_; })
static inline __attribute__((always_inline, unused)) uint32_t MAX4(uint32_t x, uint32_t y) {
  uint32_t kept;
  __asm volatile("ssub8 %0, %1, %2\n sel %0, %1, %2" : "=&r"(kept) : "r"(x), "r"(y) : "cc");
  return kept;
}
static inline __attribute__((always_inline, unused)) uint32_t MAX2(uint32_t x, uint32_t y) {
  uint32_t kept;
  __asm volatile("ssub16 %0, %1, %2\n sel %0, %1, %2" : "=&r"(kept) : "r"(x), "r"(y) : "cc");
  return kept;
}
#else
static inline __attribute__((always_inline, unused)) uint32_t SXTB16(uint32_t x) {
  return (uint32_t)(uint16_t)(int8_t)x | (uint32_t)(uint16_t)(int8_t)(x >> 16) << 16;
}
#define LOAD8(first, second, from, offset) \
  (first = LOAD4((const int8_t *)(from) + (offset)), second = LOAD4((const int8_t *)(from) + (offset) + 4))
#define SXTB16_ODD(x) SXTB16((x) >> 8)
static inline __attribute__((always_inline, unused)) uint32_t SXTAB16(uint32_t sum, uint32_t x) {
  return (uint32_t)(uint16_t)(sum + SXTB16(x)) | ((sum & 0xFFFF0000u) + (SXTB16(x) & 0xFFFF0000u));
}
#define SXTAB16_ODD(sum, x) SXTAB16(sum, (x) >> 8)
#define SMLAD(x, y, sum) ((sum) + half(x, 0) * half(y, 0) + half(x, 1) * half(y, 1))
#define SMLABB(x, y, sum) ((sum) + half(x, 0) * half(y, 0))
#define SMLABT(x, y, sum) ((sum) + half(x, 0) * half(y, 1))
#define SMLATB(x, y, sum) ((sum) + half(x, 1) * half(y, 0))
#define SMLATT(x, y, sum) ((sum) + half(x, 1) * half(y, 1))
static inline __attribute__((always_inline, unused)) int32_t saturated(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : x;
}
#define USAT7(x, right) saturated((x) >> (right), 0, 127)
#define SSAT8(x, right) saturated((x) >> (right), -128, 127)
#define USAT7_ALONE(x) saturated(x, 0, 127)
#define SSAT8_ALONE(x) saturated(x, -128, 127)
#define USAT15(x) saturated(x, 0, 32767)
#define SSAT16(x) saturated(x, -32768, 32767)
#define USAT15_BY(x, right) saturated((x) >> (right), 0, 32767)
#define SSAT16_BY(x, right) saturated((x) >> (right), -32768, 32767)
static inline __attribute__((always_inline, unused)) uint32_t QADD8(uint32_t x, uint32_t y) {
  uint32_t sum = 0;
  for (int at = 0; at < 32; at += 8) sum |= (uint32_t)(uint8_t)saturated((int8_t)(x >> at) + (int8_t)(y >> at), -128, 127) << at;
  return sum;
}
static inline __attribute__((always_inline, unused)) uint32_t SHADD8(uint32_t x, uint32_t y) {
  uint32_t sum = 0;
  for (int at = 0; at < 32; at += 8) sum |= (uint32_t)(uint8_t)(((int8_t)(x >> at) + (int8_t)(y >> at)) >> 1) << at;
  return sum;
}
#define SMMLA(x, y, high) ((int32_t)(((int64_t)(x) * (y) >> 32) + (high)))
static inline __attribute__((always_inline, unused)) uint32_t MAX2(uint32_t x, uint32_t y) {
  int32_t low = half(x, 0) > half(y, 0) ? half(x, 0) : half(y, 0), high = half(x, 1) > half(y, 1) ? half(x, 1) : half(y, 1);
  return (uint32_t)(uint16_t)low | (uint32_t)(uint16_t)high << 16;
}
static inline __attribute__((always_inline, unused)) uint32_t MAX4(uint32_t x, uint32_t y) {
  uint32_t kept = 0;
  for (int at = 0; at < 32; at += 8) {
    int8_t a = (int8_t)(x >> at), b = (int8_t)(y >> at);
    kept |= (uint32_t)(uint8_t)(a > b ? a : b) << at;
  }
  return kept;
}
#endif
static inline __attribute__((always_inline, unused)) void COPY2(uint32_t *to, const uint32_t *from) {
#if defined(OSSICLE_BLOCKS)
  uint32_t first, second;
  __asm volatile("ldrd %0, %1, [%2]\n strd %0, %1, [%3]" : "=&r"(first), "=&r"(second) : "r"(from), "r"(to) : "memory");
#else
  uint32_t first = from[0], second = from[1];
  to[0] = first, to[1] = second;
#endif
}
typedef struct __attribute__((packed, may_alias)) { uint32_t word; } ossicle_word_t;
static inline __attribute__((always_inline, unused)) uint32_t LOAD4(const void *from) { return ((const ossicle_word_t *)from)->word; }
static inline __attribute__((always_inline, unused)) void STORE4(void *to, uint32_t word) { ((ossicle_word_t *)to)->word = word; }
