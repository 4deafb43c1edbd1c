"""Waveform augmentation on spoken digits and synthetic signals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from nodes.learn.augment import QUIET, Augmenter, Waves, coloured_tracks
from nodes.learn.augmentation import AUGMENTATIONS, Augmentation

RATE_HZ = 8000


@pytest.fixture(scope="module")
def waves(recordings: Path) -> Waves:
    paths = sorted((recordings / "fsdd" / "recordings").glob("*_theo_*.wav"))[::12]
    clips = np.zeros((len(paths) + 1, RATE_HZ), np.int16)
    for line, path in zip(clips, paths, strict=False):
        samples = soundfile.read(path, dtype="int16")[0][:RATE_HZ]
        line[: len(samples)] = samples
    return Waves(clips, coloured_tracks(RATE_HZ), RATE_HZ)  # the last clip is silent


def draw(waves: Waves, change: Augmentation, margin: int = 0, seed: int = 0) -> NDArray[np.float32]:
    return Augmenter(waves, change, margin).draw(np.arange(len(waves.clips)), np.random.default_rng(seed))


def test_without_changes_the_clips_come_back(waves: Waves) -> None:
    found = draw(waves, Augmentation(), margin=100)
    np.testing.assert_array_equal(found[:, 100:-100], waves.clips.astype(np.float32) / 32768)
    assert not found[:, :100].any() and not found[:, -100:].any()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_batches_follow_from_the_seed(waves: Waves, name: str) -> None:
    change = AUGMENTATIONS[name]
    np.testing.assert_array_equal(draw(waves, change, 500), draw(waves, change, 500))
    if change.shift_ms:
        assert not np.array_equal(draw(waves, change, 500), draw(waves, change, 500, seed=1))
    assert np.abs(draw(waves, change)).max() <= 1.0


def test_shift_moves_clips_within_its_reach_and_pads_with_zeros() -> None:
    ramp = np.arange(1, 1001, dtype=np.int16)[None].repeat(200, 0)
    found = draw(Waves(ramp, (), 1000), Augmentation(shift_ms=100.0))
    shifts = []
    for line in np.rint(found * 32768).astype(int):
        (heard,) = np.nonzero(line)
        shifts.append(heard[0] - (line[heard[0]] - 1))
        np.testing.assert_array_equal(line[heard], np.arange(line[heard[0]], line[heard[0]] + len(heard)))
    assert min(shifts) < -80 and max(shifts) > 80 and max(map(abs, shifts)) <= 100


def test_noise_has_the_asked_signal_to_noise_ratio(waves: Waves) -> None:
    change = Augmentation(noise="snr", noise_share=1.0, snr_low_db=12.0, snr_high_db=12.0)
    noise = draw(waves, change)[:-1] - waves.clips[:-1].astype(np.float32) / 32768
    ratio_db = 20 * np.log10(waves.loudness[:-1] / np.sqrt(np.mean(noise**2, axis=1)))
    np.testing.assert_allclose(ratio_db, 12.0, atol=0.2)


def test_silent_clips_get_noise_as_loud_as_a_usual_clip_would(waves: Waves) -> None:
    change = Augmentation(noise="snr", noise_share=1.0, snr_low_db=20.0, snr_high_db=20.0)
    loudness = float(np.sqrt(np.mean(draw(waves, change)[-1] ** 2)))
    assert loudness == pytest.approx(waves.usual_loudness / 10, rel=0.05)


def test_paper_noise_is_a_background_stretch_times_a_factor_below_a_tenth() -> None:
    silent, track = np.zeros((400, 100), np.int16), np.full(1000, 0.5, np.float32)
    found = draw(Waves(silent, (track,), 1000), replace(AUGMENTATIONS["paper"], shift_ms=0.0))
    assert found.max() <= 0.05 and (np.ptp(found, axis=1) == 0).all()
    assert 0.7 < (found[:, 0] > 0).mean() < 0.9  # its share is 0.8


def test_rooms_keep_the_direct_sound_in_place_and_the_energy_alike(waves: Waves) -> None:
    found, plain = draw(waves, Augmentation(reverb=1.0))[:-1], waves.clips[:-1].astype(np.float32) / 32768
    lags = [int(np.argmax(np.correlate(a, b, "full"))) - (RATE_HZ - 1) for a, b in zip(found, plain, strict=True)]
    assert np.mean(np.array(lags) == 0) > 0.6
    assert 0.3 < np.sum(found**2) / np.sum(plain**2) < 3.0
    assert np.abs(found - plain).max() > 0.05


def test_gain_scales_clips_within_its_range(waves: Waves) -> None:
    found = draw(waves, Augmentation(gain_db=6.0))[:-1]
    change_db = 20 * np.log10(np.sqrt(np.mean(found**2, axis=1)) / waves.loudness[:-1])
    assert np.abs(change_db).max() <= 6.01 and np.ptp(change_db) > 3


def test_short_tracks_are_repeated() -> None:
    track = np.tile(np.float32([0.1, -0.1]), 5)
    change = Augmentation(noise="level", noise_share=1.0, level=1.0)
    found = draw(Waves(np.zeros((3, 100), np.int16), (track,), 1000), change)
    assert (np.ptp(np.abs(found), axis=1) < 1e-7).all() and found.any()


def test_no_tracks_no_noise(waves: Waves) -> None:
    found = draw(Waves(waves.clips, (), RATE_HZ), Augmentation(noise="snr"))
    np.testing.assert_array_equal(found, waves.clips.astype(np.float32) / 32768)


def test_made_noise_is_white_and_pink() -> None:
    white, pink = (np.abs(np.fft.rfft(track)) ** 2 for track in coloured_tracks(RATE_HZ))
    octaves = [slice(1000 * 2**n, 2000 * 2**n) for n in range(6)]
    white_db, pink_db = (10 * np.log10([power[one].mean() for one in octaves]) for power in (white, pink))
    np.testing.assert_allclose(np.diff(white_db), 0.0, atol=0.5)
    np.testing.assert_allclose(np.diff(pink_db), -3.01, atol=0.5)


def test_loudness_of_silence_is_below_quiet(waves: Waves) -> None:
    assert waves.loudness[-1] < QUIET < waves.loudness[:-1].min()
