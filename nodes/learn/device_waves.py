"""Waveforms changed and turned into features on a GPU: the changes of `augment` and `render`, drawn alike, in torch.

All clips lie on the device; per batch only what was drawn travels there. The numbers are those of `WaveSource` but for
rounding. Nothing waits for the device.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nodes.dsp.mel import mel_matrix
from nodes.dsp.parameters import FrontEnd
from nodes.learn.augment import FULL_SCALE, QUIET, Augmenter, Changes, Noises, Waves
from nodes.learn.augmentation import Augmentation
from nodes.learn.mask import masked
from nodes.learn.render import BLOCK_CLIPS, Renderer
from nodes.learn.source import Batch, Labels, mixed_batch


class DeviceWaveSource:
    """As WaveSource, with clips, tracks, rooms and mel bands on a device."""

    def __init__(
        self, waves: Waves, front_end: FrontEnd, labels: Labels, augmentation: Augmentation, device: str
    ) -> None:
        self.labels, self.augmentation, self.device = labels, augmentation.at_once, device
        self.renderer = Renderer(front_end, self.augmentation)
        self.augmenter = Augmenter(waves, self.augmentation, self.renderer.margin, labels.seed)
        self._clips = torch.from_numpy(waves.clips).to(device)
        self._tracks, self._starts = _joined(self.augmenter.tracks, self.augmenter.clip_samples + 2 * self._margin)
        self._tracks = self._tracks.to(device)
        rooms = self.augmenter.room_spectra
        self._rooms = None if rooms is None else rooms.to(device)
        matrices = [mel_matrix(front_end, warp, pitch).T for warp, pitch in self.renderer.voices]
        self._bands = torch.tensor(np.stack(matrices), dtype=torch.float32, device=device)  # (voices, bins, bands)
        self._window = torch.from_numpy(self.renderer.window).to(device)
        self._dct = None if self.renderer.dct is None else self.renderer.dct.to(device)

    @property
    def _margin(self) -> int:
        return self.renderer.margin

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.labels.steps_per_epoch

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step."""
        rows, random = self.labels.rows(step), self.labels.random(step)
        buffer = self._changed(rows, self.augmenter.changes(len(rows), random))
        shown = self._rendered(buffer, random)
        return mixed_batch(self.labels.batch_of(shown, rows), self.augmentation, random, is_calm)

    def _on(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self.device, non_blocking=True)

    # ---- as Augmenter.draw

    def _changed(self, rows: NDArray[np.int64], changes: Changes) -> Tensor:
        """Waveforms (batch, margin + clip_samples + margin)."""
        buffer = self._placed(rows, changes.shifts)
        if self._rooms is not None and len(changes.chosen):
            inner, chosen = slice(self._margin, self._margin + self.augmenter.clip_samples), self._on(changes.chosen)
            spectrum = torch.fft.rfft(buffer[chosen, inner], n=self.augmenter.room_points)
            spectrum = spectrum * self._rooms[self._on(changes.rooms)]
            wet = torch.fft.irfft(spectrum, n=self.augmenter.room_points)[:, : self.augmenter.clip_samples]
            buffer[chosen, inner] = wet
        if changes.noise is not None:
            buffer = buffer + self._noise(rows, changes.noise, buffer.shape[1])
        if changes.gains is not None:
            buffer = buffer * self._on(changes.gains)[:, None]
        return buffer.clamp(-1.0, 1.0)

    def _placed(self, rows: NDArray[np.int64], shifts: NDArray[np.int64]) -> Tensor:
        samples = self.augmenter.clip_samples
        places = torch.arange(samples + 2 * self._margin, device=self.device) - self._on(shifts + self._margin)[:, None]
        clips = self._clips[self._on(rows)].gather(1, places.clamp(0, samples - 1))
        return torch.where((places >= 0) & (places < samples), clips * float(FULL_SCALE), 0.0)

    def _noise(self, rows: NDArray[np.int64], noises: Noises, samples: int) -> Tensor:
        first, room = self._starts[noises.tracks].T
        starts = first + (noises.places * room).astype(np.int64)
        table = self._tracks.as_strided((len(self._tracks) - samples + 1, samples), (1, 1))
        noise = table[self._on(starts)]
        if self.augmenter.augmentation.noise == "level":
            factors = noises.strength * self.augmenter.augmentation.level
            return noise * self._on((factors * noises.noisy).astype(np.float32))[:, None]
        loudness = self.augmenter.noise_loudness(rows, noises.strength) * noises.noisy
        found = noise.square().mean(1).sqrt().clamp(min=QUIET)
        return noise * (self._on(loudness.astype(np.float32)) / found)[:, None]

    # ---- as Renderer.render

    def _rendered(self, buffer: Tensor, random: np.random.Generator) -> Tensor:
        """Features (batch, *shape)."""
        front_end, points = self.renderer.front_end, self.renderer.front_end.fft_samples
        starts = self.renderer.starts(len(buffer), random)
        voices = random.integers(0, len(self._bands), -(-len(buffer) // BLOCK_CLIPS)).repeat(BLOCK_CLIPS)[: len(buffer)]
        padded = self._padded(buffer)
        table = padded.as_strided((padded.numel() - points + 1, points), (1, 1))
        rows = starts + (np.arange(len(padded)) * padded.shape[1])[:, None]
        bins = torch.fft.rfft(table[self._on(rows)] * self._window)
        spectrum = bins.abs() if front_end.power == 1 else bins.real.square() + bins.imag.square()
        logs = self.renderer.logarithm(spectrum @ self._bands[self._on(voices)])
        logs = masked(logs, self.augmentation, random)
        return self.renderer.arranged(logs if self._dct is None else logs @ self._dct)

    def _padded(self, buffer: Tensor) -> Tensor:
        front_end, margin = self.renderer.front_end, self._margin
        pad, samples = front_end.pad_samples, front_end.clip_samples
        padded = torch.nn.functional.pad(buffer, (pad, front_end.append_samples + pad + front_end.fft_samples))
        if pad and front_end.padding == "reflect":
            clip = buffer[:, margin : margin + samples]
            padded[:, margin : margin + pad] = clip[:, 1 : pad + 1].flip(1)
            padded[:, margin + pad + samples : margin + 2 * pad + samples] = clip[:, -pad - 1 : -1].flip(1)
        return padded


def _joined(tracks: list[NDArray[np.float32]], samples: int) -> tuple[Tensor, NDArray[np.int64]]:
    """Tracks in one row, short ones repeated; and for each where it begins and how many cuts of `samples` it has."""
    rooms = [len(track) if len(track) < samples else len(track) - samples + 1 for track in tracks]
    long = [np.resize(track, room + samples - 1) for track, room in zip(tracks, rooms, strict=True)]
    firsts = list(accumulate((len(track) for track in long), initial=0))[:-1]
    joined = np.concatenate(long) if long else np.zeros(0, np.float32)
    return torch.from_numpy(joined), np.array([firsts, rooms], np.int64).T
