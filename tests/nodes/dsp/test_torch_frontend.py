"""The torch twin against the numpy front end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nodes.dsp.frontend import PRESETS, FrontEnd, FrontEndError, compute
from nodes.dsp.torch_frontend import TorchFrontEnd


def noisy_tones(front_end: FrontEnd, clips: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Chirps in noise that fade out, so that loud and silent frames are both there."""
    rng = np.random.default_rng(1)
    time_s = np.arange(front_end.clip_samples) / front_end.rate_hz
    rates = rng.uniform(200, 3000, (clips, 1))
    tones = np.sin(2 * np.pi * rates * time_s**2) + 0.1 * rng.standard_normal((clips, len(time_s)))
    return (0.5 * tones * np.exp(-6 * time_s)).astype(np.float32)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("changes", [{}, {"centred": True, "padding": "reflect"}, {"power": 1, "log": "db"}])
def test_equal_to_numpy_within_1e4_of_range(name: str, changes: dict[str, object]) -> None:
    front_end = replace(PRESETS[name], **changes)  # type: ignore[arg-type]
    waveforms = noisy_tones(front_end, 7)
    expected = compute(front_end, waveforms)
    got = TorchFrontEnd(front_end)(torch.from_numpy(waveforms)).numpy()
    assert got.dtype == np.float32 and got.shape == expected.shape
    assert np.abs(got - expected).max() <= 1e-4 * np.ptp(expected)


def test_needs_no_gradient_and_stays_out_of_checkpoints() -> None:
    module = TorchFrontEnd(FrontEnd())
    features = module(torch.zeros(2, 16_000, requires_grad=True))
    assert not features.requires_grad and not module.state_dict() and not list(module.parameters())


def test_empty_batch() -> None:
    assert TorchFrontEnd(FrontEnd())(torch.zeros(0, 16_000)).shape == (0, 40, 98)


def test_wrong_shape_is_told() -> None:
    with pytest.raises(FrontEndError, match="the waveforms have the shape 2 x 15999"):
        TorchFrontEnd(FrontEnd())(torch.zeros(2, 15_999))
