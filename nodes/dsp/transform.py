"""Features of waveforms in numpy: blocks that stay in the processor's cache, every step over a whole block.

One clip costs mostly its FFT (scipy's pocketfft, four transforms abreast). The rest is arranged around it: windowing
in place over contiguous rows, mel bands as a few small matrix products over the bins they touch, the DCT as one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.fft
import threadpoolctl
from numpy.typing import NDArray

from nodes.dsp.mel import BandProduct, band_products, dct_matrix, hann
from nodes.dsp.parameters import FrontEnd, FrontEndError, Problem

Floats = NDArray[np.float32]

BLOCK_BYTES = 1 << 20
"""Bytes of windowed frames per block: they and their spectra share a core's cache, and steps are long enough for two
threads not to wait for each other (half the size costs them a third of their speed)."""
RESAMPLER_REACH = 4096
"""Samples beyond the cut that still reach what lies before it through the resampling filter."""


def compute(front_end: FrontEnd, waveforms: Floats, threads: int = 1) -> Floats:
    """Features (batch, *front_end.shape), float32, of waveforms (batch, front_end.clip_samples) in [-1, 1).

    Equal inputs give equal bytes whatever the number of threads.

    Raises:
        FrontEndError: the waveforms' shape does not fit the front end, or a value is not finite.
    """
    _check_shape(front_end, waveforms)
    features = np.empty((len(waveforms), *front_end.shape), np.float32)
    step = _clips_per_block(front_end)
    blocks = [slice(first, first + step) for first in range(0, len(waveforms), step)]
    shares = [blocks[worker::threads] for worker in range(min(threads, len(blocks)))]

    def work(share: list[slice]) -> None:
        kernel = _Kernel(front_end, step)
        with np.errstate(invalid="ignore"):  # what is not finite is told below, by row
            for rows in share:
                kernel.run(waveforms[rows], features[rows])

    with _blas().limit(limits=1, user_api="blas"), ThreadPoolExecutor(max(len(shares), 1)) as pool:
        list(pool.map(work, shares)) if len(shares) > 1 else list(map(work, shares))
    _check_finite(features)
    return features


def fit(front_end: FrontEnd, waveform: Floats, rate_hz: int) -> Floats:
    """One waveform (samples,) of any rate and length as (clip_samples,): resampled, cut, zero-padded at the end."""
    if rate_hz != front_end.rate_hz:
        import soxr

        needed = -(-front_end.clip_samples * rate_hz // front_end.rate_hz) + RESAMPLER_REACH
        waveform = soxr.resample(waveform[:needed], rate_hz, front_end.rate_hz)
    clip = np.zeros(front_end.clip_samples, np.float32)
    kept = waveform[: front_end.clip_samples]
    clip[: len(kept)] = kept
    return clip


def _check_shape(front_end: FrontEnd, waveforms: Floats) -> None:
    if waveforms.ndim != 2 or waveforms.shape[1] != front_end.clip_samples:
        shape = " x ".join(map(str, waveforms.shape))
        raise FrontEndError(
            Problem(
                f"the waveforms have the shape {shape}",
                f"clips x {front_end.clip_samples} samples",
                "Pad or cut every clip to clip_samples with `fit`",
            )
        )


def _check_finite(features: Floats) -> None:
    if not np.isfinite(features).all():
        rows = np.flatnonzero(~np.isfinite(features).all(axis=tuple(range(1, features.ndim))))
        raise FrontEndError(
            Problem(
                f"{len(rows)} waveforms hold NaN or infinite samples, the first at row {rows[0]}",
                "finite samples in [-1, 1)",
                "Remove or repair these clips",
            )
        )


def _clips_per_block(front_end: FrontEnd) -> int:
    return max(1, BLOCK_BYTES // (4 * front_end.frames * front_end.fft_samples))


@functools.cache
def _blas() -> threadpoolctl.ThreadpoolController:
    return threadpoolctl.ThreadpoolController()


@dataclass(frozen=True)
class _Constants:
    window: Floats
    """One clip's worth of windows, zero behind each (frames * fft_samples,)."""
    bands: tuple[BandProduct, ...]
    dct: Floats | None
    """(n_mels, n_mfcc), transposed for a product from the right."""


@functools.lru_cache(maxsize=32)
def _constants(front_end: FrontEnd) -> _Constants:
    window = np.zeros((front_end.frames, front_end.fft_samples), np.float32)
    window[:, : front_end.window_samples] = hann(front_end.window_samples)
    dct = np.ascontiguousarray(dct_matrix(front_end).T, np.float32) if front_end.n_mfcc else None
    return _Constants(window.reshape(-1), tuple(band_products(front_end)), dct)


