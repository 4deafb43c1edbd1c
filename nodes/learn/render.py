"""Features of changed waveforms: the front end with tempos, voices and masks of its own for every batch.

Tempo comes from the distance between frames, vocal tract and pitch from the mel bands, so none needs resampling: that
makes full augmentation cost little more than the features themselves. Without changes the numbers are the front end's.
"""

from __future__ import annotations

from itertools import product
from typing import Final

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torch import Tensor

from nodes.dsp.mel import band_products, dct_matrix, hann
from nodes.dsp.parameters import FrontEnd
from nodes.learn.augmentation import Augmentation
from nodes.learn.mask import masked

Floats = NDArray[np.float32]
Bands = list[tuple[slice, Tensor]]

WARPS: Final = 21
"""Vocal tracts to choose from."""
PRODUCT_BANDS: Final = 16
"""Bands of one product: a processor multiplies sixteen numbers at once, with eight it takes twice as long."""
BLOCK_CLIPS: Final = 5
"""Clips that share one voice (vocal tract and pitch): their frames stay in a core's cache."""


class Renderer:
    """Waveforms in buffers (batch, margin + clip_samples + margin) to features (batch, *front_end.shape)."""

    def __init__(self, front_end: FrontEnd, augmentation: Augmentation) -> None:
        self.front_end, self.augmentation = front_end, augmentation
        self._length = front_end.clip_samples + front_end.append_samples + 2 * front_end.pad_samples
        self._centre = (front_end.frames - 1) * front_end.hop_samples / 2.0
        self.window = np.zeros(front_end.fft_samples, np.float32)
        self.window[: front_end.window_samples] = hann(front_end.window_samples)
        self.dct = torch.tensor(dct_matrix(front_end).T.copy(), dtype=torch.float32) if front_end.n_mfcc else None
        self.voices = list(product(_warps(augmentation.vocal_tract), _pitches(augmentation.pitch_semitones)))
        self._bands = [_bands(front_end, warp, pitch) for warp, pitch in self.voices]

    @property
    def margin(self) -> int:
        """Samples needed before and behind the clip for frames that tempo moves out of it."""
        return int(np.ceil(self.augmentation.tempo * self._centre)) + 1 if self.augmentation.tempo else 0

    @torch.no_grad()
    def render(self, buffer: Floats, random: np.random.Generator) -> Tensor:
        """Features of a batch, each clip with its own tempo and masks, each block of clips with its own voice."""
        starts = self.starts(len(buffer), random)
        voices = random.integers(0, len(self.voices), -(-len(buffer) // BLOCK_CLIPS))
        padded = self._padded(buffer)
        parts = [
            self._logs(padded[first : first + BLOCK_CLIPS], starts[first : first + BLOCK_CLIPS], self._bands[voice])
            for first, voice in zip(range(0, len(buffer), BLOCK_CLIPS), voices.tolist(), strict=True)
        ]
        logs = masked(torch.cat(parts), self.augmentation, random)
        return self.arranged(logs if self.dct is None else logs @ self.dct)

    def starts(self, count: int, random: np.random.Generator) -> NDArray[np.int64]:
        """First sample of every frame (count, frames) in the padded buffer."""
        pace = 1.0 + self.augmentation.tempo * random.uniform(-1.0, 1.0, (count, 1))
        usual = np.arange(self.front_end.frames) * self.front_end.hop_samples
        return np.rint((usual - self._centre) * pace + (self._centre + self.margin)).astype(np.int64)

    def _padded(self, buffer: Floats) -> Floats:
        """The buffer with the front end's padding, and zeros behind so that a whole FFT can be read everywhere."""
        pad, margin, samples = self.front_end.pad_samples, self.margin, self.front_end.clip_samples
        behind = self.front_end.append_samples + pad + self.front_end.fft_samples
        padded = np.pad(buffer, ((0, 0), (pad, behind)))
        if pad and self.front_end.padding == "reflect":
            clip = buffer[:, margin : margin + samples]
            padded[:, margin : margin + pad] = clip[:, pad:0:-1]
            padded[:, margin + pad + samples : margin + 2 * pad + samples] = clip[:, -2 : -pad - 2 : -1]
        return padded

    def _logs(self, padded: Floats, starts: NDArray[np.int64], bands: Bands) -> Tensor:
        """Log-mel bands (clips, frames, n_mels)."""
        frames = torch.from_numpy(self._frames(padded, starts))
        bins = torch.fft.rfft(frames)
        spectrum = bins.abs() if self.front_end.power == 1 else torch.view_as_real(bins).square_().flatten(1)
        mels = torch.cat([spectrum[:, source] @ weights for source, weights in bands], dim=1)
        return self.logarithm(mels.view(*starts.shape, -1))

    def _frames(self, padded: Floats, starts: NDArray[np.int64]) -> Floats:
        """Windowed frames (clips * frames, fft_samples): every row of the table of all positions that is asked for."""
        points, flat = self.front_end.fft_samples, padded.reshape(-1)
        table = as_strided(flat, (len(flat) - points + 1, points), (flat.itemsize, flat.itemsize), writeable=False)
        rows = starts + (np.arange(len(padded)) * padded.shape[1])[:, None]
        frames: Floats = table[rows.reshape(-1)]
        frames *= self.window
        return frames

    def logarithm(self, mels: Tensor) -> Tensor:
        """The front end's logarithm of mel bands (clips, frames, n_mels), which are used up."""
        front_end = self.front_end
        if front_end.log == "ln":
            return mels.add_(front_end.log_offset).log_()
        lowest = mels.amax(dim=(1, 2), keepdim=True) * 10.0 ** (-front_end.db_range / 10.0)
        return torch.maximum(mels, lowest.clamp_(min=front_end.db_floor)).log10_().mul_(10.0)

    def arranged(self, rows: Tensor) -> Tensor:
        """Rows of features (clips, frames, coefficients) in the front end's shape, the coefficients side by side."""
        if not self.front_end.patch_frames:
            return rows.transpose(1, 2)
        patches, size = self.front_end.shape[0], self.front_end.patch_frames
        return rows[:, : patches * size].reshape(len(rows), patches, size, -1).transpose(2, 3)


def _warps(reach: float) -> NDArray[np.float64]:
    return np.linspace(1.0 - reach, 1.0 + reach, WARPS) if reach else np.ones(1)


def _pitches(semitones: tuple[float, ...]) -> NDArray[np.float64]:
    """Factors on every frequency."""
    factors: NDArray[np.float64] = 2.0 ** (np.array(semitones or (0.0,)) / 12.0)
    return factors


def _bands(front_end: FrontEnd, warp: float, pitch: float) -> Bands:
    parts = band_products(front_end, warp, pitch, PRODUCT_BANDS)
    return [(part.source, torch.from_numpy(part.weights)) for part in parts]
