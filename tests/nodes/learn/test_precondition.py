"""The scale of the features: equal spread in training, and nothing of it left in the network that comes out."""

from __future__ import annotations

import pytest
import torch

from engine import FeatureSet
from engine.audio import read_features
from nodes.learn.precondition import Scaled, folded, scale_of
from nodes.zoo import architecture, build, models


@pytest.mark.parametrize("name", models())
def test_folding_changes_nothing(name: str) -> None:
    shape = models()[name].input_shape
    torch.manual_seed(0)
    features = torch.randn(4, *shape) * torch.linspace(30.0, 0.5, shape[0])[:, None]
    network = build(architecture(name, input_shape=shape, classes=3)).eval()
    scaled = Scaled(network, scale_of(network, features))
    with torch.no_grad():
        wanted = scaled(features)
        found = folded(scaled)(features)
    assert torch.allclose(found, wanted, atol=1e-5, rtol=1e-4)
    assert float((scaled.scale - 1).abs().max()) > 0.1


def test_coefficients_of_real_features_get_equal_spread(digit_features: FeatureSet) -> None:
    features = torch.from_numpy(read_features(digit_features))
    network = build(architecture("tc_resnet8", input_shape=(20, 49), classes=10))
    spread = (features * scale_of(network, features)).std(dim=(0, 2))
    assert torch.allclose(spread, torch.ones(20), atol=1e-3)


def test_a_constant_coefficient_does_not_blow_up() -> None:
    features = torch.randn(5, 20, 49)
    features[:, 3] = 7.0
    network = build(architecture("tc_resnet8", input_shape=(20, 49), classes=10))
    assert torch.isfinite(scale_of(network, features)).all()
    assert float(scale_of(network, torch.zeros(5, 20, 49)).max()) < 1e13


def test_networks_without_a_scale_come_back() -> None:
    network = build(architecture("tc_resnet8", input_shape=(20, 49), classes=10))
    assert folded(network) is network
    with pytest.raises(TypeError, match="Linear is no network"):
        folded(torch.nn.Linear(2, 2))
