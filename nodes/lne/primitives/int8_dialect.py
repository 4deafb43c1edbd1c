"""The C of 8-bit kernels on x86: dot products of bytes, rounding, bytes in and out, for vectors of 4, 8 and 16 sums.

`i{n}` holds n sums of 32 bits. Four vectors of sums are stored together as 4n bytes with three packs and no
permutation: sum i of 128-bit lane l of vector j then belongs to channel 16 l + 4 j + i ("interleaved"), an order that
packed weights take on, and that unpacking four rows of bytes into quadruples gives as well. A vector alone keeps the
order of channels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from nodes.lne.primitives.int8_neon import functions as neon_functions
from nodes.lne.target import Target
from nodes.lne.writer import Writer

FOUR = 4


def order(widths: tuple[int, ...], interleaved: bool) -> NDArray[np.intp]:
    """The channel of each sum of neighbouring vectors, counted from the block's first."""
    if not interleaved:
        return np.arange(sum(widths))
    vector, lane, place = np.ogrid[:FOUR, : widths[0] // 4, :4]
    return np.asarray(16 * lane + 4 * vector + place).ravel()


def is_four(widths: tuple[int, ...]) -> bool:
    """Whether vectors can be stored together."""
    return len(widths) == FOUR and len(set(widths)) == 1


def has_bytes(target: Target) -> str:
    """Why a target has none of this; empty if it has."""
    return "" if target.features & {"sse2", "avx2", "neon"} else "the target has no vectors of bytes"


def has_dots(target: Target) -> str:
    """Why a target cannot sum products of bytes (VNNI, or maddubs); empty if it can."""
    return "" if "avx2" in target.features else "the target has no sums of byte products"


def has_fused(target: Target) -> bool:
    """Whether a target's vectors are multiplied and added with one rounding."""
    return bool(target.features & {"fma", "neon"})


def write_dialect(writer: Writer, target: Target) -> None:
    """Every function below, for the widths the target has; on aarch64 those of `int8_neon`."""
    if "neon" in target.features:
        for text in neon_functions(target):
            writer.function(text)
        return
    for width in (4, 8, 16):
        if width <= target.vector:
            for text in _functions(width, target):
                writer.function(text)


_PREFIX = {4: "_mm", 8: "_mm256", 16: "_mm512"}
_BITS = {4: "128", 8: "256", 16: "512"}
_REAL = {4: "__m128", 8: "__m256", 16: "__m512"}
_START = "static inline __attribute__((always_inline, unused))"


def _functions(width: int, target: Target) -> Iterator[str]:
    names = {
        "w": width,
        "bytes": 4 * width,
        "p": _PREFIX[width],
        "b": _BITS[width],
        "real": _REAL[width],
        "start": _START,
    }
    names["m"] = f"__m{_BITS[width]}i"
    texts = [_BASIS, _ALONE[width], _FOUR_OUT, _FOUR_IN]
    if "fma" in target.features:
        texts.append(_FUSED)
    if "avx2" in target.features:
        texts += [_INTERLEAVE, _DOT if "vnni" in target.features else _DOT_BY_PAIRS]
    if width == target.vector:
        texts.append(_TRANSPOSE)
    for text in texts:
        yield text.format(**names)


_BASIS = """typedef int32_t j{w} __attribute__((vector_size({w} * 4), aligned(4), may_alias));
{start} i{w} quad{w}(const void *x) {{ int32_t q; memcpy(&q, x, 4); return (i{w}){p}_set1_epi32(q); }}
{start} i{w} madd{w}(i{w} a, i{w} x, i{w} w) {{ return a + (i{w}){p}_madd_epi16(({m})x, ({m})w); }}
typedef uint8_t m{bytes} __attribute__((vector_size({bytes}), aligned(1), may_alias));
{start} m{bytes} largest{bytes}(m{bytes} a, m{bytes} b) {{ return (m{bytes}){p}_max_epu8(({m})a, ({m})b); }}
{start} v{w} real{w}(i{w} x) {{ return __builtin_convertvector(x, v{w}); }}
{start} i{w} round{w}(v{w} x) {{ return (i{w}){p}_cvtps_epi32(({real})x); }}"""
"""Four bytes (or two of 16 bits) in every lane; products of pairs; sums as reals; nearest even integers."""

_FUSED = """{start} v{w} fused{w}(v{w} a, v{w} b, v{w} c) {{
  return (v{w}){p}_fmadd_ps(({real})a, ({real})b, ({real})c);
}}"""
"""a b + c, rounded once."""

_ALONE = {
    4: """{start} void put4(uint8_t *o, i4 x, int zero, int low, int high) {{
  __m128i y = _mm_adds_epi16(_mm_packs_epi32((__m128i)x, (__m128i)x), _mm_set1_epi16(zero));
  y = _mm_min_epu8(_mm_max_epu8(_mm_packus_epi16(y, y), _mm_set1_epi8((char)low)), _mm_set1_epi8((char)high));
  int32_t q = _mm_cvtsi128_si32(y);
  memcpy(o, &q, 4);
}}
{start} i4 take4(const uint8_t *x) {{
  int32_t q;
  memcpy(&q, x, 4);
  __m128i y = _mm_unpacklo_epi8(_mm_cvtsi32_si128(q), _mm_setzero_si128());
  return (i4)_mm_unpacklo_epi16(y, _mm_setzero_si128());
}}""",
    8: """{start} void put8(uint8_t *o, i8 x, int zero, int low, int high) {{
  __m256i z = (__m256i)x;
  __m128i y = _mm_packs_epi32(_mm256_castsi256_si128(z), _mm256_extracti128_si256(z, 1));
  y = _mm_adds_epi16(y, _mm_set1_epi16(zero));
  y = _mm_min_epu8(_mm_max_epu8(_mm_packus_epi16(y, y), _mm_set1_epi8((char)low)), _mm_set1_epi8((char)high));
  _mm_storel_epi64((__m128i *)o, y);
}}
{start} i8 take8(const uint8_t *x) {{ return (i8)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)x)); }}""",
    16: """{start} void put16(uint8_t *o, i16 x, int zero, int low, int high) {{
  __m512i y = _mm512_add_epi32((__m512i)x, _mm512_set1_epi32(zero));
  __m128i z = _mm512_cvtusepi32_epi8(_mm512_max_epi32(y, _mm512_set1_epi32(low)));
  _mm_storeu_si128((__m128i *)o, high < 255 ? _mm_min_epu8(z, _mm_set1_epi8((char)high)) : z);
}}
{start} i16 take16(const uint8_t *x) {{ return (i16)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)x)); }}""",
}
"""One vector of sums to clipped bytes, and bytes to a vector."""

_FOUR_OUT = """{start} void put_four{w}(uint8_t *o, i{w} a, i{w} b, i{w} c, i{w} d, int zero, int low, int high) {{
  {m} x = {p}_packs_epi32(({m})a, ({m})b), y = {p}_packs_epi32(({m})c, ({m})d);
  if (zero) {{
    x = {p}_adds_epi16(x, {p}_set1_epi16(zero));
    y = {p}_adds_epi16(y, {p}_set1_epi16(zero));
  }}
  x = {p}_packus_epi16(x, y);
  if (low > 0) x = {p}_max_epu8(x, {p}_set1_epi8((char)low));
  if (high < 255) x = {p}_min_epu8(x, {p}_set1_epi8((char)high));
  {p}_storeu_si{b}(({m} *)o, x);
}}"""

_FOUR_IN = """{start} void take_four{w}(const uint8_t *x, i{w} *a, i{w} *b, i{w} *c, i{w} *d) {{
  const {m} none = {p}_setzero_si{b}(), y = {p}_loadu_si{b}((const {m} *)x);
  const {m} low = {p}_unpacklo_epi8(y, none), high = {p}_unpackhi_epi8(y, none);
  *a = (i{w}){p}_unpacklo_epi16(low, none);
  *b = (i{w}){p}_unpackhi_epi16(low, none);
  *c = (i{w}){p}_unpacklo_epi16(high, none);
  *d = (i{w}){p}_unpackhi_epi16(high, none);
}}"""

_INTERLEAVE = """{start} void interleave{w}(const uint8_t *p, const uint8_t *q, const uint8_t *r, const uint8_t *s,
    i{w} *a, i{w} *b, i{w} *c, i{w} *d) {{
  const {m} y0 = {p}_loadu_si{b}((const {m} *)p), y1 = {p}_loadu_si{b}((const {m} *)q);
  const {m} y2 = {p}_loadu_si{b}((const {m} *)r), y3 = {p}_loadu_si{b}((const {m} *)s);
  const {m} low = {p}_unpacklo_epi8(y0, y1), high = {p}_unpackhi_epi8(y0, y1);
  const {m} low2 = {p}_unpacklo_epi8(y2, y3), high2 = {p}_unpackhi_epi8(y2, y3);
  *a = (i{w}){p}_unpacklo_epi16(low, low2);
  *b = (i{w}){p}_unpackhi_epi16(low, low2);
  *c = (i{w}){p}_unpacklo_epi16(high, high2);
  *d = (i{w}){p}_unpackhi_epi16(high, high2);
}}"""
"""Four places of a map: the same channel's four bytes side by side."""

_DOT = """{start} i{w} dot{w}(i{w} a, i{w} x, i{w} w) {{
  return (i{w}){p}_dpbusd_epi32(({m})a, ({m})x, ({m})w);
}}"""

_DOT_BY_PAIRS = """{start} i{w} dot{w}(i{w} a, i{w} x, i{w} w) {{
  return a + (i{w}){p}_madd_epi16({p}_maddubs_epi16(({m})x, ({m})w), {p}_set1_epi16(1));
}}"""
"""Without VNNI; exact as long as no pair of weights can pass 16 bits."""

_TRANSPOSE = """{start} void bytes_of_16(const float *x, ptrdiff_t row, float scale, int zero, __m128i *y) {{
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j += {w})
      put{w}((uint8_t *)(y + i) + j, round{w}(*(const u{w} *)(x + i * row + j) / scale), zero, 0, 255);
}}
{start} void transpose_16(__m128i *y) {{
  __m128i z[16];
  for (int turn = 0; turn < 4; turn++) {{
    for (int i = 0; i < 8; i++) {{
      z[2 * i] = _mm_unpacklo_epi8(y[i], y[i + 8]);
      z[2 * i + 1] = _mm_unpackhi_epi8(y[i], y[i + 8]);
    }}
    memcpy(y, z, sizeof z);
  }}
}}"""
"""Sixteen channels of sixteen columns, quantised, then with the channels of each column side by side."""
