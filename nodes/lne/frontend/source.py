"""The C of a front end, from the same constants as `nodes.dsp`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.mel import dct_matrix, hann, mel_matrix
from nodes.dsp.parameters import FrontEnd
from nodes.lne.frontend.sizes import LANES, Sizes
from nodes.lne.frontend.template import filled
from nodes.lne.frontend.transform import radices, roots, stage_calls, turns, twiddles

_HERE = "nodes.lne.frontend"
PER_LINE = 8
SMALLEST = 1.2e-38
"""Numbers below are not normal in float32."""


def features_header(name: str, front_end: FrontEnd) -> str:
    """Declarations for the package's header."""
    sizes = Sizes(front_end)
    return filled(
        _HERE,
        "features.h",
        name=name,
        NAME=name.upper(),
        about=_about(front_end),
        features_bytes=sizes.features_bytes,
        stream_bytes=sizes.stream_bytes,
        **_counts(front_end),
    )


def features_source(name: str, front_end: FrontEnd) -> str:
    """The functions `clip_features`, `stream_start`, `stream_push` and `stream_features`, all static.

    They include NAME.h, and are included by every level of the code.
    """
    sizes = Sizes(front_end)
    return filled(
        _HERE,
        "features.c",
        name=name,
        NAME=name.upper(),
        about=_about(front_end),
        **_counts(front_end),
        **_stream(sizes),
        **_bands(front_end),
        window=_floats(hann(front_end.window_samples)),
        roots=roots(sizes.half),
        one=_abreast(front_end, ONE),
        all=_abreast(front_end, ALL),
        twiddles=_floats(twiddles(sizes.half)),
        turns=_floats(turns(front_end.fft_samples)),
        **_texts(front_end),
    )


def _about(front_end: FrontEnd) -> str:
    kind = f"{front_end.n_mfcc} cepstral coefficients" if front_end.n_mfcc else f"{front_end.n_mels} log-mel bands"
    shape = " x ".join(map(str, front_end.shape))
    return f"{kind} of {front_end.frames} frames, as {shape} ({front_end.layout})"


def _counts(front_end: FrontEnd) -> dict[str, int]:
    f = front_end
    return {
        "rate_hz": f.rate_hz,
        "clip_samples": f.clip_samples,
        "hop_samples": f.hop_samples,
        "append_samples": f.append_samples,
        "window_samples": f.window_samples,
        "fft_samples": f.fft_samples,
        "pad_samples": f.pad_samples,
        "frames": f.frames,
        "bands": f.n_mels,
        "coefficients": f.coefficients,
        "power": f.power,
        "lanes": LANES,
    }


def _stream(sizes: Sizes) -> dict[str, int]:
    names = ("half", "row", "first", "last", "hops", "behind", "ring", "history", "kept")
    return {name: getattr(sizes, name) for name in names}


def _bands(front_end: FrontEnd) -> dict[str, str]:
    """Where each mel band begins, how many bins it has, and their weights; a band narrower than a bin has none."""
    used = [(row, np.flatnonzero(row)) for row in mel_matrix(front_end)]
    spans = [(row, int(bins[0]), int(bins[-1]) + 1) if len(bins) else (row, 0, 0) for row, bins in used]
    return {
        "starts": _numbers(str(low) for _, low, _ in spans),
        "counts": _numbers(str(high - low) for _, low, high in spans),
        "weights": _floats(np.concatenate([row[low:high] for row, low, high in spans])),
    }


@dataclass(frozen=True)
class Abreast:
    """Frames transformed together.

    Attributes:
        suffix: of the functions.
        kind: C type of one value of every frame.
        keep: what becomes of the logarithms, without and with a cosine transform.
    """

    count: str
    suffix: str
    kind: str
    lanes: str
    keep: tuple[str, str]


ONE = Abreast(
    "one frame",
    "one",
    "float",
    "1",
    ("memcpy(rows[0], bands, sizeof(float) * BANDS);", "to_cepstrum(bands, -FLT_MAX, rows[0]);"),
)
ALL = Abreast(
    "LANES frames",
    "all",
    "lanes",
    "LANES",
    (
        "for (int i = 0; i < LANES; i++)\n"
        "    for (int m = 0; m < BANDS; m++) rows[i][m] = ((float *)bands)[m * LANES + i];",
        "to_cepstra(bands, rows);",
    ),
)


def _abreast(front_end: FrontEnd, abreast: Abreast) -> str:
    """The steps from samples to rows for one frame or for several."""
    half = front_end.fft_samples // 2
    return filled(
        _HERE,
        "abreast.c",
        count=abreast.count,
        suffix=abreast.suffix,
        type=abreast.kind,
        lanes=abreast.lanes,
        radices=radices(half, abreast.kind, abreast.suffix),
        stages=stage_calls(half, abreast.suffix),
        root=_ROOT.replace("@lanes@", abreast.lanes) if front_end.power == 1 else "",
        keep=abreast.keep[_keeps_cepstra(front_end)],
    )


def _keeps_cepstra(front_end: FrontEnd) -> bool:
    """Whether rows are cepstra: in decibels they are not, as the floor of the logarithms comes first."""
    return front_end.n_mfcc > 0 and front_end.log == "ln"


