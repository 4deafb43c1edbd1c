"""Rounding in the loop: the numbers of the int8 model that nodes/quant makes later, and less lost by making it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from engine import FeatureSet
from engine.audio import read_features, table_of
from nodes.learn.augmentation import Augmentation
from nodes.learn.distillation import Alphas, Distillation, Pupil, Teacher, student_of
from nodes.learn.fake_int8 import InInt8, Rounding, rounded
from nodes.learn.loop import Session, Trial, score, train
from nodes.learn.optimise import prepare
from nodes.learn.precondition import Scaled, folded, scale_of
from nodes.learn.recipe import Recipe
from nodes.learn.source import FeatureSource, Labels
from nodes.quant.calibrate import calibrate
from nodes.quant.int8 import Settings, fold, quantize
from nodes.zoo import architecture, build, export_onnx, models
from nodes.zoo.inference import logits, open_session
from nodes.zoo.network import Network

RECIPE = Recipe(optimizer="adamw", epochs=6, rates=(3e-3,), cosine=True, selection="last", dropout=0.0)


@dataclass(frozen=True)
class Digits:
    """Training batches, held out clips, and a teacher that knows them."""

    source: FeatureSource
    trial: Trial
    teacher: Teacher

    def student(self, seed: int) -> Scaled:
        """A small network, on features of equal spread as the modern recipe has it."""
        network = fresh(seed, 0.5)
        return Scaled(network, scale_of(network, self.source.features))

    def taught(self, student: nn.Module) -> nn.Module:
        """The student after a short distillation."""
        objective = Distillation(self.teacher, Alphas(1.0, 1.0))
        return train(Pupil(student), self.source, self.trial, RECIPE, Session(), objective=objective).network


def fresh(seed: int, width: float) -> Network:
    torch.manual_seed(seed)
    return build(architecture("tc_resnet8", width=width, input_shape=(20, 49), classes=10))


@pytest.fixture(scope="module")
def digits(digit_features: FeatureSet) -> Digits:
    table = table_of(digit_features)
    truth = np.array([digit_features.meta.classes.index(label) for label in table.label.tolist()])
    rows, held = table.subset == "training", table.subset != "training"
    source = FeatureSource(read_features(digit_features, rows), Labels(truth[rows], 10, batch=50), Augmentation())
    trial = Trial(torch.from_numpy(read_features(digit_features, held)), torch.from_numpy(truth[held]))
    known = train(fresh(9, 1.0), source, trial, replace(RECIPE, epochs=8, rates=(5e-3,)), Session()).network
    return Digits(source, trial, Teacher(known, torch.arange(10)))


def in_int8(network: Network, digits: Digits, folder: Path) -> NDArray[np.float32]:
    """Logits of the held out clips from the int8 model that nodes/quant makes of a network."""

    def blocks() -> Iterator[NDArray[np.float32]]:
        return iter(digits.source.features[:200].numpy().reshape(4, 50, 20, 49))

    export_onnx(network, folder / "float.onnx")
    fold(folder / "float.onnx", folder / "folded.onnx")
    quantize(folder / "folded.onnx", folder / "int8.onnx", calibrate(folder / "folded.onnx", blocks), Settings())
    return logits(open_session(folder / "int8.onnx"), digits.trial.features.numpy())


# ---- the numbers


def test_a_tensor_becomes_256_codes_that_hold_zero() -> None:
    values = torch.linspace(-1.0, 3.0, 1001)
    rounding = Rounding()
    found = rounding(values)
    step = 4.0 / 255
    assert len(found.unique()) == 256 and 0.0 in found
    assert (found - values).abs().max().item() <= step / 2 + 1e-6
    positive = Rounding()(values[values > 0.5])
    assert positive.min().item() == pytest.approx(0.5, abs=3.0 / 255)


def test_ranges_are_learnt_in_training_and_kept_after() -> None:
    rounding = Rounding()
    for _ in range(900):
        rounding(torch.tensor([-1.0, 1.0]))
    rounding(torch.tensor([-50.0, 50.0]))
    assert 1.0 < rounding.high.item() < 2.0
    rounding.eval()
    assert rounding(torch.tensor([90.0])).item() == pytest.approx(rounding.high.item(), rel=0.02)
    assert rounding.seen.item() == 901


def test_the_gradient_passes_the_rounding_but_not_the_clipping() -> None:
    rounding = Rounding()
    rounding(torch.tensor([-1.0, 1.0]))
    values = torch.tensor([0.301, -0.7, 5.0], requires_grad=True)
    rounding.eval()(values).sum().backward()
    assert values.grad is not None and values.grad.tolist() == [1.0, 1.0, 0.0]


def test_every_output_channel_of_a_kernel_has_a_step_of_its_own() -> None:
    kernel = torch.randn(4, 3, 5) * torch.tensor([1e-3, 1.0, 20.0, 0.0])[:, None, None]
    found, steps = rounded(kernel), kernel.abs().amax((1, 2)) / 127
    assert ((found - kernel).abs() <= steps[:, None, None] / 2 + 1e-9).all()
    for channel, step in zip(found[:3], steps[:3], strict=True):
        codes = channel / step
        torch.testing.assert_close(codes, codes.round(), atol=1e-3, rtol=0)


def test_the_first_kernel_is_rounded_with_the_scale_that_it_will_take(digits: Digits) -> None:
    student = digits.student(1)
    wanted = rounded(student.network.get_submodule("conv1.conv").weight.detach() * student.scale)
    weights = InInt8(student)._weights()
    torch.testing.assert_close(weights["network.conv1.conv.weight"] * student.scale, wanted)


@pytest.mark.parametrize("name", ["tc_resnet8", "seed_cnn", "ds_cnn_s", "resnet8_2d"])
def test_it_is_what_the_int8_model_computes(digits: Digits, tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    network = build(architecture(name, width=0.25, input_shape=(20, 49), classes=10))
    learning = InInt8(network)
    train(learning, digits.source, None, replace(RECIPE, epochs=1), Session())
    for first in range(0, 200, 50):  # the ranges of the clips that calibrate the int8 model
        learning.train()(digits.source.features[first : first + 50])
    float_logits = network.eval()(digits.trial.features).detach().numpy()
    simulated = learning.eval()(digits.trial.features).detach().numpy()
    true = in_int8(network, digits, tmp_path)
    signal = np.square(float_logits).mean()
    assert 0 < np.square(simulated - float_logits).mean() / signal < 0.1
    assert np.square(simulated - true).mean() / signal < 0.03


@pytest.mark.parametrize("name", [name for name, entry in models().items() if not entry.is_large])
def test_every_network_learns_so(name: str) -> None:
    entry = models()[name]
    torch.manual_seed(0)
    network = build(architecture(name, width=0.5, input_shape=entry.input_shape, classes=3))
    prepare(network, replace(RECIPE, norm_decay=0.0))  # the one batch decides the statistics too
    features = 10.0 * torch.randn(4, *entry.input_shape)
    learning = InInt8(Scaled(network, scale_of(network, features)))
    rounds = learning.train()(features)
    F.cross_entropy(rounds, torch.tensor([0, 1, 2, 0])).backward()
    kernels = [network.get_submodule(kernel.removeprefix("network.")).weight for kernel in learning.kernels]
    assert kernels and all(kernel.grad is not None and kernel.grad.abs().sum() > 0 for kernel in kernels[-1:])
    with torch.no_grad():
        seen, exact = learning.eval()(features), learning.network(features)
    assert 0 < (seen - exact).norm() < 0.5 * exact.norm()


def test_less_is_lost_by_quantizing(digits: Digits, tmp_path: Path) -> None:
    """Cross-entropy that int8 adds to a distilled student, learnt in float and learnt in rounded numbers."""
    added = {"plain": 0.0, "in the loop": 0.0}
    for seed in (0, 2):
        for name, student in (("plain", digits.student(seed)), ("in the loop", InInt8(digits.student(seed)))):
            network = folded(student_of(digits.taught(student)))
            quantized = F.cross_entropy(torch.from_numpy(in_int8(network, digits, tmp_path)), digits.trial.truth)
            added[name] += quantized.item() - score(network, digits.trial).loss
    assert added["in the loop"] < added["plain"]


# ---- as part of a training


def test_weights_stay_float_and_learn(digits: Digits) -> None:
    student = fresh(3, 0.5)
    first = student.get_submodule("fc.dense").weight.detach().clone()
    learnt = digits.taught(InInt8(student))
    kernel = student_of(learnt).get_submodule("conv1.conv").weight
    assert not torch.equal(kernel, rounded(kernel)) and isinstance(student_of(learnt), Network)
    assert not torch.equal(student_of(learnt).get_submodule("fc.dense").weight, first)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_stopped_and_resumed_equals_uninterrupted(digits: Digits, tmp_path: Path, average: float) -> None:
    recipe = replace(RECIPE, epochs=2, average=average, selection="best")

    def run(session: Session, stop_at: int = 99) -> nn.Module:
        def watch(moment: object) -> None:
            if getattr(moment, "step", 0) >= stop_at:
                raise KeyboardInterrupt

        objective = Distillation(digits.teacher, Alphas(1.0, 1.0))
        student = Pupil(InInt8(digits.student(4)))
        return train(student, digits.source, digits.trial, recipe, session, watch, objective=objective).network

    session = Session(folder=tmp_path, identity="a")
    with pytest.raises(KeyboardInterrupt):
        run(session, stop_at=7)
    pairs = zip(run(session).state_dict().values(), run(Session()).state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
