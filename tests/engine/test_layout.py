"""Graph layout: columns follow links, boxes never overlap, wires go round boxes, big graphs work, always the same."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.layout import WAY_ROWS, Layout, place

PIPELINE = [
    ("ingest", "partition"), ("partition", "mfcc"), ("mfcc", "train"), ("train", "benchmark"), ("mfcc", "benchmark"),
    ("train", "quantize"), ("quantize", "deploy"), ("mfcc", "deploy"), ("deploy", "push"),
]  # fmt: skip
NAMES = sorted({name for pair in PIPELINE for name in pair})
LINKS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40)


def check(layout: Layout, links: list[tuple[str, str]]) -> None:
    """No two things of one column nearer than their room; everything at or below row 0."""
    columns: dict[int, set[tuple[float, float]]] = {}
    for column, row in layout.spots.values():
        columns.setdefault(column, set()).add((row, 1.0))
    assert sum(map(len, columns.values())) == len(layout.spots), "two boxes at one place"
    for route in layout.routes.values():
        for column, row in route:
            columns.setdefault(column, set()).add((row, WAY_ROWS))
    for things in columns.values():
        for (row, room), (below, its_room) in pairwise(sorted(things)):
            assert below - row >= (room + its_room) / 2 - 0.002
        assert min(row - room / 2 for row, room in things) >= -0.5 - 0.002
    for source, target in links:
        if source in layout.spots and target in layout.spots and (source, target) in layout.routes:
            ends = [layout.spots[source][0], *(c for c, _ in layout.routes[source, target]), layout.spots[target][0]]
            assert ends == list(range(ends[0], ends[-1] + 1))


def test_a_chain_is_a_straight_line() -> None:
    layout = place(map(str, range(9)), [(str(i), str(i + 1)) for i in range(8)])
    assert [layout.spots[str(i)] for i in range(9)] == [(i, 0.0) for i in range(9)]
    assert (layout.columns, layout.rows) == (9, 1.0)


def test_the_pipeline_reads_from_left_to_right() -> None:
    layout = place(NAMES, PIPELINE)
    check(layout, PIPELINE)
    assert all(layout.spots[a][0] < layout.spots[b][0] for a, b in PIPELINE)
    assert layout.spots["ingest"][0] == 0 and layout.columns == 7
    assert layout.routes["mfcc", "deploy"][0][0] == 3


def test_a_late_source_stands_beside_what_it_feeds() -> None:
    layout = place("abcdx", [("a", "b"), ("b", "c"), ("c", "d"), ("x", "d")])
    assert layout.spots["x"][0] == 2


@given(LINKS)
def test_any_graph_without_cycles(pairs: list[tuple[int, int]]) -> None:
    links = [(f"n{a:02}", f"n{b:02}") for a, b in pairs if a < b]
    layout = place([f"n{i:02}" for i in range(13)], links)
    check(layout, links)
    assert all(layout.spots[a][0] < layout.spots[b][0] for a, b in links)


@given(LINKS, st.randoms())
def test_order_of_input_changes_nothing_and_cycles_are_drawn(pairs: list[tuple[int, int]], rng: random.Random) -> None:
    links = [(str(a), str(b)) for a, b in pairs]
    names = [str(i) for i in range(13)]
    layout = place(names, links)
    assert len(layout.spots) == 13
    rng.shuffle(names)
    rng.shuffle(links)
    assert place(names, links) == layout


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"]])
def test_small_graphs(names: list[str]) -> None:
    layout = place(names, [("a", "ghost"), ("a", "a")])
    assert sorted(layout.spots) == names and layout.rows == len(names)


def test_ten_thousand_nodes_need_no_recursion() -> None:
    names = [f"n{i}" for i in range(10_000)]
    links = [*pairwise(names), *((names[i], names[i + 7]) for i in range(0, 9_990, 5))]
    layout = place(names, links)
    assert layout.columns == 10_000 and len(layout.spots) == 10_000
    assert place(names[:50], [(names[0], name) for name in names[1:50]]).rows == 49
