/* @about@, in integers, from a stream of 16-bit samples. */
#include "@name@.h"

#define WINDOW @window@ /* samples of a frame */
#define HOP @hop@
#define BEFORE @before@ /* zeros in front of a clip */
#define AFTER @after@
#define POINTS @points@ /* complex points of the DFT: half its samples */
#define BANDS @bands@
#define COEFFICIENTS @coefficients@
#define FRAMES @frames@
#define LATE @late@
#define RIGHT @right@ /* from a sum to a code */
#define LOWEST (@lowest@)
#define HIGHEST @highest@

typedef @code@ code_t;
typedef union {
  struct {
    int32_t re, im;
  } at;
  uint64_t power;
} point_t;

/* A test sees every stage of a frame by these; without OSSICLE_STAGES they are nothing. */
#ifdef OSSICLE_STAGES
void ossicle_before(int stage);
void ossicle_after(int stage, const void *codes, unsigned bytes);
#define BEFORE_STAGE(stage) ossicle_before(stage)
#define AFTER_STAGE(stage, codes, bytes) ossicle_after(stage, codes, bytes)
#else
#define BEFORE_STAGE(stage)
#define AFTER_STAGE(stage, codes, bytes)
#endif

#define INLINE static inline __attribute__((always_inline, unused))
#if defined(__GNUC__) && !defined(__clang__)
#define NO_CALLS __attribute__((optimize("no-tree-loop-distribute-patterns"))) /* no memmove for loops */
#else
#define NO_CALLS
#endif

/* Upper halves of products of 32 bits: rounded down, or to nearest (NEAR). */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#include <arm_acle.h>
#define UPPER_OF(name, text)                                                \
  INLINE int32_t name(int32_t sum, int32_t x, int32_t y) {                 \
    int32_t r;                                                             \
    __asm(text " %0, %1, %2, %3" : "=r"(r) : "r"(x), "r"(y), "r"(sum));   \
    return r;                                                              \
  }
UPPER_OF(upper_add, "smmla")
UPPER_OF(upper_sub, "smmls")
UPPER_OF(near_add, "smmlar")
UPPER_OF(near_sub, "smmlsr")
#define PRODUCT(name, text)                                     \
  INLINE int32_t name(int32_t x, int32_t y) {                   \
    int32_t r;                                                  \
    __asm(text " %0, %1, %2" : "=r"(r) : "r"(x), "r"(y));      \
    return r;                                                   \
  }
PRODUCT(upper, "smmul")
PRODUCT(near, "smmulr")
#define SATURATED(sum) ({ int32_t r; __asm("ssat %0, %1, %2, asr %3" : "=r"(r) : "I"(@bits@), "r"(sum), "I"(RIGHT) : "cc"); r; })
/* Loaded where they are needed: kept through a loop, turns would drive the points out of the registers. */
#define LOAD_TURN(cosine, sine, by, leg) \
  __asm volatile("ldrd %0, %1, [%2, %3]" : "=r"(cosine), "=r"(sine) : "r"(by), "I"(8 * ((leg) - 1)))
/* Weighted bins, two at a time, added to a sum of 64 bits: squares have 64 bits, magnitudes 32. */
#define ADD_BIN_2(low, high) "ldrh %[w], [%[weight]], #2\n umlal %[low], %[high], %[w], " low "\n mla %[high], %[w], " high ", %[high]\n"
#define ADD_BIN_1(low, high) "ldrh %[w], [%[weight]], #2\n umlal %[low], %[high], %[w], " low "\n"
#define ADD_BINS(low, high, bin, weight, count)                                                             \
  do {                                                                                                      \
    uint32_t w;                                                                                             \
    __asm volatile("1: ldmia %[bin]!, {r2, r3, r4, r5}\n" ADD_BIN_@power@("r2", "r3") ADD_BIN_@power@("r4", "r5") \
                   "subs %[count], #2\n bne 1b\n"                                                            \
                   : [low] "+r"(low), [high] "+r"(high), [bin] "+r"(bin), [weight] "+r"(weight),              \
                     [count] "+r"(count), [w] "=&r"(w)                                                        \
                   :                                                                                        \
                   : "r2", "r3", "r4", "r5", "cc", "memory");                                                 \
  } while (0)
/* Pairs of samples: the product of the lower halves, of the upper ones, added to a sum, and both pairs' products. */
#define PAIR(from) (*(const pair_t *)(from))
#define LOWS(x, y) ((int16_t)(x) * (int16_t)(y))
#define HIGHS(x, y) (((int32_t)(x) >> 16) * ((int32_t)(y) >> 16))
#define ADD_LOWS(x, y, sum) __smlabb((int32_t)(x), (int32_t)(y), sum)
#define ADD_HIGHS(x, y, sum) __smlatt((int32_t)(x), (int32_t)(y), sum)
#define ADD_BOTH(x, y, sum) __smlad((int32_t)(x), (int32_t)(y), sum)
typedef uint32_t __attribute__((may_alias)) pair_t;
#else
#define UPPER_OF(name, sign, half)                                         \
  INLINE int32_t name(int32_t sum, int32_t x, int32_t y) {                 \
    return sum + (int32_t)((sign(int64_t) x * y + half) >> 32);            \
  }
