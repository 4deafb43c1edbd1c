"""What only a GPU can show: recorded steps give the bits of plain ones, and a training goes on there bit for bit."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.learn.augmentation import AUGMENTATIONS, Augmentation
from nodes.learn.compute import Compute, compute_of
from nodes.learn.errors import LearnError
from nodes.learn.loop import Learnt, Moment, Session, Trial, train
from nodes.learn.recipe import Recipe
from nodes.learn.source import FeatureSource, Labels
from nodes.zoo import architecture, build

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")

RECIPES = {
    "sgd": Recipe(optimizer="sgd", steps=60, rates=(0.05, 0.005), cuts=(0.5,), weight_decay=1e-3, dropout=0.3),
    "adamw": Recipe(optimizer="adamw", steps=60, rates=(5e-3,), cosine=True, average=0.95, dropout=0.3, clip_norm=1.0),
    "adadelta": Recipe(optimizer="adadelta", steps=60, rates=(0.5,), augmentation=AUGMENTATIONS["s2"]),
    "mixup": Recipe(optimizer="adam", steps=60, augmentation=Augmentation(time_masks=1, band_masks=1, mixup=0.3)),
}


def run(recipe: Recipe, compute: Compute, folder: Path | None = None, stop_at: int = 0, scale: float = 1.0) -> Learnt:
    def watch(moment: Moment) -> None:
        if stop_at and moment.step >= stop_at:
            raise KeyboardInterrupt

    random = np.random.default_rng(0)
    truth = np.arange(640) % 8
    features = (random.standard_normal((640, 20, 49)) + 0.3 * truth[:, None, None]).astype(np.float32)
    labels = Labels(truth, 8, 64, seed=3)
    source = FeatureSource(features * np.float32(scale), labels, recipe.augmentation, compute.device)
    trial = Trial(torch.from_numpy(features[:80]), torch.from_numpy(truth[:80]))
    torch.manual_seed(3)
    network = build(architecture("tc_resnet8", input_shape=(20, 49), classes=8))
    session = Session(seed=3, folder=folder, identity="a", compute=compute)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="steps are not replayed")
        return train(network, source, trial, recipe, session, watch)


def equal(one: Learnt, other: Learnt) -> bool:
    pairs = zip(one.network.state_dict().values(), other.network.state_dict().values(), strict=True)
    return one.curves == other.curves and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", RECIPES)
def test_recorded_steps_give_the_bits_of_plain_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = run(RECIPES[name], compute_of("cuda"))
    assert {value.device.type for value in recorded.network.parameters()} == {"cpu"}
    monkeypatch.setattr("nodes.learn.step.WARM_STEPS", 10**9)
    assert equal(recorded, run(RECIPES[name], compute_of("cuda")))


@pytest.mark.parametrize("name", RECIPES)
def test_stopped_and_resumed_equals_uninterrupted(name: str, tmp_path: Path) -> None:
    whole = run(RECIPES[name], compute_of("cuda"))
    with pytest.raises(KeyboardInterrupt):
        run(RECIPES[name], compute_of("cuda"), tmp_path, stop_at=20)
    resumed = run(RECIPES[name], compute_of("cuda"), tmp_path)
    assert resumed.resumed_at and equal(resumed, whole)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
def test_every_precision_learns(precision: str) -> None:
    found = run(replace(RECIPES["adamw"], steps=200), compute_of("cuda", precision))  # type: ignore[arg-type]
    assert found.score is not None and found.score.accuracy > 0.5


def test_a_loss_that_is_no_number_is_told_with_its_step() -> None:
    with pytest.raises(LearnError, match=r"no number at step 1: the features of 64 of 64 clips are not finite"):
        run(RECIPES["sgd"], compute_of("cuda"), scale=float("inf"))
