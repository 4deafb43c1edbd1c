"""Networks read from ONNX and safetensors, histograms with ranges, and the card."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from safetensors.numpy import save_file

from engine.artifact import Artifact, Model
from engine.errors import OssicleError
from studio.views.data.network import (
    clipped_share,
    histogram,
    network_of_tensors,
    power_of_two,
    read_network,
    read_safetensors,
)
from studio.views.data.weights import activation_shown, read_weights, table, weights_shown
from studio.views.viewer import Scene
from studio.views.weights import WeightsCard


@pytest.fixture(scope="session")
def float_model(artifacts: dict[str, Artifact]) -> Model:
    found = artifacts["train-1.model"]
    assert isinstance(found, Model)
    return found


# ---- reading


def test_operations_and_parameters_are_those_of_the_zoo(float_model: Model) -> None:
    net = read_network(float_model.file("model.onnx"))
    assert sum(layer.flops for layer in net.layers) == float_model.meta.flops["true"]
    assert 0 < sum(layer.parameters for layer in net.layers) <= float_model.meta.parameters
    weighted = [layer for layer in net.layers if layer.weights is not None]
    assert all(layer.in_shape and layer.out_shape and layer.size_bytes for layer in weighted)


def test_an_int8_network_has_the_same_layers_with_their_codes(float_model: Model, int8_model: Model) -> None:
    before, after = (read_network(model.file("model.onnx")) for model in (float_model, int8_model))
    assert {layer.name for layer in before.layers} == {layer.name for layer in after.layers}
    for layer in after.layers:
        twin = before.layer(layer.name)
        assert twin is not None and layer.flops == twin.flops
        if layer.weights is not None and twin.weights is not None and layer.codes is not None:
            assert layer.weights.shape == twin.weights.shape
            assert np.abs(layer.weights - twin.weights).max() <= 0.51 * layer.codes.scale.max()
            assert layer.codes.low <= twin.weights.min() and twin.weights.max() <= 1.01 * layer.codes.high
            assert layer.size_bytes < 0.5 * twin.size_bytes


def test_safetensors_are_read_as_their_library_writes_them(float_model: Model, tmp_path: Path) -> None:
    tensors = {
        "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "half": np.ones(3, np.float16),
        "count": np.array(7, np.int64),
    }
    save_file(tensors, tmp_path / "w.safetensors", metadata={"made": "here"})
    found = read_safetensors(tmp_path / "w.safetensors")
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
    net = network_of_tensors(read_safetensors(float_model.file("weights.safetensors")))
    assert net.layers and all(layer.weights is not None and layer.parameters for layer in net.layers)


def header(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 a pickle in a zip",
        struct.pack("<Q", 1 << 40),
        struct.pack("<Q", 4) + b"{{{{",
        header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}) + b"\0" * 4,
        header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}) + b"\0" * 8,
        header({"a": {"shape": [2]}}),
    ],
)
def test_files_that_are_no_safetensors_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(OssicleError, match=r"w\.safetensors cannot be read"):
        read_safetensors(path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x07"])
def test_files_that_are_no_network_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(OssicleError, match=r"model\.onnx cannot be read"):
        read_network(path)


# ---- histograms


def test_a_histogram_counts_all_and_keeps_zero_in_the_middle() -> None:
    found = histogram([-1.0, 0.0, 0.0, 0.5, np.nan])
    assert found.counts.sum() == 4 and found.counts[50] == 2
    assert found.edges[0] == -1.0 and found.edges[-1] == 1.0
    assert histogram([]).counts.sum() == 0


def test_ranges_and_what_they_cut() -> None:
    values = np.array([0.3, -0.2, 0.1, 0.7], np.float32)
    assert power_of_two(values) == 1.0 and power_of_two(np.array([0.5])) == 0.5
    assert power_of_two(np.zeros(3)) == power_of_two(np.empty(0)) == 1.0
    assert clipped_share(values, -0.5, 0.5) == 0.25 and clipped_share(np.empty(0), 0, 1) == 0.0


def test_the_float_twin_is_drawn_under_the_codes(float_model: Model, int8_model: Model) -> None:
    data = read_weights(int8_model, Scene("quantize-1", related={"train-1": float_model}))
    layer = next(layer for layer in data.net.layers if layer.codes is not None)
    found = weights_shown(data, layer)
    assert found is not None and data.twin is not None and layer.weights is not None
    assert found.histogram.counts.sum() == layer.weights.size
    assert "of the codes at an end" in found.words and "cuts" in found.words
    assert found.powers[0] == 2 * found.powers[1]
    plain = read_weights(float_model, Scene())
    shown = weights_shown(plain, next(item for item in plain.net.layers if item.weights is not None))
    assert shown is not None and shown.words.startswith("float32; int8 would span ±") and shown.low == -shown.high
    assert weights_shown(plain, next(item for item in plain.net.layers if item.weights is None)) is None


def test_outputs_come_from_the_quantizer(float_model: Model, int8_model: Model) -> None:
    data = read_weights(int8_model, Scene())
    found = [shown for layer in data.net.layers if (shown := activation_shown(data, layer)) is not None]
    assert len(found) >= 3 and all(shown.histogram.counts.sum() > 0 for shown in found)
    plain = read_weights(float_model, Scene())
    assert activation_shown(plain, plain.net.layers[0]) is None
    assert any(cell[1] is not None for row in table(data) for cell in row[-1:] if isinstance(cell, tuple))


# ---- card


@pytest.fixture
def card(dark: QApplication, qtbot: QtBot) -> WeightsCard:
    made = WeightsCard()
    qtbot.addWidget(made)
    made.resize(900, 460)
    made.show()
    return made


def test_layers_are_listed_and_drawn(card: WeightsCard, qtbot: QtBot, int8_model: Model) -> None:
    card.show_artifact(int8_model, Scene("quantize-1"))
    qtbot.waitUntil(lambda: card.layer is not None)
    assert card.data is not None and len(card.list.source.rows) == len(card.data.net.layers)
    last = len(card.data.net.layers) - 1
    card.list.choose(last)
    assert card.layer is card.data.net.layers[last] and card.choice.currentIndex() == last
    drawn = card.bars.getOriginalDataset()[1].copy()
    card.scale.set("log")
    card.scale.changed.emit("log")
    np.testing.assert_allclose(card.bars.getOriginalDataset()[1], np.log10(drawn + 1))
    card.of.set("outputs")
    card.of.changed.emit("outputs")
    assert card.pane.plot.getAxis("bottom").labelText == "output"
    assert len(card.table_rows()) == last + 2


def test_a_layer_without_weights_says_so(card: WeightsCard, qtbot: QtBot, float_model: Model) -> None:
    card.show_artifact(float_model, Scene("train-1"))
    qtbot.waitUntil(lambda: card.layer is not None)
    assert card.data is not None
    empty = next(n for n, layer in enumerate(card.data.net.layers) if layer.weights is None)
    card.list.choose(empty)
    assert card.note.text().endswith("has no weights") and not card.bars.isVisible()
    card.of.set("outputs")
    card.of.changed.emit("outputs")
    assert "kept by the quantize node" in card.note.text()


def test_a_damaged_network_falls_back_to_its_weights(
    card: WeightsCard, qtbot: QtBot, float_model: Model, copy_of: Callable[[Artifact], Artifact]
) -> None:
    damaged = copy_of(float_model)
    (damaged.path / "model.onnx").write_bytes(b"x")
    card.show_artifact(damaged, Scene())
    qtbot.waitUntil(lambda: card.data is not None)
    (damaged.path / "weights.safetensors").unlink()
    card.show_artifact(damaged, Scene())
    qtbot.waitUntil(lambda: "Model.onnx cannot be read" in card.message.text())
