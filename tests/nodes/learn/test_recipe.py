"""Recipes: the printed schedules of SEEDS section 7, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from nodes.learn.errors import LearnError
from nodes.learn.names import RecipeName
from nodes.learn.optimise import optimizer_of, prepare
from nodes.learn.recipe import RECIPES
from nodes.zoo import architecture, build

PRINTED: dict[RecipeName, tuple[str, int, int, dict[int, float]]] = {
    "s0": ("adam", 100, 40_000, {0: 5e-3, 9_999: 5e-3, 10_000: 1.5e-3, 20_000: 4.5e-4, 39_999: 1.35e-4}),
    "s1": ("sgd", 100, 30_000, {0: 0.1, 9_999: 0.1, 10_000: 0.01, 20_000: 0.001, 29_999: 0.001}),
    "s1_cnn1": ("adam", 100, 20_000, {0: 5e-4, 9_999: 5e-4, 10_000: 1e-4, 19_999: 1e-4}),
    "s1_cnn2": ("adam", 100, 30_000, {0: 5e-4, 10_000: 1e-4, 20_000: 2e-5}),
    "s1_ds_cnn": ("adam", 100, 20_000, {0: 5e-4, 10_000: 1e-4}),
    "s1_res": ("adam", 64, 9_000, {0: 0.1, 2_999: 0.1, 3_000: 0.01, 6_000: 0.001}),
}


@pytest.mark.parametrize("name", PRINTED)
def test_recipes_of_the_papers(name: RecipeName) -> None:
    recipe, (optimizer, batch, steps, rates) = RECIPES[name], PRINTED[name]
    assert (recipe.optimizer, recipe.batch, recipe.length(222)) == (optimizer, batch, steps)
    assert {step: recipe.rate_at(step, steps) for step in rates} == pytest.approx(rates)
    assert recipe.label_smoothing == recipe.average == recipe.warmup == recipe.augmentation.mixup == 0


def test_details_of_tc_resnet() -> None:
    recipe = RECIPES["s1"]
    assert (recipe.momentum, recipe.weight_decay, recipe.dropout, recipe.norm_decay) == (0.9, 1e-3, 0.5, 0.997)
    change = recipe.augmentation
    assert (change.shift_ms, change.noise, change.noise_share, change.level) == (100.0, "level", 0.8, 0.1)
    assert not RECIPES["s0"].augmentation.changes_waveforms


def test_modern_rises_then_falls_to_zero() -> None:
    recipe = RECIPES["modern"]
    rates = [recipe.rate_at(step, 1000) for step in range(1000)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(recipe.rates[0], rel=0.03) and top == pytest.approx(1000 * recipe.warmup, abs=1)
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] > 0 and rates[-1] < 1e-4 * rates[top]


def test_a_training_of_another_length_keeps_the_proportions() -> None:
    recipe = replace(RECIPES["s1"], steps=300)
    assert [recipe.rate_at(step, 300) for step in (99, 100, 200)] == pytest.approx([0.1, 0.01, 0.001])
    assert replace(recipe, steps=0, epochs=7).length(2) == 14


def test_weight_decay_touches_kernels_only() -> None:
    network = build(architecture("tc_resnet8", input_shape=(10, 20), classes=3))
    kernels, others = optimizer_of(network, RECIPES["s1"]).param_groups
    assert kernels["weight_decay"] == 1e-3 and all(value.ndim > 1 for value in kernels["params"])
    assert others["weight_decay"] == 0 and all(value.ndim == 1 for value in others["params"])
    assert len(kernels["params"]) + len(others["params"]) == len(list(network.parameters()))


def test_prepare_sets_dropout_and_norms() -> None:
    network = build(architecture("tc_resnet8", input_shape=(10, 20), classes=3))
    prepare(network, replace(RECIPES["s1"], dropout=0.25))
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.25]
    assert {module.momentum for module in network.modules() if isinstance(module, nn.BatchNorm1d)} == {1 - 0.997}
    prepare(network, replace(RECIPES["s1"], dropout=None))
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.25]


def test_recipes_of_s2_s3_and_s4() -> None:
    assert RECIPES["s4"] == RECIPES["s0"]
    long = RECIPES["s4_ds_kws"]
    assert [long.rate_at(step, long.steps) for step in (0, 74_999, 75_000, 299_999)] == pytest.approx(
        [5e-3, 5e-3, 1.5e-3, 1.35e-4]
    )
    second = RECIPES["s2"]
    assert (second.optimizer, second.batch, second.epochs, second.rates, second.dropout) == (
        "adadelta", 32, 40, (1e-3,), 0.25,
    )  # fmt: skip
    change = second.augmentation
    assert second.balance == "repeat" and second.selection == "best"
    assert (change.policy, change.sap_a, change.sap_s) == ("sap", 0.5, 10.0)
    assert (change.least_share, change.mask_share, change.cutmix_share) == (0.1, 0.25, 0.25)
    assert (
        round(224 * change.cutmix_side) == 56 and round(224 * change.time_mask) == round(224 * change.band_mask) == 67
    )
    assert (change.time_masks, change.band_masks) == (1, 1)
    assert RECIPES["s3"].augmentation.pitch_semitones == (-2, -1, 0, 1, 2) and RECIPES["s3"].clip_norm == 1.0


def test_adadelta_has_the_constants_of_keras() -> None:
    network = build(architecture("tc_resnet8", input_shape=(10, 20), classes=3))
    optimizer = optimizer_of(network, RECIPES["s2"])
    assert isinstance(optimizer, torch.optim.Adadelta)
    assert all((group["rho"], group["eps"], group["lr"]) == (0.95, 1e-7, 1e-3) for group in optimizer.param_groups)


def test_frozen_parameters_are_left_out() -> None:
    network = build(architecture("tc_resnet8", input_shape=(10, 20), classes=3))
    network.requires_grad_(False)
    with pytest.raises(LearnError, match="every layer is frozen"):
        optimizer_of(network, RECIPES["s1"])
    network.get_submodule("fc").requires_grad_(True)
    kernels, others = optimizer_of(network, RECIPES["s1"]).param_groups
    assert len(kernels["params"]) == 1 and not others["params"]
