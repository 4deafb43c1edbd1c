"""What trials are judged by: names, directions, and the scale on which a search compares them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nodes.nas.names import ObjectiveName

LEARNT: Final = frozenset({"accuracy", "loss"})
"""Known only after training; everything else is known before."""


@dataclass(frozen=True)
class Objective:
    """One axis of a search."""

    name: ObjectiveName
    is_maximised: bool = False
    unit: str = ""
    is_logarithmic: bool = True
    """Compared by its order of magnitude: half the operations are worth as much everywhere."""

    def cost(self, value: float) -> float:
        """The value on a scale where less is better."""
        if self.is_maximised:
            return 1.0 - value
        return math.log10(max(value, 1.0)) if self.is_logarithmic else value

    def to_json(self) -> dict[str, Any]:
        """As reports name it."""
        return {"name": self.name, "direction": "maximize" if self.is_maximised else "minimize", "unit": self.unit}


OBJECTIVES: Final[Mapping[ObjectiveName, Objective]] = {
    made.name: made
    for made in (
        Objective("accuracy", is_maximised=True, is_logarithmic=False),
        Objective("loss", is_logarithmic=False),
        Objective("flops"),
        Objective("parameters"),
        Objective("latency_us", unit="µs"),
        Objective("ram_bytes", unit="B"),
        Objective("flash_bytes", unit="B"),
        Objective("instructions_estimated"),
    )
}


@dataclass(frozen=True)
class Box:
    """The part of the objectives' space that a search can reach: best and worst value of each objective.

    A network that guesses is worth nothing: the worst accuracy is that of chance, the worst loss ln(classes).
    """

    objectives: tuple[Objective, ...]
    best: Mapping[str, float]
    worst: Mapping[str, float]

    def scaled(self, values: Mapping[str, float]) -> list[float]:
        """Costs from 0 (best) to 1 (worst), in the order of the objectives; NaN where a value is missing."""
        return [self._share(objective, values.get(objective.name)) for objective in self.objectives]

    def _share(self, objective: Objective, value: float | None) -> float:
        if value is None:
            return math.nan
        low, high = objective.cost(self.best[objective.name]), objective.cost(self.worst[objective.name])
        return (objective.cost(value) - low) / (high - low) if high > low else 0.0

    def to_json(self) -> dict[str, Any]:
        """As reports state it."""
        return {"best": dict(self.best), "worst": dict(self.worst)}


def box_of(
    objectives: Sequence[Objective], smallest: Mapping[str, float], largest: Mapping[str, float], classes: int
) -> Box:
    """The box between the costs of the smallest and the largest shape, and between chance and perfection."""
    best: dict[str, float] = {"accuracy": 1.0, "loss": 0.0}
    worst: dict[str, float] = {"accuracy": 1.0 / classes, "loss": math.log(classes)}
    names = [objective.name for objective in objectives]
    best |= {name: smallest[name] for name in names if name not in LEARNT}
    worst |= {name: largest[name] for name in names if name not in LEARNT}
    return Box(tuple(objectives), {n: best[n] for n in names}, {n: worst[n] for n in names})
