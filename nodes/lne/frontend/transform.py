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


def roots(points: int) -> str:
    """Tables of the radices whose sums are loops: cos and sin of -2 pi j / radix."""
    return "".join(map(_roots, _radices(points, least=LONGEST_WRITTEN + 1)))


def stage_calls(points: int, suffix: str) -> str:
    """Statements that transform `from`, with `to` as the other buffer."""
    return "\n".join(_calls(points, suffix)) or "  (void)other;\n  (void)to;"


def _calls(points: int, suffix: str) -> Iterator[str]:
    place = 0
    for stage in stages(points):
        yield (
            f"  radix{stage.radix}_{suffix}({stage.count}, {stage.step}, from, to, twiddles + {place});"
            " other = from; from = to; to = other;"
        )
        place += 2 * stage.count * (stage.radix - 1)


def radices(points: int, kind: str, suffix: str) -> str:
    """A function for every radix that occurs, on values of a C type."""
    return "\n".join(_radix(radix, kind, suffix) for radix in _radices(points))


def _radices(points: int, least: int = 2) -> list[int]:
    return sorted({stage.radix for stage in stages(points) if stage.radix >= least})


def _roots(radix: int) -> str:
    angle = np.arange(radix) * (-2 * np.pi / radix)
    values = ", ".join(f"{_f(c)}, {_f(s)}" for c, s in zip(np.cos(angle), np.sin(angle), strict=True))
    return f"static const float roots{radix}[2 * {radix}] = {{{values}}};\n"


def _radix(radix: int, kind: str, suffix: str) -> str:
    if radix > LONGEST_WRITTEN:
        return _LOOP.format(radix=radix, kind=kind, suffix=suffix, count=2 * (radix - 1))
    loads = "\n".join(f"      {kind} r{j} = x[a + {j} * far], i{j} = x[HALF + a + {j} * far];" for j in range(radix))
    return _WRITTEN.format(
        radix=radix,
        kind=kind,
        suffix=suffix,
        count=2 * (radix - 1),
        loads=loads.replace(" + 0 * far", ""),
        sums="\n".join(f"      {kind} {text};" for text in _SUMS.get(radix) or _sums(radix)),
        stores="\n".join(_store(k) for k in range(radix)),
    )


def _sums(radix: int) -> Iterator[str]:
    """Sums of a small radix as they are defined."""
    for k in range(radix):
        angle = -2 * np.pi * (np.arange(radix) * k % radix) / radix
        cos, sin = np.cos(angle), np.sin(angle)
        re = " + ".join(f"{_f(c)} * r{j} - {_f(s)} * i{j}" for j, (c, s) in enumerate(zip(cos, sin, strict=True)))
        im = " + ".join(f"{_f(c)} * i{j} + {_f(s)} * r{j}" for j, (c, s) in enumerate(zip(cos, sin, strict=True)))
        yield f"s{k} = {re}, t{k} = {im}"


def _store(k: int) -> str:
    if k == 0:
        return "      y[b] = s0, y[HALF + b] = t0;"
    c, s = f"w[{2 * k - 2}]", f"w[{2 * k - 1}]"
    place = f"b + {k} * step"
    return f"      y[{place}] = {c} * s{k} - {s} * t{k}, y[HALF + {place}] = {c} * t{k} + {s} * s{k};"


def _f(value: float) -> str:
    text = f"{np.float32(value):.9g}"
    return f"({text}{'' if set(text) & set('.e') else '.0'}f)"


_SUMS = {
    2: ("s0 = r0 + r1, t0 = i0 + i1, s1 = r0 - r1, t1 = i0 - i1",),
    4: (
        "er = r0 + r2, ei = i0 + i2, fr = r0 - r2, fi = i0 - i2",
        "gr = r1 + r3, gi = i1 + i3, hr = r1 - r3, hi = i1 - i3",
        "s0 = er + gr, t0 = ei + gi, s1 = fr + hi, t1 = fi - hr",
        "s2 = er - gr, t2 = ei - gi, s3 = fr - hi, t3 = fi + hr",
    ),
}
_WRITTEN = """static inline void radix{radix}_{suffix}(int count, int step, const {kind} *restrict x,
                              {kind} *restrict y, const float *restrict w) {{
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
_LOOP = """static inline void radix{radix}_{suffix}(int count, int step, const {kind} *restrict x,
                              {kind} *restrict y, const float *restrict w) {{
  const int far = count * step;
  for (int p = 0; p < count; p++, w += {count})
    for (int k = 0; k < {radix}; k++)
      for (int q = 0; q < step; q++) {{
        const int a = q + p * step, b = q + ({radix} * p + k) * step;
        {kind} s = {{0}}, t = {{0}};
        for (int j = 0; j < {radix}; j++) {{
          const float *root = roots{radix} + 2 * (j * k % {radix});
          s += root[0] * x[a + j * far] - root[1] * x[HALF + a + j * far];
          t += root[0] * x[HALF + a + j * far] + root[1] * x[a + j * far];
        }}
        const float c = k ? w[2 * k - 2] : 1.0f, d = k ? w[2 * k - 1] : 0.0f;
        y[b] = c * s - d * t;
        y[HALF + b] = c * t + d * s;
      }}
}}
"""