_ROOT = """  for (int i = 0; i < (HALF + 1) * @lanes@; i++) ((float *)bins)[i] = sqrtf(((float *)bins)[i]);
"""
_COSINE = """
/* Cosine transform: coefficient k of band m is cosine[m * COLUMNS + k]. */
enum {{ COLUMNS = {columns} }};
static const float cosine[BANDS * COLUMNS] = {{{table}}};

/* Of one frame, with logarithms below `low` raised to it. */
static inline void to_cepstrum(const float *logs, float low, float *out) {{
  float sum[COLUMNS] = {{0}};
  for (int m = 0; m < BANDS; m++) {{
    const float value = logs[m] > low ? logs[m] : low;
    for (int k = 0; k < COLUMNS; k++) sum[k] += cosine[m * COLUMNS + k] * value;
  }}
  memcpy(out, sum, sizeof(float) * KEPT);
}}
"""
_COSINES = """
/* Of LANES frames, four coefficients at a time. */
static inline void to_cepstra(const lanes *logs, float *const *rows) {
  for (int k = 0; k < COLUMNS; k += 4) {
    lanes sum[4] = {{0}, {0}, {0}, {0}};
    for (int m = 0; m < BANDS; m++) {
      const float *c = cosine + m * COLUMNS + k;
      sum[0] += c[0] * logs[m];
      sum[1] += c[1] * logs[m];
      sum[2] += c[2] * logs[m];
      sum[3] += c[3] * logs[m];
    }
    for (int n = 0; n < 4 && k + n < KEPT; n++)
      for (int i = 0; i < LANES; i++) rows[i][k + n] = ((float *)(sum + n))[i];
  }
}
"""
_REFLECT = """  if (i < 0) i = -i;
  if (i >= CLIP + APPENDED) i = 2 * (CLIP + APPENDED - 1) - i;
"""
_HIGHEST = """  float low = -FLT_MAX; /* the clip's loudest band, then what counts as silence beside it */
  for (int t = 0; t < FRAMES; t++)
    for (int m = 0; m < BANDS; m++) low = rows[t][m] > low ? rows[t][m] : low;
  low -= @range@;
"""
_SCATTER = """  for (int t = 0; t < {frames}; t++) {{
{values}    for (int k = 0; k < KEPT; k++) features[{place}] = {value};
  }}
"""


def _texts(front_end: FrontEnd) -> Mapping[str, str]:
    reflects = front_end.centred and front_end.padding == "reflect"
    return {
        "dct": _cosine(front_end),
        "outside": _REFLECT if reflects else "",
        "beyond": "it is reflected" if reflects else "there are zeros",
        "log": _logarithm(front_end),
        "lay_out": _lay_out(front_end),
    }


def _cosine(front_end: FrontEnd) -> str:
    """The cosine transform, its table filled up to a multiple of four coefficients."""
    if not front_end.n_mfcc:
        return ""
    table = dct_matrix(front_end).T
    columns = -(-front_end.n_mfcc // 4) * 4
    text = _COSINE.format(columns=columns, table=_floats(np.pad(table, ((0, 0), (0, columns - table.shape[1])))))
    return f"{text}\n#if defined(__GNUC__){_COSINES}#endif\n" if _keeps_cepstra(front_end) else text


def _logarithm(front_end: FrontEnd) -> str:
    if front_end.log == "ln":
        return f"natural_log(bands[i] + {_float(max(front_end.log_offset, SMALLEST))})"
    floor = _float(max(front_end.db_floor, SMALLEST))
    return f"{_float(10.0 / np.log(10.0))} * natural_log(bands[i] > {floor} ? bands[i] : {floor})"


def _lay_out(front_end: FrontEnd) -> str:
    f = front_end
    size = f.patch_frames or f.frames
    place = f"t / {size} * KEPT * {size} + k * {size} + t % {size}" if f.patch_frames else f"k * {size} + t"
    frames = f.frames // size * size
    if f.log == "ln":
        return _SCATTER.format(frames=frames, values="", place=place, value="rows[t][k]")
    highest = _HIGHEST.replace("@range@", _float(f.db_range))
    if f.n_mfcc:
        values = "    float row[KEPT];\n    to_cepstrum(rows[t], low, row);\n"
        return highest + _SCATTER.format(frames=frames, values=values, place=place, value="row[k]")
    value = "rows[t][k] > low ? rows[t][k] : low"
    return highest + _SCATTER.format(frames=frames, values="", place=place, value=value)


def _float(value: float) -> str:
    """A C constant that is exactly the float32 nearest to a number."""
    text = f"{np.float32(value):.9g}"
    return f"{text}f" if set(text) & set(".en") else f"{text}.0f"


def _floats(values: NDArray[np.float64]) -> str:
    return _numbers(map(_float, values.ravel().tolist())) if values.size else "0"


def _numbers(texts: Iterable[str]) -> str:
    def lines() -> Iterator[str]:
        held = list(texts)
        for start in range(0, len(held), PER_LINE):
            yield ", ".join(held[start : start + PER_LINE])

    return "\n  " + ",\n  ".join(lines())
