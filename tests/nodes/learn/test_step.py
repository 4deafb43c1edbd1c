"""A step: what it counts, that it waits for nothing, and how it is recorded and replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nodes.learn.augmentation import AUGMENTATIONS
from nodes.learn.compute import Compute
from nodes.learn.objective import CrossEntropy, class_weights, cross_entropy
from nodes.learn.optimise import Average, optimizer_of
from nodes.learn.recipe import RECIPES, Recipe
from nodes.learn.source import Batch, FeatureSource, Labels
from nodes.learn.step import WARM_STEPS, Ledger, Recorded, Step, Sums
from nodes.zoo import architecture, build

SGD = Recipe(optimizer="sgd", rates=(0.1,), clip_norm=1.0)


def batch(value: float = 0.0, clips: int = 6) -> Batch:
    truth = torch.arange(clips) % 3
    features = torch.randn(clips, 5, generator=torch.Generator().manual_seed(clips)) + value
    return Batch(features, nn.functional.one_hot(truth, 3).float(), truth)


def stepper(recipe: Recipe = SGD, network: nn.Module | None = None, **compute: Any) -> tuple[nn.Module, Step, Ledger]:
    torch.manual_seed(0)
    network, where = network or nn.Linear(5, 3), Compute(**compute)
    ledger = Ledger(where.device)
    return network, Step(network, optimizer_of(network, recipe, where), recipe, cross_entropy, where, ledger), ledger


# ---- what is counted


def test_sums_are_those_of_all_steps() -> None:
    network, step, ledger = stepper()
    with torch.no_grad():
        logits = network(batch().features)
    first = float(nn.functional.cross_entropy(logits, batch().truth))
    step(batch(), 0.1)
    assert ledger.sums.loss == pytest.approx(first)
    assert ledger.sums == Sums(ledger.sums.loss, int((logits.argmax(1) == batch().truth).sum()), 6, 1)
    step(batch(), 0.1)
    assert ledger.sums.steps == 2 and ledger.sums.clips == 12 and ledger.sums.loss < 2 * first
    ledger.restart(Sums(1.5, 2, 3, 4))
    assert ledger.sums == Sums(1.5, 2, 3, 4)


def test_the_first_step_without_a_number_is_remembered() -> None:
    _, step, ledger = stepper()
    for value in (0.0, 0.0, float("nan"), 0.0):
        assert (ledger.bad_steps_ago() is None) == (ledger.sums.steps <= 2)
        step(batch(value), 0.1)
    assert ledger.bad_steps_ago() == 1  # the weights are gone since, but the first one counts
    ledger.restart()
    assert ledger.bad_steps_ago() == 1


def test_gradients_are_shortened_to_the_norm() -> None:
    moved = {}
    for norm in (0.0, 0.01):
        network, step, _ = stepper(replace(SGD, clip_norm=norm, momentum=0.0))
        before = [value.clone() for value in network.parameters()]
        step(batch(5.0), 1.0)
        steps = [(a - b).flatten() for a, b in zip(network.parameters(), before, strict=True)]
        moved[norm] = float(torch.cat(steps).detach().norm())
    assert moved[0.01] == pytest.approx(0.01, rel=1e-3) and moved[0.0] > 0.1


def test_float16_scales_the_loss_and_keeps_the_scale() -> None:
    network, step, ledger = stepper(numbers="float16")
    plain, other, _ = stepper()
    for _ in range(3):
        step(batch(), 0.1)
        other(batch(), 0.1)
    for value, wanted in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, wanted, rtol=0.05, atol=0.01)
    assert step.state["scale"] == 2.0**16 and step.state["_growth_tracker"] == 3 and other.state == {}
    step(batch(1e30), 0.1)  # an overflow: the step is left out and the scale halved
    assert step.state["scale"] == 2.0**15 and all(bool(value.isfinite().all()) for value in network.parameters())
    _, again, _ = stepper(numbers="float16")
    again.restore(step.state)
    assert again.state == step.state
    again.restore({})


def test_classes_count_alike_with_weights() -> None:
    truth = np.array([0] * 8 + [1] * 2)
    weights = class_weights(truth, 2)
    np.testing.assert_allclose(weights, [10 / 16, 10 / 4])
    assert float(weights[truth].mean()) == pytest.approx(1.0)
    network = nn.Linear(4, 2)
    given = Batch(
        torch.randn(10, 4), nn.functional.one_hot(torch.from_numpy(truth), 2).float(), torch.from_numpy(truth)
    )
    loss, logits = CrossEntropy(weights)(network, given)
    each = nn.functional.cross_entropy(logits, given.truth, reduction="none")
    wanted = (each[:8].mean() + each[8:].mean()) / 2
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


# ---- nothing waits: on the device "meta" there are no numbers, so whoever asks for one gets an error


@pytest.mark.parametrize("name", ["none", "modern", "s2"])
@pytest.mark.parametrize("shape", [(40, 98), (3, 16, 24)])
def test_batches_are_made_on_the_device_of_the_features(name: str, shape: tuple[int, ...]) -> None:
    labels = Labels(np.arange(23) % 3, 3, 5, smoothing=0.1)
    change = replace(AUGMENTATIONS[name], policy="even", cutmix_share=0.5)
    source = FeatureSource(np.zeros((23, *shape), np.float32), labels, change, device="meta")
    made = source.batch(3, is_calm=False)
    assert {made.features.device.type, made.targets.device.type, made.truth.device.type} == {"meta"}
    assert made.features.shape == (5, *shape) and made.targets.shape == (5, 3)


def test_a_step_asks_the_device_for_nothing() -> None:
    made = architecture("tc_resnet8", input_shape=(40, 98), classes=3)
    network = build(made).to("meta")
    average, (_, step, ledger) = Average(network, 0.9), stepper(replace(SGD, clip_norm=1.0), network, device="meta")
    given = Batch(*(part.to("meta") for part in (torch.zeros(4, 40, 98), torch.zeros(4, 3), torch.zeros(4).long())))
    step(given, 0.1)
    average.update(1)
    with pytest.raises(RuntimeError, match="meta"):
        _ = ledger.sums
    with pytest.raises(RuntimeError, match="meta"):
        ledger.bad_steps_ago()


# ---- recording: the order of things, with a stand-in for CUDA


class Tape:
    """Stands in for a CUDA graph: keeps what ran while it was recorded, and runs it again."""

    now: Tape | None = None

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def replay(self) -> None:
        for run in self.kept:
            run()


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def recording(graph: Tape, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        Tape.now = graph
        yield
        Tape.now = None

    @contextmanager
    def aside(_stream: object) -> Iterator[None]:
        yield

    stream = SimpleNamespace(wait_stream=lambda _other: None)
    names = {"Stream": lambda: stream, "current_stream": lambda: stream, "stream": aside, "CUDAGraph": Tape}
    for name, value in {**names, "graph": recording, "synchronize": lambda: None}.items():
        monkeypatch.setattr(torch.cuda, name, value)


def recorded(seen: list[float], fails: bool = False) -> Recorded:
    def run(given: Batch) -> None:
        if Tape.now is None:
            seen.append(float(given.features.sum()))
        elif fails:
            Tape.now = None
            raise RuntimeError("operation not permitted when stream is capturing")
        else:
            Tape.now.kept.append(lambda: run(given))

    return Recorded(run)


def test_every_batch_is_learnt_once_first_plainly_then_replayed(tape: None) -> None:
    seen: list[float] = []
    run, batches = recorded(seen), [batch(float(number)) for number in range(WARM_STEPS + 4)]
    for given in batches:
        run(given)
    assert seen == [pytest.approx(float(given.features.sum())) for given in batches]
    run(batch(9.0, clips=4))  # another size is not what was recorded
    assert seen[-1] == pytest.approx(float(batch(9.0, clips=4).features.sum()))


def test_what_cannot_be_recorded_runs_plainly(tape: None) -> None:
    seen: list[float] = []
    run = recorded(seen, fails=True)
    with pytest.warns(UserWarning, match="not replayed.*not permitted"):
        for number in range(WARM_STEPS + 3):
            run(batch(float(number)))
    assert len(seen) == WARM_STEPS + 3 and len(set(seen)) == WARM_STEPS + 3


def test_objectives_of_others_are_not_recorded(tape: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may keep numbers of their own on the host, which a replay would pass by."""
    network, where = nn.Linear(5, 3), Compute("cuda:0")
    monkeypatch.setattr("nodes.learn.step.Ledger", None)
    for objective, is_recorded in ((cross_entropy, True), (lambda net, given: cross_entropy(net, given), False)):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        step = Step(network, optimizer, RECIPES["s0"], objective, where, Ledger("cpu"))
        assert isinstance(step._run, Recorded) is is_recorded
