"""The whole search: measure, learn, compare with the exact optimum, and try the winners as whole networks.

What a layer takes depends a little on its neighbours, so the costs of single layers only lead to finalists. Finalists
are compiled and take turns; what their layers took in place corrects the costs, and the optimum is asked again until it
gives nothing new. The fastest whole network wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Graph
from nodes.lne.primitive import Primitive, Range
from nodes.lne.search.baselines import by_chance, greedy
from nodes.lne.search.cache import CostCache, default_cache
from nodes.lne.search.costs import CostTable, Pair, estimated
from nodes.lne.search.measure import Profile
from nodes.lne.search.meter import Actions, Meter
from nodes.lne.search.optimum import NO_LIMITS, Found, Limits, optimum
from nodes.lne.search.qlearning import Episode, Schedule, Watch, learn
from nodes.lne.search.space import MOST_CANDIDATES, Space, make_space
from nodes.lne.search.weights import weight_bytes
from nodes.lne.target import Target, can_run

FINALS_END = 1.5
APART_GAIN = 1.02
"""Memory of its own for every buffer must be worth at least so much."""
Q_LEARNING, CHANCE, GREEDY, OPTIMUM = "Q-learning", "random", "greedy", "optimum"


@dataclass(frozen=True)
class Settings:
    """How much is measured and learnt.

    Attributes:
        budget_s: for measuring candidates; what is not measured by then cannot be chosen. Finals end after half as
            much again.
        rounds: turns of every network, of about 6 ms.
        finals: times the finalists are corrected and asked again, at most.
        final_rounds: turns of a finalist.
        candidates: per layer.
    """

    budget_s: float = 70.0
    rounds: int = 6
    finals: int = 3
    final_rounds: int = 20
    candidates: int = MOST_CANDIDATES
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True)
class Progress:
    """Where a search is.

    Attributes:
        stage: "measure", "learn" or "finals".
        done, total: networks measured, episodes, or rounds of finals.
        episode_us: what the last episode would take.
        best_us: the least so far; 0 before anything is known.
        choices: the best so far, primitive by layer.
    """

    stage: str
    done: int
    total: int
    episode_us: float = 0.0
    best_us: float = 0.0
    choices: Mapping[str, str] = field(default_factory=dict)


Follow = Callable[[Progress], None]
"""What is told of the progress; it may raise to stop the search. What was measured by then is kept in the cache."""


@dataclass(frozen=True)
class Result:
    """What a search found.

    Attributes:
        choices: the fastest, for `make_plan`.
        shares: whether buffers sharing memory are no slower (or memory is limited), for `make_plan`.
        expected_us: by the costs of single layers, after correction.
        profile: of the fastest as a whole network; none for a target this machine cannot run, where all is estimated.
        strategies: what each way to search found on the same costs.
        episodes, chances: the time of every episode, of Q-learning and of random choices.
        failures: candidates that could not be compiled, with the reason.
        networks: built and measured.
    """

    space: Space
    costs: CostTable
    choices: dict[str, Primitive]
    shares: bool
    expected_us: float
    profile: Profile | None
    strategies: Mapping[str, Found]
    episodes: tuple[float, ...]
    chances: tuple[float, ...]
    failures: Mapping[Pair, str]
    networks: int
    seconds: float

    @property
    def regret(self) -> dict[str, float]:
        """By strategy, how much more than the optimum its choice takes: 0.02 is 2 %."""
        least = self.strategies[OPTIMUM].total_us
        return {name: found.total_us / least - 1.0 for name, found in self.strategies.items()}


def search(
    graph: Graph,
    target: Target,
    values: NDArray[np.float32],
    ranges: Mapping[str, Range] | None = None,
    *,
    settings: Settings | None = None,
    limits: Limits = NO_LIMITS,
    errors: Mapping[Pair, float] | None = None,
    allowed: Mapping[str, frozenset[str]] | None = None,
    cache: CostCache | None = None,
    follow: Follow = lambda progress: None,
) -> Result:
    """Find the fastest primitives for a network on this machine.

    Args:
        values: an input of the network.
        ranges: of maps that may be stored in 8 bits.
        errors: of a layer by a primitive, in the unit of `limits.error`.
        allowed: names of primitives by operation; an operation that is not named may use any.
        cache: of measured times; the machine's own by default.

    Raises:
        LneError: an operation has no primitive, or no choice keeps to the limits.
    """
    start_s, settings = time.monotonic(), settings or Settings()
    space = make_space(graph, target, ranges, allowed=allowed, most=settings.candidates)
    run = _Run(space, settings, limits, errors or {}, follow, start_s)
    if not can_run(target):
        return run.result(None, run.limited(estimated(space)))
    meter = Meter(space, values, default_cache(target) if cache is None else cache, settings.budget_s, settings.rounds)
    costs = meter.fill(lambda done, total: follow(Progress("measure", done, total)))
    return run.result(meter, run.limited(costs))


@dataclass
class _Run:
    """One search, after its costs are known."""

    space: Space
    settings: Settings
    limits: Limits
    errors: Mapping[Pair, float]
    follow: Follow
    start_s: float

    def limited(self, costs: CostTable) -> CostTable:
        """Costs with what the limits count."""
        sizes = weight_bytes(self.space) if self.limits.weight_bytes < float("inf") else {}
        return replace(costs, error=self.errors, weight_bytes=sizes)

    def result(self, meter: Meter | None, costs: CostTable) -> Result:
        """Learn on the costs, then the finals."""
        episodes: list[float] = []
        chances: list[float] = []
        learnt = learn(self.space, costs, self.settings.schedule, self._watch(episodes))
        drawn = by_chance(
            self.space, costs, self.settings.schedule.episodes, self.settings.schedule.seed, _collect(chances)
        )
        best = optimum(self.space, costs, self.limits)
        strategies = {
            Q_LEARNING: learnt, CHANCE: drawn, GREEDY: greedy(self.space, costs), OPTIMUM: optimum(self.space, costs)
        }  # fmt: skip
        profile, final, shares = None, best, True
        if meter is not None:
            finalists = [best] if self.limits.is_any else [best, learnt]
            final, profile, costs = self._finals(meter, costs, finalists)
            shares, profile = self._memory(meter, final, profile)
        return Result(
            self.space,
            costs,
            final.choices,
            shares,
            final.total_us,
            profile,
            strategies,
            tuple(episodes),
            tuple(chances),
            dict(meter.failures) if meter else {},
            meter.measured if meter else 0,
            time.monotonic() - self.start_s,
        )

    def _finals(
        self, meter: Meter, costs: CostTable, finalists: list[Found]
    ) -> tuple[Found, Profile | None, CostTable]:
        """The fastest whole network, its profile, and the costs corrected by what was seen on the way."""
        meter.rounds = self.settings.final_rounds
        best, profile = finalists[0], None
        tried: set[Actions] = set()
        for turn in range(self.settings.finals):
            new = list({found.actions: found for found in finalists if found.actions not in tried}.values())
            if not new or (turn and time.monotonic() - self.start_s > FINALS_END * self.settings.budget_s):
                break
            running = [*([best] if profile else []), *new]
            profiles = meter.profile([found.actions for found in running])
            tried.update(found.actions for found in new)
            able = [(seen.whole_us, number) for number, seen in enumerate(profiles) if seen is not None]
            if not able:
                break
            best, profile = running[min(able)[1]], profiles[min(able)[1]]
            for found, seen in zip(running, profiles, strict=True):
                costs = _corrected(self.space, costs, found, seen) if seen is not None else costs
            finalists = [optimum(self.space, costs, self.limits)]
            named = {name: primitive.name for name, primitive in best.choices.items()}
            self.follow(Progress("finals", turn + 1, self.settings.finals, 0.0, min(able)[0], named))
        return replace(best, total_us=costs.total_us(self.space, best.actions)), profile, costs

    def _memory(self, meter: Meter, best: Found, seen: Profile | None) -> tuple[bool, Profile | None]:
        """Whether buffers share memory: sharing clears borders in every run, but fits a nearer cache."""
        if seen is None or self.limits.ram_bytes < float("inf"):
            return True, seen
        together, apart = meter.profile([best.actions] * 2, [True, False])
        if together is None or apart is None:
            return True, seen
        shares = together.whole_us <= APART_GAIN * apart.whole_us
        return shares, together if shares else apart

    def _watch(self, episodes: list[float]) -> Watch:
        def watch(episode: Episode) -> None:
            episodes.append(episode.total_us)
            named = {name: one.name for name, one in self.space.choices(episode.best).items()}
            total = self.settings.schedule.episodes
            self.follow(Progress("learn", episode.number + 1, total, episode.total_us, episode.best_us, named))

        return watch


def _collect(times: list[float]) -> Watch:
    return lambda episode: times.append(episode.total_us)


def _corrected(space: Space, costs: CostTable, found: Found, profile: Profile) -> CostTable:
    """Costs with what the layers of a network took in place."""
    seen = dict(zip(profile.names, profile.step_us, strict=True))
    layers = {(name, primitive.name): seen[name] for name, primitive in found.choices.items()}
    changed = {
        change: seen[name] for change in space.walk(found.actions) if (name := space.cast_task(change).op.name) in seen
    }
    return replace(costs, layer_us={**costs.layer_us, **layers}, cast_us={**costs.cast_us, **changed})
