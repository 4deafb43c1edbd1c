"""The DFT in C: stages of small radices (Stockham, decimation in frequency), any even length.

Stage by stage, with n points left and `step` transforms interleaved: R = a radix, count = n / R,
y[q + step (R p + k)] = exp(-2 pi i k p / n) sum_j x[q + step (p + j count)] exp(-2 pi i j k / R).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_PREFERRED = (4, 2, 3, 5)
LONGEST_WRITTEN = 5
"""Sums of larger radices are loops."""


@dataclass(frozen=True)
class Stage:
    """One pass: `left` points still to be transformed, `step` interleaved already."""

    radix: int
    left: int
    step: int

    @property
    def count(self) -> int:
        """Butterflies per interleaved transform."""
        return self.left // self.radix


def stages(points: int) -> tuple[Stage, ...]:
    """Stages of a DFT of so many complex points; fours first, then twos, then whatever primes remain."""
    made, left, step = [], points, 1
    while left > 1:
        radix = next((radix for radix in _PREFERRED if left % radix == 0), 0) or _smallest_factor(left)
        made.append(Stage(radix, left, step))
        left, step = left // radix, step * radix
    return tuple(made)


def _smallest_factor(number: int) -> int:
    return next((factor for factor in range(7, int(number**0.5) + 1, 2) if number % factor == 0), number)


def twiddles(points: int) -> Array:
    """cos and sin of -2 pi k p / left for every stage, every p < count, every k from 1 to radix - 1."""
    parts = [np.zeros(0)]
    for stage in stages(points):
        angle = np.outer(np.arange(stage.count), np.arange(1, stage.radix)) * (-2 * np.pi / stage.left)
        parts.append(np.stack([np.cos(angle), np.sin(angle)], axis=-1).ravel())
    return np.concatenate(parts)


def turns(samples: int) -> Array:
    """cos and sin of -2 pi k / samples for k up to a quarter of the samples."""
    angle = np.arange(samples // 4 + 1) * (-2 * np.pi / samples)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).ravel()


def stage_calls(points: int) -> str:
    """Statements that transform `from`, with `to` as the other buffer."""
    return "\n".join(_calls(points)) or "  (void)other;\n  (void)to;\n  (void)size;"


def _calls(points: int) -> Iterator[str]:
    place = 0
    for stage in stages(points):
        yield (
            f"  radix{stage.radix}({stage.count}, {stage.step} * lanes, size, from, to, twiddles + {place});"
            " other = from; from = to; to = other;"
        )
        place += 2 * stage.count * (stage.radix - 1)


def radices(points: int) -> str:
    """A function for every radix that occurs."""
    return "\n".join(_radix(radix) for radix in sorted({stage.radix for stage in stages(points)}))


def _radix(radix: int) -> str:
    if radix > LONGEST_WRITTEN:
        angle = np.arange(radix) * (-2 * np.pi / radix)
        roots = ", ".join(f"{_f(c)}, {_f(s)}" for c, s in zip(np.cos(angle), np.sin(angle), strict=True))
        return _LOOP.format(radix=radix, count=2 * (radix - 1), roots=roots)
    sums = {2: _TWO, 4: _FOUR}.get(radix) or "\n".join(_sums(radix))
    loads = " ".join(
        f"float r{j} = x[a + {j} * far], i{j} = x[size + a + {j} * far];".replace(" + 0 * far", "")
        for j in range(radix)
    )
    stores = "\n".join(_store(k) for k in range(radix))
    return _RADIX.format(radix=radix, count=2 * (radix - 1), loads=loads, sums=sums, stores=stores)


def _sums(radix: int) -> Iterator[str]:
    """Sums of a small radix as they are defined."""
    for k in range(radix):
        angle = -2 * np.pi * (np.arange(radix) * k % radix) / radix
        cos, sin = np.cos(angle), np.sin(angle)
        re = " + ".join(f"{_f(c)} * r{j} - {_f(s)} * i{j}" for j, (c, s) in enumerate(zip(cos, sin, strict=True)))
        im = " + ".join(f"{_f(c)} * i{j} + {_f(s)} * r{j}" for j, (c, s) in enumerate(zip(cos, sin, strict=True)))
        yield f"      float s{k} = {re}, t{k} = {im};"


def _store(k: int) -> str:
    if k == 0:
        return "      y[b] = s0; y[size + b] = t0;"
    c, s = f"w[{2 * k - 2}]", f"w[{2 * k - 1}]"
    place = f"b + {k} * step"
    return f"      y[{place}] = {c} * s{k} - {s} * t{k}; y[size + {place}] = {c} * t{k} + {s} * s{k};"


def _f(value: float) -> str:
    return f"({np.float32(value):.9g}{'' if '.' in f'{np.float32(value):.9g}' else '.0'}f)"


_TWO = """      float s0 = r0 + r1, t0 = i0 + i1, s1 = r0 - r1, t1 = i0 - i1;"""
_FOUR = """      float er = r0 + r2, ei = i0 + i2, fr = r0 - r2, fi = i0 - i2;
      float gr = r1 + r3, gi = i1 + i3, hr = r1 - r3, hi = i1 - i3;
      float s0 = er + gr, t0 = ei + gi, s1 = fr + hi, t1 = fi - hr;
      float s2 = er - gr, t2 = ei - gi, s3 = fr - hi, t3 = fi + hr;"""
_RADIX = """static inline void radix{radix}(int count, int step, int size, const float *restrict x, float *restrict y,
                          const float *restrict w) {{
  const int far = count * step;
  for (int p = 0; p < count; p++, w += {count})
    for (int q = 0; q < step; q++) {{
      const int a = q + p * step, b = q + {radix} * p * step;
      {loads}
{sums}
{stores}
    }}
}}
"""
_LOOP = """static const float roots{radix}[2 * {radix}] = {{{roots}}};

static inline void radix{radix}(int count, int step, int size, const float *restrict x, float *restrict y,
                          const float *restrict w) {{
  const int far = count * step;
  for (int p = 0; p < count; p++, w += {count})
    for (int k = 0; k < {radix}; k++)
      for (int q = 0; q < step; q++) {{
        const int a = q + p * step, b = q + ({radix} * p + k) * step;
        float s = 0.0f, t = 0.0f;
        for (int j = 0; j < {radix}; j++) {{
          const float *root = roots{radix} + 2 * (j * k % {radix});
          const float re = x[a + j * far], im = x[size + a + j * far];
          s += root[0] * re - root[1] * im;
          t += root[0] * im + root[1] * re;
        }}
        y[b] = k ? w[2 * k - 2] * s - w[2 * k - 1] * t : s;
        y[size + b] = k ? w[2 * k - 2] * t + w[2 * k - 1] * s : t;
      }}
}}
"""
