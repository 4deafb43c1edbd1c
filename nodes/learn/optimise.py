"""What a recipe means in torch: optimizer, first weights, dropout, norms, and the running mean of the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from nodes.learn.recipe import Recipe

Norm = nn.modules.batchnorm._BatchNorm
Groups = list[dict[str, Any]]


def optimizer_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; weight decay touches kernels only, never norms and offsets."""
    kernels = [value for value in network.parameters() if value.ndim > 1]
    others = [value for value in network.parameters() if value.ndim <= 1]
    groups: Groups = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return _OPTIMIZERS[recipe.optimizer](groups, recipe)


def _sgd(groups: Groups, recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=recipe.rates[0], momentum=recipe.momentum, nesterov=recipe.nesterov)


def _adam(groups: Groups, recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=recipe.rates[0], fused=True)


def _adamw(groups: Groups, recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=recipe.rates[0], fused=True)


_OPTIMIZERS: Final[Mapping[str, Callable[[Groups, Recipe], torch.optim.Optimizer]]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
}


def prepare(network: nn.Module, recipe: Recipe) -> None:
    """Set the recipe's dropout and norm decay, and draw first weights by Glorot's rule where it asks for that."""
    for module in network.modules():
        if isinstance(module, nn.Dropout) and recipe.dropout is not None:
            module.p = recipe.dropout
        elif isinstance(module, Norm):
            module.momentum = 1.0 - recipe.norm_decay
        elif isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) and recipe.xavier:
            nn.init.xavier_uniform_(module.weight)


class Average:
    """Running mean of a network's weights and norm statistics (Polyak averaging); decay 0 follows the network."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay, self.source = decay, network
        self.network = copy.deepcopy(network) if decay else network
        self._kept, self._counts = _floats(self.network), _counts(self.network)
        self._given, self._given_counts = _floats(network), _counts(network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the network after its step number `step`; the first steps count more (bias correction)."""
        if self.decay:
            decay = min(self.decay, (1.0 + step) / (10.0 + step))
            torch._foreach_lerp_(self._kept, self._given, 1.0 - decay)
            torch._foreach_copy_(self._counts, self._given_counts)


def _floats(network: nn.Module) -> list[Tensor]:
    return [value for value in _tensors(network) if value.is_floating_point()]


def _counts(network: nn.Module) -> list[Tensor]:
    return [value for value in _tensors(network) if not value.is_floating_point()]


def _tensors(network: nn.Module) -> Iterable[Tensor]:
    """Parameters and saved buffers themselves, so that changing them changes the network."""
    return network.state_dict(keep_vars=True).values()
