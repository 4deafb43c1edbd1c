"""The next shape worth training: new, and within every limit. Costs are known beforehand: nothing else is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nodes.nas.devices import Limit, excess
from nodes.nas.space import Choice, Params, ShapeSpace, Value
from nodes.nas.study import Asked, Study
from nodes.zoo import ZooError

MOST_REJECTED = 20
"""Points of the sampler turned down before a search takes one of its own making."""
MOST_MUTATED = 3
LADDER = 7
MOST_STEPS = 500
_IMPOSSIBLE = 1.0
"""Excess of a shape whose kernels do not fit the map."""

Price = Callable[[Params], Mapping[str, float]]
"""What a shape costs, by name."""


@dataclass(frozen=True)
class Judge:
    """Says how far a shape is over the limits."""

    price: Price
    limits: Sequence[Limit]

    def excess(self, params: Params) -> float:
        """0 if every limit is kept."""
        try:
            return excess(self.price(params), self.limits)
        except ZooError:
            return _IMPOSSIBLE


def propose(study: Study, space: ShapeSpace, judge: Judge, known: set[tuple[Value, ...]], seed: int) -> Asked | None:
    """The next shape to train; None if every shape that fits is known.

    A point that is known already gives way to a neighbour of it; where the sampler finds nothing that fits, a point of
    its is made smaller until it does.
    """
    random = np.random.default_rng((seed, len(known)))
    for turn in range(2 * MOST_REJECTED):
        asked = study.ask()
        over = judge.excess(asked.params)
        is_known = key_of(space, asked.params) in known
        if not over and not is_known:
            return asked
        study.reject(asked, over)
        if is_known or turn >= MOST_REJECTED:
            made = _made_to_fit(space, judge, known, asked.params, random)
            if made is None:
                return None
            study.queue(made)
    return None


def key_of(space: ShapeSpace, params: Params) -> tuple[Value, ...]:
    """What tells one shape from another."""
    return tuple(params[dimension.name] for dimension in space.dimensions)


def _made_to_fit(
    space: ShapeSpace, judge: Judge, known: set[tuple[Value, ...]], params: Params, random: np.random.Generator
) -> dict[str, Value] | None:
    """A neighbour that is new and fits: some dimensions drawn anew, then stepped down until every limit is kept."""
    if len(known) >= space.size:
        return None
    found = dict(params)
    for _ in range(MOST_STEPS):
        if judge.excess(found) > 0:
            found = _smaller(space, found, random)
        elif key_of(space, found) in known:
            found = _mutated(space, found, random)
        else:
            return found
    return None


def _mutated(space: ShapeSpace, params: Params, random: np.random.Generator) -> dict[str, Value]:
    """One to three dimensions drawn anew."""
    count = int(random.integers(1, min(MOST_MUTATED, len(space.dimensions)) + 1))
    chosen = [space.dimensions[index] for index in random.choice(len(space.dimensions), count, replace=False)]
    return {**params, **{d.name: d.values[int(random.integers(len(d.values)))] for d in chosen}}


def _smaller(space: ShapeSpace, params: Params, random: np.random.Generator) -> dict[str, Value]:
    """One dimension a step down; at the smallest, some drawn anew (a larger shape may be the one that fits)."""
    able = [d for d in space.dimensions if params[d.name] != d.values[0]]
    if not able:
        return _mutated(space, params, random)
    chosen: Choice = able[int(random.integers(len(able)))]
    return {**params, chosen.name: chosen.values[chosen.values.index(params[chosen.name]) - 1]}


def starts(space: ShapeSpace, papers: Sequence[Params], trials: int) -> list[Params]:
    """Where a search begins: the base, the papers' nets, and a ladder from the smallest shape to the largest.

    Every dimension of the ladder rises together, so the costs are spread over their whole range from the first trials
    on, where points drawn by chance crowd in the middle. At most a third of the trials are spent on this.
    """
    base = space.locate(space.base["blocks"])
    ladder = space.ladder(min(LADDER, max(trials // 5, 2)))
    found: list[Params] = [*([base] if base else []), *_alternating(ladder), *papers]
    distinct = [point for index, point in enumerate(found) if point not in found[:index]]
    return distinct[: max(trials // 3, 2)]


def _alternating(points: Sequence[Params]) -> list[Params]:
    """Both ends first, the middle last."""
    order = sorted(range(len(points)), key=lambda index: (min(index, len(points) - 1 - index), index))
    return [points[index] for index in order]
