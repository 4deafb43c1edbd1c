"""The loop: learns, repeats itself bit for bit, goes on after a kill as if nothing had been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engine import FeatureSet
from engine.audio import read_features, table_of
from nodes.learn import checkpoint
from nodes.learn.augmentation import AUGMENTATIONS, Augmentation
from nodes.learn.compute import Compute, Numbers
from nodes.learn.errors import LearnError
from nodes.learn.loop import Learnt, Moment, Session, Trial, cross_entropy, score, train
from nodes.learn.recipe import RECIPES, Recipe
from nodes.learn.source import Batch, FeatureSource, Labels
from nodes.zoo import architecture, build

SGD = Recipe(optimizer="sgd", epochs=3, rates=(0.05, 0.005), cuts=(0.5,), nesterov=True, weight_decay=1e-3, dropout=0.3)
ADAM = Recipe(
    optimizer="adamw", epochs=3, rates=(5e-3,), cosine=True, warmup=0.1, weight_decay=0.05, average=0.95,
    augmentation=Augmentation(time_masks=1, band_masks=1, mixup=0.3), dropout=0.3, calm=0.3,
)  # fmt: skip

SAP = Recipe(optimizer="adadelta", epochs=3, rates=(0.5,), augmentation=AUGMENTATIONS["s2"], clip_norm=1.0)


@pytest.fixture(scope="module")
def data(digit_features: FeatureSet) -> tuple[FeatureSource, Trial]:
    table = table_of(digit_features)
    truth = np.array([digit_features.meta.classes.index(label) for label in table.label.tolist()])
    rows, held = table.subset == "training", table.subset == "validation"
    labels = Labels(truth[rows], 10, batch=50, seed=3)
    source = FeatureSource(read_features(digit_features, rows), labels, Augmentation())
    return source, Trial(torch.from_numpy(read_features(digit_features, held)), torch.from_numpy(truth[held]))


def network(seed: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    return build(architecture("tc_resnet8", input_shape=(20, 49), classes=10))


def run(data: tuple[FeatureSource, Trial], recipe: Recipe, session: Session, stop_at: int = 0) -> Learnt:
    def watch(moment: Moment) -> None:
        if stop_at and moment.step >= stop_at:
            raise KeyboardInterrupt

    source = FeatureSource(data[0].features.numpy(), data[0].labels, recipe.augmentation)
    return train(network(), source, data[1], recipe, session, watch)


def equal(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("recipe", [SGD, ADAM])
def test_it_learns_and_repeats_itself_bit_for_bit(data: tuple[FeatureSource, Trial], recipe: Recipe) -> None:
    one, other = (run(data, replace(recipe, epochs=8), Session(seed=3, workers=workers)) for workers in (0, 2))
    assert one.score is not None and one.score.accuracy > 0.8
    assert equal(one.network, other.network) and one.curves == other.curves
    assert not equal(one.network, run(data, replace(recipe, epochs=8), Session(seed=4)).network)


@pytest.mark.parametrize(
    ("recipe", "numbers"),
    [
        (SGD, "float32"),
        (ADAM, "float32"),
        (replace(ADAM, selection="last"), "bfloat16"),
        (SAP, "float32"),
        (replace(ADAM, clip_norm=1.0), "float16"),
    ],
)
def test_stopped_and_resumed_equals_uninterrupted(
    data: tuple[FeatureSource, Trial], recipe: Recipe, numbers: Numbers, tmp_path: Path
) -> None:
    compute = Compute(numbers=numbers)
    whole = run(data, recipe, Session(seed=3, compute=compute))
    session = Session(seed=3, folder=tmp_path, identity="a", compute=compute)
    for stop_at in (1, 13):
        with pytest.raises(KeyboardInterrupt):
            run(data, replace(recipe), session, stop_at=stop_at)
    resumed = run(data, recipe, session)
    assert 13 <= resumed.resumed_at < whole.steps
    assert equal(resumed.network, whole.network)
    assert (resumed.curves, resumed.score, resumed.step) == (whole.curves, whole.score, whole.step)


def test_checkpoints_of_another_training_are_not_taken_up(data: tuple[FeatureSource, Trial], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(data, SGD, Session(seed=3, folder=tmp_path, identity="a"), stop_at=5)
    assert run(data, SGD, Session(seed=3, folder=tmp_path, identity="b")).resumed_at == 0


@pytest.mark.parametrize("damage", [b"", b"\x80\x04K\x00.", b"half of it"])
def test_damaged_checkpoints_mean_starting_again(
    data: tuple[FeatureSource, Trial], tmp_path: Path, damage: bytes
) -> None:
    (tmp_path / checkpoint.FILE).write_bytes(damage)
    assert run(data, SGD, Session(seed=3, folder=tmp_path)).resumed_at == 0


CHILD = """
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from nodes.learn.loop import Session, Trial, train
from nodes.learn.recipe import RECIPES
from nodes.learn.source import FeatureSource, Labels
from nodes.zoo import architecture, build
torch.set_num_threads(1)
with np.load(sys.argv[1]) as file:
    x, y = file["x"], file["y"]
