"""Spoken digits as features and a network trained on them: small, real, made once per test session."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from engine import FeatureMeta, FeatureSet, Model, ModelMeta
from engine.audio import Clip, make_table, read_features, table_of, write_features
from nodes.dsp.frontend import FrontEnd, compute
from nodes.zoo import architecture, build, describe, export_onnx
from nodes.zoo.network import Network
from nodes.zoo.weights import save_weights

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
FRONT_END = FrontEnd(
    rate_hz=8000, clip_samples=8000, window_samples=256, hop_samples=160, fft_samples=256,
    n_mels=32, f_min_hz=60.0, f_max_hz=3900.0, n_mfcc=20,
)  # fmt: skip


@pytest.fixture(scope="session")
def digit_features(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    """MFCC (20, 49) of 900 spoken digits: takes 0 and 1 testing, 2 to 4 validation, 5 to 14 training."""
    folder, clips, waves = tmp_path_factory.mktemp("features"), [], []
    for path in sorted((recordings / "fsdd" / "recordings").glob("*.wav")):
        digit, speaker, take = path.stem.split("_")
        if int(take) < 15:
            subset = "testing" if int(take) < 2 else "validation" if int(take) < 5 else "training"
            clips.append(Clip(path.stem, DIGITS[int(digit)], speaker, subset=subset))
            waves.append(_second(soundfile.read(path, dtype="int16")[0]))
    table = make_table(clips, [8000] * len(clips), [""] * len(clips))
    block = compute(FRONT_END, np.stack(waves).astype(np.float32) / 32768)
    write_features(folder, table, FRONT_END.shape, [(slice(0, len(clips)), block)])
    meta = FeatureMeta(
        front_end=asdict(FRONT_END), layout=FRONT_END.layout, shape=FRONT_END.shape, classes=DIGITS, about="digits"
    )
    return FeatureSet(folder, meta)


@pytest.fixture(scope="session")
def digit_model(digit_features: FeatureSet, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """TC-ResNet8 after a few seconds of training on the training digits."""
    torch.manual_seed(0)
    table = table_of(digit_features)
    rows = table.subset == "training"
    made = architecture("tc_resnet8", input_shape=(20, 49), classes=10)
    network = build(made)
    truth = np.array([DIGITS.index(label) for label in table.label[rows].tolist()])
    _fit(network, read_features(digit_features, rows), truth)
    folder, found = tmp_path_factory.mktemp("model"), describe(made)
    export_onnx(network, folder / "model.onnx")
    save_weights(network, folder / "weights.safetensors")
    (folder / "architecture.json").write_text(json.dumps(made))
    meta = ModelMeta(
        architecture="tc_resnet8",
        input_shape=(20, 49),
        classes=DIGITS,
        front_end=asdict(FRONT_END),
        parameters=found.params,
        flops={rule: float(count) for rule, count in found.flops.items()},
        size_bytes=(folder / "model.onnx").stat().st_size,
    )
    return Model(folder, meta)


def _second(wave: NDArray[np.int16]) -> NDArray[np.int16]:
    return np.pad(wave[:8000], (0, max(0, 8000 - len(wave))))


def _fit(network: Network, features: NDArray[np.float32], truth: NDArray[np.int64], epochs: int = 12) -> None:
    """A plain loop: Adam, cross-entropy, one cycle."""
    x, y = torch.from_numpy(features), torch.from_numpy(truth)
    steps = epochs * (len(x) // 50)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps)
    network.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(50):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()
    network.eval()
