"""Every model of the zoo as it exports itself: the graph that is read computes what onnxruntime does."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx_checks import as_if_trained, difference

from nodes.zoo import architecture, build, export_onnx, models

SMALL = [name for name, entry in models().items() if not entry.is_large]


@pytest.mark.parametrize("name", SMALL)
def test_a_model_of_the_zoo_is_read(name: str, tmp_path: Path) -> None:
    entry = models()[name]
    network = build(architecture(name, input_shape=entry.input_shape, classes=entry.classes)).eval()
    export_onnx(as_if_trained(network), tmp_path / "model.onnx")
    assert difference(tmp_path / "model.onnx") < 2e-5
