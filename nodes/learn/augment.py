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


@dataclass(frozen=True)
class Changes:
    """What was drawn for the clips of a batch.

    Attributes:
        shifts: samples by which clips move (batch,).
        chosen: places in the batch of clips put into rooms, and `rooms`: into which (chosen,).
        noise: what noise they get, None where none is added.
        gains: factors (batch,), or None.
    """

    shifts: NDArray[np.int64]
    chosen: NDArray[np.int64]
    rooms: NDArray[np.int64]
    noise: Noises | None
    gains: Floats | None


@dataclass(frozen=True)
class Noises:
    """Noise for the clips of a batch: which get it, how strong in [0, 1), the track, where in it in [0, 1)."""

    noisy: NDArray[np.bool_]
    strength: NDArray[np.float64]
    tracks: NDArray[np.int64]
    places: NDArray[np.float64]


class Augmenter:
    """Draws batches of changed waveforms (batch, margin + clip_samples + margin); the clip begins at `margin`."""

    def __init__(self, waves: Waves, augmentation: Augmentation, margin: int = 0, seed: int = 0) -> None:
        self.waves, self.augmentation, self.margin = waves, augmentation, margin
        self.clip_samples = waves.clips.shape[1]
        self.tracks = [track for track in waves.tracks if len(track)]
        self.room_points = int(scipy.fft.next_fast_len(self.clip_samples + int(ROOM_S * waves.rate_hz), real=True))
        self.room_spectra = _rooms(seed, waves.rate_hz, self.room_points) if augmentation.reverb else None

    def draw(self, rows: NDArray[np.int64], random: np.random.Generator) -> Floats:
        """The clips of these rows, each changed at random."""
        changes = self.changes(len(rows), random)
        buffer = self._placed(rows, changes.shifts)
        inner = buffer[:, self.margin : self.margin + self.clip_samples]
        self._put_into_rooms(inner, changes)
        if changes.noise is not None:
            self._add_noise(buffer, rows, changes.noise)
        if changes.gains is not None:
            buffer *= changes.gains[:, None]
        return np.clip(buffer, -1.0, 1.0, out=buffer)

    def changes(self, clips: int, random: np.random.Generator) -> Changes:
        """Draw what happens to so many clips."""
        change = self.augmentation
        reach = min(round(change.shift_ms * 1e-3 * self.waves.rate_hz), self.clip_samples - 1)
        shifts = random.integers(-reach, reach + 1, clips)
        chosen = np.flatnonzero(random.random(clips) < change.reverb) if change.reverb else np.zeros(0, np.int64)
        rooms = random.integers(0, ROOMS, len(chosen)) if change.reverb else chosen
        noise = self._noises(clips, random) if change.noise != "none" and self.tracks else None
        gains_db = random.uniform(-1.0, 1.0, clips) * change.gain_db if change.gain_db else None
        gains = None if gains_db is None else (10.0 ** (gains_db / 20.0)).astype(np.float32)
        return Changes(shifts, chosen, rooms, noise, gains)

    def _noises(self, clips: int, random: np.random.Generator) -> Noises:
        noisy, strength = random.random(clips) < self.augmentation.noise_share, random.random(clips)
        return Noises(noisy, strength, random.integers(0, len(self.tracks), clips), random.random(clips))

    def _placed(self, rows: NDArray[np.int64], shifts: NDArray[np.int64]) -> Floats:
        """Clips shifted by a number of samples, with zeros around them."""
        buffer = np.zeros((len(rows), self.clip_samples + 2 * self.margin), np.float32)
        for line, row, shift in zip(buffer, rows.tolist(), shifts.tolist(), strict=True):
            clip, start = self.waves.clips[row], self.margin + shift
            first, last = max(0, -start), min(len(clip), len(line) - start)
            np.multiply(clip[first:last], FULL_SCALE, out=line[start + first : start + last])
        return buffer

    def _put_into_rooms(self, inner: Floats, changes: Changes) -> None:
        """Convolve some of the clips with room responses; the direct sound stays where it is."""
        if self.room_spectra is None or not len(changes.chosen):
            return
        dry = torch.from_numpy(inner[changes.chosen])
        spectrum = torch.fft.rfft(dry, n=self.room_points) * self.room_spectra[changes.rooms]
        inner[changes.chosen] = torch.fft.irfft(spectrum, n=self.room_points)[:, : self.clip_samples].numpy()

    def _add_noise(self, buffer: Floats, rows: NDArray[np.int64], noises: Noises) -> None:
        is_level = self.augmentation.noise == "level"
        factors = noises.strength * self.augmentation.level if is_level else self.noise_loudness(rows, noises.strength)
        for index in np.flatnonzero(noises.noisy).tolist():
            noise = _cut(self.tracks[noises.tracks[index]], noises.places[index], buffer.shape[1])
            loudness = 1.0 if is_level else max(float(np.sqrt(np.dot(noise, noise) / len(noise))), QUIET)
            buffer[index] += noise * np.float32(factors[index] / loudness)

    def noise_loudness(self, rows: NDArray[np.int64], strength: NDArray[np.float64]) -> NDArray[np.float64]:
        """Root mean square (batch,) that noise on these clips shall have, from its strength in [0, 1)."""
        change, loudness = self.augmentation, self.waves.loudness[rows].astype(np.float64)
        snr_db = change.snr_high_db + (change.snr_low_db - change.snr_high_db) * strength
        return np.where(loudness > QUIET, loudness, self.waves.usual_loudness) * 10.0 ** (-snr_db / 20.0)


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
