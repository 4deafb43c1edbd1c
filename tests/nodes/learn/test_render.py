"""Rendering: equal to the front end without changes, and what tempo, vocal tract and masks do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from nodes.dsp.frontend import compute, fit
from nodes.dsp.parameters import FrontEnd
from nodes.dsp.presets import PRESETS
from nodes.learn.augmentation import Augmentation
from nodes.learn.render import BLOCK_CLIPS, Renderer, masked

Floats = NDArray[np.float32]
EVERY = [*PRESETS.values(), FrontEnd(n_mfcc=0), FrontEnd(centred=True, padding="reflect", n_mfcc=12)]


@pytest.fixture(scope="module")
def digits(recordings: Path) -> list[Floats]:
    paths = sorted((recordings / "fsdd" / "recordings").glob("*_jackson_*.wav"))[::60]
    return [soundfile.read(path, dtype="float32")[0] for path in paths]


@pytest.mark.parametrize("front_end", EVERY)
def test_without_changes_it_is_the_front_end(digits: list[Floats], front_end: FrontEnd) -> None:
    clips = np.stack([fit(front_end, digit, 8000) for digit in digits])
    wanted = compute(front_end, clips)
    found = Renderer(front_end, Augmentation()).render(clips, np.random.default_rng(0)).numpy()
    assert found.shape == wanted.shape
    if front_end.db_range > 100 and front_end.log == "db":  # so far down single precision holds rounding noise alone
        found, wanted = (np.maximum(a, a.max((1, 2), keepdims=True) - 100.0) for a in (found, wanted))
    assert np.abs(found - wanted).max() <= 1e-4 * np.ptp(wanted)


def sweep(front_end: FrontEnd, margin: int) -> Floats:
    """A tone that rises from 500 to 1500 Hz, as many clips as can share a vocal tract."""
    time_s = np.arange(front_end.clip_samples) / front_end.rate_hz
    tone = 0.3 * np.sin(2 * np.pi * (500.0 * time_s + 500.0 * time_s**2))
    return np.pad(tone.astype(np.float32), margin)[None].repeat(40 * BLOCK_CLIPS, 0)


def loudest(maps: torch.Tensor) -> NDArray[np.float64]:
    """Mel band with the most energy in each frame (clips, frames), smooth between bands."""
    weights = maps.numpy().astype(np.float64)
    weights = np.exp(weights - weights.max(axis=1, keepdims=True))
    bands = np.arange(weights.shape[1])[None, :, None]
    return np.asarray((weights * bands).sum(1) / weights.sum(1))


def test_tempo_changes_how_fast_pitch_moves_but_not_where_it_is() -> None:
    front_end = FrontEnd(n_mfcc=0)
    renderer = Renderer(front_end, Augmentation(tempo=0.2))
    found = loudest(renderer.render(sweep(front_end, renderer.margin), np.random.default_rng(0)))
    middle = found[:, front_end.frames // 2]
    slopes = found[:, 65] - found[:, 33]
    assert np.ptp(middle) < 0.3
    assert slopes.max() / slopes.min() == pytest.approx(1.2 / 0.8, rel=0.1)


def test_vocal_tract_moves_pitch_but_not_time() -> None:
    front_end = FrontEnd(n_mfcc=0)
    renderer = Renderer(front_end, Augmentation(vocal_tract=0.1))
    found = loudest(renderer.render(sweep(front_end, 0), np.random.default_rng(0)))
    edges_mel = np.linspace(*(1127 * np.log1p(np.array([80.0, 7600.0]) / 700)), front_end.n_mels + 2)
    heard_hz = 700 * np.expm1(np.interp(found[:, 48] + 1, np.arange(66), edges_mel) / 1127)
    assert heard_hz.max() / heard_hz.min() == pytest.approx(1.1 / 0.9, rel=0.05)
    assert len(np.unique(np.round(heard_hz, 3))) <= 21
    assert (found.reshape(40, BLOCK_CLIPS, -1).std(axis=1) < 1e-4).all()  # a block shares one vocal tract


def tone(front_end: FrontEnd, frequency_hz: float, clips: int) -> Floats:
    time_s = np.arange(front_end.clip_samples) / front_end.rate_hz
    return (0.3 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)[None].repeat(clips, 0)


@pytest.mark.parametrize("frequency_hz", [400.0, 1000.0, 3000.0])
def test_pitch_is_that_of_a_tone_played_higher_or_lower(frequency_hz: float) -> None:
    front_end, semitones = FrontEnd(n_mfcc=0), (-2.0, -1.0, 0.0, 1.0, 2.0)
    renderer = Renderer(front_end, Augmentation(pitch_semitones=semitones))
    played = [tone(front_end, frequency_hz * 2 ** (step / 12), 1) for step in semitones]
    wanted = Renderer(front_end, Augmentation()).render(np.concatenate(played), np.random.default_rng(0))
    found = renderer.render(tone(front_end, frequency_hz, 60 * BLOCK_CLIPS), np.random.default_rng(0))
    places, heard = loudest(wanted).mean(1), loudest(found)
    assert (heard[:, 5:-5].std(axis=1) < 0.05).all()  # time stays
    nearest = np.abs(heard.mean(1)[:, None] - places).argmin(1)
    assert set(nearest.tolist()) == set(range(len(semitones)))
    assert np.abs(heard.mean(1) - places[nearest]).max() < 0.15
    assert np.bincount(nearest).min() > 0.5 * len(nearest) / len(semitones)


def test_masks_cover_at_most_what_they_may_and_hold_the_mean() -> None:
    maps = torch.rand(300, 50, 20) + torch.arange(50.0)[:, None]
    change = Augmentation(time_masks=2, time_mask=0.2, band_masks=1, band_mask=0.1)
    found = masked(maps, change, np.random.default_rng(0))
    hidden = found == maps.mean(dim=(1, 2), keepdim=True)
    frames, bands = hidden.all(dim=2).sum(1), hidden.all(dim=1).sum(1)
    assert 0 < int(frames.max()) <= 2 * 11 and 0 < int(bands.max()) <= 3
    kept = ~(hidden.all(dim=2)[:, :, None] | hidden.all(dim=1)[:, None, :])
    assert torch.equal(found[kept], maps[kept])


def test_rendering_follows_from_the_seed(digits: list[Floats]) -> None:
    front_end, change = PRESETS["s1-40x98"], Augmentation(tempo=0.1, vocal_tract=0.1, time_masks=1, band_masks=1)
    renderer = Renderer(front_end, change)
    clips = np.stack([np.pad(fit(front_end, digit, 8000), renderer.margin) for digit in digits])
    first, again, other = (renderer.render(clips, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)
