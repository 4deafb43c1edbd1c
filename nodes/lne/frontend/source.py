"""The C of a front end, from the same constants as `nodes.dsp`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.mel import dct_matrix, hann, mel_matrix
from nodes.dsp.parameters import FrontEnd
from nodes.lne.frontend.sizes import LANES, Sizes
from nodes.lne.frontend.template import filled
from nodes.lne.frontend.transform import radices, stage_calls, turns, twiddles

_HERE = "nodes.lne.frontend"
PER_LINE = 8


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
    """The functions, which include NAME.h."""
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
        radices=radices(sizes.half),
        stages=stage_calls(sizes.half),
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


_ROOT = """  for (int i = 0; i < (HALF + 1) * lanes; i++) out[i] = sqrtf(out[i]);
"""
_COSINE = """
/* Cosine transform: coefficient k of band m is cosine[m * KEPT + k]. */
static const float cosine[BANDS * KEPT] = {@table@};

static inline void to_cepstrum(const float *logs, int step, float low, float *out) {
  float sum[KEPT] = {0};
  for (int m = 0; m < BANDS; m++) {
    const float value = logs[m * step] > low ? logs[m * step] : low;
    for (int k = 0; k < KEPT; k++) sum[k] += cosine[m * KEPT + k] * value;
  }
  memcpy(out, sum, sizeof sum);
}
"""
_REFLECT = """  if (i < 0) i = -i;
  if (i >= CLIP + APPENDED) i = 2 * (CLIP + APPENDED - 1) - i;
"""
_KEEP_BANDS = "\n    for (int m = 0; m < BANDS; m++) rows[i][m] = bands[m * lanes + i];"
_KEEP_CEPSTRUM = "to_cepstrum(bands + i, lanes, -FLT_MAX, rows[i]);"
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
    f = front_end
    table = _floats(dct_matrix(f).T) if f.n_mfcc else ""
    keeps_cepstrum = f.n_mfcc and f.log == "ln"
    return {
        "dct": _COSINE.replace("@table@", table) if f.n_mfcc else "",
        "root": _ROOT if f.power == 1 else "",
        "outside": _REFLECT if f.centred and f.padding == "reflect" else "",
        "beyond": "it is reflected" if f.centred and f.padding == "reflect" else "there are zeros",
        "keep": _KEEP_CEPSTRUM if keeps_cepstrum else _KEEP_BANDS,
        "log": _logarithm(f),
        "lay_out": _lay_out(f),
    }


def _logarithm(front_end: FrontEnd) -> str:
    if front_end.log == "ln":
        return f"natural_log(bands[i] + {_float(front_end.log_offset)})"
    floor = _float(front_end.db_floor)
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
        values = "    float row[KEPT];\n    to_cepstrum(rows[t], 1, low, row);\n"
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
