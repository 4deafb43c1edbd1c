"""SapAugment in a batch: well known clips are changed more, by a pass that leaves the network as it was."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from nodes.learn.augmentation import AUGMENTATIONS
from nodes.learn.mix import smoothed
from nodes.learn.policy import challenged
from nodes.learn.source import Batch


class Knows(nn.Module):
    """Tells the first class of the clips in the first half, and nothing about the others."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (batch, 2)."""
        self.norm(features.flatten(1).mean(1, keepdim=True))
        known = features.flatten(1).mean(1) > 0.5
        return torch.stack([torch.where(known, 9.0, -1.0), torch.zeros(len(features))], 1)


def test_well_known_clips_are_changed_more() -> None:
    network, clips = Knows(), 2000
    before = copy.deepcopy(network.state_dict())
    features = torch.rand(clips, 30, 40) * 0.2 + torch.tensor([0.8, 0.0]).repeat_interleave(clips // 2)[:, None, None]
    truth = torch.zeros(clips, dtype=torch.int64)
    batch = Batch(features, smoothed(truth, 2, 0.0), truth)
    found = challenged(batch, network, lambda net, given: net(given.features), AUGMENTATIONS["s2"], rng())
    moved = (found.features != features).flatten(1).float().mean(1)
    known, unknown = moved[: clips // 2], moved[clips // 2 :]
    assert float(known.mean()) > 5 * float(unknown.mean()) > 0
    assert 0.2 < float((known > 0).float().mean()) < 0.5  # CutMix and masks, each up to 25 %
    assert float((unknown > 0).float().mean()) < float((known > 0).float().mean())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    again = challenged(batch, network, lambda net, given: net(given.features), AUGMENTATIONS["s2"], rng())
    assert torch.equal(again.features, found.features) and torch.equal(again.targets, found.targets)


def rng() -> np.random.Generator:
    """The same numbers every time."""
    return np.random.default_rng(7)
