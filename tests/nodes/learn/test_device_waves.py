"""Batches made on a device: the numbers of those made on the processor, and nothing that waits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nodes.dsp.parameters import FrontEnd
from nodes.learn.augment import Waves, coloured_tracks
from nodes.learn.augmentation import AUGMENTATIONS, Augmentation
from nodes.learn.device_waves import DeviceWaveSource
from nodes.learn.source import Labels, WaveSource

RATE_HZ = 16_000
FRONT_ENDS = {
    "mfcc": FrontEnd(clip_samples=4000, n_mels=20, n_mfcc=10),
    "centred": FrontEnd(clip_samples=4000, n_mels=20, n_mfcc=0, centred=True, padding="reflect", log="db"),
    "patches": FrontEnd(clip_samples=4000, n_mels=16, n_mfcc=0, patch_frames=7, power=1, append_samples=100),
}
CHANGES = {
    **AUGMENTATIONS,
    "rooms": replace(AUGMENTATIONS["modern"], reverb=1.0, pitch_semitones=(-2.0, 2.0), cutmix_share=0.5),
}


def waves() -> Waves:
    clips = (np.random.default_rng(0).standard_normal((23, 4000)) * 3000).astype(np.int16)
    clips[3] = 0
    short = np.random.default_rng(1).standard_normal(999).astype(np.float32) * np.float32(0.1)
    return Waves(clips, (*coloured_tracks(RATE_HZ, 0.5), short), RATE_HZ)


def labels() -> Labels:
    return Labels(np.arange(23) % 3, 3, batch=9, smoothing=0.1, seed=5)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("front_end", FRONT_ENDS.values(), ids=FRONT_ENDS)
def test_it_is_the_batch_of_the_processor(front_end: FrontEnd, name: str) -> None:
    usual = WaveSource(waves(), front_end, labels(), CHANGES[name])
    other = DeviceWaveSource(waves(), front_end, labels(), CHANGES[name], "cpu")
    assert usual.steps_per_epoch == other.steps_per_epoch
    for step in (0, 7):
        wanted, found = (source.batch(step, is_calm=False) for source in (usual, other))
        scale = float(wanted.features.abs().max())
        torch.testing.assert_close(found.features / scale, wanted.features / scale, rtol=0, atol=2e-4)
        torch.testing.assert_close(found.targets, wanted.targets)
        assert torch.equal(found.truth, wanted.truth)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("front_end", FRONT_ENDS.values(), ids=FRONT_ENDS)
def test_it_asks_the_device_for_nothing(front_end: FrontEnd, name: str) -> None:
    """The device "meta" has no numbers: asking for one, or mixing in a tensor of the processor, is an error."""
    made = DeviceWaveSource(waves(), front_end, labels(), CHANGES[name], "meta").batch(3, is_calm=False)
    assert made.features.shape == (9, *front_end.shape)
    assert {made.features.device.type, made.targets.device.type} == {"meta"}


def test_tracks_may_be_missing() -> None:
    quiet = replace(waves(), tracks=())
    change = Augmentation(noise="snr", shift_ms=10.0)
    wanted = WaveSource(quiet, FRONT_ENDS["mfcc"], labels(), change).batch(0, is_calm=False)
    found = DeviceWaveSource(quiet, FRONT_ENDS["mfcc"], labels(), change, "cpu").batch(0, is_calm=False)
    torch.testing.assert_close(found.features, wanted.features, rtol=1e-3, atol=1e-2)
