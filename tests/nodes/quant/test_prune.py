"""Which weights become zero, that they stay so while the others learn, and how their number grows."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from nodes.learn.optimise import Average
from nodes.learn.precondition import unfolded
from nodes.quant.errors import QuantError
from nodes.quant.prune import Plan, Scope, Sparse, choose, hold_zeros, kernels_of, sparsity
from nodes.quant.schedule import Schedule, stages
from nodes.zoo import architecture, build, models
from nodes.zoo.network import Network

SCOPES: tuple[Scope, ...] = ("lamp", "global", "layer")
KEPT = ("conv1", "fc")


def network(name: str = "tc_resnet8", **changes: Any) -> Network:
    torch.manual_seed(0)
    shape = (4, 96, 64) if "m20k" in name else (12, 24)
    return build(architecture(name, input_shape=shape, classes=3, **changes))


def learn(learner: nn.Module, steps: int, optimizer: torch.optim.Optimizer | None = None) -> None:
    torch.manual_seed(1)
    chosen = optimizer or torch.optim.AdamW(learner.parameters(), lr=0.01, weight_decay=0.1)
    learner.train()
    for _ in range(steps):
        x, truth = torch.randn(8, 12, 24), torch.randint(3, (8,))
        chosen.zero_grad()
        F.cross_entropy(learner(x), truth).backward()
        chosen.step()


# ---- which


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("share", [0.0, 0.25, 0.6, 0.95])
def test_the_share_is_met_to_the_weight(scope: Scope, share: float) -> None:
    kernels = kernels_of(network())
    masks = choose(kernels, share, scope)
    total = sum(value.numel() for value in kernels.values())
    gone = sum(int((~mask).sum()) for mask in masks.values())
    most = len(kernels) if scope == "layer" else 1
    assert abs(gone - share * total) <= 0.5 * most
    assert {name: mask.shape for name, mask in masks.items()} == {name: value.shape for name, value in kernels.items()}


@pytest.mark.parametrize("scope", SCOPES)
def test_within_a_kernel_the_smallest_go(scope: Scope) -> None:
    kernels = kernels_of(network())
    for name, mask in choose(kernels, 0.5, scope).items():
        magnitudes = kernels[name].detach().abs()
        if mask.any() and not mask.all():
            assert magnitudes[~mask].max() <= magnitudes[mask].min()


def test_the_smallest_of_all_go_and_layers_are_treated_alike() -> None:
    kernels = {"small.weight": torch.full((10, 10), 0.1), "large.weight": torch.rand(10, 10) + 1.0}
    everywhere = choose(kernels, 0.5, "global")
    assert not everywhere["small.weight"].any() and everywhere["large.weight"].all()
    assert {int(mask.sum()) for mask in choose(kernels, 0.5, "layer").values()} == {50}


def test_lamp_is_its_formula() -> None:
    """w^2 over the sum of those that are not smaller: of (1, 2, 3) 1/14, 4/13, 1; of (10, 10) 1/2, 1."""
    kernels = {"a.weight": torch.tensor([[3.0, -1.0, 2.0]]), "b.weight": torch.tensor([[10.0, -10.0]])}
    order = []
    for count in range(1, 6):
        masks = choose(kernels, count / 5, "lamp")
        order.append(
            [f"{name[0]}{i}" for name in kernels for i, kept in enumerate(masks[name][0].tolist()) if not kept]
        )
    assert order[:3] == [["a1"], ["a1", "a2"], ["a1", "a2", "b0"]]


def test_layers_may_stay_dense_and_recurrent_matrices_count() -> None:
    names = set(kernels_of(network("m20k_rnn")))
    assert {"rnn1.weight_ih", "rnn1.weight_hh", "conv1.conv.weight"} <= names
    left = set(kernels_of(network("m20k_rnn"), ("rnn1", "conv1")))
    assert left == {name for name in names if name.partition(".")[0] not in ("rnn1", "conv1")}
    nested = unfolded(network(), torch.ones(1, 1))
    gone = set(kernels_of(nested)) - set(kernels_of(nested, ("conv1", "b1")))
    parts = ("conv1", "b1.conv1", "b1.conv2", "b1.short")
    assert gone == {f"network.{part}.conv.weight" for part in parts}
    assert not any("norm" in name for name in kernels_of(network()))


@pytest.mark.parametrize(
    ("dense", "words"),
    [(("conv9",), "There is no layer 'conv9'"), (("conv1", "b1", "b2", "b3", "fc"), "No layer is left")],
)
def test_layers_that_are_not_there_and_nothing_left(dense: tuple[str, ...], words: str) -> None:
    with pytest.raises(QuantError, match=words):
        kernels_of(network(), dense)


def test_weights_that_are_no_numbers_are_refused() -> None:
    odd = network()
    with torch.no_grad():
        odd.get_parameter("conv1.conv.weight")[0, 0, 0] = torch.nan
    with pytest.raises(QuantError, match="conv1.conv.weight are not finite"):
        choose(kernels_of(odd), 0.5, "lamp")


# ---- while learning


def grown(target: float = 0.7, steps: int = 12, **changes: Any) -> tuple[Network, Sparse]:
    net = network()
    learner = Sparse(net, Plan(Schedule(target, 2, 8, 6), **changes))
    learn(learner, steps)
    return net, learner


@pytest.mark.parametrize("scope", SCOPES)
def test_zeros_grow_to_the_target_and_the_network_learns_with_them(scope: Scope) -> None:
    net, learner = grown(scope=scope)
    assert not learner.complete()
    x = torch.randn(4, 12, 24)
    wanted = learner.eval()(x)
    learner.stripped()
    kernels = kernels_of(net)
    assert sparsity(kernels) == pytest.approx(0.7, abs=0.002)
    torch.testing.assert_close(net.eval()(x), wanted)


@pytest.mark.parametrize("name", ["m20k", "kws_lstm", "ds_cnn_s", "bc_resnet"])
def test_masks_reach_every_kind_of_layer(name: str) -> None:
    """What is computed with masks is what the stripped network computes."""
    shape = models()[name].input_shape
    torch.manual_seed(0)
    net = build(architecture(name, input_shape=shape, classes=3))
    learner = Sparse(net, Plan(Schedule(0.5, 0, 1)))
    learner.train()
    x = torch.randn(2, *shape)
    for _ in range(2):
        learner(x)
    assert not learner.complete()
    wanted = learner.eval()(x)
    torch.testing.assert_close(learner.stripped()(x), wanted)
    assert sparsity(kernels_of(net)) == pytest.approx(0.5, abs=1e-3)


def test_dense_layers_have_no_zero() -> None:
    net, learner = grown(dense=KEPT)
    learner.stripped()
    shares = {name: float((value == 0).float().mean()) for name, value in kernels_of(net).items()}
    assert all(share == 0.0 for name, share in shares.items() if name.partition(".")[0] in KEPT)
    assert sparsity(kernels_of(net, KEPT)) == pytest.approx(0.7, abs=0.002)


def test_weights_at_zero_have_no_gradient_and_may_come_back() -> None:
    net = network()
    learner = Sparse(net, Plan(Schedule(0.5, 0, 4, 4)))
    learn(learner, 1)
    net.zero_grad()
    learner.train()
    F.cross_entropy(learner(torch.randn(8, 12, 24)), torch.randint(3, (8,))).backward()
    learner.eval()
    masks = {name: mask for name, _, mask in learner._masked()}
    for name, kernel in kernels_of(net).items():
        assert kernel.grad is not None and not bool(kernel.grad[~masks[name]].any())
    name = "b1.conv1.conv.weight"
    gone = ~masks[name]
    with torch.no_grad():
        net.get_parameter(name)[gone] = 100.0
    learn(learner, 3)
    assert bool({name: mask for name, _, mask in learner._masked()}[name][gone].all())


def test_a_sparse_network_is_never_made_denser() -> None:
    net, learner = grown(0.8)
    learner.stripped()
    again = Sparse(net, Plan(Schedule(0.3, 0, 5, 5)))
    learn(again, 1)
    again.stripped()
    assert sparsity(kernels_of(net)) == pytest.approx(0.8, abs=0.002)


def test_a_training_that_ends_early_is_completed() -> None:
    net, learner = grown(0.6, steps=3)
    assert learner.complete() and not learner.complete()
    learner.stripped()
    assert sparsity(kernels_of(net)) == pytest.approx(0.6, abs=0.002)


def test_scaled_networks_and_averages_keep_their_zeros() -> None:
    learner = Sparse(unfolded(network(), torch.ones(1, 1)), Plan(Schedule(0.6, 0, 4, 4)))
    average = Average(learner, 0.9)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.01)
    for step in range(8):
        learn(learner, 1, optimizer)
        average.update(step)
    kept = average.network
    assert isinstance(kept, Sparse)
    masks = [mask for *_, mask in learner._masked()]
    assert all(torch.equal(mask, own) for mask, (*_, own) in zip(masks, kept._masked(), strict=True))
    assert sparsity(kernels_of(kept.stripped())) == pytest.approx(0.6, abs=0.002)


def test_a_copy_of_the_state_goes_on_bit_for_bit() -> None:
    learner = Sparse(network(), Plan(Schedule(0.6, 0, 6, 6)))
    learn(learner, 3, torch.optim.SGD(learner.parameters(), 0.01))
    other = Sparse(network(), learner.plan)
    other.load_state_dict(copy.deepcopy(learner.state_dict()))
    for each in (learner, other):
        learn(each, 5, torch.optim.SGD(each.parameters(), 0.01))
    state = other.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in learner.state_dict().items())


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda values: torch.optim.AdamW(values, lr=0.01, weight_decay=0.1),
        lambda values: torch.optim.SGD(values, lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda values: torch.optim.Adadelta(values, lr=0.1),
    ],
    ids=["adamw", "sgd", "adadelta"],
)
def test_held_zeros_stay_zero_in_any_training(optimizer: Any) -> None:
    net, learner = grown()
    learner.stripped()
    before = {name: value.detach().clone() for name, value in kernels_of(net).items()}
    hold_zeros(net)
    learn(net, 5, optimizer(net.parameters()))
    for name, value in kernels_of(net).items():
        assert torch.equal(value == 0, before[name] == 0) and not torch.equal(value, before[name])


# ---- when


def test_the_schedule_is_cubic_from_begin_to_end() -> None:
    schedule = Schedule(0.8, 10, 110, 20)
    assert schedule.at(9) == 0.0 == schedule.at(10)
    assert schedule.at(60) == pytest.approx(0.8 * (1 - 0.5**3))
    assert schedule.at(110) == schedule.at(10_000) == 0.8
    due = [step for step in range(200) if schedule.is_due(step)]
    assert due == list(range(10, 111, 5))


@given(st.floats(0.01, 0.99), st.integers(0, 50), st.integers(0, 200), st.integers(1, 30))
@settings(max_examples=50)
def test_zeros_never_become_fewer_and_the_end_is_always_due(
    target: float, begin: int, length: int, updates: int
) -> None:
    schedule = Schedule(target, begin, begin + length, updates)
    shares = [schedule.at(step) for step in range(begin + length + 3)]
    assert shares == sorted(shares) and shares[-1] == target and schedule.is_due(begin + length)


@pytest.mark.parametrize("values", [(1.0,), (-0.1,), (0.5, 5, 4), (0.5, 0, 4, 0), (0.5, -1, 4)])
def test_schedules_that_cannot_be(values: tuple[Any, ...]) -> None:
    with pytest.raises(QuantError):
        Schedule(*values)


def test_rounds_take_the_same_share_of_what_is_left() -> None:
    shares = stages(0.488, 3)
    assert shares == pytest.approx((0.2, 0.36, 0.488), abs=1e-3)
    for target, rounds in ((0.0, 3), (1.0, 3), (0.5, 0)):
        with pytest.raises(QuantError):
            stages(target, rounds)
