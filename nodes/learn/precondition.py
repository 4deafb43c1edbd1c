"""Training on features of equal spread without changing the network that comes out.

The first cepstral coefficients vary tens of times more than the last, so one learning rate does not suit them all.
During training features are multiplied by a scale; afterwards the scale goes into the first kernel, exactly. No mean is
taken away: a mean could not go into a kernel at the zero-padded edges.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodes.zoo.network import Network


class Scaled(nn.Module):
    """A network that sees its features (batch, coefficients, frames) times `scale`."""

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

    The first kernel (out, in, ...) takes the scale.

    Raises:
        TypeError: there is no zoo network inside.
    """
    network = trained.network if isinstance(trained, Scaled) else trained
    if not isinstance(network, Network):
        raise TypeError(f"{type(network).__name__} is no network of the zoo. Expected: one made by build().")
    if isinstance(trained, Scaled):
        kernel = first_kernel(network)
        kernel *= trained.scale if kernel.ndim == 3 else trained.scale.mean()
    return network


def scale_of(network: nn.Module, features: Tensor) -> Tensor:
    """One over the spread of features (clips, coefficients, frames).

    Per coefficient (coefficients, 1) where these are the channels of the first convolution; elsewhere one number
    (1, 1), as a kernel that slides over coefficients cannot treat them differently.
    """
    is_temporal = first_kernel(network).ndim == 3
    spread = features.std(dim=(0, 2), correction=0)[:, None] if is_temporal else features.std().view(1, 1)
    return 1.0 / spread.clamp(min=1e-3 * float(spread.max()) + 1e-12)


def first_kernel(network: nn.Module) -> Tensor:
    """The kernel that the features meet first."""
    return next(module.weight for module in network.modules() if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear))
