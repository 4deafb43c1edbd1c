"""Every network of the zoo, trained for a moment: its ONNX file gives torch's numbers on real features."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from nodes.dsp.frontend import compute, fit
from nodes.dsp.presets import PRESETS
from nodes.learn.loop import Session, train
from nodes.learn.recipe import RECIPES
from nodes.learn.source import FeatureSource, Labels
from nodes.zoo import architecture, build, describe, export_onnx, models
from nodes.zoo.inference import logits, open_session
from nodes.zoo.weights import load_weights, save_weights

BY_SHAPE = {preset.shape: preset for preset in PRESETS.values() if preset.rate_hz == 16_000}
BY_SHAPE[(64, 128)] = replace(PRESETS["s1-40x98"], n_mfcc=64, clip_samples=480 + 127 * 160)
TRAINED = [
    name
    for name, entry in models().items()
    if not entry.is_large and not name.endswith("_unstrided") and not name.startswith("m2m")
]
"""Presets and sizes of a family are built from the same blocks."""


@pytest.fixture(scope="module")
def digits(recordings: Path) -> list[NDArray[np.float32]]:
    paths = sorted((recordings / "fsdd" / "recordings").glob("*_[05].wav"))[::6]
    return [soundfile.read(path, dtype="float32")[0] for path in paths]


@pytest.mark.parametrize("name", TRAINED)
def test_the_exported_model_equals_the_trained_one(
    digits: list[NDArray[np.float32]], name: str, tmp_path: Path
) -> None:
    front_end = BY_SHAPE[models()[name].input_shape]
    features = compute(front_end, np.stack([fit(front_end, digit, 8000) for digit in digits]))
    made = architecture(name, input_shape=features.shape[1:], classes=4)
    recipe = replace(RECIPES["s0"], steps=2, batch=10, selection="last", rates=(1e-3,), cuts=())
    source = FeatureSource(features, Labels(np.arange(len(features)) % 4, 4, 10), recipe.augmentation)
    torch.manual_seed(0)
    network = train(build(made), source, None, recipe, Session()).network
    export_onnx(network, tmp_path / "model.onnx")  # type: ignore[arg-type]
    save_weights(network, tmp_path / "weights.safetensors")

    with torch.no_grad():
        wanted = network(torch.from_numpy(features)).numpy()
    found = logits(open_session(tmp_path / "model.onnx"), features)
    assert np.abs(found - wanted).max() <= 1e-5 * max(1.0, np.abs(wanted).max())

    again = build(json.loads(json.dumps(made)))
    load_weights(again, tmp_path / "weights.safetensors")
    with torch.no_grad():
        assert np.array_equal(again.eval()(torch.from_numpy(features)).numpy(), wanted)

    tensors = {tensor.name for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    weighty = {row.name for row in describe(made).layers if row.weights}
    assert weighty <= {tensor.removesuffix(".weight") for tensor in tensors}
