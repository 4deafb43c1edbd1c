"""Real digits over noise, and a network that has learnt to hear them there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from engine import AudioSet, Model, ModelMeta
from engine.audio import Clip, write_audio
from nodes.dsp.frontend import FrontEnd, compute
from nodes.zoo import architecture, build, export_onnx

FRONT_END: dict[str, Any] = {
    "rate_hz": 8000, "clip_samples": 8000, "window_samples": 256, "hop_samples": 160, "fft_samples": 256,
    "n_mels": 32, "f_min_hz": 60.0, "f_max_hz": 3900.0, "n_mfcc": 20,
}  # fmt: skip

WORDS = ("zero", "one", "two", "three", "four")
CLASSES = (*WORDS, "silence")


def digits(recordings: Path, takes: str) -> list[tuple[str, str, np.ndarray]]:
    """Name, word and samples of two speakers' takes."""
    pattern = f"[0-4]_[gj]*_[{takes}].wav"
    paths = sorted((recordings / "fsdd" / "recordings").glob(pattern))
    return [(path.stem, WORDS[int(path.stem[0])], soundfile.read(path, dtype="int16")[0]) for path in paths]


def spoken(recordings: Path, folder: Path) -> AudioSet:
    """Digits that the network has not learnt from, for testing."""
    clips = [(Clip(name, word, subset="testing"), samples) for name, word, samples in digits(recordings, "01")]
    noise = np.random.default_rng(5).normal(size=8000 * 25) * 1000
    clips.append((Clip("hiss", "", subset="background"), noise.astype(np.int16)))
    return write_audio(folder, clips, 8000)


def shown(recordings: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features of seconds with a word anywhere in them over noise, or noise alone; and class numbers."""
    rng, waves, truth = np.random.default_rng(0), [], []
    for _, word, samples in digits(recordings, "2-9") * 6:
        wave = rng.normal(size=8000) * 10 ** rng.uniform(-4, -2)
        is_word = rng.random() < 0.8
        if is_word:
            kept = samples[:8000] / 32768
            place = rng.integers(8000 - len(kept) + 1)
            wave[place : place + len(kept)] += kept
        waves.append(wave.astype(np.float32))
        truth.append(CLASSES.index(word if is_word else "silence"))
    return compute(FrontEnd(**FRONT_END), np.stack(waves)), np.array(truth)


def trained(recordings: Path, meta: ModelMeta, folder: Path) -> Model:
    """A network that has learnt what words sound like in the middle of noise, and noise."""
    features, truth = shown(recordings)
    torch.manual_seed(0)
    made = architecture("tc_resnet8", input_shape=(20, 49), classes=len(CLASSES))
    network = build(made)
    fit(network, torch.from_numpy(features), torch.from_numpy(truth))
    export_onnx(network, folder / "model.onnx")
    return Model(folder, meta.model_copy(update={"classes": CLASSES, "front_end": FRONT_END}))


def fit(network: torch.nn.Module, features: torch.Tensor, truth: torch.Tensor) -> None:
    """A plain loop: Adam, cross-entropy, one cycle."""
    steps = 10 * (len(truth) // 48)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps)
    for _ in range(steps):
        rows = torch.randperm(len(truth))[:48]
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(features[rows]), truth[rows]).backward()
        optimiser.step()
        schedule.step()
    network.eval()
