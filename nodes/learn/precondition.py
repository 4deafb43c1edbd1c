"""Training on features of equal spread without changing the network that comes out.

The first cepstral coefficients vary tens of times more than the last, so one learning rate does not suit them all.
During training features are multiplied by a scale; afterwards the scale goes into the first kernel, exactly. No mean is
taken away: a mean could not go into a kernel at the zero-padded edges. A network in which the scale cannot go into one
kernel (a norm or a picture comes first, or a shortcut passes the kernel by) learns from plain features.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from nodes.zoo.network import Network
from nodes.zoo.picture import Picture

TRIED_CLIPS = 4


class Scaled(nn.Module):
    """A network that sees its features (batch, *shape) times `scale`."""

    scale: Tensor

    def __init__(self, network: nn.Module, scale: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (batch, classes)."""
        logits: Tensor = self.network(features * self.scale)
        return logits


@torch.no_grad()
def folded(trained: nn.Module) -> Network:
    """The network inside, doing to plain features what it did to scaled ones; a network without scale comes back.

    Raises:
        TypeError: there is no zoo network inside.
    """
    network = trained.network if isinstance(trained, Scaled) else trained
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} is no network of the zoo. Expected: one made by build().")
    if isinstance(trained, Scaled):
        kernel = first_kernel(network)
        kernel *= kernel_factor(network, trained.scale)
    return network


@torch.no_grad()
def unfolded(network: Network, scale: Tensor) -> Scaled:
    """A trained network that does to scaled features what it did to plain ones: the opposite of `folded`, in place."""
    kernel = first_kernel(network)
    kernel /= kernel_factor(network, scale)
    return Scaled(network, scale)


def scale_of(network: nn.Module, features: Tensor) -> Tensor:
    """One over the spread of features (clips, *shape), or ones where the network could not be `folded` again.

    A picture is drawn from the smallest to the largest feature, so a scale would change nothing: ones too.

    Per coefficient (coefficients, 1) where these are the channels of the first convolution; elsewhere one number
    (1, 1), as a kernel that slides over coefficients cannot treat them differently.
    """
    if any(isinstance(module, Picture) for module in network.modules()):
        return features.new_ones(1, 1)
    first = _first_layer(network)
    is_temporal = isinstance(first, nn.Conv1d) and features.shape[1] == first.in_channels
    spread = features.std(dim=(0, 2), correction=0)[:, None] if is_temporal else features.std().view(1, 1)
    scale = 1.0 / spread.clamp(min=1e-3 * float(spread.max()) + 1e-12)
    return scale if _folds(network, scale, features[:TRIED_CLIPS]) else torch.ones_like(scale)


def first_kernel(network: nn.Module) -> Tensor:
    """The kernel that the features meet first."""
    first = _first_layer(network)
    kernel = getattr(first, "weight_ih", None)
    kernel = first.weight if kernel is None else kernel
    assert isinstance(kernel, Tensor)
    return kernel


def _first_layer(network: nn.Module) -> nn.Module:
    """The layer with weights that the features meet first."""
    return next(module for module in network.modules() if any(True for _ in module.parameters(recurse=False)))


def kernel_factor(network: nn.Module, scale: Tensor) -> Tensor:
    """What the first kernel (out, in / groups, ...) is multiplied by when it takes a scale of the features."""
    first = _first_layer(network)
    if scale.numel() == 1 or not isinstance(first, nn.Conv1d):
        return scale.mean()
    per_group = scale.view(first.groups, 1, -1, 1)  # every group of channels reads coefficients of its own
    return per_group.expand(-1, first.out_channels // first.groups, -1, -1).flatten(0, 1)


@torch.no_grad()
def _folds(network: nn.Module, scale: Tensor, examples: Tensor) -> bool:
    """Whether a network whose first kernel takes the scale does to these clips what it did to scaled ones."""
    if first_kernel(network).ndim < 2:
        return False
    trial = copy.deepcopy(network).eval()
    for norm in (module for module in trial.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)):
        assert norm.running_mean is not None  # a fresh norm does nothing; one in front of the kernel must show
        norm.running_mean.fill_(0.5)
    wanted = trial(examples * scale)
    kernel = first_kernel(trial)
    kernel *= kernel_factor(trial, scale)
    return torch.allclose(trial(examples), wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
