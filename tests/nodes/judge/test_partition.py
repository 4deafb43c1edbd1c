"""Values of regions: by hand, against every order of showing them, and what always holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.judge.partition import Masks, Region, partition_shap


def game(function: Callable[[np.ndarray], float]) -> Callable[[Masks], np.ndarray]:
    return lambda masks: np.array([function(mask) for mask in masks])


def test_two_cells_by_hand() -> None:
    """Alone 1 and 3, together 10: 1 + (10 - 1 - 3) / 2 and 3 + (10 - 1 - 3) / 2."""
    table = {(False, False): 0.0, (True, False): 1.0, (False, True): 3.0, (True, True): 10.0}
    found = partition_shap(game(lambda mask: table[tuple(mask[0].tolist())]), (1, 2), 100)
    np.testing.assert_allclose(found.values, [[4.0, 6.0]])
    assert (found.empty, found.whole, found.evaluations) == (0.0, 10.0, 4)


@given(st.integers(0, 10**6))
def test_what_adds_up_is_found_exactly(seed: int) -> None:
    weights = np.random.default_rng(seed).normal(size=(3, 5))
    found = partition_shap(game(lambda mask: float((weights * mask).sum())), (3, 5), 10_000)
    np.testing.assert_allclose(found.values, weights, atol=1e-9)


def orders(region: Region) -> list[list[tuple[int, int]]]:
    """Every order of showing the cells in which the cells of a half stay together."""
    if region.rows * region.columns == 1:
        return [[(region.top, region.left)]]
    first, second = (orders(half) for half in region.halves())
    return [a + b for a in first for b in second] + [b + a for a in first for b in second]


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (2, 3)])
def test_values_are_the_means_over_all_orders_that_keep_halves_together(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    table = {tuple(bits): rng.normal() for bits in np.ndindex(*[2] * (shape[0] * shape[1]))}
    value = game(lambda mask: table[tuple(mask.ravel().astype(int).tolist())])
    wanted, every = np.zeros(shape), orders(Region(0, 0, *shape))
    for order in every:
        shown = np.zeros(shape, bool)
        before = value(shown[None])[0]
        for cell in order:
            shown[cell] = True
            after = value(shown[None])[0]
            wanted[cell] += (after - before) / len(every)
            before = after
    np.testing.assert_allclose(partition_shap(value, shape, 10_000).values, wanted, atol=1e-12)


@given(st.integers(2, 120), st.integers(1, 9), st.integers(1, 9))
def test_shares_always_add_up_and_the_budget_is_kept(evaluations: int, rows: int, columns: int) -> None:
    weights = np.random.default_rng(rows * 10 + columns).normal(size=(rows, columns))
    asked = []

    def value(masks: Masks) -> np.ndarray:
        asked.append(len(masks))
        return np.tanh((weights * masks).sum(axis=(1, 2)))

    found = partition_shap(value, (rows, columns), evaluations)
    assert found.values.sum() == pytest.approx(found.whole - found.empty)
    assert sum(asked) == found.evaluations <= max(evaluations, 2)


def test_evaluations_go_where_something_happens() -> None:
    """100 evaluations are 49 halvings: five levels of an even tree (31) and more, which leave 8 of 256 cells."""
    found = partition_shap(game(lambda mask: float(mask[0, 0])), (16, 16), 100)
    assert found.values[:4, :2].sum() == pytest.approx(1.0) and np.abs(found.values).sum() == pytest.approx(1.0)


def test_halves_share_nothing_and_leave_nothing() -> None:
    for region in (Region(2, 3, 5, 4), Region(0, 0, 1, 7), Region(1, 1, 2, 1)):
        seen = np.zeros((10, 10), int)
        for half in region.halves():
            seen[half.slices] += 1
        assert seen[region.slices].min() == seen.max() == 1 and seen.sum() == region.rows * region.columns
