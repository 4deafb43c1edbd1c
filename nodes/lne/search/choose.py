"""A choice without measuring: the optimum over the primitives' own estimates."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.lne.ir import Graph
from nodes.lne.primitive import Primitive, Range
from nodes.lne.search.costs import estimated
from nodes.lne.search.optimum import NO_LIMITS, Limits, optimum
from nodes.lne.search.space import make_space
from nodes.lne.target import Target


def choose(
    graph: Graph, target: Target, ranges: Mapping[str, Range] | None = None, limits: Limits = NO_LIMITS
) -> dict[str, Primitive]:
    """One primitive per operation, for `make_plan`.

    Raises:
        LneError: an operation has no primitive for the target, or no choice keeps to the limits.
    """
    space = make_space(graph, target, ranges)
    return optimum(space, estimated(space), limits).choices
