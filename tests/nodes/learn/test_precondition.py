"""The scale of the features: equal spread in training, and nothing of it left in the network that comes out."""

from __future__ import annotations

import pytest
import torch
from zoo_models import PICTURE_NETS

from engine import FeatureSet
from engine.audio import read_features
from nodes.learn.precondition import Scaled, folded, scale_of, unfolded
from nodes.zoo import architecture, build, models


@pytest.mark.parametrize("name", [name for name, entry in models().items() if not entry.is_large])
def test_folding_changes_nothing(name: str) -> None:
    shape = models()[name].input_shape
    torch.manual_seed(0)
    features = torch.randn(4, *shape) * torch.linspace(30.0, 0.5, shape[-2])[:, None]
    network = build(architecture(name, input_shape=shape, classes=3)).eval()
    scaled = Scaled(network, scale_of(network, features))
    with torch.no_grad():
        wanted = scaled(features)
        found = folded(scaled)(features)
    assert torch.allclose(found, wanted, atol=1e-5 * max(1.0, float(wanted.abs().max())), rtol=1e-3)
    assert bool((scaled.scale != 1).any()) is (name not in PICTURE_NETS)


@pytest.mark.parametrize(
    ("blocks", "folds"),
    [
        (["res_k9_c20", "gap", "fc"], False),  # the shortcut passes the first kernel by
        (["ds_k3_c8", "gap", "fc"], True),  # a depthwise kernel reads one coefficient in each channel
        (["conv_k3_c8", "gap", "fc"], True),
    ],
)
def test_only_what_can_be_folded_gets_a_scale(blocks: list[str], folds: bool) -> None:
    made = {**architecture("tc_resnet8", input_shape=(20, 49), classes=3), "blocks": blocks}
    features = torch.randn(6, 20, 49) * torch.linspace(30.0, 0.5, 20)[:, None]
    network = build(made).eval()
    scale = scale_of(network, features)
    assert bool((scale != 1).any()) is folds
    with torch.no_grad():
        wanted = Scaled(network, scale)(features)
        assert torch.allclose(folded(Scaled(network, scale))(features), wanted, rtol=1e-3, atol=1e-4)


def test_unfolding_is_the_opposite_of_folding() -> None:
    network = build(architecture("tc_resnet8", input_shape=(20, 49), classes=10)).eval()
    features = torch.randn(6, 20, 49) * 7
    with torch.no_grad():
        wanted = network(features)
        scaled = unfolded(network, scale_of(network, features))
        assert torch.allclose(scaled(features), wanted, rtol=1e-3, atol=1e-4)
        assert torch.allclose(folded(scaled)(features), wanted, rtol=1e-3, atol=1e-4)


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
