"""What Q-learning is compared with: chance with as many episodes, and the cheapest next step."""

from __future__ import annotations

import math
import random

from nodes.lne.search.costs import CostTable
from nodes.lne.search.optimum import Found
from nodes.lne.search.qlearning import Episode, Watch
from nodes.lne.search.space import Space


def by_chance(space: Space, costs: CostTable, episodes: int, seed: int = 0, watch: Watch | None = None) -> Found:
    """The best of so many random choices."""
    draw = random.Random(seed)
    able = [
        [action for action in range(len(layer.actions)) if costs.action_us(space, index, action) < math.inf]
        for index, layer in enumerate(space.layers)
    ]
    best: tuple[float, tuple[int, ...]] = (math.inf, ())
    for number in range(episodes):
        actions = tuple(draw.choice(ways) for ways in able)
        total_us = costs.total_us(space, actions)
        best = min(best, (total_us, actions))
        if watch is not None:
            watch(Episode(number, total_us, *best))
    return Found(best[1], space.choices(best[1]), best[0])


def greedy(space: Space, costs: CostTable) -> Found:
    """Layer by layer what is cheapest now, with the casts before it; what it costs later is not seen."""
    state, actions = space.start, []
    for index, layer in enumerate(space.layers):

        def us(action: int, index: int = index) -> float:
            return costs.action_us(space, index, action) + costs.changes_us(space.step(index, state, action)[1])  # noqa: B023

        action = min(range(len(layer.actions)), key=us)
        state = space.step(index, state, action)[0]
        actions.append(action)
    chosen = tuple(actions)
    return Found(chosen, space.choices(chosen), costs.total_us(space, chosen))