source = FeatureSource(x, Labels(y, 10, batch=50, seed=3), RECIPES["modern"].augmentation)
torch.manual_seed(3)
network = build(architecture("tc_resnet8", input_shape=(20, 49), classes=10))
recipe = replace(RECIPES["modern"], steps=int(sys.argv[3]))
trial = Trial(torch.from_numpy(x[:100]), torch.from_numpy(y[:100]))
train(network, source, trial, recipe, Session(seed=3, folder=Path(sys.argv[2]), identity="k", save_every_s=0.0))
"""


def test_killed_and_resumed_equals_uninterrupted(
    data: tuple[FeatureSource, Trial], tmp_path: Path, checkout: Path
) -> None:
    features, truth = data[0].features.numpy(), data[0].labels.truth
    np.savez(tmp_path / "data.npz", x=features, y=truth)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "data.npz"), str(tmp_path), "240"]
    child = subprocess.Popen(command, cwd=checkout)
    end = time.monotonic() + 120.0
    while _step(tmp_path) < 20 and child.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL

    recipe = replace(RECIPES["modern"], steps=240)
    trial = Trial(torch.from_numpy(features[:100]), torch.from_numpy(truth[:100]))
    source = FeatureSource(features, data[0].labels, recipe.augmentation)
    whole = train(network(), source, trial, recipe, Session(seed=3))
    resumed = train(network(), source, trial, recipe, Session(seed=3, folder=tmp_path, identity="k"))
    assert 20 <= resumed.resumed_at < whole.steps
    assert equal(resumed.network, whole.network) and resumed.curves == whole.curves


def _step(folder: Path) -> int:
    found = checkpoint.load(folder, "k")
    return int(found.facts["step"]) if found else 0


def test_the_best_validation_weights_are_kept(data: tuple[FeatureSource, Trial]) -> None:
    wild = replace(SGD, epochs=6, rates=(0.02, 3.0), cuts=(0.6,))  # the second rate ruins what the first has learnt
    best = run(data, wild, Session(seed=3))
    last = run(data, replace(wild, selection="last"), Session(seed=3))
    found = [point.validation_accuracy for point in best.curves]
    assert best.score is not None and best.score.accuracy == max(found) and best.step < best.steps
    assert score(best.network, data[1]) == best.score
    assert last.step == last.steps and last.score is not None and last.score.accuracy == found[-1] < max(found)


def test_patience_ends_a_training_that_gets_no_better(data: tuple[FeatureSource, Trial]) -> None:
    found = run(data, replace(SGD, epochs=40, rates=(0.02, 3.0), cuts=(0.1,), patience=3), Session(seed=3))
    assert found.steps < 40 * 12
    assert len([point for point in found.curves if point.step > found.step]) == 3


def test_a_time_budget_shortens_the_training_and_its_schedule(data: tuple[FeatureSource, Trial]) -> None:
    found = run(data, replace(ADAM, epochs=100_000), Session(seed=3, budget_s=2.0))
    assert 20 < found.steps < 100_000
    assert found.curves[-1].learning_rate < 0.2 * ADAM.rates[0]


def test_curves_count_every_clip_once(data: tuple[FeatureSource, Trial]) -> None:
    told: list[Moment] = []
    found = train(network(), data[0], data[1], SGD, Session(seed=3), told.append)
    assert [moment.point for moment in told if moment.point] == list(found.curves)
    assert found.curves[-1].step == found.steps == 3 * (600 // 50)
    assert [point.epoch for point in found.curves] == sorted(point.epoch for point in found.curves)


def test_no_validation_clips(data: tuple[FeatureSource, Trial]) -> None:
    with pytest.raises(LearnError, match="no validation clips"):
        train(network(), data[0], None, SGD, Session())
    found = train(network(), data[0], None, replace(SGD, selection="last"), Session())
    assert found.score is None and found.step == found.steps


def test_a_loss_that_is_no_number_is_told(data: tuple[FeatureSource, Trial]) -> None:
    with pytest.raises(LearnError, match=r"at step 2 \(learning rate 1e\+30\).*learning_rate to a tenth.*clip_norm"):
        run(data, replace(SGD, rates=(1e30, 1e30)), Session(seed=3))


def test_memory_that_does_not_suffice_keeps_the_checkpoint(data: tuple[FeatureSource, Trial], tmp_path: Path) -> None:
    taken = []

    def greedy(net: nn.Module, given: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        taken.append(1)
        if len(taken) > 8:
            torch.empty(10**15)
        return cross_entropy(net, given)

    session = Session(seed=3, folder=tmp_path, identity="a", save_every_s=0.0)
    recipe = replace(SGD, batch=50)
    with pytest.raises(LearnError, match=r"at step 9 with batches of 50.*checkpoint of step \d+ is kept.*batch to 25"):
        train(network(), data[0], data[1], recipe, session, objective=greedy)
    resumed = train(network(), data[0], data[1], recipe, session)
    assert 0 < resumed.resumed_at <= 8
    assert equal(resumed.network, train(network(), data[0], data[1], recipe, Session(seed=3)).network)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_every_kind_of_full_memory_is_told(data: tuple[FeatureSource, Trial], error: Exception) -> None:
    def full(_net: nn.Module, _given: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        raise error

    with pytest.raises(LearnError, match=r"at step 1 .*Set batch to"):
        train(network(), data[0], data[1], SGD, Session(), objective=full)


def test_other_errors_pass(data: tuple[FeatureSource, Trial]) -> None:
    def broken(_net: nn.Module, _given: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        train(network(), data[0], data[1], SGD, Session(), objective=broken)


def test_features_without_numbers_are_told(data: tuple[FeatureSource, Trial]) -> None:
    features = data[0].features.numpy().copy()
    features[data[0].labels.rows(4)[7], 3, 3] = np.nan
    odd = FeatureSource(features, data[0].labels, Augmentation())
    with pytest.raises(LearnError, match=r"at step 5: the features of 1 of 50 clips are not finite"):
        train(network(), odd, data[1], SGD, Session(seed=3))


def test_frozen_layers_stay_and_their_norms_too(data: tuple[FeatureSource, Trial]) -> None:
    class Half(nn.Module):
        """A network whose first block stays as it is."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network()
            self.first = self.network.get_submodule("b1")
            self.first.requires_grad_(False)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            """Logits."""
            return self.network(features)  # type: ignore[no-any-return]

        def train(self, mode: bool = True) -> Half:
            """The first block is always in inference mode."""
            super().train(mode)
            self.first.eval()
            return self

    half = Half()
    before = {name: value.clone() for name, value in half.network.state_dict().items()}
    found = train(half, data[0], data[1], replace(ADAM, average=0.0, selection="last"), Session(seed=3)).network
    assert isinstance(found, Half)
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("b1."), name


def test_the_network_comes_back_as_it_was_made(data: tuple[FeatureSource, Trial]) -> None:
    given = network()
    kinds = [type(module) for module in given.modules()]
    found = train(given, data[0], data[1], replace(SGD, epochs=1), Session(seed=3)).network
    assert [type(module) for module in found.modules()] == [type(module) for module in given.modules()] == kinds


def test_checkpoints_hold_no_pickle(data: tuple[FeatureSource, Trial], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(data, ADAM, Session(seed=3, folder=tmp_path), stop_at=3)
    raw = (tmp_path / checkpoint.FILE).read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert json.loads(header["__metadata__"]["ossicle"])["step"] >= 3
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.FILE]


def test_a_checkpoint_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LearnError, match="store gc"):
        checkpoint.save(tmp_path / "gone", {"a": torch.zeros(3)}, {})
    (tmp_path / checkpoint.FILE).mkdir()  # a target that no file can replace
    with pytest.raises(LearnError, match="cannot be written"):
        checkpoint.save(tmp_path, {"a": torch.zeros(3)}, {})
    assert not (tmp_path / f"{checkpoint.FILE}.new").exists()
