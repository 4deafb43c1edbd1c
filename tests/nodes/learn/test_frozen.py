"""Base and head, frozen layers, and phases: what stays, what learns, and going on after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine import FeatureSet
from engine.audio import read_features, table_of
from nodes.learn import checkpoint
from nodes.learn.augmentation import Augmentation
from nodes.learn.errors import LearnError
from nodes.learn.frozen import DONE, Frozen, Later, Phase, first_layers, train_phases
from nodes.learn.head import answer, base_of, embedding_of, head_of, layers_of, take_over
from nodes.learn.loop import Learnt, Moment, Session, Trial, score
from nodes.learn.recipe import Recipe
from nodes.learn.source import FeatureSource, Labels
from nodes.zoo import architecture, build, models
from nodes.zoo.network import Network

RECIPE = Recipe(optimizer="sgd", epochs=2, rates=(0.05,), weight_decay=1e-2, dropout=0.2, average=0.9)


def network(seed: int = 0, name: str = "tc_resnet8", classes: int = 10) -> Network:
    torch.manual_seed(seed)
    return build(architecture(name, width=0.5, input_shape=(20, 49), classes=classes))


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="module")
def data(digit_features: FeatureSet) -> tuple[FeatureSource, Trial]:
    table = table_of(digit_features)
    truth = np.array([digit_features.meta.classes.index(label) for label in table.label.tolist()])
    rows, held = table.subset == "training", table.subset == "validation"
    source = FeatureSource(read_features(digit_features, rows), Labels(truth[rows], 10, batch=50), Augmentation())
    return source, Trial(torch.from_numpy(read_features(digit_features, held)), torch.from_numpy(truth[held]))


def phases(net: Network, folder: Path | None = None, recipe: Recipe = RECIPE, frozen: int = 8) -> list[Phase]:
    def session(index: int) -> Session:
        return Session(seed=1, folder=folder / str(index) if folder else None, identity=f"a{index}", save_every_s=0.0)

    second = replace(recipe, rates=tuple(rate / 10 for rate in recipe.rates))
    return [Phase(tuple(base_of(net)), recipe, session(0)), Phase(first_layers(net, frozen), second, session(1))]


# ---- base and head


@pytest.mark.parametrize("name", models())
def test_base_and_head_are_the_whole_network(name: str) -> None:
    entry = models()[name]
    with torch.device("meta"):
        net = build(architecture(name, input_shape=entry.input_shape, classes=3))
    head, base = head_of(net), base_of(net)
    assert head[-1] == "fc" and base
    parts = [part for part, _ in layers_of(net)]
    assert base == parts[: len(base)]
    assert {part.partition(".")[0] for part in parts[len(base) :]} <= set(head)


def test_the_embedding_is_what_reaches_the_last_layer() -> None:
    net, features = network().eval(), torch.randn(3, 20, 49)
    logits, values = answer(net, features, embedding_of(net))
    torch.testing.assert_close(logits, net(features))
    torch.testing.assert_close(net.get_submodule("fc.dense")(values), logits)
    torch.testing.assert_close(values, net.embedding(features))


def test_the_embedding_of_patches_is_one_row() -> None:
    torch.manual_seed(0)
    net = build(architecture("m20k", input_shape=(4, 64, 96), classes=10)).eval()
    logits, values = answer(net, torch.randn(2, 4, 64, 96), embedding_of(net))
    assert tuple(values.shape) == (2, 4 * 128) and tuple(logits.shape) == (2, 10)
    assert head_of(net) == ("gru1", "fc")


# ---- frozen layers


def test_frozen_layers_keep_weights_and_statistics(data: tuple[FeatureSource, Trial]) -> None:
    net = network()
    before, base = state(net), base_of(net)
    learnt = train_phases(net, *data, phases(net)[:1])
    for name, tensor in state(learnt.network).items():
        is_frozen = any(name.startswith(f"{layer}.") for layer in base)
        assert torch.equal(tensor, before[name]) == is_frozen, name


def test_the_second_phase_keeps_the_first_layers_only(data: tuple[FeatureSource, Trial]) -> None:
    net = network()
    before, frozen = state(net), first_layers(net, 8)
    after = state(train_phases(net, *data, phases(net, recipe=replace(RECIPE, selection="last"))).network)
    kept = [name for name, tensor in after.items() if torch.equal(tensor, before[name])]
    assert kept and set(kept) == {name for name in after if any(name.startswith(f"{layer}.") for layer in frozen)}
    assert not torch.equal(after["fc.dense.weight"], before["fc.dense.weight"])


def test_norms_and_dropout_of_frozen_layers_stay_in_inference_mode() -> None:
    net = network()
    wrapped = Frozen(net, first_layers(net, 5)).train()
    modes = [module.training for _, module in layers_of(net)]
    assert (
        modes[:5] == [False] * 5 and all(modes[5:]) and not any(module.training for module in wrapped.eval().modules())
    )


def test_more_layers_than_there_are() -> None:
    net = network()
    count = len(base_of(net))
    assert len(first_layers(net, count)) == count
    with pytest.raises(LearnError, match=f"999 layers.*at most {count}.*frozen_layers"):
        first_layers(net, 999)


# ---- phases


def test_phases_are_one_training_to_those_who_watch(data: tuple[FeatureSource, Trial]) -> None:
    net, told = network(), list[Moment]()
    learnt = train_phases(net, *data, phases(net), told.append)
    points = [moment.point for moment in told if moment.point is not None]
    per_epoch = data[0].steps_per_epoch
    assert [point.step for point in points] == [per_epoch * epoch for epoch in (1, 2, 3, 4)]
    assert [point.epoch for point in points] == [1, 2, 3, 4] and learnt.curves == tuple(points)
    assert [point.learning_rate for point in points] == pytest.approx([0.05, 0.05, 0.005, 0.005])
    assert {moment.steps for moment in told} == {4 * per_epoch} and learnt.steps == 4 * per_epoch
    assert learnt.score == score(learnt.network, data[1])


def test_the_better_phase_is_kept(data: tuple[FeatureSource, Trial]) -> None:
    net = network()
    good, bad = phases(net, recipe=replace(RECIPE, average=0.0))
    ruin = replace(bad, recipe=replace(bad.recipe, rates=(50.0,)))
    learnt = train_phases(net, *data, [good, ruin])
    assert learnt.step <= 2 * data[0].steps_per_epoch and learnt.score == score(learnt.network, data[1])
    assert learnt.score.accuracy == max(point.validation_accuracy or 0.0 for point in learnt.curves)


def test_the_second_phase_shows_other_batches(data: tuple[FeatureSource, Trial]) -> None:
    later = Later(data[0], 22)
    assert later.steps_per_epoch == data[0].steps_per_epoch
    assert torch.equal(later.batch(3, True).features, data[0].batch(25, True).features)


@pytest.mark.parametrize("stop_at", [5, 30])
def test_stopped_in_either_phase_and_resumed(data: tuple[FeatureSource, Trial], tmp_path: Path, stop_at: int) -> None:
    def watch(moment: Moment) -> None:
        if moment.step >= stop_at:
            raise KeyboardInterrupt

    def run(folder: Path | None, watch_: object = None) -> Learnt:
        net = network()
        return train_phases(net, *data, phases(net, folder), *([watch] if watch_ else []))

    whole = run(None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, watch)
    again = run(tmp_path)
    assert 0 < again.resumed_at < whole.steps and (again.resumed_at >= 22) == (stop_at == 30)
    pairs = zip(state(again.network).values(), state(whole.network).values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert (again.curves, again.score, again.step) == (whole.curves, whole.score, whole.step)
    assert (tmp_path / "0" / DONE / checkpoint.FILE).is_file() and not (tmp_path / "0" / checkpoint.FILE).is_file()


# ---- weights of another network


def test_all_but_the_last_layer_are_taken_over() -> None:
    given, net = network(1), network(2, classes=4)
    own = state(net)
    assert take_over(net, given.state_dict()) == []
    for name, tensor in state(net).items():
        wanted = own if name.startswith("fc.") else given.state_dict()
        assert torch.equal(tensor, wanted[name])


def test_tensors_that_do_not_fit_are_named() -> None:
    given = state(network(1))
    given["conv1.conv.weight"] = torch.zeros(3, 3)
    given["conv9.weight"] = given.pop("conv1.norm.bias")
    with pytest.raises(LearnError) as caught:
        take_over(network(2), given)
    text = str(caught.value)
    assert "absent: conv1.norm.bias" in text and "no layer's: conv9.weight" in text
    assert "conv1.conv.weight (3, 3) for (8, 20, 3)" in text


def test_long_lists_of_names_are_cut() -> None:
    with pytest.raises(LearnError, match=r"absent: .* and \d+ more"):
        take_over(network(), {})
