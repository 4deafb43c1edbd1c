"""Targets as distributions over classes; mixup and CutMix of pairs of clips."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from nodes.learn.augmentation import Augmentation
from nodes.learn.mask import as_given, as_map
from nodes.learn.strength import is_changed, sizes


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
    partner, weight = (torch.from_numpy(part).to(features.device) for part in (random.permutation(clips), kept))
    shaped = weight.view(-1, *[1] * (features.ndim - 1))
    return torch.lerp(features[partner], features, shaped), torch.lerp(targets[partner], targets, weight[:, None])


def cut_mixed(
    features: Tensor,
    targets: Tensor,
    change: Augmentation,
    random: np.random.Generator,
    strength: NDArray[np.float64] | None = None,
) -> tuple[Tensor, Tensor]:
    """CutMix: a rectangle of the map of another clip, cut off at the edges, and its share of that clip's target.

    Sides are the same share of bands and frames; targets mix by the area really pasted (slip 33). With a `strength`
    (batch,) in [0, 1], it decides how large the rectangle is and how likely (see strength).
    """
    maps = as_map(features)
    clips, bands, frames = maps.shape
    chosen = is_changed(change.cutmix_share, change.least_share, clips, random, strength)
    side = np.where(chosen, sizes(change.cutmix_side, (clips,), random, strength), 0.0)
    over_bands, over_frames = (_covered(size, random.random(clips), side) for size in (bands, frames))
    area = (over_bands.mean(1) * over_frames.mean(1)).astype(np.float32)
    given = (random.permutation(clips), over_bands, over_frames, area)
    partner, rows, columns, weight = (torch.from_numpy(part).to(features.device) for part in given)
    pasted = torch.where(rows[:, :, None] & columns[:, None, :], maps[partner], maps)
    return as_given(pasted, features), targets + (targets[partner] - targets) * weight[:, None]


def _covered(size: int, centre: NDArray[np.float64], side: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of `size` places (clips, size) lie within half a side of the centre; both are shares of the whole."""
    places = (np.arange(size) + 0.5) / size
    covered: NDArray[np.bool_] = np.abs(places - centre[:, None]) < side[:, None] / 2
    return covered
