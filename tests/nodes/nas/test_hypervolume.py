"""Hypervolume: hand-computed boxes, its laws, and agreement with Optuna's own."""

import math

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nodes.nas.hypervolume import hypervolume, over_trials


@pytest.mark.parametrize(
    ("points", "reference", "volume"),
    [
        ([[1.0, 1.0]], (3.0, 2.0), 2.0),
        ([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]], (3.0, 3.0), 3.0 + 2.0 + 1.0),
        ([[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [2.0, 2.0]], (3.0, 3.0), 6.0),
        ([[0.25]], (1.0,), 0.75),
        ([[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]], (2.0, 2.0, 2.0), 4.0 + 1.0),
        ([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]], (2.0, 2.0, 2.0), 1.0 + 3 * 1.0),
        ([[3.0, 0.0], [0.0, 3.0]], (3.0, 3.0), 0.0),
        ([[5.0, 5.0]], (3.0, 3.0), 0.0),
        ([], (1.0, 1.0), 0.0),
    ],
)
def test_by_hand(points: list[list[float]], reference: tuple[float, ...], volume: float) -> None:
    assert hypervolume(np.array(points), reference) == pytest.approx(volume)


def _clouds(axes: int) -> st.SearchStrategy[NDArray[np.float64]]:
    values = st.floats(0, 1.25, allow_nan=False)
    return st.lists(st.tuples(*[values] * axes), min_size=1, max_size=12).map(lambda rows: np.array(rows, np.float64))


@pytest.mark.parametrize("axes", [2, 3])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_agrees_with_optuna(axes: int, data: st.DataObject) -> None:
    cloud = data.draw(_clouds(axes))
    inside = cloud[(cloud < 1.0).all(1)]
    other = optuna._hypervolume.compute_hypervolume(inside, np.ones(axes)) if len(inside) else 0.0
    assert hypervolume(cloud, [1.0] * axes) == pytest.approx(other, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(cloud=_clouds(3), data=st.data())
def test_more_points_never_lose_and_order_does_not_count(cloud: NDArray[np.float64], data: st.DataObject) -> None:
    volume = hypervolume(cloud, [1.0] * 3)
    order = data.draw(st.permutations(range(len(cloud))))
    assert hypervolume(cloud[list(order)], [1.0] * 3) == pytest.approx(volume)
    assert hypervolume(cloud[:-1], [1.0] * 3) <= volume + 1e-12
    assert 0.0 <= volume <= 1.0
    assert hypervolume(cloud[:, [2, 0, 1]], [1.0] * 3) == pytest.approx(volume)


def test_over_trials_steps_over_unfinished_ones() -> None:
    rows = np.array([[0.5, 0.5], [math.nan, 0.1], [0.5, 0.0], [0.9, 0.9]])
    assert over_trials(rows, [1.0, 1.0]) == pytest.approx([0.25, 0.25, 0.5, 0.5])


def test_another_number_of_axes() -> None:
    with pytest.raises(ValueError, match="reference of 3 axes"):
        hypervolume(np.ones((2, 2)), [1.0, 1.0, 1.0])