UPPER_OF(upper_add, +, 0)
UPPER_OF(upper_sub, -, 0)
UPPER_OF(near_add, +, (1ll << 31))
UPPER_OF(near_sub, -, (1ll << 31))
#define upper(x, y) upper_add(0, x, y)
#define near(x, y) near_add(0, x, y)
#define SATURATED(sum) ((sum) >> RIGHT < LOWEST ? LOWEST : (sum) >> RIGHT > HIGHEST ? HIGHEST : (sum) >> RIGHT)
#define LOAD_TURN(cosine, sine, by, leg) cosine = (by)[2 * (leg) - 2], sine = (by)[2 * (leg) - 1]
#define ADD_BINS(low, high, bin, weight, count)                                \
  do {                                                                         \
    uint64_t sum_ = (uint64_t)(high) << 32 | (low);                            \
    for (; count; count--) sum_ += *weight++ * (bin++)->power;                 \
    low = (uint32_t)sum_, high = (uint32_t)(sum_ >> 32);                       \
  } while (0)
typedef struct {
  int16_t low, high;
} pair_t;
INLINE pair_t PAIR(const int16_t *from) { return (pair_t){from[0], from[1]}; }
#define LOWS(x, y) ((x).low * (y).low)
#define HIGHS(x, y) ((x).high * (y).high)
#define ADD_LOWS(x, y, sum) ((sum) + LOWS(x, y))
#define ADD_HIGHS(x, y, sum) ((sum) + HIGHS(x, y))
#define ADD_BOTH(x, y, sum) ((sum) + LOWS(x, y) + HIGHS(x, y))
#endif

@constants@

static point_t points[POINTS];
static int16_t samples[WINDOW] __attribute__((aligned(4)));
static int16_t logs[@log_room@] __attribute__((aligned(4)));
static code_t ring[FRAMES][COEFFICIENTS] __attribute__((aligned(4)));
#if LATE /* the loudest band of all frames decides what silence is: logarithms are kept, codes made of them when asked */
static int16_t kept[FRAMES][BANDS] __attribute__((aligned(4)));
#define ROWS kept
#else
#define ROWS ring
#endif
static int held, next, gathered;

/* point = x (cosine - j sine) / 4 */
INLINE void turn(point_t *point, int32_t re, int32_t im, const int32_t *by, int leg) {
  int32_t cosine, sine;
  LOAD_TURN(cosine, sine, by, leg);
  point->at.re = upper_add(upper(re, cosine), im, sine);
  point->at.im = upper_sub(upper(im, cosine), re, sine);
}

/* The DFT of four points. The results are `stride` apart: turned and divided by 4, only divided, or as they are. */
enum { TURNED, DIVIDED, AS_THEY_ARE };
INLINE void four(point_t *to, int stride, point_t a, point_t b, point_t c, point_t d, const int32_t *by, int kind) {
  const int right = kind == AS_THEY_ARE ? 0 : 2;
  const int32_t s0r = a.at.re + c.at.re, s0i = a.at.im + c.at.im, d0r = a.at.re - c.at.re, d0i = a.at.im - c.at.im;
  const int32_t s1r = b.at.re + d.at.re, s1i = b.at.im + d.at.im, d1r = b.at.re - d.at.re, d1i = b.at.im - d.at.im;
  to[0].at.re = (s0r + s1r) >> right;
  to[0].at.im = (s0i + s1i) >> right;
  if (kind == TURNED) {
    turn(to + stride, d0r + d1i, d0i - d1r, by, 1);
    turn(to + 2 * stride, s0r - s1r, s0i - s1i, by, 2);
    turn(to + 3 * stride, d0r - d1i, d0i + d1r, by, 3);
  } else {
    to[stride].at.re = (d0r + d1i) >> right;
    to[stride].at.im = (d0i - d1r) >> right;
    to[2 * stride].at.re = (s0r - s1r) >> right;
    to[2 * stride].at.im = (s0i - s1i) >> right;
    to[3 * stride].at.re = (d0r - d1i) >> right;
    to[3 * stride].at.im = (d0i + d1r) >> right;
  }
}

/* The DFT of two points, the second one turned. */
INLINE void two(point_t *to, int stride, point_t a, point_t b, const int32_t *by) {
  to[0].at.re = (a.at.re + b.at.re) >> 2;
  to[0].at.im = (a.at.im + b.at.im) >> 2;
  turn(to + stride, a.at.re - b.at.re, a.at.im - b.at.im, by, 1);
}

