"""One library for every processor of a kind: the same network for each level, chosen when the library is first used.

The choosing itself is C, in `nodes.lne.package`; here is which levels there are and a plan for each.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence

from nodes.dsp.parameters import FrontEnd
from nodes.lne.errors import LneError
from nodes.lne.ir import Graph
from nodes.lne.package import Package, make_package
from nodes.lne.plan import Plan, make_plan
from nodes.lne.primitive import Range
from nodes.lne.registry import casts
from nodes.lne.search.choose import choose
from nodes.lne.target import TARGETS, Target


def levels(machine: str = "") -> tuple[Target, ...]:
    """Targets of a machine (of this one, without a name), the most capable first.

    Raises:
        LneError: the table has none for it.
    """
    wanted = machine or platform.machine()
    found = best_first(target for target in TARGETS.values() if target.machine == wanted)
    if not found:
        known = sorted({target.machine for target in TARGETS.values()} - {""})
        raise LneError(f"there is no target for {wanted}.", f"one of {', '.join(known)}", "Use the target c.")
    return found


def best_first(targets: Iterable[Target]) -> tuple[Target, ...]:
    """In the order in which a library tries them: whoever needs more comes first."""
    return tuple(sorted(targets, key=lambda target: (len(target.needs), target.vector), reverse=True))


def plans(
    graph: Graph, targets: Sequence[Target], ranges: Mapping[str, Range] | None = None, *, shares: bool = True
) -> tuple[Plan, ...]:
    """A plan for every target by the primitives' own estimates, best first.

    Raises:
        LneError: an operation has no primitive for a target.
    """
    return tuple(
        make_plan(graph, target, choose(graph, target, ranges), casts(), ranges, shares=shares)
        for target in best_first(targets)
    )


def portable_package(
    name: str, graph: Graph, machine: str = "", front_end: FrontEnd | None = None, labels: Sequence[str] = ()
) -> Package:
    """A network that runs on every processor of a kind, as fast as each one allows.

    Raises:
        LneError: no target for the machine, or an operation without a primitive.
    """
    return make_package(name, plans(graph, levels(machine)), front_end, labels)
