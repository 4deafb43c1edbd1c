"""Phase 1: the settings of the optimiser that are tried on the base architecture before shapes vary (S4 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nodes.nas.space import Choice, Dimension, Params, Range, Value

LOWEST_RATE, HIGHEST_RATE = 0.1, 3.0
"""Learning rates tried, in parts of the recipe's."""


@dataclass(frozen=True)
class Recipe:
    """What a training does where nothing is changed; `steps` 0 counts in epochs."""

    learning_rate: float
    batch: int
    optimizer: str
    weight_decay: float
    epochs: int
    steps: int


@dataclass(frozen=True)
class SettingsSpace:
    """Learning rate, batch, optimiser, weight decay and length around a recipe."""

    recipe: Recipe
    dimensions: tuple[Dimension, ...]

    @property
    def start(self) -> dict[str, Value]:
        """The recipe's own settings, or the nearest there are."""
        wanted: dict[str, Value] = {
            "learning_rate": self.recipe.learning_rate,
            "batch": self.recipe.batch,
            "optimizer": self.recipe.optimizer,
            "weight_decay": self.recipe.weight_decay,
            "length": 1.0,
        }
        return {dimension.name: _nearest(dimension, wanted[dimension.name]) for dimension in self.dimensions}

    def changes(self, params: Params) -> dict[str, Any]:
        """Parameters of the train node for these settings."""
        found: dict[str, Any] = {name: value for name, value in params.items() if name != "length"}
        if "length" not in params:
            return found
        unit = "steps" if self.recipe.steps else "epochs"
        whole = self.recipe.steps or self.recipe.epochs
        return {**found, unit: max(1, round(whole * float(params["length"])))}


def settings_space(
    recipe: Recipe,
    *,
    learning_rates: tuple[float, float] | None,
    batches: Sequence[int],
    optimizers: Sequence[str],
    weight_decays: Sequence[float],
    lengths: Sequence[float],
) -> SettingsSpace:
    """The settings to try; a list without values leaves that setting as it is."""
    rate = recipe.learning_rate
    low, high = learning_rates or (rate * LOWEST_RATE, rate * HIGHEST_RATE)
    choices: dict[str, tuple[Value, ...]] = {
        "batch": tuple(sorted(set(batches))),
        "optimizer": tuple(sorted(set(optimizers))),
        "weight_decay": tuple(sorted(set(weight_decays))),
        "length": tuple(sorted(set(lengths))),
    }
    found = [Choice(name, values) for name, values in choices.items() if values]
    return SettingsSpace(recipe, (Range("learning_rate", low, high), *found))


def _nearest(dimension: Dimension, wanted: Value) -> Value:
    if isinstance(dimension, Range):
        return min(max(float(wanted), dimension.low), dimension.high)
    if wanted in dimension.values or isinstance(wanted, str):
        return wanted if wanted in dimension.values else dimension.values[0]
    return min(dimension.values, key=lambda value: abs(float(value) - float(wanted)))
