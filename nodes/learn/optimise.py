"""What a recipe means in torch: optimizer, first weights, dropout, norms, and the running mean of the weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn

from nodes.learn.compute import CPU, Compute
from nodes.learn.errors import LearnError
from nodes.learn.recipe import Recipe

Norm = nn.modules.batchnorm._BatchNorm
Groups = list[dict[str, Any]]


def optimizer_of(network: nn.Module, recipe: Recipe, compute: Compute = CPU) -> torch.optim.Optimizer:
    """The recipe's optimizer for all that may learn; weight decay touches kernels only, never norms and offsets.

    On CUDA the learning rate is a tensor, so that a recorded step can be given another one.

    Raises:
        LearnError: every parameter is frozen.
    """
    learnt = [value for value in network.parameters() if value.requires_grad]
    if not learnt:
        raise LearnError("every layer is frozen", "at least one that may learn", "Freeze fewer layers")
    groups: Groups = [
        {"params": [value for value in learnt if value.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [value for value in learnt if value.ndim <= 1], "weight_decay": 0.0},
    ]
    rate = torch.tensor(recipe.rates[0], device=compute.device) if compute.is_cuda else recipe.rates[0]
    made = _OPTIMIZERS[recipe.optimizer](groups, recipe, rate, compute.is_cuda)
    vars(made)["_warned_capturable_if_run_uncaptured"] = True  # the first steps are not recorded, and shall not be
    return made


def _sgd(groups: Groups, recipe: Recipe, rate: float | Tensor, is_cuda: bool) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        groups, lr=rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=is_cuda or None
    )  # fmt: skip


def _adam(groups: Groups, _recipe: Recipe, rate: float | Tensor, is_cuda: bool) -> torch.optim.Optimizer:
    return torch.optim.Adam(groups, lr=rate, fused=True, capturable=is_cuda)


def _adamw(groups: Groups, _recipe: Recipe, rate: float | Tensor, is_cuda: bool) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=rate, fused=True, capturable=is_cuda)


def _adadelta(groups: Groups, _recipe: Recipe, rate: float | Tensor, is_cuda: bool) -> torch.optim.Optimizer:
    """With the constants of Keras, which S2's repository trains with."""
    return torch.optim.Adadelta(groups, lr=rate, rho=0.95, eps=1e-7, foreach=True, capturable=is_cuda)


_OPTIMIZERS: Final[Mapping[str, Callable[[Groups, Recipe, float | Tensor, bool], torch.optim.Optimizer]]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adamw,
    "adadelta": _adadelta,
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
