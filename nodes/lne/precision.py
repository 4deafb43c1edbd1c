"""Which layers may be computed in 8 bits: what each costs, and the trade-off between time and accuracy.

>>> ranges = choose_ranges(graph, clips)
>>> judge = Judge(graph, ranges, clips, truth)
>>> noises = layer_noises(judge, target)
>>> result = search(graph, target, clips[0], ranges, errors=pair_errors(result.space, noises))
>>> curve = explore(result.space, replace(result.costs, error=...), judge, most_drop=0.005)

A layer's cost is the noise it brings: the power of the change of the network's outputs, as a share of the outputs' own
power. Powers of independent rounding errors add, so the sum over layers stands for a setting while searching; what a
setting really costs is then computed on the clips, bit for bit as the generated code will.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.lne.errors import LneError
from nodes.lne.ir import Graph, macs
from nodes.lne.layout import U8_HWC
from nodes.lne.primitive import Primitive, Range, Signature, Task
from nodes.lne.primitives.int8_numbers import Floats
from nodes.lne.ranges import METHODS, ranges_of, spreads
from nodes.lne.registry import candidates
from nodes.lne.search.costs import CostTable, Pair
from nodes.lne.search.optimum import Found, Limits, optimum
from nodes.lne.search.space import Space
from nodes.lne.simulate import Held, Simulation
from nodes.lne.target import Target, find_target

Signatures = Mapping[str, Signature]
Kind = tuple[str, str]
"""A layer, and the format in which it gives its map."""
BUDGETS = 12
"""Limits on the summed noise that `explore` asks the fastest choice for, beside none and any."""
MOST_MACS = 1.0e11
"""Multiply-accumulates that finding every layer's noise may take; with more clips than that allows, the first count."""
FEWEST_CLIPS = 8
AS_FAST = 1.01
"""Settings so much slower than the fastest count as equally fast; of those the least noisy is chosen."""


@dataclass(frozen=True)
class Quality:
    """What a setting gives on the clips.

    Attributes:
        noise: power of the outputs' change over the power of the outputs.
        agreement: share of clips with the same largest output as the float network.
        accuracy: share of clips whose largest output is the true class; none without truth.
    """

    noise: float
    agreement: float
    accuracy: float | None = None


@dataclass(frozen=True, eq=False)
class Judge:
    """A network with clips (clips, *its input without the batch axis), and the true classes where they are known."""

    graph: Graph
    ranges: Mapping[str, Range]
    clips: Floats
    truth: NDArray[np.int64] | None = None

    @cached_property
    def wanted(self) -> Floats:
        """The float network's outputs, a row per clip."""
        return Simulation(self.graph).outputs(self.clips).reshape(len(self.clips), -1)

    @cached_property
    def reference(self) -> Quality:
        """Of the float network."""
        return self.of(self.wanted)

    def judge(self, signatures: Signatures) -> Quality:
        """Of a setting: the format in which every operation reads and writes."""
        return self.of(Simulation(self.graph, self.ranges, signatures).outputs(self.clips))

    def of(self, outputs: Floats) -> Quality:
        """Of outputs for the clips."""
        found, wanted = outputs.reshape(len(self.clips), -1), self.wanted
        top = found.argmax(1)
        accuracy = None if self.truth is None else float((top == self.truth).mean())
        return Quality(noise(found, wanted), float((top == wanted.argmax(1)).mean()), accuracy)

    def drop(self, quality: Quality) -> float:
        """Share of the clips a setting costs: of the right ones, or of those like the float network without truth."""
        if quality.accuracy is None or self.reference.accuracy is None:
            return 1.0 - quality.agreement
        return self.reference.accuracy - quality.accuracy


@dataclass(frozen=True)
class Point:
    """One setting.

    Attributes:
        int8: names of the layers computed in 8 bits.
        time_us: by the costs of layers and casts.
        drop: share of the clips it costs.
        choices: primitive by layer.
    """

    int8: tuple[str, ...]
    time_us: float
    quality: Quality
    drop: float
    choices: Mapping[str, Primitive]
    is_chosen: bool = False


