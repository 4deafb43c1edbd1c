"""Channel pruning over the zoo: dead channels can go without changing an answer, and what goes is what matters least."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Tensor

from nodes.quant.structured import narrowed
from nodes.quant.structured_groups import Channels, Component, channels_of, resized, same_layers
from nodes.zoo import Architecture, architecture, build, describe, models
from nodes.zoo.block import RECURRENT
from nodes.zoo.layer import Layer
from nodes.zoo.network import Network
from nodes.zoo.plan import plan

SMALL = [name for name, entry in models().items() if not entry.is_large]
VISION = ["deepspectrum_mobilenet_v2", "deepspectrum_squeezenet1_1", "deepspectrum_resnet50"]


@cache
def made(name: str) -> Architecture:
    entry = models()[name]
    width = 0.25 if name in VISION else 1.0
    return architecture(name, width=width, input_shape=entry.input_shape, classes=4)


def network_of(name: str) -> tuple[Network, Channels]:
    """Weights and statistics of norms at random."""
    torch.manual_seed(0)
    network = build(made(name)).eval()
    for key, value in network.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif "norm" in key and value.is_floating_point():
            value.normal_(0.2, 0.5)
    return network, channels_of(plan(made(name)))


def clips(name: str, count: int = 2) -> Tensor:
    return torch.randn(count, *models()[name].input_shape)


def scores_at_random(channels: Channels) -> dict[int, Tensor]:
    return {group: torch.rand(size, dtype=torch.float64) for group, size in channels.sizes.items()}


def halves(channels: Channels) -> dict[Component, int]:
    return {part: max(part.size // 2, 1) for part in channels.components}


@torch.no_grad()
def kill(network: Network, channels: Channels, kept: dict[int, Tensor]) -> None:
    """Make every channel that is not kept zero wherever it is made or passed on."""
    for layer in plan(network.architecture).layers:
        alive = torch.cat([kept[group] for group in channels.outputs[layer.name]])
        reads = torch.cat([kept[group] for group in channels.inputs[layer.name]])
        for name, value in network.get_submodule(layer.name).named_parameters():
            value.mul_(_alive(layer, name, alive, reads, value))
        for name, buffer in network.get_submodule(layer.name).named_buffers():
            if name.endswith("running_mean"):
                buffer.mul_(_alive(layer, name, alive, reads, buffer))


def _alive(layer: Layer, name: str, alive: Tensor, reads: Tensor, value: Tensor) -> Tensor:
    if value.ndim == 0:  # slopes of an activation
        return torch.ones_like(value)
    own = reads if layer.op in RECURRENT and name.startswith("norm") else alive
    rows = own.repeat_interleave(len(value) // len(own)) if "norm" in name else own.repeat(len(value) // len(own))
    return rows.view(-1, *[1] * (value.ndim - 1)).to(value.dtype)


@pytest.mark.parametrize("name", SMALL + VISION[:1])
def test_dead_channels_go_without_changing_an_answer(name: str) -> None:
    network, channels = network_of(name)
    scores, sizes = scores_at_random(channels), halves(channels)
    if not same_layers(plan(made(name)), plan(resized(made(name), sizes))):
        sizes = {part: max(part.size * 3 // 4, 1) for part in channels.components}
    kept = {group: torch.ones(size, dtype=torch.bool) for group, size in channels.sizes.items()}
    for part, size in sizes.items():
        for group in part.groups:
            kept[group] = torch.zeros(part.size, dtype=torch.bool)
            kept[group][scores[group].argsort(descending=True)[:size]] = True
    kill(network, channels, kept)
    smaller, x = narrowed(network, channels, scores, sizes), clips(name)
    assert describe(smaller.architecture).params < describe(made(name)).params
    with torch.no_grad():
        torch.testing.assert_close(smaller(x), network(x), rtol=1e-4, atol=1e-4)
