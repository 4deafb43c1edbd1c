"""Mel bands in integers: for every band the bins it touches and weights of 16 bits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.mel import hann, mel_matrix
from nodes.dsp.parameters import FrontEnd
from nodes.firmware.frontend.dft import Codes

TOP = (1 << 16) - 1


@dataclass(frozen=True, eq=False)
class Bands:
    """Band m is the sum over i of weights[offset + i] * spectrum[first + i], of `counts[m]` bins, an even number.

    Attributes:
        first: bins counted from 1, as the constant part is left out.
        unit: (bands,) what one step of a weight stands for.
    """

    first: Codes
    counts: Codes
    weights: Codes
    unit: NDArray[np.float64]

    def __call__(self, spectrum: Codes) -> Codes:
        """Sums (frames, bands) of spectra (frames, bins from 1)."""
        found = np.zeros((len(spectrum), len(self.first)), np.int64)
        at = 0
        for band, (first, count) in enumerate(zip(self.first.tolist(), self.counts.tolist(), strict=True)):
            found[:, band] = spectrum[:, first - 1 : first - 1 + count] @ self.weights[at : at + count]
            at += count
        return found


def bands_of(front_end: FrontEnd, dft_samples: int) -> Bands:
    """The bands over the bins of a DFT of so many samples."""
    matrix = _weights(front_end, dft_samples)[:, 1:-1]
    largest = matrix.max(axis=1)
    own = np.where(largest > 0, largest, 1.0) if front_end.area_normalised else np.full(len(matrix), matrix.max())
    unit = own / TOP
    whole = np.floor(matrix / unit[:, None] + 0.5).astype(np.int64)
    spans = [_span(row) for row in whole]
    weights = np.concatenate([row[first : first + count] for row, (first, count) in zip(whole, spans, strict=True)])
    firsts, counts = np.array(spans, np.int64).T
    return Bands(firsts + 1, counts, weights, unit)


def _span(row: Codes) -> tuple[int, int]:
    """First bin and an even number of bins that hold all weights; no bins for a band narrower than one."""
    used = np.flatnonzero(row)
    if not len(used):
        return 0, 0
    first, last = int(used[0]), int(used[-1])
    count = (last - first + 2) // 2 * 2
    return min(first, len(row) - count), count


def _weights(front_end: FrontEnd, dft_samples: int) -> NDArray[np.float64]:
    if dft_samples == front_end.fft_samples:
        return mel_matrix(front_end)
    if dft_samples > front_end.fft_samples:
        return mel_matrix(replace(front_end, fft_samples=dft_samples))
    return _coarse(front_end, dft_samples)


def _coarse(front_end: FrontEnd, dft_samples: int) -> NDArray[np.float64]:
    """Weights over fewer bins that give nearly the same bands.

    A band of the power spectrum is a sum over lags of the frame's autocorrelation, times a taper: the window's own
    autocorrelation. It falls so fast that lags beyond half the window hardly count, and fewer bins do for the others.
    Weights are those that come nearest to the band at every lag, none of them negative, over the bins that the band
    covers and one beyond on either side at most.
    """
    import scipy.optimize

    exact = mel_matrix(front_end)
    window = hann(front_end.window_samples)
    lags = np.arange(front_end.window_samples)
    taper = np.correlate(window, window, "full")[len(window) - 1 :] / float(window @ window)
    fine = np.cos(2 * np.pi * np.outer(np.arange(exact.shape[1]), lags) / front_end.fft_samples) * taper
    coarse = np.cos(2 * np.pi * np.outer(np.arange(dft_samples // 2 + 1), lags) / dft_samples) * taper
    found = np.zeros((len(exact), dft_samples // 2 + 1))
    for row, band in zip(found, exact, strict=True):
        used = np.flatnonzero(band) * dft_samples / front_end.fft_samples
        if len(used):
            low, high = max(1, int(np.floor(used[0]))), min(len(row) - 2, int(np.ceil(used[-1])))
            row[low : high + 1] = scipy.optimize.nnls(coarse[low : high + 1].T, band @ fine)[0]
    return found
