/* The front end of @name@: @about@. Included by every level of its code.

   A frame is @window_samples@ samples times a Hann window, the first of a DFT of @fft_samples@ points. The DFT of real
   values is one of half as many complex values, by Stockham's method: every stage reads one buffer and writes the
   other. A clip's frames are transformed LANES abreast, a vector where one frame has a value. */

#include "@name@.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#if defined(__AVX__)
enum { LANES = @lanes@ };
#else
enum { LANES = 4 };
#endif
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#else
enum { LANES = 1 };
typedef float lanes;
#endif

enum {
  CLIP = @clip_samples@, /* samples */
  APPENDED = @append_samples@, /* zeros behind them */
  WINDOW = @window_samples@,
  HOP = @hop_samples@,
  PAD = @pad_samples@, /* samples before the clip that the first frame reaches */
  HALF = @half@, /* of the DFT's points */
  FRAMES = @frames@,
  BANDS = @bands@, /* mel bands */
  KEPT = @coefficients@, /* values per frame of the features */
  ROW = @row@, /* values per frame that are kept until the clip is whole */
  FIRST = @first@, /* first frame that lies in the clip */
  LAST = @last@, /* and the last */
  HOPS = @hops@, /* per clip, rounded up */
  BEHIND = @behind@, /* hops from the start of the newest frame to the newest sample, but for the padding */
  RING = @ring@, /* frames a stream keeps */
  HISTORY = @history@ /* samples a stream keeps */
};

static const float window[WINDOW] = {@window@};

/* Weights of mel band b: counts[b] of them, for the bins from starts[b] on. */
static const int starts[BANDS] = {@starts@};
static const int counts[BANDS] = {@counts@};
static const float weights[] = {@weights@};

/* Roots of unity: of the stages in turn, then of the step from complex to real. */
static const float twiddles[] = {@twiddles@};
static const float turns[] = {@turns@};
@roots@
/* Natural logarithm of a positive, normal number, right to the last place (the method of FreeBSD's logf without its
   branches). */
static inline float natural_log(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits += 0x3f800000u - 0x3f3504f3u;
  const float power = (float)((int32_t)(bits >> 23) - 127);
  bits = (bits & 0x007fffffu) + 0x3f3504f3u;
  memcpy(&x, &bits, 4);
  const float f = x - 1.0f, s = f / (2.0f + f), z = s * s, w = z * z, half = 0.5f * f * f;
  const float r = z * (0.66666662693f + w * 0.28498786688f) + w * (0.40000972152f + w * 0.24279078841f);
  return s * (half + r) + power * 9.0580006145e-06f - half + f + power * 6.9313812256e-01f;
}

static void to_logs(float *bands, int count) {
  for (int i = 0; i < count; i++) bands[i] = @log@;
}
@dct@
@one@
#if defined(__GNUC__)
@all@
#else
#define finish_all finish_one
#endif

/* ---- samples */

/* Sample i of a clip that begins at x[start]; before and behind it @beyond@. */
static float sample(const float *x, int start, int i) {
@outside@  return i >= 0 && i < CLIP ? x[start + i] : 0.0f;
}

/* Frame t of the clip that begins at x[start], windowed, as complex values `step` apart. */
static inline void take_frame(const float *x, int start, int t, int step, float *re) {
  const int first = t * HOP - PAD;
  float edge[WINDOW];
  const float *from = edge;
  float *im = re + HALF * step;
  if (t >= FIRST && t <= LAST) from = x + start + first;
  else for (int i = 0; i < WINDOW; i++) edge[i] = sample(x, start, first + i);
  for (int n = 0; n < WINDOW / 2; n++) {
    re[n * step] = window[2 * n] * from[2 * n];
    im[n * step] = window[2 * n + 1] * from[2 * n + 1];
  }
  for (int n = WINDOW / 2; n < HALF; n++) re[n * step] = im[n * step] = 0.0f;
  if (WINDOW % 2) re[WINDOW / 2 * step] = window[WINDOW - 1] * from[WINDOW - 1];
}

