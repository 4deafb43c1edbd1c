"""Choose primitives and precisions together: layers in 8 bits where the clips allow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nodes.lne.errors import LneError
from nodes.lne.ir import Graph
from nodes.lne.plan import make_plan
from nodes.lne.precision import Judge, TradeOff, choose_ranges, explore, layer_noises
from nodes.lne.primitive import Range
from nodes.lne.registry import casts
from nodes.lne.search import CostTable, Profile, Space, estimated, make_space
from nodes.lne.target import Target, can_run
from nodes.optimising.choose import Chosen, limits_of, profiled, search_facts, searched
from nodes.optimising.wish import Network, Watch, Wish

Json = dict[str, Any]


def mixed(graph: Graph, target: Target, network: Network, wish: Wish, watch: Watch) -> Chosen:
    """The fastest setting of primitives and precisions whose accuracy on the network's own clips keeps to the wish.

    Raises:
        LneError: there are no clips, or no setting keeps to the budget or the limits.
    """
    clips = network.judged.clips if network.judged is not None else network.inputs
    truth = network.judged.truth if network.judged is not None else None
    watch.progress(0.05, f"ranges of 8-bit maps from {len(clips)} clips")
    ranges = choose_ranges(graph, clips)
    space, costs, facts, failures = _costs(graph, target, network, wish, watch, ranges)
    watch.progress(0.68, "what each layer costs in 8 bits")
    judge = Judge(graph, ranges, clips, truth)
    noises = layer_noises(judge, target)
    watch.progress(0.7, "settings from all in float to the fastest")
    trade = explore(space, costs, judge, noises, wish.accuracy_drop)
    _tell(trade, watch)
    choices = dict(trade.chosen.choices)
    plan = make_plan(graph, target, choices, casts(), ranges, shares=True)
    _check(plan.workspace_bytes, wish)
    profile: Profile | None = profiled(space, network.inputs[:1], choices) if can_run(target) else None
    return Chosen(plan, profile, space, costs if facts else None, facts, failures, ranges, trade.to_json())


def _costs(
    graph: Graph, target: Target, network: Network, wish: Wish, watch: Watch, ranges: Mapping[str, Range]
) -> tuple[Space, CostTable, Json | None, Mapping[tuple[str, str], str]]:
    """Measured costs of every candidate, and how the search for the fastest of all went; or estimates."""
    if wish.method == "estimate" or not can_run(target):
        space = make_space(graph, target, ranges)
        return space, estimated(space), None, {}
    result = searched(graph, target, network.inputs[:1], wish, watch, ranges)
    return result.space, result.costs, search_facts(result), result.failures


def _tell(trade: TradeOff, watch: Watch) -> None:
    chosen, slowest = trade.chosen, trade.points[0]
    watch.log(
        f"{len(chosen.int8)} of {trade.layers} layers in 8 bits: {chosen.time_us:,.1f} instead of "
        f"{slowest.time_us:,.1f} µs, {chosen.drop:.2%} of the clips lost ({trade.most_drop:.2%} allowed)"
    )


def _check(workspace_bytes: int, wish: Wish) -> None:
    limit = limits_of(wish).ram_bytes
    if workspace_bytes > limit:
        raise LneError(
            f"the chosen setting needs a workspace of {workspace_bytes:,} bytes.",
            f"at most {limit:,.0f}",
            "Loosen the limit, or optimise in float32.",
        )