@dataclass(frozen=True)
class TradeOff:
    """Settings from all in float to the fastest, and what each layer costs.

    Attributes:
        noises: of each layer that can be computed in 8 bits, alone.
        points: slowest first; exactly one is chosen.
        most_drop: what the choice was allowed to cost.
    """

    noises: Mapping[Kind, float]
    points: tuple[Point, ...]
    layers: int
    most_drop: float

    @property
    def chosen(self) -> Point:
        """The fastest setting within the budget, or the least noisy of several that are as fast."""
        return next(point for point in self.points if point.is_chosen)

    def to_json(self) -> dict[str, Any]:
        """As a search's report has it (objectives, trials), with the layers' noise beside it."""
        score = "agreement" if self.points[0].quality.accuracy is None else "accuracy"
        return {
            "objectives": [
                {"name": "latency_us", "direction": "minimize", "unit": "µs"},
                {"name": score, "direction": "maximize", "unit": ""},
            ],
            "trials": [self._trial(number, point, score) for number, point in enumerate(self.points)],
            "limits": [{"objective": score, "value": self._least(score), "label": "budget"}],
            "noise": [{"layer": layer, "gives": form, "noise": value} for (layer, form), value in self.noises.items()],
        }

    def _least(self, score: str) -> float:
        best = self.points[0]
        return float(getattr(best.quality, score)) + best.drop - self.most_drop

    def _trial(self, number: int, point: Point, score: str) -> dict[str, Any]:
        params = {
            "int8": f"{len(point.int8)} of {self.layers} layers",
            "layers": ", ".join(point.int8) or "none",
            "noise": point.quality.noise,
            "agreement": point.quality.agreement,
            "chosen": "yes" if point.is_chosen else "no",
        }
        values = {"latency_us": point.time_us, score: float(getattr(point.quality, score))}
        return {"number": number, "state": "complete", "objectives": values, "params": params}


def noise(found: Floats, wanted: Floats) -> float:
    """Power of the difference of outputs (clips, outputs) over the power that tells clips apart."""
    return float(((found - wanted) ** 2).sum(dtype=np.float64)) / _power(wanted)


def _power(outputs: Floats) -> float:
    """Sum of squares without what every clip has in common; of a single clip, without the mean of its outputs."""
    common = outputs.mean(0) if len(outputs) > 1 else outputs.mean()
    return max(float(((outputs - common) ** 2).sum(dtype=np.float64)), 1e-30)


def choose_ranges(graph: Graph, clips: Floats) -> dict[str, Range]:
    """Ranges by the method that brings the least noise with every layer in 8 bits.

    Raises:
        LneError: there are no clips, or they are not finite.
    """
    few = clips[: _affordable(graph, len(clips), 2 * len(METHODS))]
    seen = spreads(graph, few)
    tried = [ranges_of(graph, seen, method) for method in METHODS]
    return min(tried, key=lambda ranges: Judge(graph, ranges, few).judge(_all_int8(graph, ranges)).noise)


def _all_int8(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Signature]:
    found = {op.name: _int8_signatures(Task(op, graph, find_target("c"), ranges)) for op in graph.ops}
    return {name: signatures[0] for name, signatures in found.items() if signatures}


def _int8_signatures(task: Task) -> list[Signature]:
    """Formats of the primitives that read bytes, those first that give bytes."""
    able = dict.fromkeys(one.signature(task) for one in candidates(task))
    found = [signature for signature in able if signature.inputs and set(signature.inputs) == {U8_HWC}]
    return sorted(found, key=lambda signature: signature.output is not U8_HWC)


def _affordable(graph: Graph, clips: int, evaluations: int) -> int:
    """Clips for so many evaluations of a network."""
    each = max(1, sum(macs(op, graph) for op in graph.ops)) * max(1, evaluations)
    return min(clips, max(FEWEST_CLIPS, int(MOST_MACS / each)))


