"""Q-learning against the exact optimum and against chance, on costs in which casts matter."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from lne_spaces import random_costs, space_of

from nodes.lne.search import Schedule, learn, optimum
from nodes.lne.search.baselines import by_chance, greedy
from nodes.lne.search.qlearning import Episode


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["chain", "branches", "deep"])
def test_it_comes_within_two_percent_of_the_optimum(name: str, seed: int) -> None:
    space = space_of(name, ways=12)
    costs = random_costs(space, seed)
    least = optimum(space, costs).total_us
    learnt = learn(space, costs, Schedule(seed=seed))
    assert least <= learnt.total_us + 1e-9 <= least * 1.02 + 1e-9
    assert math.isclose(learnt.total_us, costs.total_us(space, learnt.actions))


def test_it_beats_chance_where_there_is_much_to_choose() -> None:
    space = space_of("deep", ways=12)
    costs = random_costs(space, 7)
    drawn, learnt = by_chance(space, costs, 1000), learn(space, costs)
    assert learnt.total_us < 0.95 * drawn.total_us
    assert optimum(space, costs).total_us < 0.99 * greedy(space, costs).total_us, "greed does not see what follows"


def test_exploring_then_ever_greedier() -> None:
    schedule = Schedule(episodes=1000, exploring=500)
    chances = [schedule.chance(number) for number in range(1000)]
    assert chances[:500] == [1.0] * 500 and chances[500] == 0.9 and chances[-1] == 0.0
    assert chances == sorted(chances, reverse=True)


def test_every_episode_is_told_and_the_best_never_worsens() -> None:
    seen: list[Episode] = []
    learn(space_of("chain"), random_costs(space_of("chain"), 0), Schedule(episodes=40, exploring=20), seen.append)
    assert [episode.number for episode in seen] == list(range(40))
    best = [episode.best_us for episode in seen]
    assert best == sorted(best, reverse=True) and min(episode.total_us for episode in seen) == best[-1]


def test_the_same_seed_learns_the_same() -> None:
    space = space_of("deep")
    costs = random_costs(space, 1)
    first, second = (learn(space, costs, Schedule(episodes=60, exploring=30, seed=3)).actions for _ in range(2))
    assert first == second


def test_what_cannot_be_cast_is_never_chosen() -> None:
    space = space_of("branches", ways=12)
    costs = random_costs(space, 2)
    inside = {layer.task.op.output for layer in space.layers[:-1]}
    left = {c: us for c, us in costs.cast_us.items() if c.map not in inside or c.after.order == "hwc"}
    gone = replace(costs, cast_us=left)
    assert learn(space, gone).total_us < math.inf
    assert by_chance(space, gone, 400).total_us < math.inf
