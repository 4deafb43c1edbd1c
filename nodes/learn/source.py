"""Where batches come from: fixed features, or features of waveforms changed anew for each showing.

A batch is a pure function of (seed, step). So a training can stop anywhere and go on bit for bit, and any number of
threads may prepare batches ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nodes.dsp.parameters import FrontEnd
from nodes.learn.augment import Augmenter, Waves
from nodes.learn.augmentation import Augmentation
from nodes.learn.mix import mixed, smoothed
from nodes.learn.render import Renderer, masked


@dataclass(frozen=True)
class Batch:
    """Features (batch, *shape), targets (batch, classes) and the class number each clip had before mixing (batch,)."""

    features: Tensor
    targets: Tensor
    truth: Tensor


class Source(Protocol):
    """Gives the batch of every step."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every clip once."""
        ...

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step; a calm one is not mixed."""
        ...


@dataclass(frozen=True)
class Labels:
    """Class numbers (clips,) and how they are shown: batch size, smoothing, seed."""

    truth: NDArray[np.int64]
    classes: int
    batch: int
    smoothing: float = 0.0
    seed: int = 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every clip once, but for those that fill no batch."""
        return max(1, len(self.truth) // self.batch)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Clips of a step: every epoch has an order of its own; clips that fill no batch wait for the next epoch."""
        size = min(self.batch, len(self.truth))
        epoch, place = divmod(step, self.steps_per_epoch)
        return _order(len(self.truth), self.seed, epoch)[place * size : (place + 1) * size]

    def random(self, step: int) -> np.random.Generator:
        """Random numbers of a step."""
        return np.random.default_rng((self.seed, 1, step))

    def batch_of(self, features: Tensor, rows: NDArray[np.int64]) -> Batch:
        """Features with their smoothed targets."""
        truth = torch.from_numpy(self.truth[rows])
        return Batch(features, smoothed(truth, self.classes, self.smoothing), truth)


@lru_cache(maxsize=8)
def _order(clips: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, 0, epoch)).permutation(clips)


class FeatureSource:
    """Fixed features (clips, *shape), changed by masks and mixup only."""

    def __init__(self, features: NDArray[np.float32], labels: Labels, augmentation: Augmentation) -> None:
        self.labels, self.augmentation = labels, augmentation
        self.features = torch.from_numpy(features)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.labels.steps_per_epoch

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step."""
        rows, random = self.labels.rows(step), self.labels.random(step)
        shown = self.features[torch.from_numpy(rows)]
        if shown.ndim == 3:
            shown = masked(shown.mT, self.augmentation, random).mT
        return _mixed(self.labels.batch_of(shown, rows), self.augmentation, random, is_calm)


class WaveSource:
    """Waveforms changed and turned into features at every showing."""

    def __init__(self, waves: Waves, front_end: FrontEnd, labels: Labels, augmentation: Augmentation) -> None:
        self.labels, self.augmentation = labels, augmentation
        self.renderer = Renderer(front_end, augmentation)
        self.augmenter = Augmenter(waves, augmentation, self.renderer.margin, labels.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.labels.steps_per_epoch

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step."""
        rows, random = self.labels.rows(step), self.labels.random(step)
        shown = self.renderer.render(self.augmenter.draw(rows, random), random)
        return _mixed(self.labels.batch_of(shown, rows), self.augmentation, random, is_calm)


def _mixed(batch: Batch, augmentation: Augmentation, random: np.random.Generator, is_calm: bool) -> Batch:
    if is_calm or not augmentation.mixup:
        return batch
    return Batch(*mixed(batch.features, batch.targets, augmentation, random), batch.truth)
