"""Choose a primitive for every layer, as wished, and time the result in place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

from nodes.lne.ir import Graph
from nodes.lne.plan import Plan, make_plan
from nodes.lne.primitive import Primitive, Range
from nodes.lne.registry import casts
from nodes.lne.search import CostTable, Limits, Profile, Progress, Result, Schedule, Settings, Space, choose, make_space
from nodes.lne.search import search as run_search
from nodes.lne.search.cache import CostCache
from nodes.lne.search.meter import Meter
from nodes.lne.target import Target, can_run
from nodes.optimising.wish import Floats, Watch, Wish

Json = dict[str, Any]
OPTIMUM: Final = "optimum"
EVERY: Final = 5
"""Episodes per point of the live curve, beside those that are better than all before."""
STAGES: Final[Mapping[str, tuple[float, float, str]]] = {
    "measure": (0.06, 0.44, "{done} of {total} networks measured"),
    "learn": (0.5, 0.08, "episode {done} of {total}, best {best:,.1f} µs"),
    "finals": (0.58, 0.08, "finals {done} of {total}, best {best:,.1f} µs"),
}
"""Where each stage of a search begins in the whole, how long it is, and its words."""


@dataclass(frozen=True)
class Chosen:
    """A choice as a plan, what it takes, and what is known about the search.

    Attributes:
        profile: of the whole network in place; none for a target this machine cannot run.
        costs: measured costs of all candidates; none where nothing was measured.
        search: the report's part about the search (see `studio.views.data.optimisation`); none without one.
        failures: candidates that could not be compiled, with the reason.
        ranges: of maps that may be stored in 8 bits; empty in float.
        trade_off: settings of the precisions, as a search (see `studio.views.data.front`); none if not explored.
    """

    plan: Plan
    profile: Profile | None
    space: Space
    costs: CostTable | None = None
    search: Json | None = None
    failures: Mapping[tuple[str, str], str] = field(default_factory=dict)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    trade_off: Json | None = None


def limits_of(wish: Wish) -> Limits:
    """A wish's limits for the search; 0 means none."""
    return Limits(weight_bytes=wish.flash_bytes or math.inf, ram_bytes=wish.ram_bytes or math.inf)


def chosen(
    graph: Graph, target: Target, values: Floats, wish: Wish, watch: Watch, ranges: Mapping[str, Range] | None = None
) -> Chosen:
    """Choose by the wish's method, within its limits.

    Args:
        values: an input of the network.
        ranges: of a network that was quantized: then layers may be computed in 8 bits.

    Raises:
        LneError: an operation has no primitive for the target, no choice keeps to the limits, or nothing compiles.
    """
    if wish.method == "estimate" or not can_run(target):
        return _estimated(graph, target, values, choose(graph, target, ranges, limits_of(wish)), ranges or {})
    result = searched(graph, target, values, wish, watch, ranges)
    plan = make_plan(graph, target, result.choices, casts(), ranges, shares=result.shares)
    facts = search_facts(result)
    return Chosen(plan, result.profile, result.space, result.costs, facts, result.failures, ranges or {})


def searched(
    graph: Graph, target: Target, values: Floats, wish: Wish, watch: Watch, ranges: Mapping[str, Range] | None = None
) -> Result:
    """The search for the fastest choice, told as it goes.

    Raises:
        LneError: see `chosen`.
    """
    episodes = wish.episodes if wish.method == "q-learning" else 1
    schedule = Schedule(episodes=episodes, exploring=min(wish.exploring, episodes), seed=wish.seed)
    settings = Settings(budget_s=wish.budget_s, schedule=schedule)
    return run_search(
        graph,
        target,
        values.reshape(graph.source_shape),
        ranges,
        settings=settings,
        limits=limits_of(wish),
        follow=follower(watch),
    )


def _estimated(
    graph: Graph, target: Target, values: Floats, choices: Mapping[str, Primitive], ranges: Mapping[str, Range]
) -> Chosen:
    """A choice that was not searched for, timed where that can be done."""
    space = make_space(graph, target, ranges)
    profile = profiled(space, values, choices) if can_run(target) else None
    return Chosen(make_plan(graph, target, choices, casts(), ranges, shares=True), profile, space, ranges=ranges)


def profiled(space: Space, values: Floats, choices: Mapping[str, Primitive]) -> Profile | None:
    """What a choice takes as a whole network; none if it cannot be compiled."""
    meter = Meter(space, values.reshape(space.graph.source_shape), CostCache(None), rounds=Settings().final_rounds)
    return meter.profile([space.actions(choices)])[0]


def follower(watch: Watch) -> Callable[[Progress], None]:
    """Turns a search's progress into fractions, words and points of a live curve."""
    best_us = math.inf

    def follow(progress: Progress) -> None:
        nonlocal best_us
        start, length, words = STAGES[progress.stage]
        is_better = 0.0 < progress.best_us < best_us
        best_us = min(best_us, progress.best_us) if is_better else best_us
        if progress.stage == "learn" and (is_better or progress.done % EVERY == 0):
            watch.metric(progress.done, progress.episode_us, progress.best_us)
        if progress.stage == "finals":
            watch.log(f"finals {progress.done}: {progress.best_us:,.1f} µs with {_tally(progress.choices)}")
        share = progress.done / max(progress.total, 1)
        text = words.format(done=progress.done, total=progress.total, best=progress.best_us)
        watch.progress(start + length * share, text)

    return follow


def _tally(choices: Mapping[str, str]) -> str:
    """ "7 winograd1d-f5, 3 direct-14x2": the primitives by how many layers they compute."""
    found: dict[str, int] = {}
    for name in choices.values():
        found[name] = found.get(name, 0) + 1
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0])))


def search_facts(result: Result) -> Json:
    """The search as the report tells it."""
    tries = {"Q-learning": result.episodes, "random": result.chances}
    regret = result.regret
    is_learnt = len(result.episodes) > 1
    strategies = [
        {
            "name": name,
            "us": found.total_us,
            "regret": round(regret[name], 9) + 0.0,
            "measurements": result.networks,
            "seconds": result.seconds,
            **_lines(tries.get(name, ())),
        }
        for name, found in result.strategies.items()
        if name != OPTIMUM and (is_learnt or name not in tries)
    ]
    return {
        "unit": "episode",
        "optimum_us": result.strategies[OPTIMUM].total_us,
        "is_exact": result.strategies[OPTIMUM].is_exact,
        "expected_us": result.expected_us,
        "networks": result.networks,
        "seconds": result.seconds,
        "strategies": strategies,
    }


def _lines(tried: tuple[float, ...]) -> Json:
    if not tried:
        return {}
    return {
        "x": list(range(1, len(tried) + 1)),
        "best": [round(us, 3) for us in accumulate(tried, min)],
        "tried": [round(us, 3) for us in tried],
    }
