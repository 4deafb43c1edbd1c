"""Where batches come from: fixed features, or features of waveforms changed anew for each showing.

A batch is a pure function of (seed, step). So a training can stop anywhere and go on bit for bit, and any number of
threads may prepare batches ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nodes.dsp.parameters import FrontEnd
from nodes.learn.augment import Augmenter, Waves
from nodes.learn.augmentation import Augmentation
from nodes.learn.mask import as_given, as_map, masked
from nodes.learn.mix import cut_mixed, mixed, smoothed
from nodes.learn.render import Renderer


@dataclass(frozen=True)
class Batch:
    """Features (batch, *shape), targets (batch, classes) and the class number each clip had before mixing (batch,)."""

    features: Tensor
    targets: Tensor
    truth: Tensor

    def to(self, device: str | torch.device) -> Batch:
        """The batch on a device: itself if it is there already."""
        if self.features.device == torch.device(device):
            return self
        return Batch(*(part.to(device, non_blocking=True) for part in self._parts))

    def pinned(self) -> Batch:
        """A copy in memory that a GPU fetches by itself."""
        return Batch(*(part.pin_memory() for part in self._parts))

    def clone(self) -> Batch:
        """A copy in memory of its own."""
        return Batch(*(part.clone() for part in self._parts))

    def copy_(self, other: Batch) -> None:
        """Take over the numbers of a batch of the same size."""
        for part, given in zip(self._parts, other._parts, strict=True):
            part.copy_(given, non_blocking=True)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.features, self.targets, self.truth


class Source(Protocol):
    """Gives the batch of every step."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every clip once."""
        ...

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step; a calm one is not mixed."""
        ...


@dataclass(frozen=True, eq=False)
class Labels:
    """Class numbers (clips,) and how they are shown.

    Attributes:
        smoothing: share of every target that is spread over all classes.
        repeats: clips of smaller classes are shown again within an epoch, until every class is as large as the largest.
    """

    truth: NDArray[np.int64]
    classes: int
    batch: int
    smoothing: float = 0.0
    seed: int = 0
    repeats: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every clip once, but for those that fill no batch."""
        return max(1, self._shown // self.batch)

    @cached_property
    def _shown(self) -> int:
        """Clips of an epoch."""
        counts = np.bincount(self.truth)
        return int(counts.max() * np.count_nonzero(counts)) if self.repeats else len(self.truth)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Clips of a step: every epoch has an order of its own; clips that fill no batch wait for the next epoch."""
        size = min(self.batch, self._shown)
        epoch, place = divmod(step, self.steps_per_epoch)
        return _order(self, epoch)[place * size : (place + 1) * size]

    def random(self, step: int) -> np.random.Generator:
        """Random numbers of a step."""
        return np.random.default_rng((self.seed, 1, step))

    def batch_of(self, features: Tensor, rows: NDArray[np.int64]) -> Batch:
        """Features with their smoothed targets, where the features are."""
        truth = torch.from_numpy(self.truth[rows]).to(features.device)
        return Batch(features, smoothed(truth, self.classes, self.smoothing), truth)


@lru_cache(maxsize=8)
def _order(labels: Labels, epoch: int) -> NDArray[np.int64]:
    """Clips (shown,) in the order of an epoch."""
    random = np.random.default_rng((labels.seed, 0, epoch))
    if not labels.repeats:
        return random.permutation(len(labels.truth))
    largest = int(np.bincount(labels.truth).max())
    classes = (np.flatnonzero(labels.truth == number) for number in np.unique(labels.truth))
    return random.permutation(np.concatenate([np.resize(random.permutation(rows), largest) for rows in classes]))


class FeatureSource:
    """Fixed features (clips, *shape), changed by masks, CutMix and mixup only; kept on the device where they fit."""

    def __init__(
        self, features: NDArray[np.float32], labels: Labels, augmentation: Augmentation, device: str = "cpu"
    ) -> None:
        self.labels, self.augmentation = labels, augmentation.at_once
        self.features = torch.from_numpy(features).to(device)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.labels.steps_per_epoch

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step."""
        rows, random = self.labels.rows(step), self.labels.random(step)
        shown = self.features[torch.from_numpy(rows).to(self.features.device)]
        shown = as_given(masked(as_map(shown).mT, self.augmentation, random).mT, shown)
        return mixed_batch(self.labels.batch_of(shown, rows), self.augmentation, random, is_calm)


class WaveSource:
    """Waveforms changed and turned into features at every showing."""

    def __init__(self, waves: Waves, front_end: FrontEnd, labels: Labels, augmentation: Augmentation) -> None:
        self.labels, self.augmentation = labels, augmentation.at_once
        self.renderer = Renderer(front_end, self.augmentation)
        self.augmenter = Augmenter(waves, self.augmentation, self.renderer.margin, labels.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.labels.steps_per_epoch

    def batch(self, step: int, is_calm: bool) -> Batch:
        """The batch of a step."""
        rows, random = self.labels.rows(step), self.labels.random(step)
        shown = self.renderer.render(self.augmenter.draw(rows, random), random)
        return mixed_batch(self.labels.batch_of(shown, rows), self.augmentation, random, is_calm)


def mixed_batch(batch: Batch, augmentation: Augmentation, random: np.random.Generator, is_calm: bool) -> Batch:
    """The batch after CutMix and mixup, where there are any and it is not calm."""
    features, targets = batch.features, batch.targets
    if augmentation.cutmix_share and not is_calm:
        features, targets = cut_mixed(features, targets, augmentation, random)
    if augmentation.mixup and not is_calm:
        features, targets = mixed(features, targets, augmentation, random)
    return Batch(features, targets, batch.truth)