/* From the rows of a clip to its features. */
static void lay_out(const float *const *rows, float *features) {
@lay_out@}

/* Whether samples are numbers, and so far below the limits of float that their squares can be summed. */
static int are_samples(const float *samples, int count) {
  int good = 1;
  for (int i = 0; i < count; i++) good &= fabsf(samples[i]) <= 1e9f;
  return good;
}

/* ---- a whole clip */

typedef struct {
  float rows[FRAMES][ROW];
  float buffer[(4 * HALF + BANDS) * LANES];
} clip_memory;

typedef char clip_fits[sizeof(clip_memory) <= @NAME@_FEATURES_BYTES ? 1 : -1];

static int clip_features(void *memory, const float *samples, float *features) {
  clip_memory *clip = memory;
  const float *rows[FRAMES];
  if (!memory || !samples || !features) return @NAME@_ERROR_ARGUMENT;
  if (!are_samples(samples, CLIP)) return @NAME@_ERROR_SAMPLES;
  for (int t = 0; t < FRAMES; t += LANES) {
    float *made[LANES];
    for (int i = 0; i < LANES; i++) { /* the last lanes may repeat the last frame */
      const int frame = t + i < FRAMES ? t + i : FRAMES - 1;
      take_frame(samples, 0, frame, LANES, clip->buffer + i);
      made[i] = clip->rows[frame];
    }
    finish_all((lanes *)clip->buffer, made);
  }
  for (int t = 0; t < FRAMES; t++) rows[t] = clip->rows[t];
  lay_out(rows, features);
  return 0;
}

/* ---- a stream */

typedef struct {
  int heard;  /* hops, up to those of a clip */
  int newest; /* place of the newest frame in `ring` */
  float history[HISTORY];
  float ring[RING][ROW];
  float edges[FRAMES - (LAST - FIRST + 1) + 1][ROW];
  float buffer[4 * HALF + BANDS];
} stream_memory;

typedef char stream_fits[sizeof(stream_memory) <= @NAME@_STREAM_BYTES ? 1 : -1];

static int stream_start(void *memory) {
  if (!memory) return @NAME@_ERROR_ARGUMENT;
  memset(memory, 0, sizeof(stream_memory));
  return 0;
}

static int stream_push(void *memory, const float *samples) {
  stream_memory *stream = memory;
  if (!memory || !samples) return @NAME@_ERROR_ARGUMENT;
  if (!are_samples(samples, HOP)) return @NAME@_ERROR_SAMPLES;
  memmove(stream->history, stream->history + HOP, sizeof(float) * (HISTORY - HOP));
  memcpy(stream->history + HISTORY - HOP, samples, sizeof(float) * HOP);
  stream->newest = (stream->newest + 1) % RING;
  if (FIRST <= LAST) { /* the newest frame, as frame FIRST of a clip that begins where it should */
    float *row = stream->ring[stream->newest];
    take_frame(stream->history, HISTORY - BEHIND * HOP - FIRST * HOP, FIRST, 1, stream->buffer);
    finish_one(stream->buffer, &row);
  }
  stream->heard += stream->heard < HOPS;
  return stream->heard == HOPS;
}

static int stream_features(void *memory, float *features) {
  stream_memory *stream = memory;
  const float *rows[FRAMES];
  if (!memory || !features) return @NAME@_ERROR_ARGUMENT;
  if (stream->heard < HOPS) return @NAME@_ERROR_ORDER;
  for (int t = 0, edge = 0; t < FRAMES; t++) {
    if (t >= FIRST && t <= LAST) {
      rows[t] = stream->ring[(stream->newest + RING - (HOPS - BEHIND - t)) % RING];
      continue;
    }
    float *row = stream->edges[edge++];
    take_frame(stream->history, HISTORY - HOPS * HOP, t, 1, stream->buffer);
    finish_one(stream->buffer, &row);
    rows[t] = row;
  }
  lay_out(rows, features);
  return 0;
}
