"""SapAugment: changes made last, as strong as the network's knowledge of each clip allows (S2 2.1, 3.2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.learn.augmentation import Augmentation
from nodes.learn.mask import as_given, as_map, masked
from nodes.learn.mix import cut_mixed
from nodes.learn.source import Batch
from nodes.learn.strength import sap_strength

Logits = Callable[[nn.Module, Batch], Tensor]


def challenged(
    batch: Batch, network: nn.Module, logits_of: Logits, change: Augmentation, random: np.random.Generator
) -> Batch:
    """The batch after CutMix and masks, stronger for clips with a smaller loss; the network is left in inference mode.

    The losses come from a pass in inference mode before the one that learns.
    """
    network.eval()
    with torch.no_grad():
        losses = F.cross_entropy(logits_of(network, batch), batch.targets, reduction="none")
    strength = sap_strength(losses.float().cpu().numpy(), change.sap_a, change.sap_s)
    features, targets = batch.features, batch.targets
    if change.cutmix_share:
        features, targets = cut_mixed(features, targets, change, random, strength)
    shown = as_given(masked(as_map(features).mT, change, random, strength).mT, features)
    return Batch(shown, targets, batch.truth)
