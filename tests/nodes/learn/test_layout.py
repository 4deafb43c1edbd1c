"""Channels side by side: the same answers, gradients and names; undone without a trace."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from nodes.learn.layout import FLAT, channels_last, usual
from nodes.zoo import architecture, build, models

SMALL = [name for name, entry in models().items() if entry.view != "patches"]


@pytest.mark.parametrize("name", SMALL)
def test_the_answers_stay(name: str) -> None:
    shape = models()[name].input_shape
    torch.manual_seed(0)
    network = build(architecture(name, width=0.5, input_shape=shape, classes=4)).eval()
    other, features = copy.deepcopy(network), torch.randn(2, *shape)
    channels_last(other)
    with torch.no_grad():
        torch.testing.assert_close(other(features), network(features), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [name for name, entry in models().items() if entry.view == "temporal"])
def test_one_dimensional_layers_learn_the_same(name: str) -> None:
    shape = models()[name].input_shape
    torch.manual_seed(0)
    network = build(architecture(name, input_shape=shape, classes=4)).train()
    other, features = copy.deepcopy(network), torch.randn(4, *shape)
    channels_last(other)
    assert not any(type(module) in FLAT for module in other.modules())
    for each in (network, other):
        torch.manual_seed(1)
        F.cross_entropy(each(features), torch.arange(4)).backward()
    for (key, value), (_, changed) in zip(network.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(changed.grad, value.grad, rtol=1e-3, atol=1e-5, msg=key)


def test_it_is_undone_without_a_trace() -> None:
    network = build(architecture("tc_resnet8", input_shape=(40, 98), classes=4))
    before, kinds = copy.deepcopy(network.state_dict()), [type(module) for module in network.modules()]
    channels_last(network)
    assert network.state_dict().keys() == before.keys()
    usual(network)
    assert [type(module) for module in network.modules()] == kinds
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(value.is_contiguous() for value in network.parameters())
