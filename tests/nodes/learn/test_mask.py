"""Masks in part of the clips, by strength, and over patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nodes.learn.augmentation import AUGMENTATIONS, Augmentation
from nodes.learn.mask import as_given, as_map, masked

MAPS = torch.rand(600, 50, 20) + torch.arange(50.0)[:, None]
CHANGE = Augmentation(time_masks=1, time_mask=0.5, band_masks=1, band_mask=0.5, mask_share=0.3)


def test_a_share_of_the_clips_is_masked() -> None:
    found = masked(MAPS, CHANGE, np.random.default_rng(0))
    assert 0.2 < float((found != MAPS).flatten(1).any(1).float().mean()) < 0.4


def test_strength_decides_width_and_share() -> None:
    strength = np.repeat([0.0, 0.5, 1.0], 200)
    change = Augmentation(time_masks=1, time_mask=0.4, mask_share=1.0, least_share=0.5, policy="sap")
    found = masked(MAPS, change, np.random.default_rng(0), strength)
    hidden = (found == MAPS.mean(dim=(1, 2), keepdim=True)).all(2).sum(1).view(3, 200)
    assert not hidden[0].any()
    for row, width, share in ((1, 10, 0.75), (2, 20, 1.0)):
        assert abs(int(hidden[row].max()) - width) <= 1
        assert float((hidden[row] > 0).float().mean()) == pytest.approx(share, abs=0.1)


def test_patches_follow_each_other_in_time() -> None:
    features = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)  # clips, patches, bands, frames
    maps = as_map(features)
    assert maps.shape == (2, 4, 15)
    assert torch.equal(maps[0, 1], torch.cat([features[0, patch, 1] for patch in range(3)]))
    assert torch.equal(as_given(maps, features), features)
    single = features[:, 0]
    assert as_map(single) is single and as_given(single, single) is single


def test_late_changes_are_not_made_at_once() -> None:
    late = AUGMENTATIONS["s2"]
    assert late.policy == "sap" and late.cutmix_share and late.time_masks
    early = late.at_once
    assert not early.cutmix_share and not early.time_masks and not early.band_masks
    even = AUGMENTATIONS["modern"]
    assert even.at_once is even
