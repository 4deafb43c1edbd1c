"""Fill in what layers and casts take, by networks in which every candidate appears at its own place.

The k-th network gives every layer its k-th candidate that is not known yet, the likeliest first, so that a few networks
measure everything and a search that is cut short has measured what matters. Equal layers share the work.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nodes.lne.build import Runner, compile_program, open_library
from nodes.lne.errors import LneError
from nodes.lne.plan import make_plan
from nodes.lne.primitive import Primitive
from nodes.lne.program import generate
from nodes.lne.registry import casts
from nodes.lne.search.cache import CostCache, computed
from nodes.lne.search.costs import CostTable, changes, estimated
from nodes.lne.search.measure import Profile, measure
from nodes.lne.search.optimum import optimum
from nodes.lne.search.space import Change, Layer, Space

GROUP, FIRST_GROUP = 6, 2
"""Networks that are compiled together, then take turns; fewer where the time left is not enough for more."""
HOPELESS = 2.0
"""Candidates whose estimate is so many times the least one of the same precision are not measured, but for the first of
each pair of formats and the first few of each precision."""
ALWAYS = 2
ROUNDS = 6

Actions = tuple[int, ...]
Told = Callable[[int, int], None]
"""Networks measured, and how many there are to measure."""


def build(space: Space, choices: Mapping[str, Primitive], folder: Path, shares: bool = True) -> Runner:
    """Compile a choice with marks; `shares` as `make_plan` has it."""
    plan = make_plan(space.graph, space.target, choices, casts(), space.ranges, shares=shares)
    program = generate(plan)
    return open_library(program, compile_program(program, folder, profile=True))


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep the calling thread on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Meter:
    """Measures a space.

    Attributes:
        values: an input of the network.
        cache: what is known already, and where what is measured goes.
        budget_s: no further networks are built after so long.
        failures: candidates that could not be compiled, by layer and primitive, with the reason.
        measured: networks measured.
    """

    space: Space
    values: NDArray[np.float32]
    cache: CostCache
    budget_s: float = 80.0
    rounds: int = ROUNDS
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    measured: int = 0

    def fill(self, told: Told = lambda done, total: None) -> CostTable:
        """Costs of the space: measured ones, and casts that no network had by those of their kind."""
        start_s, done, size = time.monotonic(), 0, FIRST_GROUP
        waiting = list(self._covers())
        while waiting and (spent_s := time.monotonic() - start_s) < self.budget_s:
            if done:
                size = max(1, min(GROUP, int((self.budget_s - spent_s) * done / spent_s)))
            group, waiting = waiting[:size], waiting[size:]
            for actions, profile in zip(group, self.profile(group), strict=True):
                if profile is None:
                    waiting.extend(self._apart(actions))
            done += len(group)
            told(done, done + len(waiting))
        return self.table()

    def table(self) -> CostTable:
        """What is known now."""
        guess = estimated(self.space)
        layers = {
            (layer.name, action.primitive.name): us
            for layer in self.space.layers
            for action in layer.actions
            if (us := self.cache.get(computed(layer.task, action.primitive))) is not None
        }
        missing = [layer for layer in self.space.layers if not any(layer.name == name for name, _ in layers)]
        layers.update({pair: us for pair, us in guess.layer_us.items() if pair[0] in {layer.name for layer in missing}})
        return CostTable(layers, self._casts(guess), weight_bytes={})

    def profile(self, covers: Sequence[Actions], shares: Sequence[bool] = ()) -> list[Profile | None]:
        """Build and measure choices, taking turns; what their layers took goes into the cache.

        Their buffers share memory, but where `shares` says otherwise.
        """
        with tempfile.TemporaryDirectory(prefix="ossicle-lne-") as folder:
            runners = self._built(covers, Path(folder), shares or [True] * len(covers))
        able = [runner for runner in runners if runner is not None]
        with on_one_core():
            profiles = iter(measure(able, self.values, self.rounds) if able else [])
        found = [next(profiles) if runner is not None else None for runner in runners]
        for runner, profile in zip(runners, found, strict=True):
            if runner is not None and profile is not None:
                self._learn(runner, profile)
        self.measured += len(able)
        return found

    def _learn(self, runner: Runner, profile: Profile) -> None:
        for step, us in zip(runner.program.plan.steps, profile.step_us, strict=True):
            self.cache.add(computed(step.task, step.primitive), us)

    def _built(self, covers: Sequence[Actions], folder: Path, shares: Sequence[bool]) -> list[Runner | None]:
        def one(number: int) -> Runner | None:
            try:
                return build(self.space, self.space.choices(covers[number]), folder / str(number), shares[number])
            except LneError:
                return None

        with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
            return list(pool.map(one, range(len(covers))))

    def _apart(self, actions: Actions) -> list[Actions]:
        """A network that cannot be built as two with half of its new candidates each; a single one is to blame."""
        new = [
            index
            for index, layer in enumerate(self.space.layers)
            if self.cache.get(computed(layer.task, layer.actions[actions[index]].primitive)) is None
        ]
        if len(new) < 2:
            for index in new:
                layer = self.space.layers[index]
                self.failures[layer.name, layer.actions[actions[index]].primitive.name] = "it could not be compiled"
            return []
        half = len(new) // 2
        usual = optimum(self.space, self.table()).actions
        return [
            tuple(actions[index] if index in part else common for index, common in enumerate(usual))
            for part in (new[:half], new[half:])
        ]

    # ---- which networks

    def _covers(self) -> Iterator[Actions]:
        """Choices in which every hopeful candidate that is not known appears, the likeliest first."""
        guess, waiting = estimated(self.space), self._wanted()
        usual = optimum(self.space, guess).actions
        while any(waiting):
            actions, placed = list(usual), 0
            for index, ways in enumerate(waiting):
                if ways and self._fits(guess, (*actions[:index], ways[0], *actions[index + 1 :])):
                    actions[index], placed = ways.pop(0), placed + 1
            if placed:
                yield tuple(actions)
            else:
                yield self._around(guess, waiting)

    def _fits(self, guess: CostTable, actions: Actions) -> bool:
        """Whether every cast it needs can be made."""
        return guess.changes_us(self.space.walk(actions)) < math.inf

    def _around(self, guess: CostTable, waiting: list[list[int]]) -> Actions:
        """The likeliest choice around the first candidate that fits none of the usual ones."""
        index = next(index for index, ways in enumerate(waiting) if ways)
        layer, action = self.space.layers[index], waiting[index].pop(0)
        pair = (layer.name, layer.actions[action].primitive.name)
        left = {key: us for key, us in guess.layer_us.items() if key[0] != layer.name or key == pair}
        try:
            return optimum(self.space, replace(guess, layer_us=left)).actions
        except LneError:
            self.failures[pair] = "there is no cast between its formats and its neighbours'"
            return optimum(self.space, guess).actions

    def _wanted(self) -> list[list[int]]:
        """By layer, the actions to be measured in it; equal layers share them out."""
        places: dict[str, list[int]] = {}
        for index, layer in enumerate(self.space.layers):
            places.setdefault(computed(layer.task, layer.actions[0].primitive), []).append(index)
        wanted: list[list[int]] = [[] for _ in self.space.layers]
        for equal in places.values():
            turns = itertools.cycle(equal)
            for action in self._unknown(equal[0]):
                wanted[next(turns)].append(action)
        return wanted

    def _unknown(self, index: int) -> Iterator[int]:
        layer = self.space.layers[index]
        for number in hopeful(layer):
            if self.cache.get(computed(layer.task, layer.actions[number].primitive)) is None:
                yield number

    # ---- casts

    def _casts(self, guess: CostTable) -> dict[Change, float]:
        """Measured, or in proportion to the values moved by casts of the same kind, or estimated."""
        known = {change: us for change in changes(self.space) if (us := self._cast_us(change)) is not None}
        rates: dict[tuple[str, str], list[float]] = {}
        for change, us in known.items():
            rates.setdefault(_kind(change), []).append(us / self.space.graph.maps[change.map].size)
        return {
            change: known[change]
            if change in known
            else float(np.median(rates[_kind(change)])) * self.space.graph.maps[change.map].size
            if _kind(change) in rates
            else us
            for change, us in guess.cast_us.items()
        }

    def _cast_us(self, change: Change) -> float | None:
        task = self.space.cast_task(change)
        return self.cache.get(computed(task, casts().find(task)))


def hopeful(layer: Layer) -> Iterator[int]:
    """Numbers of the actions worth measuring, the likeliest first."""
    least: dict[tuple[str, ...], float] = {}
    seen: dict[object, int] = {}
    for number, action in enumerate(layer.actions):
        precision = tuple(form.dtype for form in (*action.signature.inputs, action.signature.output))
        cost = action.primitive.cost(layer.task)
        likely = cost <= HOPELESS * least.setdefault(precision, cost) or seen.get(precision, 0) < ALWAYS
        if likely or action.signature not in seen:
            yield number
        for key in (precision, action.signature):
            seen[key] = seen.get(key, 0) + 1


def _kind(change: Change) -> tuple[str, str]:
    return change.before.name, change.after.name
