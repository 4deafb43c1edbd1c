"""Weights that are zero: which ones, kept so while the others learn (Han et al. 2015).

Importance is magnitude. `layer` takes the same share from every kernel; `global` takes the smallest of all kernels
together; `lamp` compares a weight's square with the sum of those in its kernel that are not smaller (Lee et al. 2021,
"Layer-adaptive sparsity for the magnitude-based pruning"), which spares kernels that have few weights left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nodes.quant.errors import QuantError
from nodes.quant.schedule import Schedule

Scope = Literal["lamp", "global", "layer"]
KERNELS: Final = ("weight", "weight_ih", "weight_hh")
"""Parameters that are matrices or kernels; norms have a `weight` too, of one axis."""

WRAPPED: Final = "network."
"""In front of the names of a network that takes features of equal spread."""


def kernels_of(network: nn.Module, dense: Iterable[str] = ()) -> dict[str, nn.Parameter]:
    """The kernels of a network by name, but those of layers that shall stay dense (conv1, b1.short, fc).

    Raises:
        QuantError: a layer to be left dense is not there, or no kernel is left.
    """
    found = {
        name: value
        for name, value in network.named_parameters()
        if name.rpartition(".")[2] in KERNELS and value.ndim > 1
    }
    kept = set()
    for layer in dense:
        own = {name for name in found if name.removeprefix(WRAPPED).startswith(f"{layer}.")}
        if not own:
            layers = sorted({_layer(name) for name in found})
            raise QuantError(
                f"There is no layer '{layer}' with weights.", f"some of {', '.join(layers)}", "Correct its name."
            )
        kept |= own
    chosen = {name: value for name, value in found.items() if name not in kept}
    if not chosen:
        raise QuantError("No layer is left to be made sparse.", "at least one", "Keep fewer layers dense.")
    return chosen


def _layer(name: str) -> str:
    """The layer of a kernel: conv1 of conv1.conv.weight, rnn1 of rnn1.weight_ih."""
    path = name.removeprefix(WRAPPED).split(".")
    return ".".join(path[:-1] if path[-1] != "weight" else path[:-2])


def sparsity(kernels: Mapping[str, Tensor]) -> float:
    """Share of the weights of all kernels that are zero."""
    zeros = sum(int((value == 0).sum()) for value in kernels.values())
    return zeros / max(sum(value.numel() for value in kernels.values()), 1)


def check_finite(kernels: Mapping[str, Tensor]) -> None:
    """Refuse weights that are no numbers.

    Raises:
        QuantError: names the first kernel with such a weight.
    """
    for name, value in kernels.items():
        if not bool(torch.isfinite(value).all()):
            raise QuantError(f"Weights of {name} are not finite.", "finite weights", "Train the model again.")


def choose(kernels: Mapping[str, Tensor], share: float, scope: Scope) -> dict[str, Tensor]:
    """Masks by name, False for the weights that go: `share` of all, rounded to whole weights.

    Weights that are zero already go first.

    Raises:
        QuantError: a weight is not finite.
    """
    check_finite(kernels)
    scores = {name: _SCORES[scope](value.detach().double()) for name, value in kernels.items()}
    if scope == "layer":
        return {name: _kept(score, share) for name, score in scores.items()}
    everything = _kept(torch.cat([score.flatten() for score in scores.values()]), share)
    parts = torch.split(everything, [score.numel() for score in scores.values()])
    return {name: part.view_as(scores[name]) for (name, _), part in zip(scores.items(), parts, strict=True)}


def _kept(scores: Tensor, share: float) -> Tensor:
    """True for all but the lowest scores; of equals the first go."""
    count = round(share * scores.numel())
    order = scores.flatten().argsort(stable=True)
    mask = torch.ones_like(order, dtype=torch.bool)
    mask[order[:count]] = False
    return mask.view_as(scores)


def _lamp(kernel: Tensor) -> Tensor:
    """w^2 over the sum of the squares that are not smaller."""
    squares = kernel.square().flatten()
    order = squares.argsort(stable=True)
    ordered = squares[order]
    rest = ordered.flip(0).cumsum(0).flip(0)
    scores = torch.zeros_like(squares)
    scores[order] = ordered / rest.clamp(min=torch.finfo(torch.float64).tiny)
    return scores.view_as(kernel)


_SCORES: Final[Mapping[Scope, Callable[[Tensor], Tensor]]] = MappingProxyType(
    {"lamp": _lamp, "global": torch.abs, "layer": torch.abs}
)


@dataclass(frozen=True)
class Plan:
    """What is to become zero, and when.

    Attributes:
        scope: what a weight is compared with.
        dense: layers that stay as they are.
    """

    schedule: Schedule
    scope: Scope = "lamp"
    dense: tuple[str, ...] = ()


class Sparse(nn.Module):
    """A network that computes with part of its weights at zero; `network` keeps their last values below.

    Called while training, it counts steps and chooses anew by the plan's schedule: a weight that was zero comes back if
    others have become smaller. There are never fewer zeros than it came with. Masks and steps are saved with the
    weights, so a training can be taken up.
    """

    step: Tensor

    def __init__(self, network: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.network, self.plan = network, plan
        kernels = kernels_of(network, plan.dense)
        self.names, self.least = tuple(kernels), sparsity(kernels)
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        for index, kernel in enumerate(self._kernels()):
            self.register_buffer(f"mask_{index}", kernel.detach() != 0)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        if self.training:
            self._grow()
        weights = {name: kernel * mask for name, kernel, mask in self._masked()}
        logits: Tensor = functional_call(self.network, weights, (features,))
        return logits

    def complete(self) -> bool:
        """Reach the target now if the training ended before the schedule did; says whether it was needed."""
        if int(self.step) > self.plan.schedule.end:
            return False
        self._choose(self.plan.schedule.target)
        self.step.fill_(self.plan.schedule.end + 1)
        return True

    @torch.no_grad()
    def stripped(self) -> nn.Module:
        """The network inside, with zeros as its weights."""
        for _, kernel, mask in self._masked():
            kernel.mul_(mask)
        return self.network

    def _grow(self) -> None:
        step = int(self.step)
        if self.plan.schedule.is_due(step):
            self._choose(self.plan.schedule.at(step))
        self.step += 1

    def _choose(self, share: float) -> None:
        kernels = dict(zip(self.names, self._kernels(), strict=True))
        masks = choose(kernels, max(share, self.least), self.plan.scope)
        for index, name in enumerate(self.names):
            getattr(self, f"mask_{index}").copy_(masks[name])

    def _kernels(self) -> Sequence[Tensor]:
        return [self.network.get_parameter(name) for name in self.names]

    def _masked(self) -> list[tuple[str, Tensor, Tensor]]:
        masks = [cast(Tensor, getattr(self, f"mask_{index}")) for index in range(len(self.names))]
        return list(zip(self.names, self._kernels(), masks, strict=True))


def hold_zeros(network: nn.Module) -> None:
    """Keep weights that are zero at zero in any training that follows: their gradient is zero too.

    Optimizers without momentum from before leave such a weight where it is, weight decay or not.
    """
    for kernel in kernels_of(network).values():
        mask = kernel.detach() != 0
        if not bool(mask.all()):
            kernel.register_hook(_masking(mask))  # type: ignore[no-untyped-call]


def _masking(mask: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * mask.to(gradient.device)
