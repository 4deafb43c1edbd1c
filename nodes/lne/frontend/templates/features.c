/* The front end of @name@: @about@.

   A frame is @window_samples@ samples times a Hann window, the first of a DFT of @fft_samples@ points. The DFT of real
   values is one of half as many complex values, by Stockham's method: every stage reads one buffer and writes the
   other. Several frames ("lanes") are transformed abreast, value by value, so that compilers find vectors. */

#include "@name@.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
  CLIP = @clip_samples@,       /* samples */
  APPENDED = @append_samples@, /* zeros behind them */
  WINDOW = @window_samples@,
  HOP = @hop_samples@,
  PAD = @pad_samples@,    /* samples before the clip that the first frame reaches */
  HALF = @half@,          /* of the DFT's points */
  FRAMES = @frames@,
  BANDS = @bands@,        /* mel bands */
  KEPT = @coefficients@,  /* values per frame of the features */
  ROW = @row@,            /* values per frame that are kept until the clip is whole */
  LANES = @lanes@,        /* frames abreast */
  FIRST = @first@,        /* first frame that lies in the clip */
  LAST = @last@,          /* and the last */
  HOPS = @hops@,          /* per clip, rounded up */
  BEHIND = @behind@,      /* hops from the start of the newest frame to the newest sample, but for the padding */
  RING = @ring@,          /* frames a stream keeps */
  HISTORY = @history@     /* samples a stream keeps */
};

static const float window[WINDOW] = {@window@};

/* Weights of mel band b: counts[b] of them, for the bins from starts[b] on. */
static const int starts[BANDS] = {@starts@};
static const int counts[BANDS] = {@counts@};
static const float weights[] = {@weights@};
@dct@
/* Roots of unity: of the stages in turn, then of the step from complex to real. */
static const float twiddles[] = {@twiddles@};
static const float turns[] = {@turns@};

/* y[q + step (R p + k)] = w^(k p) sum over j of x[q + step (p + j count)] exp(-2 pi i j k / R), R values at a time. */
@radices@
/* The DFT of HALF * lanes complex values (real parts, then imaginary ones); the buffer in which it ends. */
static inline float *transform(int lanes, float *from, float *to) {
  const int size = HALF * lanes;
  float *other;
@stages@
  return from;
}

/* |X|^@power@ of the bins 0 to HALF of the real DFT, from the complex one of even and odd values. */
static inline void spectrum(int lanes, const float *restrict z, float *restrict out) {
  const float *re = z, *im = z + HALF * lanes;
  for (int i = 0; i < lanes; i++) {
    float low = re[i] + im[i], high = re[i] - im[i];
    out[i] = low * low;
    out[HALF * lanes + i] = high * high;
  }
  for (int k = 1; k <= HALF / 2; k++) {
    const float c = turns[2 * k], s = turns[2 * k + 1];
    const int a = k * lanes, b = (HALF - k) * lanes;
    for (int i = 0; i < lanes; i++) {
      float er = 0.5f * (re[a + i] + re[b + i]), ei = 0.5f * (im[a + i] - im[b + i]);
      float qr = 0.5f * (im[a + i] + im[b + i]), qi = 0.5f * (re[b + i] - re[a + i]);
      float tr = c * qr - s * qi, ti = c * qi + s * qr;
      out[b + i] = (er - tr) * (er - tr) + (ei - ti) * (ei - ti);
      out[a + i] = (er + tr) * (er + tr) + (ei + ti) * (ei + ti);
    }
  }
@root@}

/* Natural logarithm of a positive number, right to the last place (the method of FreeBSD's logf without its branches). */
static inline float natural_log(float x) {
  uint32_t bits;
  x = x < FLT_MIN ? FLT_MIN : x;
  memcpy(&bits, &x, 4);
  bits += 0x3f800000u - 0x3f3504f3u;
  const float power = (float)((int32_t)(bits >> 23) - 127);
  bits = (bits & 0x007fffffu) + 0x3f3504f3u;
  memcpy(&x, &bits, 4);
  const float f = x - 1.0f, s = f / (2.0f + f), z = s * s, w = z * z, half = 0.5f * f * f;
  const float r = z * (0.66666662693f + w * 0.28498786688f) + w * (0.40000972152f + w * 0.24279078841f);
  return s * (half + r) + power * 9.0580006145e-06f - half + f + power * 6.9313812256e-01f;
}

/* Frames that lie in `buffer` as complex values become rows of ROW values. The buffer holds 4 HALF + BANDS floats per
   lane. */
