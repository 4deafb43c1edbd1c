"""Mel bands and DCT against librosa, scipy and the printed formulas."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
import scipy.fft

from nodes.dsp.mel import dct_matrix, hann, mel_matrix
from nodes.dsp.parameters import FrontEnd
from nodes.dsp.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("normalised", [True, False])
def test_triangles_over_hz_are_librosas(name: str, scale: str, normalised: bool) -> None:
    front_end = replace(PRESETS[name], mel_scale=scale, area_normalised=normalised, mel_triangles="hz")  # type: ignore[arg-type]
    expected = librosa.filters.mel(
        sr=front_end.rate_hz,
        n_fft=front_end.fft_samples,
        n_mels=front_end.n_mels,
        fmin=front_end.f_min_hz,
        fmax=front_end.f_max_hz,
        htk=scale == "htk",
        norm="slaney" if normalised else None,
        dtype=np.float64,
    )
    np.testing.assert_allclose(mel_matrix(front_end), expected, atol=1e-12)


def test_triangles_over_mel_follow_the_printed_formula() -> None:
    """m = 1127 ln(1 + f / 700), M + 2 points equally spaced, linear in mel: one weight at a time."""
    weights = mel_matrix(FrontEnd())
    low, high = (1127 * np.log(1 + f / 700) for f in (80.0, 7600.0))
    step = (high - low) / 65
    for k in range(257):
        mel = 1127 * np.log(1 + k * 31.25 / 700)
        for band in range(64):
            expected = max(0.0, 1 - abs(mel - low - (band + 1) * step) / step) if k else 0.0
            assert weights[band, k] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_dc_carries_no_weight(scale: str) -> None:
    front_end = replace(FrontEnd(), f_min_hz=0.0, mel_scale=scale)  # type: ignore[arg-type]
    assert not mel_matrix(front_end)[:, 0].any()


def test_dct_scales() -> None:
    logs = np.random.default_rng(0).standard_normal(64)
    expected = scipy.fft.dct(logs, norm="ortho")[:40]
    np.testing.assert_allclose(dct_matrix(replace(FrontEnd(), dct="orthonormal")) @ logs, expected, atol=1e-12)
    expected[0] *= np.sqrt(2)
    np.testing.assert_allclose(dct_matrix(FrontEnd()) @ logs, expected, atol=1e-12)


@pytest.mark.parametrize("samples", [400, 480, 2048])
def test_hann_is_periodic(samples: int) -> None:
    np.testing.assert_allclose(hann(samples), librosa.filters.get_window("hann", samples, fftbins=True), atol=1e-12)
