"""Targets as distributions over classes, and mixup of pairs of clips."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nodes.learn.augmentation import Augmentation


def smoothed(truth: Tensor, classes: int, smoothing: float) -> Tensor:
    """Class numbers (batch,) as distributions (batch, classes): `smoothing` is shared by all classes alike."""
    return F.one_hot(truth, classes).float() * (1.0 - smoothing) + smoothing / classes


def mixed(
    features: Tensor, targets: Tensor, change: Augmentation, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mixup: a share of the clips of a batch with other clips of the batch, and their targets alike."""
    clips = len(features)
    share = random.beta(change.mixup, change.mixup, clips)
    kept = np.where(random.random(clips) < change.mixup_share, np.maximum(share, 1.0 - share), 1.0).astype(np.float32)
    partner, weight = torch.from_numpy(random.permutation(clips)), torch.from_numpy(kept)
    shaped = weight.view(-1, *[1] * (features.ndim - 1))
    return (
        features * shaped + features[partner] * (1.0 - shaped),
        targets * weight[:, None] + targets[partner] * (1.0 - weight)[:, None],
    )
