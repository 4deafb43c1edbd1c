"""A keyword spotter for the hub's benchmark: TC-ResNet8, taught spoken digits and silence in seconds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import OssicleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.zoo.network import Network

PRESET: Final = "s1-40x98"
NAME: Final = "tc_resnet8"
DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SILENCE: Final = "silence"
NAMED: Final = re.compile("([0-9])_[^_]+_([0-9]+)")
TAUGHT_TAKE: Final = 10
"""Takes from this one on are taught, the ones before it are left to be heard."""
CLIPS: Final = 900
STEPS: Final = 150
BATCH: Final = 50


def digit_of(path: Path) -> tuple[int, int] | None:
    """Digit and take of a recording, named DIGIT_SPEAKER_TAKE.wav as in the Free Spoken Digit Dataset; else None."""
    found = NAMED.fullmatch(path.stem)
    return (int(found[1]), int(found[2])) if found else None


def unheard(files: list[Path]) -> list[Path]:
    """Recordings that are not taught."""
    return [path for path in files if (found := digit_of(path)) is None or found[1] < TAUGHT_TAKE]


def deployment(folder: Path, seed: int, files: list[Path] | None = None) -> Path:
    """Write a deployment: taught digits if there are recordings of them, else with the weights it was born with.

    Untaught it costs the same, and hears nothing.

    Raises:
        OssicleError: the recordings are not of digits.
    """
    import torch

    from nodes.application.bundle import Bundle, write_description
    from nodes.dsp.presets import PRESETS
    from nodes.zoo import architecture, build, export_onnx

    torch.manual_seed(seed)
    front_end, labels = PRESETS[PRESET], (*DIGITS, SILENCE)
    network = build(architecture(NAME, input_shape=front_end.shape, classes=len(labels)))
    if files is not None:
        _teach(network, files, seed)
    folder.mkdir(parents=True)
    export_onnx(network, folder / "model.onnx")
    data = (folder / "model.onnx").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    write_description(folder, Bundle(NAME, labels, front_end, front_end.shape, "float32", digest, data), {})
    return folder


def _teach(network: Network, files: list[Path], seed: int) -> None:
    import numpy as np

    from nodes.dsp.presets import PRESETS
    from nodes.dsp.transform import compute
    from nodes.learn.augmentation import Augmentation
    from nodes.learn.loop import Session, train
    from nodes.learn.recipe import RECIPES
    from nodes.learn.source import FeatureSource, Labels

    pairs = list(_clips(files, seed))
    waves, truth = (np.stack(part) for part in zip(*pairs, strict=True))
    recipe = replace(RECIPES["modern"], augmentation=Augmentation(), steps=STEPS, batch=BATCH, selection="last")
    labels = Labels(truth.astype(np.int64), len(DIGITS) + 1, BATCH, seed=seed)
    train(network, FeatureSource(compute(PRESETS[PRESET], waves), labels, Augmentation()), None, recipe, Session(seed))


def _clips(files: list[Path], seed: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Clips (samples,) in [-1, 1) with their class: digits at a random place in a second, and quiet noise."""
    import numpy as np

    from nodes.dsp.presets import PRESETS
    from nodes.hub.device.source import read

    chance, front_end = np.random.default_rng(seed), PRESETS[PRESET]
    taught = [(path, found[0]) for path in files if (found := digit_of(path)) is not None and found[1] >= TAUGHT_TAKE]
    if len(taught) < BATCH:
        raise OssicleError(
            f"{len(taught)} recordings of digits can be taught",
            f"{BATCH} named DIGIT_SPEAKER_TAKE.wav, of take {TAUGHT_TAKE} and later",
            "Name a folder with recordings=, or a trained model's with deployment=",
        )
    for index in chance.permutation(len(taught))[:CLIPS]:
        path, digit = taught[index]
        spoken = read(path, front_end.rate_hz)[: front_end.clip_samples]
        first = int(chance.integers(front_end.clip_samples - len(spoken) + 1))
        clip = np.zeros(front_end.clip_samples, np.float32)
        clip[first : first + len(spoken)] = spoken / np.float32(32768)
        yield clip, digit
    for _ in range(CLIPS // len(DIGITS)):
        level = 10.0 ** chance.uniform(-5.0, -2.5)
        yield (level * chance.standard_normal(front_end.clip_samples)).astype(np.float32), len(DIGITS)
