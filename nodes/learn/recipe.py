"""Recipes: how a network is trained, those of the papers and a modern one (SEEDS section 7). Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from nodes.learn.augmentation import AUGMENTATIONS, Augmentation
from nodes.learn.names import Balance, Optimizer, RecipeName, Selection


@dataclass(frozen=True)
class Recipe:
    """Everything a training needs besides network and clips. Lengths in steps (batches) win over epochs."""

    optimizer: Optimizer = "adamw"
    batch: int = 100
    epochs: int = 100
    steps: int = 0
    """Length in batches; 0 takes `epochs`."""
    rates: tuple[float, ...] = (1e-3,)
    """Learning rates of equal stretches of the training, see `cuts`; with `cosine`, only the first counts."""
    cuts: tuple[float, ...] = ()
    """Where one rate gives way to the next, as shares of the whole training."""
    cosine: bool = False
    """Fall from the first rate to zero along half a cosine."""
    warmup: float = 0.0
    """Share of the training in which the rate rises from zero."""
    momentum: float = 0.9
    """Of SGD."""
    nesterov: bool = False
    weight_decay: float = 0.0
    """Of kernels only. L2 in the loss for sgd and adam, decoupled for adamw (Loshchilov and Hutter 2019)."""
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    """Largest norm of all gradients together; longer ones are shortened (Pascanu et al. 2013). 0 leaves them."""
    average: float = 0.0
    """Decay per step of a running mean of the weights, which is what the model becomes; 0 keeps the weights."""
    norm_decay: float = 0.9
    """Decay of the running statistics of batch norms."""
    standardise: bool = False
    """Train on features of equal spread; the scale goes into the first kernel (see precondition)."""
    dropout: float | None = None
    """Rate for every dropout layer; None leaves the architecture's."""
    xavier: bool = False
    """Draw first weights by Glorot's rule instead of torch's own."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    calm: float = 0.0
    """Share at the end of the training without mixup and CutMix."""
    balance: Balance = "none"
    """Classes with fewer clips: shown again until all are as large as the largest (`repeat`), or their clips count more
    in the loss (`weights`)."""
    selection: Selection = "best"
    """Keep the weights with the best validation accuracy of all evaluations, or the last ones."""
    evaluations: int = 40
    """How often the validation clips are scored, evenly over the training; at most once per epoch."""
    patience: int = 0
    """Stop after so many evaluations without a better one; 0 never stops early."""

    def rate_at(self, step: int, steps: int) -> float:
        """Learning rate of a step of `steps`."""
        done = step / max(steps, 1)
        if done < self.warmup:
            return self.rates[0] * (step + 1) / (self.warmup * steps + 1)
        if self.cosine:
            return self.rates[0] * 0.5 * (1.0 + math.cos(math.pi * (done - self.warmup) / (1.0 - self.warmup)))
        return self.rates[sum(done >= cut for cut in self.cuts)]

    def length(self, steps_per_epoch: int) -> int:
        """Steps of the whole training."""
        return self.steps or self.epochs * steps_per_epoch


_PAPER = AUGMENTATIONS["paper"]
_BONSEYES = Recipe(
    optimizer="adam",
    steps=40_000,
    rates=(5e-3, 1.5e-3, 4.5e-4, 1.35e-4),
    cuts=(0.25, 0.5, 0.75),
    evaluations=80,
)

RECIPES: Mapping[RecipeName, Recipe] = MappingProxyType(
    {
        "modern": Recipe(
            optimizer="adamw",
            steps=22_000,
            rates=(4e-3,),
            cosine=True,
            warmup=0.05,
            weight_decay=0.02,
            label_smoothing=0.1,
            average=0.999,
            standardise=True,
            dropout=0.0,
            augmentation=AUGMENTATIONS["modern"],
            calm=0.1,
            selection="last",
        ),
        "s0": _BONSEYES,
        "s1": Recipe(
            optimizer="sgd",
            steps=30_000,
            rates=(0.1, 0.01, 0.001),
            cuts=(1 / 3, 2 / 3),
            weight_decay=1e-3,
            norm_decay=0.997,
            dropout=0.5,
            xavier=True,
            augmentation=_PAPER,
            evaluations=60,
        ),
        "s1_cnn1": Recipe(
            optimizer="adam",
            steps=20_000,
            rates=(5e-4, 1e-4),
            cuts=(0.5,),
            dropout=0.5,
            augmentation=_PAPER,
            evaluations=40,
        ),
        "s1_cnn2": Recipe(
            optimizer="adam",
            steps=30_000,
            rates=(5e-4, 1e-4, 2e-5),
            cuts=(1 / 3, 2 / 3),
            dropout=0.5,
            augmentation=_PAPER,
            evaluations=60,
        ),
        "s1_ds_cnn": Recipe(
            optimizer="adam",
            steps=20_000,
            rates=(5e-4, 1e-4),
            cuts=(0.5,),
            norm_decay=0.96,
            augmentation=_PAPER,
            evaluations=40,
        ),
        "s1_res": Recipe(
            optimizer="adam",
            batch=64,
            steps=9_000,
            rates=(0.1, 0.01, 0.001),
            cuts=(1 / 3, 2 / 3),
            weight_decay=1e-5,
            augmentation=_PAPER,
            evaluations=18,
        ),
        "s2": Recipe(
            optimizer="adadelta",
            batch=32,
            epochs=40,
            rates=(1e-3,),
            dropout=0.25,
            augmentation=AUGMENTATIONS["s2"],
            balance="repeat",
        ),
        "s3": Recipe(
            optimizer="adam",
            batch=32,
            epochs=60,
            rates=(1e-3,),
            cosine=True,
            warmup=0.05,
            clip_norm=1.0,
            augmentation=AUGMENTATIONS["pitch"],
        ),
        "s4": _BONSEYES,
        "s4_ds_kws": replace(_BONSEYES, steps=300_000, evaluations=300),
    }
)
"""By name; a training of another length keeps the proportions of its schedule.

s0 and s4: the CNN and DS_CNN of S0 and S4. s4_ds_kws: ds_kws1, 3 and 9; how the rates are spread over their 300,000
iterations is not printed (slip 13), we stretch s0's. s1 and s1_*: S1 and its repository, scored every 500 steps there.
s2: phase 1 of S2 (section 3.2, table 2: rates, epochs, dropout and units differ by data set; phase 2 is fine_tune).
s3: the paper prints the pitch changes alone (slip 41); optimizer, rates, batch, length and clipping are ours."""
