"""Rooms and noises: decay times, colours and levels are what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.dsp.room import NOISES, babble, coloured, impulse_response, mixed, reverberated

RATE_HZ = 16_000


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("reverb_s", [0.2, 0.5, 1.0])
def test_the_tail_decays_by_60_db_in_the_reverberation_time(reverb_s: float) -> None:
    responses = [impulse_response(RATE_HZ, reverb_s, 1.0, np.random.default_rng(seed)) for seed in range(30)]
    power = np.mean(np.square(responses), axis=0)[RATE_HZ // 20 :]  # without direct sound and early reflections
    level_db = 10 * np.log10(np.convolve(power, np.ones(400) / 400, "valid"))
    slope_db_per_s = np.polyfit(np.arange(len(level_db)) / RATE_HZ, level_db, 1)[0]
    assert slope_db_per_s * reverb_s == pytest.approx(-60, rel=0.08)
    assert all(response[0] == 1 for response in responses)


def test_no_distance_no_room() -> None:
    speech = rng().standard_normal(1000).astype(np.float32)
    wet = reverberated(speech, impulse_response(RATE_HZ, 0.3, 0.0, rng()))
    np.testing.assert_allclose(wet[:1000], speech, atol=1e-5)


def test_reverberation_equals_convolution_and_keeps_the_peak() -> None:
    speech = rng().standard_normal(700).astype(np.float32)
    response = impulse_response(RATE_HZ, 0.05, 0.8, rng())
    want = np.convolve(speech, response)
    want *= np.abs(speech).max() / np.abs(want).max()
    np.testing.assert_allclose(reverberated(speech, response), want, atol=1e-4)


@pytest.mark.parametrize(("exponent", "db_per_octave"), [(0, 0), (1, -3.01), (2, -6.02)])
def test_colours(exponent: float, db_per_octave: float) -> None:
    power = np.square(np.abs(np.fft.rfft(coloured(1 << 18, exponent, rng()))))
    octaves_db = [10 * np.log10(power[1 << k : 2 << k].mean()) for k in range(8, 17)]
    assert np.diff(octaves_db).mean() == pytest.approx(db_per_octave, abs=0.3)


@pytest.mark.parametrize("name", NOISES)
def test_tracks_have_peak_1_and_no_offset(name: str) -> None:
    track = NOISES[name](32_000, RATE_HZ, rng())
    assert track.dtype == np.float32 and len(track) == 32_000
    assert np.abs(track).max() == pytest.approx(1) and abs(track.mean()) < 0.05


def test_babble() -> None:
    voices = [rng().standard_normal(4000).astype(np.float32), np.ones(9000, np.float32)]
    track = babble(voices, 8000, rng())
    assert len(track) == 8000 and np.abs(track).max() == pytest.approx(1)
    assert not babble([], 100, rng()).any()


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_mixing_meets_the_signal_to_noise_ratio(snr_db: float) -> None:
    speech = np.zeros(16_000, np.float32)
    speech[4000:8000] = np.sin(np.arange(4000) / 5)
    noise = rng().standard_normal(16_000).astype(np.float32)
    added = mixed(speech, noise, snr_db) - speech
    ratio = np.square(speech[4000:8000]).mean() / np.square(added).mean()
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.1)


def test_mixing_with_silence_changes_nothing() -> None:
    speech = np.ones(10, np.float32)
    assert mixed(speech, np.zeros(10, np.float32), 0).tolist() == speech.tolist()
    assert not mixed(np.zeros(10, np.float32), np.ones(10, np.float32), 0).any()
