"""The constant matrices of a front end: window, mel bands, DCT. Pure functions of its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.parameters import FrontEnd

Array = NDArray[np.float64]
BAND_GROUPS = 8


def hann(samples: int) -> Array:
    """Periodic Hann window (samples,): 0.5 - 0.5 cos(2 pi n / samples)."""
    window: Array = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(samples) / samples)
    return window


def htk(frequency_hz: Array) -> Array:
    """HTK mel: 1127 ln(1 + f / 700)."""
    return 1127.0 * np.log1p(frequency_hz / 700.0)


def htk_inverse(mel: Array) -> Array:
    """Frequency in Hz of an HTK mel value."""
    return 700.0 * np.expm1(mel / 1127.0)


# Slaney's Auditory Toolbox: 200/3 Hz per mel below 1 kHz, above it 27 mels for every factor of 6.4.
_LINEAR_HZ, _KNEE_HZ, _KNEE_MEL, _STEP = 200.0 / 3.0, 1000.0, 15.0, np.log(6.4) / 27.0


def slaney(frequency_hz: Array) -> Array:
    """Slaney mel: linear below 1 kHz, logarithmic above."""
    above = _KNEE_MEL + np.log(np.maximum(frequency_hz, _KNEE_HZ) / _KNEE_HZ) / _STEP
    return np.where(frequency_hz < _KNEE_HZ, frequency_hz / _LINEAR_HZ, above)


def slaney_inverse(mel: Array) -> Array:
    """Frequency in Hz of a Slaney mel value."""
    above = _KNEE_HZ * np.exp(_STEP * (np.maximum(mel, _KNEE_MEL) - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ, above)


_SCALES = {"htk": (htk, htk_inverse), "slaney": (slaney, slaney_inverse)}


def mel_matrix(front_end: FrontEnd, warp: float = 1.0, pitch: float = 1.0) -> Array:
    """Weights (n_mels, fft_samples // 2 + 1) of the mel bands.

    Edges are n_mels + 2 points equally spaced in mel; a band rises from its left neighbour's centre and falls to its
    right one's. The DC bin carries no weight. A `warp` other than 1 hears another vocal tract (see `warped`); with a
    `pitch` every frequency counts as that many times itself, as if the clip were resampled and stretched back.
    """
    to_mel, to_hz = _SCALES[front_end.mel_scale]
    low, high = to_mel(np.array([front_end.f_min_hz, front_end.f_max_hz])).tolist()
    edges_mel = np.linspace(low, high, front_end.n_mels + 2)
    edges_hz = to_hz(edges_mel)
    bins_hz = pitch * warped(np.linspace(0.0, front_end.rate_hz * 0.5, front_end.fft_samples // 2 + 1), warp)
    over_mel = front_end.mel_triangles == "mel"
    weights = _triangles(edges_mel, to_mel(bins_hz)) if over_mel else _triangles(edges_hz, bins_hz)
    weights[:, 0] = 0.0
    if front_end.area_normalised:
        weights *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return weights


def warped(bins_hz: Array, warp: float) -> Array:
    """Frequencies of all bins times `warp`, bent above 60 % of the last one so that this one stays in place.

    Vocal tract length perturbation (Jaitly and Hinton, 2013): warp 1.1 moves formants up by a tenth.
    """
    if warp == 1.0:
        return bins_hz
    last, knee = bins_hz[-1], 0.6 * bins_hz[-1] * min(warp, 1.0)
    bent = last - (last - knee) / (last - knee / warp) * (last - bins_hz)
    return np.where(bins_hz <= knee / warp, bins_hz * warp, bent)


def _triangles(edges: Array, points: Array) -> Array:
    rise = (points - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - points) / np.diff(edges)[1:, None]
    return np.maximum(0.0, np.minimum(rise, fall))


@dataclass(frozen=True)
class BandProduct:
    """Neighbouring mel bands as a dense product: spectrum columns `source` times `weights` give columns `bands`."""

    source: slice
    bands: slice
    weights: NDArray[np.float32]


def band_products(front_end: FrontEnd, warp: float = 1.0, pitch: float = 1.0, width: int = 0) -> Iterator[BandProduct]:
    """The mel matrix as a few products over the columns each touches: dense in cache, an eighth of the whole in work.

    With power 2 the columns are the squares of real and imaginary parts side by side, each with the bin's weight;
    with power 1 they are magnitudes. A product has `width` bands; with 0, there are BAND_GROUPS products.
    """
    weights = np.repeat(mel_matrix(front_end, warp, pitch), front_end.power, axis=1)
    bands = len(weights)
    even = np.linspace(0, bands, min(BAND_GROUPS, bands) + 1).astype(int).tolist()
    limits = [*range(0, bands, width), bands] if width else even
    for low, high in zip(limits, limits[1:], strict=False):
        used = np.flatnonzero(weights[low:high].any(axis=0))
        source = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
        yield BandProduct(source, slice(low, high), np.ascontiguousarray(weights[low:high, source].T, np.float32))


def dct_matrix(front_end: FrontEnd) -> Array:
    """DCT-II (n_mfcc, n_mels): sqrt(2/M) cos(pi k (m + 1/2) / M), the row k = 0 divided by sqrt(2) if orthonormal."""
    bands = front_end.n_mels
    k, m = np.arange(front_end.n_mfcc)[:, None], np.arange(bands)[None, :]
    matrix: Array = np.sqrt(2.0 / bands) * np.cos(np.pi * k * (m + 0.5) / bands)
    if front_end.dct == "orthonormal":
        matrix[:1] /= np.sqrt(2.0)
    return matrix
