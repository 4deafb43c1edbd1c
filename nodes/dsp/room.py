"""Rooms and noises, generated: reverberation by an impulse response, noise tracks of several colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_DECAY_60_DB = 6.9078  # ln(1000): amplitude at 60 dB below
_EARLY_S = 0.03


def impulse_response(rate_hz: int, reverb_s: float, distance: float, rng: np.random.Generator) -> Samples:
    """A room's impulse response (samples,): direct sound 1, a few early reflections, a noise tail.

    The tail decays exponentially by 60 dB in `reverb_s` (Polack's model); `distance` in 0 to 1 sets how loud
    reflections and tail are against the direct sound.
    """
    count = max(int(rate_hz * reverb_s), 2)
    time_s = np.arange(count) / rate_hz
    tail = rng.standard_normal(count) * np.exp(-_DECAY_60_DB * time_s / reverb_s)
    response = 0.35 * distance * tail / np.sqrt(rate_hz * reverb_s / 20)
    early = rng.integers(1, max(int(rate_hz * min(_EARLY_S, reverb_s)), 2), 6)
    np.add.at(response, early, distance * rng.uniform(-0.5, 0.5, 6))
    response[0] = 1.0
    return np.asarray(response, np.float32)


def reverberated(samples: Samples, response: Samples) -> Samples:
    """The sound in the room: (samples + response - 1,), as loud at its peak as before."""
    size = len(samples) + len(response) - 1
    points = 1 << (size - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, points) * np.fft.rfft(response, points), points)[:size]
    peak = float(np.abs(wet).max(initial=0.0))
    scale = float(np.abs(samples).max(initial=0.0)) / peak if peak else 0.0
    return (wet * scale).astype(np.float32)


def coloured(samples: int, exponent: float, rng: np.random.Generator) -> Samples:
    """Noise (samples,) whose power falls with frequency to the power `exponent`: 0 white, 1 pink, 2 brown; peak 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    shape = np.maximum(np.arange(len(spectrum)), 1.0) ** (-exponent / 2)
    shape[0] = 0.0
    return _peak_1(np.fft.irfft(spectrum * shape, samples))


def hum(samples: int, rate_hz: int, rng: np.random.Generator) -> Samples:
    """Mains hum and its harmonics over a faint brown noise; peak 1."""
    time_s = np.arange(samples) / rate_hz
    base_hz = 50.0 * (1 + 0.002 * rng.standard_normal())
    partials = [
        rng.uniform(0.2, 1) / k * np.sin(2 * np.pi * (k * base_hz * time_s + rng.random())) for k in range(1, 9)
    ]
    return _peak_1(np.sum(partials, axis=0) + 0.3 * coloured(samples, 2, rng))


def babble(voices: list[Samples], samples: int, rng: np.random.Generator) -> Samples:
    """Many people at once (samples,): every given utterance again and again at random times; peak 1."""
    track = np.zeros(samples, np.float32)
    for _ in range(1 + samples // 2000 if voices else 0):
        voice = voices[int(rng.integers(len(voices)))]
        start = int(rng.integers(-len(voice) + 1, samples))
        inside = voice[max(-start, 0) : samples - start]
        track[max(start, 0) : max(start, 0) + len(inside)] += inside
    return _peak_1(track)


def _peak_1(samples: NDArray[np.floating]) -> Samples:
    peak = float(np.abs(samples).max(initial=0.0))
    return (samples / peak if peak else samples).astype(np.float32)


NOISES: Mapping[str, Callable[[int, int, np.random.Generator], Samples]] = {
    "white_noise": lambda samples, _rate_hz, rng: coloured(samples, 0, rng),
    "pink_noise": lambda samples, _rate_hz, rng: coloured(samples, 1, rng),
    "brown_noise": lambda samples, _rate_hz, rng: coloured(samples, 2, rng),
    "hum": hum,
}
"""Noise tracks that need no voices, by name."""


def mixed(speech: Samples, noise: Samples, snr_db: float) -> Samples:
    """Speech with noise of the same length, so much quieter in power (over the samples that are not silent)."""
    power = float(np.mean(np.square(speech[speech != 0]))) if (speech != 0).any() else 0.0
    noise_power = float(np.mean(np.square(noise)))
    if not power or not noise_power:
        return speech
    gain = np.float32(np.sqrt(power / noise_power / 10 ** (snr_db / 10)))
    return speech + noise * gain