/* Pair i of samples times the window as a complex number, alone or added to one. */
#define SET_WINDOWED(point, i) WINDOWED(point, i, LOWS(x, w), HIGHS(x, w))
#define ADD_WINDOWED(point, i) WINDOWED(point, i, ADD_LOWS(x, w, (point).at.re), ADD_HIGHS(x, w, (point).at.im))
#define WINDOWED(point, i, low, high)                                                    \
  do {                                                                                   \
    const pair_t x = PAIR(samples + 2 * (i)), w = PAIR(@window_table@ + 2 * (i)); \
    (point).at.re = low;                                                                 \
    (point).at.im = high;                                                                \
  } while (0)

@transform@

INLINE uint64_t square(int32_t re, int32_t im) { return (uint64_t)((int64_t)re * re + (int64_t)im * im); }

/* Squares of the real samples' bins: each pair of bins k and POINTS - k from the complex ones, in their places. */
static __attribute__((noinline)) void find_power(void) {
  const int32_t *by = @split@;
  point_t *low = points + 1, *high = points + POINTS - 1;
  for (; low < points + POINTS / 2; low++, high--, by += 2) {
    const point_t a = *low, b = *high;
    const int32_t even_re = (a.at.re + b.at.re) >> @even_right@, even_im = (a.at.im - b.at.im) >> @even_right@;
    const int32_t re = a.at.re - b.at.re, im = a.at.im + b.at.im;
    const int32_t odd_re = near_add(near(re, by[0]), im, by[1]), odd_im = near_sub(near(im, by[0]), re, by[1]);
    low->power = square(even_re + odd_re, even_im + odd_im);
    high->power = square(even_re - odd_re, even_im - odd_im);
  }
  const int32_t im = 2 * low->at.im;
  low->power = square(((2 * low->at.re) >> @even_right@) + near(im, by[1]), near(im, by[0]));
}
@root@
/* Bands: sums of weighted bins. */
INLINE uint64_t find_band(int band, const uint16_t **weights) {
  const point_t *bin = points + @first@[band];
  const uint16_t *weight = *weights;
  uint32_t low = 0, high = 0;
  int count = @counts@[band];
  if (count) ADD_BINS(low, high, bin, weight, count);
  *weights = weight;
  return (uint64_t)high << 32 | low;
}

/* Natural logarithm: of the leading 32 bits by a table of log2, each entry with the way to the next one in its lowest bits. */
INLINE int find_log(uint64_t sum, int band) {
@raise@
  const uint32_t high = (uint32_t)(sum >> 32), low = (uint32_t)sum;
  uint32_t leading;
  int exponent;
  if (high) {
    const int zeros = __builtin_clz(high);
    leading = high << zeros | low >> 1 >> (31 - zeros);
    exponent = 63 - zeros;
  } else {
    const int zeros = __builtin_clz(low);
    leading = low << zeros;
    exponent = 31 - zeros;
  }
  const uint32_t entry = @log_table@[(leading >> 26) & 31];
  const int32_t log2 = (exponent << 16) + (int32_t)((entry >> @way_bits@) + (((entry & @way_mask@) * ((leading >> 10) & 0xFFFF)) >> 16));
  return upper_add(@log_bias@ + @log_half@, log2, @ln2@) >> @log_right@;
}

@sums@

#ifdef OSSICLE_STAGES
static int32_t windowed[2 * POINTS];
static uint64_t traced[POINTS > BANDS ? POINTS : BANDS];

static void trace_window(void) {
  for (int i = 0; i < 2 * POINTS; i++)
    windowed[i] = i < WINDOW ? samples[i] * @window_table@[i] : 0;
  for (int i = 2 * POINTS; i < WINDOW; i++) windowed[i - 2 * POINTS] += samples[i] * @window_table@[i];
}
#endif

/* Codes of the frame whose logarithms are in `logs`. */
static void make_codes(code_t *codes) {
  int32_t *const sums = &points[0].at.re; /* bins are no longer needed */
  BEFORE_STAGE(6);
  find_sums(sums);
  AFTER_STAGE(6, sums, sizeof(int32_t) * COEFFICIENTS);
  BEFORE_STAGE(7);
  for (int k = 0; k < COEFFICIENTS; k++) codes[k] = (code_t)SATURATED(sums[k]);
  AFTER_STAGE(7, codes, sizeof(code_t) * COEFFICIENTS);
}

