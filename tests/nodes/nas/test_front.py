"""The front and its knee."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.nas.front import knee, non_dominated
from studio.views.data.front import non_dominated as as_drawn

POINTS = np.array([[1.0, 5.0], [2.0, 2.0], [5.0, 1.0], [3.0, 3.0], [2.0, 2.0], [np.nan, 0.0]])


def test_the_front_of_a_few_points() -> None:
    assert non_dominated(POINTS).tolist() == [True, True, True, False, True, False]
    assert knee(POINTS) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_it_is_the_front_that_the_studio_draws(rows: list[tuple[int, int]]) -> None:
    points = np.array(rows, np.float64)
    found = non_dominated(points)
    assert found.tolist() == as_drawn(points).tolist() and found.any() and found[knee(points)]


def test_equal_points_have_a_knee() -> None:
    assert knee(np.ones((3, 2))) == 0
    with pytest.raises(ValueError, match="no point is finite"):
        knee(np.full((2, 2), np.nan))