static inline void finish_frames(int lanes, float *buffer, float *const *rows) {
  float *bands = buffer + 4 * HALF * lanes;
  float *found = transform(lanes, buffer, buffer + 2 * HALF * lanes);
  float *bins = found == buffer ? buffer + 2 * HALF * lanes : buffer;
  spectrum(lanes, found, bins);
  const float *weight = weights;
  for (int b = 0; b < BANDS; b++) {
    float sum[LANES] = {0};
    for (int n = 0; n < counts[b]; n++)
      for (int i = 0; i < lanes; i++) sum[i] += weight[n] * bins[(starts[b] + n) * lanes + i];
    weight += counts[b];
    memcpy(bands + b * lanes, sum, sizeof(float) * (size_t)lanes);
  }
  for (int i = 0; i < BANDS * lanes; i++) bands[i] = @log@;
  for (int i = 0; i < lanes; i++) @keep@
}

/* Sample i of a clip that begins at x[start]; before and behind it @beyond@. */
static float sample(const float *x, int start, int i) {
@outside@  return i >= 0 && i < CLIP ? x[start + i] : 0.0f;
}

/* Frame t of the clip that begins at x[start], windowed, as lane `lane` of complex values. */
static inline void take_frame(const float *x, int start, int t, int lanes, int lane, float *buffer) {
  const int first = t * HOP - PAD;
  const int is_inside = t >= FIRST && t <= LAST;
  float *re = buffer + lane, *im = buffer + HALF * lanes + lane;
  for (int n = 0; n < HALF; n++) {
    float pair[2] = {0.0f, 0.0f};
    for (int k = 0; k < 2 && 2 * n + k < WINDOW; k++) {
      const int i = first + 2 * n + k;
      pair[k] = window[2 * n + k] * (is_inside ? x[start + i] : sample(x, start, i));
    }
    re[n * lanes] = pair[0];
    im[n * lanes] = pair[1];
  }
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

typedef struct {
  float rows[FRAMES][ROW];
  float buffer[(4 * HALF + BANDS) * LANES];
} clip_memory;

typedef char clip_fits[sizeof(clip_memory) <= @NAME@_FEATURES_BYTES ? 1 : -1];

int @name@_features(void *memory, const float *samples, float *features) {
  clip_memory *clip = memory;
  const float *rows[FRAMES];
  if (!memory || !samples || !features) return @NAME@_ERROR_ARGUMENT;
  if (!are_samples(samples, CLIP)) return @NAME@_ERROR_SAMPLES;
  for (int t = 0; t < FRAMES; t += LANES) {
    float *made[LANES];
    for (int i = 0; i < LANES; i++) { /* the last lanes may repeat the last frame */
      const int frame = t + i < FRAMES ? t + i : FRAMES - 1;
      take_frame(samples, 0, frame, LANES, i, clip->buffer);
      made[i] = clip->rows[frame];
    }
    finish_frames(LANES, clip->buffer, made);
  }
  for (int t = 0; t < FRAMES; t++) rows[t] = clip->rows[t];
  lay_out(rows, features);
  return 0;
}

typedef struct {
  int heard; /* hops, up to those of a clip */
  int newest; /* place of the newest frame in `ring` */
  float history[HISTORY];
  float ring[RING][ROW];
  float edges[FRAMES - (LAST - FIRST + 1) + 1][ROW];
  float buffer[4 * HALF + BANDS];
} stream_memory;

typedef char stream_fits[sizeof(stream_memory) <= @NAME@_STREAM_BYTES ? 1 : -1];

int @name@_stream_start(void *memory) {
  if (!memory) return @NAME@_ERROR_ARGUMENT;
  memset(memory, 0, sizeof(stream_memory));
  return 0;
}

int @name@_stream_push(void *memory, const float *samples) {
  stream_memory *stream = memory;
  if (!memory || !samples) return @NAME@_ERROR_ARGUMENT;
  if (!are_samples(samples, HOP)) return @NAME@_ERROR_SAMPLES;
  memmove(stream->history, stream->history + HOP, sizeof(float) * (HISTORY - HOP));
  memcpy(stream->history + HISTORY - HOP, samples, sizeof(float) * HOP);
  stream->newest = (stream->newest + 1) % RING;
  if (FIRST <= LAST) { /* the newest frame, as frame FIRST of a clip that begins where it should */
    float *row = stream->ring[stream->newest];
    take_frame(stream->history, HISTORY - BEHIND * HOP - FIRST * HOP, FIRST, 1, 0, stream->buffer);
    finish_frames(1, stream->buffer, &row);
  }
  stream->heard += stream->heard < HOPS;
  return stream->heard == HOPS;
}

int @name@_stream_features(void *memory, float *features) {
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
    take_frame(stream->history, HISTORY - HOPS * HOP, t, 1, 0, stream->buffer);
    finish_frames(1, stream->buffer, &row);
    rows[t] = row;
  }
  lay_out(rows, features);
  return 0;
}
