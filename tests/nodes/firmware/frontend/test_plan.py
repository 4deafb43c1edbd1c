"""Which front ends a microcontroller computes, and how near it comes to the float features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nodes.dsp.frontend import compute
from nodes.dsp.parameters import FrontEnd
from nodes.dsp.presets import PRESETS
from nodes.firmware.errors import FirmwareError
from nodes.firmware.frontend import STAGES, codes_of, errors, float_stages, plan, shortest_dft, stages
from nodes.quant.fixed import Fixed, codes

MFCC = PRESETS["s1-40x98"]
FAR = {"s2-paper": 0.5, "s2-repo": 0.5}
"""Decibels of bands at the edge of silence, which integers cannot tell from zero."""


def tones(front_end: FrontEnd, seed: int = 0) -> np.ndarray:
    """Harmonics that glide under an envelope, over some noise, in 16 bits."""
    rng, t = np.random.default_rng(seed), np.arange(front_end.clip_samples) / front_end.rate_hz
    pitch = 120.0 + 60.0 * np.sin(2 * np.pi * 1.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / front_end.rate_hz
    voice = sum(np.sin(k * phase + k) / k for k in range(1, 30)) * np.clip(np.sin(2 * np.pi * t), 0, 1)
    wave = 6000.0 * voice + rng.normal(0.0, 30.0, t.size)
    return np.clip(np.round(wave), -32768, 32767).astype(np.int64)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_comes_near_the_float_features(name: str) -> None:
    front_end = replace(PRESETS[name], clip_samples=min(PRESETS[name].clip_samples, 24_000), patch_frames=0)
    made = plan(front_end, Fixed(8, 0))
    clip = tones(front_end)
    found = errors(made, [clip])
    assert found.rms < FAR.get(name, 0.02)
    exact = compute(front_end, (clip / 32768).astype(np.float32)[None])[0].T
    assert np.abs(float_stages(made, clip)["dct"] - exact).max() < 0.01
    assert stages(made, clip).keys() == STAGES.keys()


@pytest.mark.parametrize("name", ["dscnn-10x49", "cnn-40x49"])
def test_a_shorter_dft_comes_nearly_as_near(name: str) -> None:
    front_end = PRESETS[name]
    short = shortest_dft(front_end)
    assert short == front_end.fft_samples // 2
    assert 0.02 < errors(plan(front_end, Fixed(8, 0), dft_samples=short), [tones(front_end)]).rms < 0.2


def test_a_dft_no_longer_than_the_window_is_kept() -> None:
    for name in ("s1-40x98", "s3-96x64", "s2-repo", "s4-40x32"):
        assert shortest_dft(PRESETS[name]) == PRESETS[name].fft_samples


def test_silence_the_loudest_noise_and_a_constant() -> None:
    made = plan(MFCC, Fixed(8, 0))
    noise = np.where(np.random.default_rng(0).random(MFCC.clip_samples) < 0.5, -32768, 32767)
    for clip in (np.zeros(MFCC.clip_samples, np.int64), noise, np.full(MFCC.clip_samples, -2000)):
        assert errors(made, [clip]).largest < 0.5


def test_features_are_normalised_into_the_networks_format() -> None:
    gain, offset = np.linspace(0.05, 0.5, 40), np.linspace(-1.0, 2.0, 40)
    form = Fixed(8, 4)
    made = plan(MFCC, form, gain=gain.tolist(), offset=offset.tolist())
    clip = tones(MFCC)
    wanted = codes(float_stages(made, clip)["dct"] * gain + offset, form)
    assert np.abs(codes_of(made, clip) - wanted).max() <= 1
    assert (codes_of(made, clip) == wanted).mean() > 0.97


@pytest.mark.parametrize("form", [Fixed(4, -3), Fixed(8, 1), Fixed(16, 8)])
def test_any_format_of_the_input(form: Fixed) -> None:
    clip = tones(MFCC)
    made = plan(MFCC, form)
    wanted = codes(float_stages(made, clip)["dct"], form)
    off = np.abs(codes_of(made, clip) - wanted)
    assert off.max() <= max(1, 0.2 / form.step)
    assert codes_of(made, clip).min() >= form.low


BROKEN = {
    "no power of two": (replace(MFCC, fft_samples=500), Fixed(8, 0), "power of two"),
    "too long": (replace(MFCC, fft_samples=8192), Fixed(8, 0), "power of two"),
    "gaps": (replace(MFCC, hop_samples=600), Fixed(8, 0), "gaps"),
    "reflected": (replace(MFCC, centred=True, padding="reflect"), Fixed(8, 0), "reflected"),
    "odd window": (replace(MFCC, window_samples=479), Fixed(8, 0), "odd"),
    "odd coefficients": (replace(MFCC, n_mfcc=13), Fixed(8, 0), "13 coefficients"),
    "bands": (replace(MFCC, n_mels=42), Fixed(8, 0), "multiple of 4"),
    "wide codes": (MFCC, Fixed(24, 8), "24 bits"),
    "fine steps": (MFCC, Fixed(16, 30), "steps of 2^-30"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_computed_is_refused(name: str) -> None:
    front_end, form, why = BROKEN[name]
    with pytest.raises(FirmwareError, match=why.replace("^", r"\^")):
        plan(front_end, form)


def test_all_reasons_are_listed_together() -> None:
    with pytest.raises(FirmwareError) as caught:
        plan(replace(MFCC, hop_samples=600, n_mfcc=13), Fixed(24, 0), gain=[1.0])
    assert all(word in str(caught.value) for word in ("gaps", "13 coefficients", "24 bits", "gain has not 13"))


CLIPS = {
    "short": np.zeros(100, np.int64),
    "float": np.zeros(MFCC.clip_samples),
    "loud": np.full(MFCC.clip_samples, 40_000),
    "two channels": np.zeros((2, MFCC.clip_samples), np.int64),
}


@pytest.mark.parametrize("name", CLIPS)
def test_what_is_no_clip_is_refused(name: str) -> None:
    with pytest.raises(FirmwareError, match="Expected"):
        codes_of(plan(MFCC, Fixed(8, 0)), CLIPS[name])
