"""Choose a primitive for every layer, as wished, and time the result in place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    "measure": (0.05, 0.55, "{done} of {total} networks measured"),
    "learn": (0.6, 0.1, "episode {done} of {total}, best {best:,.1f} µs"),
    "finals": (0.7, 0.1, "finals {done} of {total}, best {best:,.1f} µs"),
}
"""Where each stage of a search begins in the whole, how long it is, and its words."""


@dataclass(frozen=True)
class Chosen:
    """A choice as a plan, what it takes, and what is known about the search.

    Attributes:
        profile: of the whole network in place; none for a target this machine cannot run.
        costs: measured costs of all candidates; none where nothing was measured.
        search: the report's part about the search (see `studio.views.data.optimisation`); empty without one.
        failures: candidates that could not be compiled, with the reason.
    """

    plan: Plan
    profile: Profile | None
    space: Space
    costs: CostTable | None = None
    search: Json | None = None
    failures: Mapping[tuple[str, str], str] | None = None


def limits_of(wish: Wish, error: float = math.inf) -> Limits:
    """A wish's limits for the search; 0 means none."""
    return Limits(error, wish.flash_bytes or math.inf, wish.ram_bytes or math.inf)


def chosen(
    graph: Graph,
    target: Target,
    values: Floats,
    wish: Wish,
    watch: Watch,
    ranges: Mapping[str, Range] | None = None,
    errors: Mapping[tuple[str, str], float] | None = None,
    most_error: float = math.inf,
) -> Chosen:
    """Choose by the wish's method.

    Args:
        values: an input of the network.
        ranges, errors, most_error: for layers in 8 bits: what their maps hold, what each costs in accuracy, and the
            most that all together may cost.

    Raises:
        LneError: an operation has no primitive for the target, no choice keeps to the limits, or nothing compiles.
    """
    limits = limits_of(wish, most_error)
    if wish.method == "estimate" or not can_run(target):
        return _estimated(graph, target, values, choose(graph, target, ranges, limits), ranges)
    episodes = wish.episodes if wish.method == "q-learning" else 1
    schedule = Schedule(episodes=episodes, exploring=min(wish.exploring, episodes), seed=wish.seed)
    settings = Settings(budget_s=wish.budget_s, schedule=schedule)
    result = run_search(
        graph, target, values, ranges, settings=settings, limits=limits, errors=errors, follow=follower(watch)
    )
    plan = make_plan(graph, target, result.choices, casts(), ranges, shares=True)
    return Chosen(plan, result.profile, result.space, result.costs, search_facts(result), result.failures)


def _estimated(
    graph: Graph, target: Target, values: Floats, choices: Mapping[str, Primitive], ranges: Mapping[str, Range] | None
) -> Chosen:
    """A choice that was not searched for, timed where that can be done."""
    space = make_space(graph, target, ranges)
    profile = None
    if can_run(target):
        meter = Meter(space, values, CostCache(None), rounds=Settings().final_rounds)
        profile = meter.profile([space.actions(choices)])[0]
    return Chosen(make_plan(graph, target, choices, casts(), ranges, shares=True), profile, space)


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
            "regret": regret[name],
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
