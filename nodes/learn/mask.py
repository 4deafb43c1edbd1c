"""SpecAugment: stretches of time and ranges of bands hidden behind the mean (Park et al. 2019; S2 3.2)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nodes.learn.augmentation import Augmentation
from nodes.learn.strength import is_changed, sizes

Floats = NDArray[np.float64]


def masked(
    logs: Tensor, augmentation: Augmentation, random: np.random.Generator, strength: Floats | None = None
) -> Tensor:
    """Replace random stretches of frames and bands of maps (batch, frames, bands) by each map's mean.

    With a `strength` (batch,) in [0, 1], it decides how wide they are and how likely (see strength).
    """
    if not augmentation.time_masks and not augmentation.band_masks:
        return logs
    clips, frames, bands = logs.shape
    hidden_frames = _stretches(frames, augmentation.time_masks, augmentation.time_mask, random, clips, strength)
    hidden_bands = _stretches(bands, augmentation.band_masks, augmentation.band_mask, random, clips, strength)
    if augmentation.mask_share < 1.0 or strength is not None:
        chosen = is_changed(augmentation.mask_share, augmentation.least_share, clips, random, strength)[:, None]
        hidden_frames, hidden_bands = hidden_frames & chosen, hidden_bands & chosen
    over_frames, over_bands = (torch.from_numpy(part).to(logs.device) for part in (hidden_frames, hidden_bands))
    hidden = over_frames[:, :, None] | over_bands[:, None, :]
    return torch.where(hidden, logs.mean(dim=(1, 2), keepdim=True), logs)


def _stretches(
    size: int, count: int, widest: float, random: np.random.Generator, clips: int, strength: Floats | None
) -> NDArray[np.bool_]:
    """Which of `size` places (clips, size) lie in one of `count` stretches of at most `widest` * size places."""
    widths = sizes(widest * size, (clips, count, 1), random, strength)
    starts = random.random((clips, count, 1)) * (size - widths)
    places = np.arange(size) + 0.5
    hidden: NDArray[np.bool_] = np.any((places >= starts) & (places < starts + widths), axis=1)
    return hidden


def as_map(features: Tensor) -> Tensor:
    """Features of clips as one map each (batch, bands, frames); patches follow each other in time."""
    if features.ndim == 3:
        return features
    clips, patches, bands, frames = features.shape
    return features.transpose(1, 2).reshape(clips, bands, patches * frames)


def as_given(maps: Tensor, features: Tensor) -> Tensor:
    """Maps in the shape that `as_map` found."""
    if features.ndim == 3:
        return maps
    clips, patches, bands, frames = features.shape
    return maps.reshape(clips, bands, patches, frames).transpose(1, 2)