static NO_CALLS void make_frame(void) {
#if LATE
  int16_t *const log = kept[next];
#else
  int16_t *const log = logs;
#endif
#ifdef OSSICLE_STAGES
  BEFORE_STAGE(0);
  AFTER_STAGE(0, samples, sizeof samples);
  BEFORE_STAGE(1);
  trace_window();
  AFTER_STAGE(1, windowed, sizeof windowed);
#endif
  BEFORE_STAGE(2);
@calls@
  AFTER_STAGE(2, points, sizeof points);
  BEFORE_STAGE(3);
  find_power();
@find_roots@
#ifdef OSSICLE_STAGES
  for (int k = 1; k < POINTS; k++) traced[k - 1] = points[k].power;
#endif
  AFTER_STAGE(3, traced, sizeof(uint64_t) * (POINTS - 1));
  BEFORE_STAGE(4);
  const uint16_t *weights = @weights@;
#ifdef OSSICLE_STAGES
  for (int band = 0; band < BANDS; band++) traced[band] = find_band(band, &weights);
  AFTER_STAGE(4, traced, sizeof(uint64_t) * BANDS);
  BEFORE_STAGE(5);
  for (int band = 0; band < BANDS; band++) log[band] = (int16_t)find_log(traced[band], band);
  AFTER_STAGE(5, log, sizeof(int16_t) * BANDS);
#else
  for (int band = 0; band < BANDS; band++) log[band] = (int16_t)find_log(find_band(band, &weights), band);
#endif
#if !LATE
  make_codes(ring[next]);
#endif
  next = next + 1 < FRAMES ? next + 1 : 0;
  gathered += gathered < FRAMES;
}

typedef struct __attribute__((packed, may_alias)) {
  uint32_t word;
} word_t;

/* Samples to a place at or before where they lie. */
static NO_CALLS void copy(int16_t *to, const int16_t *from, int count) {
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
  if (count >= 16 && !(((uintptr_t)to | (uintptr_t)from) & 3)) {
    int blocks = count / 16;
    count %= 16;
    __asm volatile(
        "1: ldmia %0!, {r4, r5, r6, r8}\n stmia %1!, {r4, r5, r6, r8}\n"
        "ldmia %0!, {r4, r5, r6, r8}\n stmia %1!, {r4, r5, r6, r8}\n subs %2, #1\n bne 1b\n"
        : "+r"(from), "+r"(to), "+r"(blocks)
        :
        : "r4", "r5", "r6", "r8", "cc", "memory");
  }
#endif
#if defined(__ARM_FEATURE_UNALIGNED) || !defined(__arm__)
  for (; count >= 8; count -= 8, to += 8, from += 8) {
    const word_t *a = (const word_t *)from;
    const uint32_t w0 = a[0].word, w1 = a[1].word, w2 = a[2].word, w3 = a[3].word;
    word_t *b = (word_t *)to;
    b[0].word = w0, b[1].word = w1, b[2].word = w2, b[3].word = w3;
  }
#endif
  while (count-- > 0) *to++ = *from++;
}

NO_CALLS void @name@_start(void) {
  held = BEFORE;
  for (int i = 0; i < BEFORE; i++) samples[i] = 0;
  next = gathered = 0;
}

int @name@_push(const int16_t *given, int count) {
  int made = 0;
  while (count > 0) {
    const int taken = count < WINDOW - held ? count : WINDOW - held;
    copy(samples + held, given, taken);
    given += taken, count -= taken, held += taken;
    if (held == WINDOW) {
      make_frame();
      made++;
      copy(samples, samples + HOP, WINDOW - HOP);
      held = WINDOW - HOP;
    }
  }
  return made;
}

int @name@_finish(void) {
  static const int16_t silence[16];
  int made = 0;
  for (int left = AFTER; left > 0; left -= 16) made += @name@_push(silence, left < 16 ? left : 16);
  return made;
}

int @name@_ready(void) { return gathered; }

static void reverse(int first, int last) {
  for (; first < last; first++, last--)
    for (unsigned i = 0; i < sizeof ROWS[0] / sizeof ROWS[0][0]; i++) {
      const int16_t value = ROWS[first][i];
      ROWS[first][i] = ROWS[last][i];
      ROWS[last][i] = (__typeof__(ROWS[0][0]))value;
    }
}

/* Turned in place, so that there is no second copy: each part backwards, then all of it. */
const code_t *@name@_features(void) {
  if (next) {
    reverse(0, next - 1);
    reverse(next, FRAMES - 1);
    reverse(0, FRAMES - 1);
    next = 0;
  }
#if LATE
  int lowest = -32768;
  for (int t = 0; t < FRAMES; t++)
    for (int band = 0; band < BANDS; band++) lowest = kept[t][band] > lowest ? kept[t][band] : lowest;
  lowest -= @range@;
  for (int t = 0; t < FRAMES; t++) {
    for (int band = 0; band < BANDS; band++) logs[band] = kept[t][band] > lowest ? kept[t][band] : (int16_t)lowest;
    make_codes(ring[t]);
  }
#endif
  return ring[0];
}
