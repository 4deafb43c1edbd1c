"""Q-learning as in QS-DNN (de Prado et al. 2018): layers are states, primitives actions, time spent is the reward.

An episode chooses a primitive for every layer in turn. The first episodes only explore; then the chance of a random
choice falls step by step to zero. After every episode its transitions and those of some earlier ones are learnt again
(replay). The papers print no learning rate, discount or replay; here they are parameters, and as the reward of an
episode is the whole time, nothing is discounted. A state is the layer and the formats its maps lie in, so that what a
cast costs later is seen.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from nodes.lne.search.costs import CostTable
from nodes.lne.search.optimum import Found
from nodes.lne.search.space import Space, State

Key = tuple[int, State]


@dataclass(frozen=True)
class Schedule:
    """How long is learnt, and how.

    Attributes:
        episodes: in all, the exploring ones included.
        exploring: with random choices only; the chance of one then falls in `steps` equal steps to zero.
        rate: weight of what was just seen.
        discount: of what comes after a layer.
        replay: earlier episodes learnt again after each one.
    """

    episodes: int = 1000
    exploring: int = 500
    steps: int = 10
    rate: float = 0.5
    discount: float = 1.0
    replay: int = 8
    seed: int = 0

    def chance(self, episode: int) -> float:
        """Of a random choice."""
        if episode < self.exploring:
            return 1.0
        greedy = max(1, self.episodes - self.exploring)
        step = (episode - self.exploring) * self.steps // greedy
        return 1.0 - (step + 1) / self.steps


@dataclass(frozen=True)
class Episode:
    """What one episode found; `best_us` is the least of all so far."""

    number: int
    total_us: float
    best_us: float
    best: tuple[int, ...]


Watch = Callable[[Episode], None]


@dataclass(frozen=True)
class _Transition:
    key: Key
    action: int
    reward: float
    after: Key | None


def learn(space: Space, costs: CostTable, schedule: Schedule | None = None, watch: Watch | None = None) -> Found:
    """The best choice seen, the greedy one of the last values among them."""
    learner = _Learner(space, costs, schedule or Schedule())
    best: tuple[float, tuple[int, ...]] = (math.inf, ())
    for number in range(learner.schedule.episodes + 1):
        last = number == learner.schedule.episodes
        total_us, actions = learner.episode(0.0 if last else learner.schedule.chance(number))
        best = min(best, (total_us, actions))
        if watch is not None and not last:
            watch(Episode(number, total_us, *best))
    return Found(best[1], space.choices(best[1]), best[0])


class _Learner:
    """Values of actions, and the episodes they came from."""

    def __init__(self, space: Space, costs: CostTable, schedule: Schedule) -> None:
        self.space, self.costs, self.schedule = space, costs, schedule
        self.random = random.Random(schedule.seed)
        self.values: dict[Key, dict[int, float]] = {}
        self.rewards: dict[tuple[Key, int], tuple[float, State]] = {}
        self.memory: list[list[_Transition]] = []

    def able(self, key: Key) -> dict[int, float]:
        """Values of the actions that can be taken; hopeful at first, as no time was spent."""
        found = self.values.get(key)
        if found is None:
            ways = range(len(self.space.layers[key[0]].actions))
            found = {action: 0.0 for action in ways if self.reward(key, action)[0] > -math.inf}
            self.values[key] = found
        return found

    def reward(self, key: Key, action: int) -> tuple[float, State]:
        """Time a layer and its casts take, negative, and the state behind it; the last layer's includes the output."""
        known = self.rewards.get((key, action))
        if known is None:
            index, state = key
            after, changed = self.space.step(index, state, action)
            if index + 1 == len(self.space.layers):
                changed = (*changed, self.space.end(after))
            us = self.costs.action_us(self.space, index, action) + self.costs.changes_us(changed)
            known = self.rewards[key, action] = (-us, after)
        return known

    def episode(self, chance: float) -> tuple[float, tuple[int, ...]]:
        """Choose for every layer, learn from it; the time and the actions."""
        path: list[_Transition] = []
        state = self.space.start
        for index in range(len(self.space.layers)):
            key = (index, state)
            values = self.able(key)
            if not values:
                return math.inf, ()
            action = (
                self.random.choice(list(values))
                if self.random.random() < chance
                else max(values, key=values.__getitem__)
            )
            reward, state = self.reward(key, action)
            path.append(
                _Transition(key, action, reward, (index + 1, state) if index + 1 < len(self.space.layers) else None)
            )
        self.memory.append(path)
        self.learn(path)
        for _ in range(self.schedule.replay):
            self.learn(self.random.choice(self.memory))
        return -sum(step.reward for step in path), tuple(step.action for step in path)

    def learn(self, path: list[_Transition]) -> None:
        """One sweep from the last layer to the first, so that a time travels through the whole network."""
        for step in reversed(path):
            ahead = max(self.able(step.after).values(), default=-math.inf) if step.after else 0.0
            target = step.reward + self.schedule.discount * ahead
            values = self.values[step.key]
            if target > -math.inf:
                values[step.action] += self.schedule.rate * (target - values[step.action])
