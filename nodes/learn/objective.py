"""What a training minimises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.learn.source import Batch

Objective = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]
"""A network and a batch to the loss (a scalar) and the logits (batch, classes).

One that does nothing else, with tensors on the batch's device alone, may say so by an attribute `is_pure = True`: it is
then compiled and, on CUDA, recorded once and replayed (see step).
"""


class CrossEntropy:
    """The mean cross-entropy between the network's answers and the batch's targets, classes weighted or all alike."""

    is_pure: Final = True

    def __init__(self, weights: NDArray[np.float32] | None = None) -> None:
        """Take weights per class (classes,) or none."""
        self.weights = None if weights is None else torch.from_numpy(weights)

    def __call__(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch."""
        logits: Tensor = network(batch.features)
        if self.weights is not None and self.weights.device != logits.device:
            self.weights = self.weights.to(logits.device)
        return F.cross_entropy(logits, batch.targets, self.weights), logits


cross_entropy: Final = CrossEntropy()


def class_weights(truth: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Weights (classes,) with which every class counts alike: clips / (classes * clips of the class), 1 on average."""
    counts = np.bincount(truth, minlength=classes)
    weights: NDArray[np.float32] = (len(truth) / (classes * np.maximum(counts, 1))).astype(np.float32)
    return weights
