"""One block of memory: nothing alive at the same time overlaps, and little is wasted."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from nodes.lne.arena import arrange

LIVES = st.tuples(st.integers(0, 12), st.integers(0, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(st.lists(st.tuples(st.integers(1, 500), LIVES), max_size=14))
def test_buffers_alive_together_do_not_overlap(buffers: list[tuple[int, tuple[int, int]]]) -> None:
    sizes = {index: size for index, (size, _) in enumerate(buffers)}
    alive = {index: life for index, (_, life) in enumerate(buffers)}
    offsets, end = arrange(sizes, alive)
    for one, other in combinations(sizes, 2):
        if alive[one][0] <= alive[other][1] and alive[other][0] <= alive[one][1]:
            assert offsets[one] + sizes[one] <= offsets[other] or offsets[other] + sizes[other] <= offsets[one]
    most = max((sum(sizes[k] for k in sizes if alive[k][0] <= at <= alive[k][1]) for at in range(20)), default=0)
    assert most <= end <= sum(sizes.values())


def test_a_chain_needs_its_two_largest_neighbours() -> None:
    sizes = {"a": 100, "b": 300, "c": 200, "d": 50}
    alive = {"a": (0, 1), "b": (1, 2), "c": (2, 3), "d": (3, 4)}
    assert arrange(sizes, alive)[1] == 500
