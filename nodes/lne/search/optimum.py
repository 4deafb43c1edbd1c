"""The exact optimum by dynamic programming over (layer, formats of the maps still to be read), limits included.

A state is what `Space.step` gives, so residual branches and maps with several readers are exact too. Under limits a
state keeps every label that no other one beats in time, error, weight bytes and memory at once. Memory is bounded from
below on the way, since a border is as wide as the readers to come ask for. The real plan decides, the fastest first;
where none of them fits, the bound is tightened. A limit of memory is always kept to; the others are also exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from nodes.lne.errors import LneError
from nodes.lne.plan import make_plan
from nodes.lne.primitive import Primitive
from nodes.lne.registry import casts
from nodes.lne.search.costs import CostTable
from nodes.lne.search.space import Space, State

MOST_LABELS = 512
"""Kept per state under limits, the fastest first."""
MOST_PLANS = 64
"""Looked at, fastest first, for one that fits in memory."""
MOST_TIGHTENINGS = 12
TIGHTENING = 0.4
"""Of the least excess."""


@dataclass(frozen=True)
class Limits:
    """What a choice may not exceed.

    Attributes:
        error: sum of the layers' errors, in the unit of `CostTable.error` (for example points of accuracy).
        weight_bytes: constants of the generated code.
        ram_bytes: workspace, with buffers that share memory.
    """

    error: float = math.inf
    weight_bytes: float = math.inf
    ram_bytes: float = math.inf

    @property
    def is_any(self) -> bool:
        """Whether anything is limited."""
        return min(self.error, self.weight_bytes, self.ram_bytes) < math.inf


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Found:
    """A choice and what it is expected to take."""

    actions: tuple[int, ...]
    choices: dict[str, Primitive]
    total_us: float
    error: float = 0.0
    weight_bytes: int = 0
    is_exact: bool = True
    """Of an optimum: whether nothing had to be left out (`MOST_STATES`, `MOST_LABELS`, a tightened bound)."""


MOST_STATES = 256
"""Formats of all maps in use that are followed behind a layer, the fastest ones. Where many maps wait for a later layer
(DenseNet), their formats multiply without end, and the choice is the best of these."""


@dataclass(frozen=True)
class _Label:
    us: float = 0.0
    error: float = 0.0
    weight_bytes: int = 0
    live_bytes: int = 0
    """Most memory of maps alive together so far, at least."""
    scratch_bytes: int = 0
    action: int = -1
    before: _Label | None = None

    def dominates(self, other: _Label) -> bool:
        return (
            self.us <= other.us
            and self.error <= other.error
            and self.weight_bytes <= other.weight_bytes
            and self.live_bytes <= other.live_bytes
            and self.scratch_bytes <= other.scratch_bytes
        )

    def keeps_to(self, limits: Limits) -> bool:
        return (
            self.error <= limits.error
            and self.weight_bytes <= limits.weight_bytes
            and self.live_bytes + self.scratch_bytes <= limits.ram_bytes
        )

    def actions(self) -> tuple[int, ...]:
        label, found = self, []
        while label.before is not None:
            found.append(label.action)
            label = label.before
        return tuple(reversed(found))


def optimum(space: Space, costs: CostTable, limits: Limits = NO_LIMITS) -> Found:
    """The choice of least time within the limits.

    Raises:
        LneError: no choice keeps to the limits.
    """
    bound = limits
    for _ in range(MOST_TIGHTENINGS):
        over = math.inf
        for found in ranked(space, costs, bound):
            used = ram_bytes(space, found) if limits.ram_bytes < math.inf else 0
            if used <= limits.ram_bytes:
                return replace(found, is_exact=found.is_exact and bound == limits)
            over = min(over, used - limits.ram_bytes)
        if over == math.inf:
            break
        bound = replace(bound, ram_bytes=bound.ram_bytes - TIGHTENING * over)
    raise LneError(
        f"{space.graph.name}: no choice of primitives keeps to {_told(limits)}.",
        "limits that some choice keeps to",
        "Loosen the limits, or make the network smaller.",
    )


def ranked(space: Space, costs: CostTable, limits: Limits = NO_LIMITS, most: int = MOST_PLANS) -> Iterator[Found]:
    """Choices within the limits, the fastest first; only the very best where nothing is limited."""
    labels, is_exact = {space.start: [_Label()]}, True
    for index in range(len(space.layers)):
        labels = _forward(space, costs, limits, index, labels)
        if len(labels) > MOST_STATES:
            labels, is_exact = _fastest_states(labels), False
        is_exact = is_exact and all(len(kept) < MOST_LABELS for kept in labels.values())
    ends = [
        (label.us + costs.changes_us((space.end(state),)), label) for state, kept in labels.items() for label in kept
    ]
    for total_us, label in sorted((end for end in ends if end[0] < math.inf), key=lambda end: end[0])[:most]:
        actions = label.actions()
        yield Found(actions, space.choices(actions), total_us, label.error, label.weight_bytes, is_exact)


def ram_bytes(space: Space, found: Found) -> int:
    """Workspace of a choice, with buffers that share memory."""
    plan = make_plan(space.graph, space.target, found.choices, casts(), space.ranges, shares=True)
    return plan.workspace_bytes


def _forward(
    space: Space, costs: CostTable, limits: Limits, index: int, labels: dict[State, list[_Label]]
) -> dict[State, list[_Label]]:
    """Labels behind one more layer."""
    reached: dict[State, list[_Label]] = {}
    for state, kept in labels.items():
        for action in range(len(space.layers[index].actions)):
            after, changed = space.step(index, state, action)
            us = costs.action_us(space, index, action) + costs.changes_us(changed)
            if us == math.inf:
                continue
            add = partial(_added, _step_label(space, costs, limits, index, state, action, us), action)
            reached.setdefault(after, []).extend(new for new in map(add, kept) if new.keeps_to(limits))
    return {state: _best(found, limits) for state, found in reached.items()}


def _fastest_states(labels: dict[State, list[_Label]]) -> dict[State, list[_Label]]:
    """As many as are kept, by their least time."""
    ordered = sorted((state for state, kept in labels.items() if kept), key=lambda state: labels[state][0].us)
    return {state: labels[state] for state in ordered[:MOST_STATES]}


def _step_label(
    space: Space, costs: CostTable, limits: Limits, index: int, state: State, action: int, us: float
) -> _Label:
    """What one step adds by itself."""
    layer = space.layers[index]
    pair = (layer.name, layer.actions[action].primitive.name)
    error, size = costs.error.get(pair, 0.0), costs.weight_bytes.get(pair, 0)
    if limits.ram_bytes == math.inf:
        return _Label(us, error, size)
    return _Label(us, error, size, *space.memory_bytes(index, state, action))


def _added(step: _Label, action: int, label: _Label) -> _Label:
    return _Label(
        label.us + step.us,
        label.error + step.error,
        label.weight_bytes + step.weight_bytes,
        max(label.live_bytes, step.live_bytes),
        max(label.scratch_bytes, step.scratch_bytes),
        action,
        label,
    )


def _best(labels: list[_Label], limits: Limits) -> list[_Label]:
    """The fastest; under limits all that no faster one beats."""
    if not limits.is_any:
        return [min(labels, key=lambda label: label.us)] if labels else []
    kept: list[_Label] = []
    for label in sorted(labels, key=lambda label: (label.us, label.error, label.weight_bytes)):
        if not any(other.dominates(label) for other in kept):
            kept.append(label)
    return kept if len(kept) <= MOST_LABELS else [*kept[: MOST_LABELS - 1], kept[-1]]


def _told(limits: Limits) -> str:
    named = {
        "an error of {:g}": limits.error,
        "weights of {:.0f} bytes": limits.weight_bytes,
        "a workspace of {:.0f} bytes": limits.ram_bytes,
    }
    return ", ".join(text.format(value) for text, value in named.items() if value < math.inf)
