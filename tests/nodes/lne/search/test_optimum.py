"""The exact optimum against trying everything, on networks with branches, several formats and limits."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder
from lne_spaces import TARGET, pairs, random_costs, space_of

from nodes.lne import TARGETS, LneError, Range, casts, find_target, make_plan
from nodes.lne.ir import Concat
from nodes.lne.plan import Cast
from nodes.lne.search import Limits, Space, choose, estimated, make_space, optimum
from nodes.lne.search.costs import Pair, changes
from nodes.lne.search.optimum import ram_bytes

SMALL = ("chain", "branches")


def everything(space: Space) -> itertools.product[tuple[int, ...]]:
    return itertools.product(*(range(len(layer.actions)) for layer in space.layers))


def _sum(space: Space, table: Mapping[Pair, float], actions: tuple[int, ...]) -> float:
    pairs = (
        (layer.name, layer.actions[action].primitive.name) for layer, action in zip(space.layers, actions, strict=True)
    )
    return sum(table[pair] for pair in pairs)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SMALL)
def test_nothing_beats_the_optimum(name: str, seed: int) -> None:
    space = space_of(name)
    costs = random_costs(space, seed)
    found = optimum(space, costs)
    assert math.isclose(found.total_us, min(costs.total_us(space, actions) for actions in everything(space)))
    assert math.isclose(found.total_us, costs.total_us(space, found.actions))


def test_an_optimum_that_left_formats_out_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of("branches")
    costs = random_costs(space, 0)
    whole = optimum(space, costs)
    assert whole.is_exact
    monkeypatch.setattr(sys.modules[optimum.__module__], "MOST_STATES", 1)
    narrow = optimum(space, costs)
    assert not narrow.is_exact
    assert narrow.total_us >= whole.total_us
    assert math.isclose(narrow.total_us, costs.total_us(space, narrow.actions))


def test_an_optimum_under_limits_that_left_choices_out_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    space = space_of("chain")
    costs = random_costs(space, 0)
    limits = Limits(error=100.0)
    assert optimum(space, costs, limits).is_exact
    monkeypatch.setattr(sys.modules[optimum.__module__], "MOST_LABELS", 2)
    assert not optimum(space, costs, limits).is_exact


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SMALL)
def test_nothing_within_the_limits_beats_it(name: str, seed: int) -> None:
    space = space_of(name)
    costs = random_costs(space, seed)
    free = optimum(space, costs)
    sums = [(_sum(space, costs.error, one), _sum(space, costs.weight_bytes, one)) for one in everything(space)]
    limits = Limits(*sorted(sums)[len(sums) // 4])
    able = [
        costs.total_us(space, actions)
        for actions, (error, size) in zip(everything(space), sums, strict=True)
        if error <= limits.error and size <= limits.weight_bytes
    ]
    found = optimum(space, costs, limits)
    assert math.isclose(found.total_us, min(able)) and found.total_us >= free.total_us
    assert found.error <= limits.error and found.weight_bytes <= limits.weight_bytes


def test_memory_is_kept_to_on_the_real_plan() -> None:
    space = space_of("branches")
    used = {
        actions: make_plan(space.graph, TARGET, space.choices(actions), casts(), shares=True).workspace_bytes
        for actions in everything(space)
    }
    largest = max(used, key=used.__getitem__)
    fast = {(name, one.name) for name, one in space.choices(largest).items()}
    costs = replace(random_costs(space, 5), layer_us={pair: 1.0 if pair in fast else 20.0 for pair in pairs(space)})
    free = optimum(space, costs)
    sizes = sorted(set(used.values()))
    assert free.actions == largest and len(sizes) > 2
    for limit in (size for size in sizes[1:] if size < used[free.actions]):
        found = optimum(space, costs, Limits(ram_bytes=limit))
        assert ram_bytes(space, found) == used[found.actions] <= limit
        able = min(costs.total_us(space, actions) for actions, size in used.items() if size <= limit)
        assert able <= found.total_us + 1e-9 <= 1.05 * able


def test_limits_nothing_keeps_to_are_told() -> None:
    space = space_of("chain")
    with pytest.raises(LneError, match="workspace of 10 bytes"):
        optimum(space, estimated(space), Limits(ram_bytes=10))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SMALL)
def test_the_casts_counted_are_those_of_the_plan(name: str, seed: int) -> None:
    space = space_of(name, ways=8)
    rng = np.random.default_rng(seed)
    actions = tuple(int(rng.integers(len(layer.actions))) for layer in space.layers)
    plan = make_plan(space.graph, TARGET, space.choices(actions), casts())
    planned = [step.task.op for step in plan.steps if isinstance(step.task.op, Cast)]
    assert [(op.output, op.before, op.after) for op in planned] == [
        (change.map, change.before, change.after) for change in space.walk(actions)
    ]
    assert set(space.walk(actions)) <= set(changes(space))


def test_a_choice_without_measuring_can_be_planned() -> None:
    for target in TARGETS.values():
        graph = space_of("branches").graph
        assert make_plan(graph, target, choose(graph, target), casts()).steps


def test_operations_nothing_computes_are_all_named() -> None:
    with pytest.raises(LneError, match="conv0.*conv1.*conv2"):
        make_space(space_of("chain").graph, TARGET, allowed={f"conv{i}": frozenset({"nothing"}) for i in range(3)})


def test_a_layer_without_a_cost_is_not_chosen() -> None:
    space = space_of("chain")
    costs = estimated(space)
    gone = space.layers[0].actions[0].primitive.name
    left = {pair: us for pair, us in costs.layer_us.items() if pair != (space.layers[0].name, gone)}
    assert optimum(space, replace(costs, layer_us=left)).choices[space.layers[0].name].name != gone


def test_a_network_in_which_many_maps_wait_is_chosen_in_bounded_time() -> None:
    """Every layer reads all maps before it, as in DenseNet: formats of maps in use multiply."""
    build = Builder(16, 1, 12)
    maps = [build.last]
    for index in range(10):
        if len(maps) > 1:
            build.add(Concat(f"join{index}", tuple(maps), f"joined{index}"), (16 * len(maps), 1, 12))
        maps.append(build.conv(16, (1, 3)))
    graph = build.graph("dense")
    ranges = {name: Range(0.05, 10) for name in graph.maps}
    start_s = time.monotonic()
    assert set(choose(graph, find_target("avx2"), ranges)) == {op.name for op in graph.ops}
    assert time.monotonic() - start_s < 60.0
