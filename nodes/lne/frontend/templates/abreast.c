/* ---- @count@ */

@radices@
/* The DFT of HALF complex values (real parts, then imaginary ones); the buffer in which it ends. */
static inline @type@ *transform_@suffix@(@type@ *from, @type@ *to) {
  @type@ *other;
@stages@
  return from;
}

/* |X|^2 of the bins 0 to HALF of the real DFT, from the complex one of even and odd values. */
static inline void spectrum_@suffix@(const @type@ *restrict z, @type@ *restrict out) {
  const @type@ *re = z, *im = z + HALF;
  @type@ low = re[0] + im[0], high = re[0] - im[0];
  out[0] = low * low;
  out[HALF] = high * high;
  for (int k = 1; k <= HALF / 2; k++) {
    const float c = turns[2 * k], s = turns[2 * k + 1];
    @type@ er = 0.5f * (re[k] + re[HALF - k]), ei = 0.5f * (im[k] - im[HALF - k]);
    @type@ qr = 0.5f * (im[k] + im[HALF - k]), qi = 0.5f * (re[HALF - k] - re[k]);
    @type@ tr = c * qr - s * qi, ti = c * qi + s * qr;
    out[HALF - k] = (er - tr) * (er - tr) + (ei - ti) * (ei - ti);
    out[k] = (er + tr) * (er + tr) + (ei + ti) * (ei + ti);
  }
}

/* Frames that lie in `buffer` as HALF complex values become rows of ROW values. The buffer holds 4 HALF + BANDS. */
static inline void finish_@suffix@(@type@ *buffer, float *const *rows) {
  @type@ *found = transform_@suffix@(buffer, buffer + 2 * HALF);
  @type@ *bins = found == buffer ? buffer + 2 * HALF : buffer, *bands = buffer + 4 * HALF;
  spectrum_@suffix@(found, bins);
@root@  const float *weight = weights;
  for (int b = 0; b < BANDS; b++) {
    @type@ sum = {0};
    for (int n = 0; n < counts[b]; n++) sum += weight[n] * bins[starts[b] + n];
    weight += counts[b];
    bands[b] = sum;
  }
  to_logs((float *)bands, BANDS * @lanes@);
  @keep@
}
