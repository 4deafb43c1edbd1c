"""Every model of the zoo as it exports itself: the graph that is read computes what onnxruntime does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from onnx_checks import difference
from torch import nn

from nodes.zoo import architecture, build, export_onnx, models

SMALL = [name for name, entry in models().items() if not entry.is_large]


@pytest.mark.parametrize("name", SMALL)
def test_a_model_of_the_zoo_is_read(name: str, tmp_path: Path) -> None:
    entry = models()[name]
    network = build(architecture(name, input_shape=entry.input_shape, classes=entry.classes)).eval()
    _as_if_trained(network)
    export_onnx(network, tmp_path / "model.onnx")
    assert difference(tmp_path / "model.onnx") < 2e-5


def _as_if_trained(network: nn.Module) -> None:
    """Statistics of norms that are not those of the start."""
    rng = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=rng) * 0.3)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=rng) + 0.5)
