"""CutMix: what is pasted, and that labels mix by exactly that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nodes.learn.augmentation import Augmentation
from nodes.learn.mix import cut_mixed, smoothed

CLIPS = 400
CHANGE = Augmentation(cutmix_share=1.0, cutmix_side=0.6)


def cut(
    shape: tuple[int, ...], change: Augmentation = CHANGE, strength: np.ndarray | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips whose features and targets are their own number, after CutMix: the foreign share, and the target."""
    own = torch.arange(CLIPS)
    features = own.float().view(-1, *[1] * len(shape)).expand(-1, *shape)
    shown, targets = cut_mixed(features, smoothed(own, CLIPS, 0.0), change, np.random.default_rng(0), strength)
    assert shown.shape == features.shape
    return (shown != features).flatten(1).float().mean(1), targets


@pytest.mark.parametrize("shape", [(40, 98), (13, 7), (4, 16, 24)])
def test_labels_mix_by_the_area_really_pasted(shape: tuple[int, ...]) -> None:
    """Slip 33: where the square is cut off at an edge, its label counts less."""
    foreign, targets = cut(shape)
    own = targets[torch.arange(CLIPS), torch.arange(CLIPS)]
    moved = foreign > 0
    assert moved.float().mean() > 0.8
    torch.testing.assert_close(own[moved], 1.0 - foreign[moved])
    torch.testing.assert_close(targets.sum(1), torch.ones(CLIPS))
    assert float(foreign.max()) <= 0.65**2 and float(foreign.mean()) < 0.6**2 / 3  # cut at edges: below the mean square


def test_sides_are_the_same_share_of_both_axes() -> None:
    features = torch.arange(CLIPS).float().view(-1, 1, 1).expand(-1, 40, 200)
    shown, _ = cut_mixed(features, smoothed(torch.arange(CLIPS), CLIPS, 0.0), CHANGE, np.random.default_rng(1))
    foreign = shown != features
    rows, columns = foreign.any(2), foreign.any(1)
    inside = ~(rows[:, 0] | rows[:, -1] | columns[:, 0] | columns[:, -1]) & foreign.flatten(1).any(1)
    heights, widths = rows.sum(1)[inside] / 40, columns.sum(1)[inside] / 200
    assert inside.sum() > 20 and float((heights - widths).abs().max()) <= 1 / 40 + 1 / 200


def test_strength_decides_size_and_share() -> None:
    strength = np.repeat([0.0, 1.0], CLIPS // 2)
    change = Augmentation(cutmix_share=0.5, cutmix_side=0.5, least_share=0.2, policy="sap")
    foreign, _ = cut((40, 40), change, strength)
    assert not foreign[: CLIPS // 2].any()  # side 0
    assert 0.4 < float((foreign[CLIPS // 2 :] > 0).float().mean()) < 0.6
    assert float(foreign.max()) == pytest.approx(0.25, abs=0.02)


def test_no_share_no_change() -> None:
    foreign, targets = cut((8, 8), Augmentation(cutmix_share=0.0))
    assert not foreign.any() and torch.equal(targets, torch.eye(CLIPS))