def layer_noises(judge: Judge, target: Target) -> dict[Kind, float]:
    """What each layer that can be computed in 8 bits on a target brings alone, all others in float."""
    graph = judge.graph
    tasks = {op.name: Task(op, graph, target, judge.ranges) for op in graph.ops}
    able = [(name, signature) for name, task in tasks.items() for signature in _int8_signatures(task)]
    clips = judge.clips[: _affordable(graph, len(judge.clips), len(able))]
    power = np.zeros(len(able))
    wanted = []
    for maps in Simulation(graph).batches(clips):
        wanted.append(maps[graph.result].real)
        for index, (name, signature) in enumerate(able):
            change = _with_one(judge, maps, name, signature).real - wanted[-1]
            power[index] += float((change.astype(np.float64) ** 2).sum())
    whole = _power(np.concatenate(wanted).reshape(len(clips), -1))
    keys = [(name, signature.output.name) for name, signature in able]
    return dict(zip(keys, (power / whole).tolist(), strict=True))


def _with_one(judge: Judge, maps: Mapping[str, Held], name: str, signature: Signature) -> Held:
    """The result with one layer in 8 bits; only what depends on it is computed again."""
    simulation = Simulation(judge.graph, judge.ranges, {name: signature})
    changed: dict[str, Held] = {}
    for op in judge.graph.ops:
        if op.name == name or any(given in changed for given in op.inputs):
            inputs = [changed.get(given, Held(maps[given].values, judge.ranges.get(given))) for given in op.inputs]
            changed[op.output] = simulation.step(op, inputs)
    return changed.get(judge.graph.result, maps[judge.graph.result])


def pair_errors(space: Space, noises: Mapping[Kind, float]) -> dict[Pair, float]:
    """The noise of every layer by every primitive of a space, for `CostTable.error` and `search`."""
    return {
        (layer.name, action.primitive.name): noises[layer.name, action.signature.output.name]
        for layer in space.layers
        for action in layer.actions
        if U8_HWC in action.signature.inputs
    }


def explore(space: Space, costs: CostTable, judge: Judge, noises: Mapping[Kind, float], most_drop: float) -> TradeOff:
    """The fastest settings for growing noise, each judged on the clips; the fastest within the budget is chosen.

    Args:
        space, costs: of a search with ranges, so that layers have candidates in 8 bits.
        noises: from `layer_noises`.
        most_drop: share of the clips the choice may cost.

    Raises:
        LneError: a layer can only be computed in 8 bits, and then no setting keeps to the budget.
    """
    costs = replace(costs, error=pair_errors(space, noises))
    found: dict[tuple[Any, ...], Point] = {}
    for choice in _fastest(space, costs, noises):
        signatures = {
            layer.name: layer.actions[action].signature
            for layer, action in zip(space.layers, choice.actions, strict=True)
        }
        key = tuple(signatures.items())
        if key not in found:
            found[key] = _point(judge, signatures, choice)
    points = _improving(found.values())
    able = [point for point in points if point.drop <= most_drop]
    if not able:
        raise LneError(
            "no setting keeps to the accuracy budget.", "a layer in float where 8 bits cost too much", "Allow more."
        )
    least_us = min(point.time_us for point in able)
    best = min((point for point in able if point.time_us <= least_us * AS_FAST), key=lambda point: point.quality.noise)
    marked = tuple(replace(point, is_chosen=point is best) for point in points)
    return TradeOff(noises, marked, len(space.layers), most_drop)


def _fastest(space: Space, costs: CostTable, noises: Mapping[Kind, float]) -> Iterator[Found]:
    """The exact optimum under limits on the summed noise, from none to any."""
    positive = sorted(value for value in noises.values() if value > 0.0)
    ends = (positive[0], sum(positive)) if positive else (1.0, 1.0)
    for limit in (0.0, *np.geomspace(*ends, BUDGETS).tolist(), math.inf):
        try:
            yield optimum(space, costs, Limits(error=limit))
        except LneError:
            continue  # something can only be computed in 8 bits: it takes a higher limit


def _point(judge: Judge, signatures: Signatures, choice: Found) -> Point:
    int8 = tuple(name for name, signature in signatures.items() if U8_HWC in signature.inputs)
    quality = judge.judge(signatures) if int8 else judge.reference
    return Point(int8, choice.total_us, quality, judge.drop(quality), choice.choices)


def _improving(points: Any) -> list[Point]:
    """Slowest first; of several that are equally fast, the least noisy."""
    ordered = sorted(points, key=lambda point: (-point.time_us, point.quality.noise))
    return [point for index, point in enumerate(ordered) if not index or point.time_us < ordered[index - 1].time_us]