class _Kernel:
    """The steps over one block, with the buffers they share; one per thread."""

    def __init__(self, front_end: FrontEnd, clips: int) -> None:
        self.front_end, self.constants = front_end, _constants(front_end)
        rows, window = clips * front_end.frames, front_end.window_samples
        self.padded = np.zeros((clips, _padded_samples(front_end)), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(self.padded, window, axis=1)
        self.windows = windows[:, :: front_end.hop_samples][:, : front_end.frames]
        self.frames = np.zeros((clips, front_end.frames, front_end.fft_samples), np.float32)
        self.mels = np.empty((rows, front_end.n_mels), np.float32)

    def run(self, waveforms: Floats, out: Floats) -> None:
        """Write the features of a block of clips (clips, samples) to `out` (clips, *shape)."""
        self._pad(waveforms)
        self._cut(len(waveforms))
        self._transform(len(waveforms))
        logs = self._logs(len(waveforms))
        rows = logs if self.constants.dct is None else logs @ self.constants.dct
        _lay_out(rows, self.front_end, out)

    def _pad(self, waveforms: Floats) -> None:
        before, samples = self.front_end.pad_samples, self.front_end.clip_samples
        padded = self.padded[: len(waveforms)]
        padded[:, before : before + samples] = waveforms
        if before and self.front_end.padding == "reflect":
            inner = padded[:, before:-before]
            padded[:, :before] = inner[:, before:0:-1]
            padded[:, -before:] = inner[:, -2 : -before - 2 : -1]

    def _cut(self, clips: int) -> None:
        np.copyto(self.frames[:clips, :, : self.front_end.window_samples], self.windows[:clips])
        flat = self.frames[:clips].reshape(clips, -1)
        np.multiply(flat, self.constants.window, out=flat)

    def _transform(self, clips: int) -> None:
        rows = clips * self.front_end.frames
        spectrum = _SPECTRA[self.front_end.power](scipy.fft.rfft(self.frames[:clips].reshape(rows, -1)))
        for band in self.constants.bands:
            np.matmul(spectrum[:, band.source], band.weights, out=self.mels[:rows, band.bands])

    def _logs(self, clips: int) -> Floats:
        rows = clips * self.front_end.frames
        mels = self.mels[:rows]
        _LOGS[self.front_end.log](mels.reshape(clips, -1), self.front_end)
        return mels


def _magnitude(bins: NDArray[np.complex64]) -> Floats:
    return np.abs(bins)


def _squares(bins: NDArray[np.complex64]) -> Floats:
    """Squares of the real and imaginary parts (rows, 2 * bins), in place."""
    parts = bins.view(np.float32)
    return np.multiply(parts, parts, out=parts)


_SPECTRA: dict[int, Callable[[NDArray[np.complex64]], Floats]] = {1: _magnitude, 2: _squares}


def _ln(mels: Floats, front_end: FrontEnd) -> None:
    np.add(mels, np.float32(front_end.log_offset), out=mels)
    np.log(mels, out=mels)


def _decibels(mels: Floats, front_end: FrontEnd) -> None:
    range_ratio = 10.0 ** (-front_end.db_range / 10.0)
    floor = np.maximum(mels.max(axis=1, keepdims=True) * np.float32(range_ratio), np.float32(front_end.db_floor))
    np.maximum(mels, floor, out=mels)
    np.log10(mels, out=mels)
    np.multiply(mels, np.float32(10.0), out=mels)


_LOGS: dict[str, Callable[[Floats, FrontEnd], None]] = {"ln": _ln, "db": _decibels}


def _padded_samples(front_end: FrontEnd) -> int:
    return front_end.clip_samples + front_end.append_samples + 2 * front_end.pad_samples


def _lay_out(rows: Floats, front_end: FrontEnd, out: Floats) -> None:
    """Copy (clips * frames, coefficients) to (clips, coefficients, frames), or to patches of frames."""
    matrices = rows.reshape(len(out), front_end.frames, front_end.coefficients)
    if not front_end.patch_frames:
        np.copyto(out, matrices.transpose(0, 2, 1))
        return
    patches, size = front_end.shape[0], front_end.patch_frames
    whole = matrices[:, : patches * size].reshape(len(out), patches, size, -1)
    np.copyto(out, whole.transpose(0, 1, 3, 2))
