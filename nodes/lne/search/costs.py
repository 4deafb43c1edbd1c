"""What every choice takes: microseconds of layers and casts, measured or estimated, and what else a limit may count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from nodes.lne.layout import F32_CHW, Format
from nodes.lne.registry import casts
from nodes.lne.search.space import Change, Space

Pair = tuple[str, str]
"""Names of an operation and of a primitive."""
CLOCK_MHZ = 3000.0
MACS_PER_CYCLE_AND_LANE = 2.0
"""Two multiply-add units: only for estimates, so that they read like microseconds."""
ALREADY_THERE_US = 0.05
"""A call and a copy of next to nothing."""


@dataclass(frozen=True, eq=False)
class CostTable:
    """Costs of a space.

    Attributes:
        layer_us: of a layer by a primitive. One that is missing cannot be chosen.
        cast_us: of a cast. One that is missing cannot be made.
        error, weight_bytes: of a layer by a primitive, for limits; zero where missing.
    """

    layer_us: Mapping[Pair, float]
    cast_us: Mapping[Change, float]
    error: Mapping[Pair, float] = field(default_factory=dict)
    weight_bytes: Mapping[Pair, int] = field(default_factory=dict)

    def action_us(self, space: Space, index: int, action: int) -> float:
        """Of one action of one layer."""
        layer = space.layers[index]
        return self.layer_us.get((layer.name, layer.actions[action].primitive.name), math.inf)

    def changes_us(self, changes: Iterable[Change]) -> float:
        """Of several casts."""
        return sum(self.cast_us.get(change, math.inf) for change in changes)

    def total_us(self, space: Space, actions: Iterable[int]) -> float:
        """Of a whole choice, casts included; infinite if it cannot be made."""
        numbers = tuple(actions)
        layers = sum(self.action_us(space, index, action) for index, action in enumerate(numbers))
        return layers + self.changes_us(space.walk(numbers))

    @cached_property
    def has_limits(self) -> bool:
        """Whether anything beside time is known."""
        return any(self.error.values()) or any(self.weight_bytes.values())


def changes(space: Space) -> list[Change]:
    """Every cast that some choice needs: each map from each format it may be made in to each one it may be read in."""
    graph = space.graph
    made: dict[str, dict[Format, None]] = {graph.source: {F32_CHW: None}}
    read: dict[str, dict[Format, None]] = {graph.result: {F32_CHW: None}}
    for layer in space.layers:
        for action in layer.actions:
            made.setdefault(layer.task.op.output, {})[action.signature.output] = None
            for name, form in zip(layer.task.op.inputs, action.signature.inputs, strict=True):
                read.setdefault(name, {})[form] = None
    outside = {graph.source, graph.result}
    found = [
        Change(name, before, after)
        for name, befores in made.items()
        for before in befores
        for after in read.get(name, ())
        if before != after or name in outside
    ]
    return [change for change in found if space.can_cast(change)]


def estimated(space: Space) -> CostTable:
    """Costs from the primitives' own estimates, as if every lane did its multiply-adds at full speed."""
    per_us = space.target.vector * MACS_PER_CYCLE_AND_LANE * CLOCK_MHZ
    layers = {
        (layer.name, action.primitive.name): action.primitive.cost(layer.task) / per_us
        for layer in space.layers
        for action in layer.actions
    }
    return CostTable(layers, {change: estimated_cast_us(space, change) for change in changes(space)})


def estimated_cast_us(space: Space, change: Change) -> float:
    """A cast moves values one by one, unless its primitive knows better."""
    task = space.cast_task(change)
    return casts().find(task).cost(task) / CLOCK_MHZ + ALREADY_THERE_US
