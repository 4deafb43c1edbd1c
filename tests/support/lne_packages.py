"""Small packages for tests of folders: a network that hears clips of a quarter of a second."""

from __future__ import annotations

from collections.abc import Sequence

from lne_graphs import Builder

from nodes.dsp.parameters import FrontEnd
from nodes.lne import TARGETS, Graph, Plan, Task, candidates, casts, make_plan
from nodes.lne.ir import Activation, Pads
from nodes.lne.package import Package, make_package
from nodes.lne.target import can_run

FRONT_END = FrontEnd(
    rate_hz=8000, clip_samples=2000, window_samples=256, hop_samples=160, fft_samples=256,
    n_mels=20, f_min_hz=60.0, f_max_hz=3900.0, n_mfcc=8,
)  # fmt: skip
LABELS = ("yes", "no", 'a "quoted" \\ word', "größer", "??=")
LEVELS = tuple(name for name in ("avx512", "avx2", "c") if can_run(TARGETS[name]))


def small_graph(channels: int = 12, seed: int = 0) -> Graph:
    """Two convolutions and a fully connected layer on the features of `FRONT_END`."""
    coefficients, frames = FRONT_END.shape
    build = Builder(coefficients, 1, frames, seed=seed)
    build.conv(channels, (1, 3))
    build.conv(len(LABELS), (1, frames), pads=Pads(), activation=Activation.NONE)
    return build.graph("small")


def small_plan(graph: Graph, target: str) -> Plan:
    """The cheapest choice by estimate."""
    found = TARGETS[target]
    choices = {op.name: candidates(Task(op, graph, found))[0] for op in graph.ops}
    return make_plan(graph, found, choices, casts())


def small_package(name: str = "small", levels: Sequence[str] = LEVELS, seed: int = 0) -> Package:
    """A network with its front end and labels."""
    graph = small_graph(seed=seed)
    return make_package(name, [small_plan(graph, target) for target in levels], FRONT_END, LABELS)
