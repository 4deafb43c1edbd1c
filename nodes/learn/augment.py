"""Waveform augmentation: shift, room, noise and gain of a whole batch, into buffers with room for tempo changes.

Everything random comes from one numpy generator per batch, so a batch is a pure function of (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from nodes.learn.augmentation import Augmentation

Floats = NDArray[np.float32]

ROOMS: Final = 256
ROOM_S: Final = 0.25
FULL_SCALE: Final = np.float32(1.0 / 32768.0)
QUIET: Final = 1e-5


@dataclass(frozen=True)
class Waves:
    """Training waveforms and noise tracks, held once as int16.

    Attributes:
        clips: int16 (clips, clip_samples).
        tracks: float32 noise tracks (samples,) of any length.
        rate_hz: sampling rate of both.
    """

    clips: NDArray[np.int16]
    tracks: tuple[Floats, ...]
    rate_hz: int

    @cached_property
    def loudness(self) -> Floats:
        """Root mean square of every clip (clips,), in units of full scale."""
        blocks = (self.clips[first : first + 512] for first in range(0, len(self.clips), 512))
        squares = [np.mean(np.square(block * FULL_SCALE), axis=1) for block in blocks]
        return np.sqrt(np.concatenate(squares)) if squares else np.zeros(0, np.float32)

    @cached_property
    def usual_loudness(self) -> float:
        """Median loudness of the clips that are not silent: what noise on a silent clip is measured against."""
        heard = self.loudness[self.loudness > QUIET]
        return float(np.median(heard)) if len(heard) else 0.1


class Augmenter:
    """Draws batches of changed waveforms (batch, margin + clip_samples + margin); the clip begins at `margin`."""

    def __init__(self, waves: Waves, augmentation: Augmentation, margin: int = 0, seed: int = 0) -> None:
        self.waves, self.augmentation, self.margin = waves, augmentation, margin
        self.clip_samples = waves.clips.shape[1]
        self.tracks = [track for track in waves.tracks if len(track)]
        self._spectra = _rooms(seed, waves.rate_hz, self._room_points) if augmentation.reverb else None

    @property
    def _room_points(self) -> int:
        return int(scipy.fft.next_fast_len(self.clip_samples + int(ROOM_S * self.waves.rate_hz), real=True))

    def draw(self, rows: NDArray[np.int64], random: np.random.Generator) -> Floats:
        """The clips of these rows, each changed at random."""
        buffer = self._placed(rows, random)
        inner = buffer[:, self.margin : self.margin + self.clip_samples]
        if self._spectra is not None:
            self._put_into_rooms(inner, random)
        self._add_noise(buffer, rows, random)
        if self.augmentation.gain_db:
            loudness_db = random.uniform(-1.0, 1.0, len(rows)) * self.augmentation.gain_db
            buffer *= (10.0 ** (loudness_db / 20.0)).astype(np.float32)[:, None]
        return np.clip(buffer, -1.0, 1.0, out=buffer)

    def _placed(self, rows: NDArray[np.int64], random: np.random.Generator) -> Floats:
        """Clips shifted by a random number of samples, with zeros around them."""
        buffer = np.zeros((len(rows), self.clip_samples + 2 * self.margin), np.float32)
        reach = min(round(self.augmentation.shift_ms * 1e-3 * self.waves.rate_hz), self.clip_samples - 1)
        shifts = random.integers(-reach, reach + 1, len(rows)).tolist()
        for line, row, shift in zip(buffer, rows.tolist(), shifts, strict=True):
            clip, start = self.waves.clips[row], self.margin + shift
            first, last = max(0, -start), min(len(clip), len(line) - start)
            np.multiply(clip[first:last], FULL_SCALE, out=line[start + first : start + last])
        return buffer

    def _put_into_rooms(self, inner: Floats, random: np.random.Generator) -> None:
        """Convolve a share of the clips with room responses; the direct sound stays where it is."""
        chosen = np.flatnonzero(random.random(len(inner)) < self.augmentation.reverb)
        which = random.integers(0, ROOMS, len(chosen))
        if self._spectra is None or not len(chosen):
            return
        spectrum = torch.fft.rfft(torch.from_numpy(inner[chosen]), n=self._room_points) * self._spectra[which]
        inner[chosen] = torch.fft.irfft(spectrum, n=self._room_points)[:, : self.clip_samples].numpy()

    def _add_noise(self, buffer: Floats, rows: NDArray[np.int64], random: np.random.Generator) -> None:
        if self.augmentation.noise == "none" or not self.tracks:
            return
        noisy = random.random(len(rows)) < self.augmentation.noise_share
        strength, tracks = random.random(len(rows)), random.integers(0, len(self.tracks), len(rows))
        places = random.random(len(rows))
        for index in np.flatnonzero(noisy).tolist():
            noise = _cut(self.tracks[tracks[index]], places[index], buffer.shape[1])
            factor = self._noise_factor(strength[index], rows[index], noise)
            buffer[index] += noise * factor

    def _noise_factor(self, strength: float, row: int, noise: Floats) -> np.float32:
        """What to multiply noise by, from `strength` in [0, 1)."""
        change = self.augmentation
        if change.noise == "level":
            return np.float32(strength * change.level)
        loudness = float(self.waves.loudness[row])
        snr_db = change.snr_high_db + (change.snr_low_db - change.snr_high_db) * strength
        target = (loudness if loudness > QUIET else self.waves.usual_loudness) * 10.0 ** (-snr_db / 20.0)
        return np.float32(target / max(float(np.sqrt(np.dot(noise, noise) / len(noise))), QUIET))


def coloured_tracks(rate_hz: int, seconds: float = 30.0) -> tuple[Floats, ...]:
    """White and pink noise, for data without background tracks. Pink: power falls by 3 dB per octave."""
    random, points = np.random.default_rng(0), int(seconds * rate_hz)
    spectrum = np.fft.rfft(random.standard_normal(points))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1.0)), points)
    white = random.standard_normal(points)
    return tuple((0.1 * noise / noise.std()).astype(np.float32) for noise in (white, pink))


def _cut(track: Floats, place: float, samples: int) -> Floats:
    """A stretch of a track, `place` in [0, 1) telling where; a short track is repeated."""
    if len(track) < samples:
        return np.resize(np.roll(track, -int(place * len(track))), samples)
    start = int(place * (len(track) - samples + 1))
    return track[start : start + samples]


def _rooms(seed: int, rate_hz: int, points: int) -> torch.Tensor:
    """Spectra of ROOMS synthetic room responses of unit energy: direct sound, then exponentially decaying noise."""
    random = np.random.default_rng((seed, ROOMS))
    time_s = np.arange(int(ROOM_S * rate_hz)) / rate_hz
    tails = [_room(random, time_s) for _ in range(ROOMS)]
    spectra: torch.Tensor = torch.fft.rfft(torch.from_numpy(np.stack(tails).astype(np.float32)), n=points)
    return spectra


def _room(random: np.random.Generator, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    decay_s, first_s, direct_db = random.uniform(0.08, 0.45), random.uniform(5e-4, 4e-3), random.uniform(-3.0, 10.0)
    tail = random.standard_normal(len(time_s)) * 10.0 ** (-3.0 * time_s / decay_s) * (time_s >= first_s)
    tail *= np.sqrt(10.0 ** (-direct_db / 10.0) / np.sum(tail**2))
    tail[0] = 1.0
    response: NDArray[np.float64] = tail / np.sqrt(np.sum(tail**2))
    return response
