"""The DFT in 32 bits: near numpy's, sorted, and never out of its bits."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.dsp.mel import hann
from nodes.firmware.frontend.dft import MOST_POINTS, Codes, bins, scaling, stages_of, transform
from nodes.firmware.frontend.plan import folded

SIZES = [8, 16, 32, 64, 128, 256, 512, 1024, MOST_POINTS]


def loudest(samples: int) -> Codes:
    """Frames at the ends of the range of 16 bits: constant, of random signs, square and sine waves."""
    rng, t = np.random.default_rng(0), np.arange(samples)
    waves = np.sin(rng.uniform(0, np.pi, (60, 1)) * t + rng.uniform(0, 6, (60, 1)))
    rows = (np.ones((1, samples)), -np.ones((1, samples)), np.where(rng.random((40, samples)) < 0.5, -1.0, 1.0))
    return np.clip(32768 * np.concatenate([*rows, np.where(waves > 0, 1.0, -1.0), waves]), -32768, 32767).astype(int)


@pytest.mark.parametrize("points", SIZES)
def test_it_is_the_dft(points: int) -> None:
    rng = np.random.default_rng(1)
    given = tuple(rng.integers(-(2**28), 2**28, (3, points)) for _ in "ri")
    stages = stages_of(points)
    found = transform(stages, given)
    exact = np.fft.fft(given[0] + 1j * given[1]) / 4.0 ** (len(stages) - 1)
    assert np.abs(found[0] + 1j * found[1] - exact).max() < 16.0


@pytest.mark.parametrize("points", SIZES)
@pytest.mark.parametrize("share", [0.6, 1.0, 1.25])
def test_the_loudest_samples_stay_within_their_bits(points: int, share: float) -> None:
    size = round(2 * points * share) // 2 * 2
    window = hann(size)
    bits = scaling(points, folded(window[None], 2 * points)[0])
    stored = np.minimum(np.floor(window * 2.0**bits.window_bits + 0.5), 32767).astype(int)
    frames = folded(loudest(size) * stored, 2 * points)
    spectrum = transform(stages_of(points), (frames[:, 0::2], frames[:, 1::2]))
    real = bins(spectrum, bits.down)
    assert max(np.abs(part).max() for part in (frames, *spectrum)) < 2**31
    assert max(np.abs(part).max() for part in real) <= 2**23
    exact = np.fft.rfft(folded(loudest(size) / 32768 * window, 2 * points))[:, 1:-1]
    found = np.hypot(*real) / 2.0**bits.gain_bits
    assert np.abs(found - np.abs(exact)).max() < 2e-4 * np.abs(exact).max()
