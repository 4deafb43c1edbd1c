"""Spaces and costs for tests of the search, with primitives for every pair of formats that compute nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from lne_graphs import Builder

from nodes.lne import TARGETS, Primitive, Task
from nodes.lne.layout import F32_CHW, F32_HWC, Format
from nodes.lne.primitive import Place, Signature
from nodes.lne.search import CostTable, Space, make_space
from nodes.lne.search.costs import changes
from nodes.lne.search.space import Action
from nodes.lne.writer import Writer

TARGET = TARGETS["avx2"]


def _chain(build: Builder) -> None:
    build.conv(12)
    build.conv(10, (1, 1))
    build.conv(10, stride=(2, 2))


def _branches(build: Builder) -> None:
    first = build.conv(10)
    build.conv(10)
    second = build.conv(10, residual=first)
    build.conv(10, (1, 1), residual=second)


def _deep(build: Builder) -> None:
    skip = build.conv(10)
    for _ in range(5):
        build.conv(10)
        skip = build.conv(10, residual=skip)


NETWORKS: dict[str, Callable[[Builder], None]] = {"chain": _chain, "branches": _branches, "deep": _deep}


@dataclass(frozen=True)
class Formats(Primitive):
    """Reads one format, writes another."""

    reads: Format
    writes: Format
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.reads.order}-{self.writes.order}-{self.number}"

    def refuse(self, task: Task) -> str:
        return ""

    def signature(self, task: Task) -> Signature:
        return Signature((self.reads,) * len(task.op.inputs), self.writes)

    def scratch_bytes(self, task: Task) -> int:
        return 640 * (self.reads == F32_CHW) + 320 * (self.writes == F32_HWC) + 128 * self.number

    def emit(self, place: Place, writer: Writer) -> None:
        raise AssertionError("it is only chosen, never generated")


WAYS = [
    Formats(reads, writes, number)
    for number in range(3)
    for reads, writes in itertools.product((F32_HWC, F32_CHW), repeat=2)
]


def space_of(name: str, ways: int = 4) -> Space:
    """Every layer has the first so many ways; four are all pairs of formats."""
    build = Builder(3, 9, 7)
    NETWORKS[name](build)
    space = make_space(build.graph(name), TARGET)
    layers = (
        replace(layer, actions=tuple(Action(way, way.signature(layer.task)) for way in WAYS[:ways]))
        for layer in space.layers
    )
    return replace(space, layers=tuple(layers))


def pairs(space: Space) -> Iterator[tuple[str, str]]:
    return ((layer.name, action.primitive.name) for layer in space.layers for action in layer.actions)


def random_costs(space: Space, seed: int) -> CostTable:
    """Costs such that casts matter as much as layers."""
    rng = np.random.default_rng(seed)
    known = list(pairs(space))
    return CostTable(
        {pair: float(rng.uniform(1, 10)) for pair in known},
        {change: float(rng.uniform(0.1, 6)) for change in changes(space)},
        {pair: float(rng.choice([0.0, 0.2, 0.5])) for pair in known},
        {pair: int(rng.integers(100, 1000)) for pair in known},
    )
