"""A whole search on small networks: what it gives, that it goes on where it stopped, and what may go wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lne_graphs import Builder
from lne_spaces import Formats, space_of

from nodes.lne import (
    TARGETS,
    Graph,
    LneError,
    Task,
    casts,
    compile_program,
    find_target,
    generate,
    make_plan,
    open_library,
    registry,
)
from nodes.lne.primitive import Place
from nodes.lne.primitives.direct import Direct
from nodes.lne.reference import evaluate
from nodes.lne.search import Limits, Progress, Result, Schedule, Settings, make_space, search
from nodes.lne.search.cache import CostCache, computed
from nodes.lne.search.meter import hopeful
from nodes.lne.search.search import OPTIMUM, Q_LEARNING
from nodes.lne.search.space import Action
from nodes.lne.search.weights import weight_bytes
from nodes.lne.target import Target, can_run
from nodes.lne.writer import Writer

NATIVE = find_target("native")
QUICK = Settings(rounds=2, final_rounds=3, finals=2, candidates=3, schedule=Schedule(episodes=60, exploring=30))


FEW = frozenset({"direct-1", "direct-1-chw", "broken"})
"""Enough to choose from; compiling more takes long."""


def network() -> Graph:
    build = Builder(3, 12, 10)
    skip = build.conv(16)
    build.conv(16)
    build.conv(16, residual=skip)
    return build.graph("small")


def run(graph: Graph, cache: CostCache, target: Target = NATIVE, **more: Any) -> Result:
    few = {op.name: FEW for op in graph.ops}
    return search(graph, target, values(graph), settings=QUICK, allowed=few, cache=cache, **more)


def values(graph: Graph) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(graph.source_shape).astype(np.float32)


def test_a_search_gives_a_network_that_computes_the_same(tmp_path: Path) -> None:
    graph, seen = network(), list[Progress]()
    result = run(graph, CostCache(tmp_path / "costs"), follow=seen.append)
    assert list(dict.fromkeys(step.stage for step in seen)) == ["measure", "learn", "finals"]
    assert result.profile is not None and result.profile.whole_us > 0 and result.networks > 1
    assert len(result.episodes) == len(result.chances) == 60
    assert -1e-9 <= result.regret[Q_LEARNING] <= 0.02 and result.regret[OPTIMUM] == 0
    program = generate(make_plan(graph, NATIVE, result.choices, casts(), shares=result.shares))
    runner = open_library(program, compile_program(program, tmp_path))
    wanted = evaluate(graph, values(graph))[graph.result].reshape(graph.result_shape)
    assert np.abs(runner(values(graph)) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_a_search_that_was_stopped_goes_on(tmp_path: Path) -> None:
    graph, file = network(), tmp_path / "costs"

    def stop(progress: Progress) -> None:
        if progress.stage != "measure":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(graph, CostCache(file), follow=stop)
    lines = file.read_text().splitlines()
    assert lines
    file.write_text("\n".join([*lines, '["cut off wh']) + "\n")
    measured = [progress for progress in _stages(graph, CostCache(file)) if progress.stage == "measure"]
    assert not measured, "nothing is measured twice"


def _stages(graph: Graph, cache: CostCache) -> list[Progress]:
    seen: list[Progress] = []
    run(graph, cache, follow=seen.append)
    return seen


def test_a_target_this_machine_cannot_run_is_estimated() -> None:
    graph = network()
    target = next(target for target in TARGETS.values() if not can_run(target))
    result = search(graph, target, values(graph), settings=QUICK, cache=CostCache(None))
    assert result.profile is None and result.networks == 0 and set(result.choices) == {op.name for op in graph.ops}


def test_limits_hold(tmp_path: Path) -> None:
    graph = network()
    space = make_space(graph, NATIVE, allowed={op.name: FEW for op in graph.ops})
    sizes = weight_bytes(space)
    least = sum(min(sizes[layer.name, action.primitive.name] for action in layer.actions) for layer in space.layers)
    cache = CostCache(tmp_path / "costs")
    result = run(graph, cache, limits=Limits(weight_bytes=least))
    assert sum(sizes[name, one.name] for name, one in result.choices.items()) <= least
    with pytest.raises(LneError, match="weights of"):
        run(graph, cache, limits=Limits(weight_bytes=least - 1))


@dataclass(frozen=True)
class _Broken(Direct):
    """A primitive whose C does not compile, and that claims to be fast."""

    @property
    def name(self) -> str:
        return "broken"

    def cost(self, task: Task) -> float:
        return 1.0

    def emit(self, place: Place, writer: Writer) -> None:
        writer.line("this is no C;")


def test_a_primitive_that_does_not_compile_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_added", [_Broken(1)])
    graph = network()
    result = run(graph, CostCache(tmp_path / "costs"))
    assert {name for _, name in result.failures} == {"broken"}
    assert "broken" not in {one.name for one in result.choices.values()} and result.profile is not None


def test_equal_layers_share_what_was_measured() -> None:
    graph = network()
    space = make_space(graph, NATIVE)
    first, second, third = space.layers
    primitive = second.actions[0].primitive
    renamed = replace(second.task, op=replace(second.task.op, name="another"))
    assert computed(second.task, primitive) == computed(renamed, primitive)
    assert len({computed(layer.task, primitive) for layer in (first, second, third)}) == 3


def test_the_cache_keeps_the_least_of_several_times(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "costs"
    cache = CostCache(path)
    for us in (3.0, 2.0, 5.0):
        cache.add("layer", us)
    assert CostCache(path).get("layer") == cache.get("layer") == 2.0
    assert [json.loads(line)[1] for line in path.read_text().splitlines()] == [3.0, 2.0]
    assert CostCache(path).get("another") is None


def test_the_likely_candidates_of_every_precision_and_format_are_measured() -> None:
    ways = space_of("chain", ways=12).layers[0]
    numbers = list(hopeful(ways))
    assert {ways.actions[number].signature for number in numbers} == {action.signature for action in ways.actions}
    dear = replace(ways, actions=tuple(Action(_Dear(action.primitive), action.signature) for action in ways.actions))
    assert len(list(hopeful(dear))) == 4 < len(numbers), "later ones of the same formats cost far more"


@dataclass(frozen=True)
class _Dear(Formats):
    """Costs ten times as much as the number before."""

    def __init__(self, given: Formats) -> None:
        super().__init__(given.reads, given.writes, given.number)

    def cost(self, task: Task) -> float:
        return 10.0**self.number
