"""What a network minimises while it learns to be rounded: the labels, and what it answered before."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nodes.learn.source import Batch


class OwnAnswers:
    """Cross-entropy against the batch's targets and against the answers of the network as it was.

    The answers of before tell more than labels do, so few clips are learnt by heart less easily (Hinton, Vinyals and
    Dean 2015).

    Attributes:
        share: of the answers in the loss; the rest is of the targets.
    """

    is_pure: Final = False

    def __init__(self, before: nn.Module, share: float) -> None:
        """Take the network as it was; it stays so."""
        self.before, self.share = before.eval().requires_grad_(False), share

    def __call__(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch."""
        logits: Tensor = network(batch.features)
        targets = batch.targets
        if self.share:
            self.before.to(batch.features.device)
            with torch.no_grad():
                answers = F.softmax(self.before(batch.features), 1)
            targets = torch.lerp(targets.to(answers.dtype), answers, self.share)
        return F.cross_entropy(logits, targets), logits
