"""What a search is about, settled before anything is trained: space, limits, prices, objectives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine import Context, FeatureSet
from nodes.nas.costs import costs_of
from nodes.nas.devices import DEVICES, Limit, excess, limits_of, refusal
from nodes.nas.objective import LEARNT, OBJECTIVES, Box, Objective, box_of
from nodes.nas.settings import Recipe, SettingsSpace, settings_space
from nodes.nas.space import Params, ShapeSpace, Value, shape_space
from nodes.searching.latency import Stopwatch

if TYPE_CHECKING:
    from nodes.search_params import NasParams
    from nodes.zoo import Architecture

DEADLINE_MS = 1000.0
"""S3's fit rule: under a second per frame of 960 ms."""
PROBES = 500
"""Shapes looked at before a space is said not to fit (a larger kernel can cost less where maps shrink)."""
LATENCY = "latency_us"


@dataclass
class Prices:
    """Costs of architectures; each is measured once."""

    precision: str
    time_us: Callable[[Architecture], float] | None
    """Measures the latency; None where nobody asks for it."""
    limits: Sequence[Limit]
    _known: dict[tuple[str, ...], dict[str, float]] = field(default_factory=dict)

    def of(self, architecture: Architecture) -> Mapping[str, float]:
        """Every cost by name. Time is measured only where everything else fits."""
        key = tuple(architecture["blocks"])
        if key not in self._known:
            self._known[key] = self._found(architecture)
        return self._known[key]

    def _found(self, architecture: Architecture) -> dict[str, float]:
        costs = costs_of(architecture, "int8" if self.precision == "int8" else "float32")
        counted = [limit for limit in self.limits if limit.cost != LATENCY]
        if self.time_us is None:
            return costs
        return {**costs, LATENCY: 0.0 if excess(costs, counted) else self.time_us(architecture)}

    def remember(self, blocks: Sequence[str] | None, costs: Mapping[str, float]) -> None:
        """Take the price of these blocks from before the search was killed, measured times included."""
        if blocks is not None:
            self._known[tuple(blocks)] = dict(costs)


@dataclass(frozen=True)
class Brief:
    """Everything a search needs to know."""

    space: ShapeSpace
    settings: SettingsSpace
    objectives: tuple[Objective, ...]
    limits: tuple[Limit, ...]
    prices: Prices
    box: Box

    def price(self, params: Params) -> Mapping[str, float]:
        """Costs of a shape.

        Raises:
            ZooError: its kernels do not fit the map.
        """
        return self.prices.of(self.space.architecture(params))

    @property
    def counted(self) -> tuple[Objective, ...]:
        """The objectives that are known before training."""
        return tuple(objective for objective in self.objectives if objective.name not in LEARNT)


def brief_of(features: FeatureSet, params: NasParams, ctx: Context) -> Brief:
    """Settle what the search is about.

    Raises:
        NasError: no shape of the space keeps the limits; says what the smallest needs.
        ZooError: the base architecture is not valid for these features.
    """
    from nodes.training.task import architecture_of

    space = shape_space(
        architecture_of(params, features),
        kernels=params.kernels,
        channels=params.channels,
        most_blocks=params.most_blocks,
        square=params.square_kernels,
    )
    limits = made_limits(params)
    wanted = {*params.objectives, *(limit.cost for limit in limits)}
    time_us = Stopwatch(features, ctx).median_us if LATENCY in wanted else None
    prices = Prices(params.target_precision, time_us, limits)
    _check_fit(space, prices, limits)
    objectives = tuple(OBJECTIVES[name] for name in params.objectives)
    smallest, largest = (space.architecture(point) for point in (space.smallest, space.largest))
    unlimited = Prices(params.target_precision, time_us if LATENCY in params.objectives else None, ())
    box = box_of(objectives, unlimited.of(smallest), unlimited.of(largest), len(features.meta.classes))
    return Brief(space, made_settings(params), objectives, limits, prices, box)


def made_limits(params: NasParams) -> tuple[Limit, ...]:
    """The device's limits and those given one by one."""
    found: list[Limit] = []
    if params.target is not None:
        found += limits_of(DEVICES[params.target], params.most_ms or DEADLINE_MS)
    elif params.most_ms is not None:
        found.append(Limit(LATENCY, 1e3 * params.most_ms))
    given = (
        ("ram_bytes", params.most_ram_bytes),
        ("flash_bytes", params.most_flash_bytes),
        ("flops", None if params.most_mflops is None else 1e6 * params.most_mflops),
    )
    return (*found, *(Limit(cost, float(most)) for cost, most in given if most is not None))


def made_settings(params: NasParams) -> SettingsSpace:
    """What phase 1 may change in the recipe."""
    recipe = params.made_recipe()
    usual = Recipe(
        recipe.rates[0], recipe.batch, recipe.optimizer, recipe.weight_decay, recipe.epochs, recipe.steps
    )  # fmt: skip
    return settings_space(
        usual,
        learning_rates=params.learning_rates,
        batches=params.batches,
        optimizers=params.optimizers,
        weight_decays=params.weight_decays,
        lengths=params.lengths,
    )


def _check_fit(space: ShapeSpace, prices: Prices, limits: Sequence[Limit]) -> None:
    """Make sure that some shape keeps the limits, the smallest if possible."""
    if not limits:
        return
    smallest = prices.of(space.architecture(space.smallest))
    if excess(smallest, limits) and not any(not excess(found, limits) for found in _probes(space, prices)):
        raise refusal(smallest, limits)


def _probes(space: ShapeSpace, prices: Prices) -> list[Mapping[str, float]]:
    """Counted costs of shapes drawn by chance."""
    import numpy as np

    from nodes.zoo import ZooError

    random, found = np.random.default_rng(0), list[Mapping[str, float]]()
    counted = Prices(prices.precision, None, ())
    if any(limit.cost == LATENCY for limit in prices.limits):
        return []
    for _ in range(PROBES if space.smallest != space.largest else 0):
        drawn: dict[str, Value] = {d.name: d.values[int(random.integers(len(d.values)))] for d in space.dimensions}
        try:
            found.append(counted.of(space.architecture(drawn)))
        except ZooError:
            continue
    return found
