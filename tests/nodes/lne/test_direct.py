"""The families that multiply directly, on the shapes that are awkward for them: every variant against the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import (
    TARGETS,
    Graph,
    Primitive,
    Task,
    casts,
    compile_program,
    find_target,
    generate,
    make_plan,
    open_library,
)
from nodes.lne.ir import Activation, Pads, Pool
from nodes.lne.primitives import depthwise, direct, first, gemm, planar, pointwise, pool
from nodes.lne.primitives.plain import PlainConv, PlainPool
from nodes.lne.primitives.pool import spans
from nodes.lne.reference import evaluate
from nodes.lne.target import Target, can_run

FAMILIES = (direct, depthwise, pointwise, first, pool, gemm, planar)
MINE: tuple[Primitive, ...] = tuple(one for family in FAMILIES for one in family.PRIMITIVES)
TARGETS_HERE = [
    target for target in TARGETS.values() if target.vector > 1 and can_run(target) and target.name != "vnni"
]
TOLERANCE = 5e-6
"""Of the largest output."""


def _pool(build: Builder, kind: str, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads = Pads()) -> str:  # noqa: B008
    """Ceil mode where the pads say so."""
    given, name = build.maps[build.last], f"pool{len(build.ops)}"
    h = (given.h + pads.top + pads.bottom - kernel[0]) // stride[0] + 1
    w = (given.w + pads.left + pads.right - kernel[1]) // stride[1] + 1
    made = Pool(name, (given.name,), f"{name}_out", kind=kind, kernel=kernel, stride=stride, pads=pads)
    return build.add(made, (given.c, h, w))


def _one_channel_kws(build: Builder) -> None:
    """A first layer with a stride along the row, depthwise layers, 1x1 layers whose last vector is nearly empty."""
    build.conv(50, (4, 10), stride=(1, 2), pads=Pads(1, 4, 2, 4))
    build.conv(50, (3, 3), stride=(2, 2), groups=50, pads=Pads(0, 0, 1, 1))
    skip = build.conv(20, (1, 1), activation=Activation.NONE)
    build.conv(20, (5, 5), groups=20)
    build.conv(20, (1, 1), residual=skip, residual_last=True, scaled=True)
    build.conv(33, (1, 1))
    build.conv(15, (1, 1))
    _pool(build, "mean", (build.maps[build.last].h, build.maps[build.last].w), (1, 1))
    build.conv(12, (1, 1), activation=Activation.NONE)


def _small_convolutions(build: Builder) -> None:
    """Planes and their pools in ceil mode, then a whole-map kernel, then one pixel."""
    build.conv(4, (3, 3), pads=Pads())
    _pool(build, "max", (2, 2), (2, 2), Pads(0, 0, 1, 1))
    skip = build.conv(6, (3, 3), activation=Activation.NONE)
    build.conv(6, (3, 3), residual=skip)
    _pool(build, "max", (3, 3), (2, 2), Pads(1, 1, 1, 1))
    build.conv(17, (3, 3), dilation=(1, 2), stride=(2, 1), pads=Pads(1, 2, 1, 2))
    _pool(build, "mean", (2, 2), (1, 1), Pads(1, 0, 0, 1))
    build.conv(40, (build.maps[build.last].h, build.maps[build.last].w), pads=Pads(), activation=Activation.RELU6)
    build.conv(1, (1, 1), activation=Activation.NONE)


def _first_with_phases(build: Builder) -> None:
    """Two input channels, kernel rows that do not divide by the stride, and a last tile of rows that is cut."""
    build.conv(21, (7, 3), stride=(2, 1), pads=Pads(3, 1, 3, 1), scaled=True)
    build.conv(21, (3, 3), groups=21, dilation=(2, 1), stride=(1, 2), activation=Activation.NONE)
    _pool(build, "max", (5, 1), (3, 1))
    build.conv(8, (3, 2), pads=Pads(1, 0, 1, 1), activation=Activation.HARD_SWISH)


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Builder], None]]] = {
    "one channel": ((1, 13, 22), _one_channel_kws),
    "planes": ((1, 24, 41), _small_convolutions),
    "phases": ((2, 27, 19), _first_with_phases),
}


def network(name: str) -> Graph:
    shape, fill = NETWORKS[name]
    build = Builder(*shape)
    fill(build)
    return build.graph(name)


def able(graph: Graph, target: Target) -> dict[str, list[Primitive]]:
    """Variants of this family per operation; the plain one where there is none."""
    found = {}
    for op in graph.ops:
        task = Task(op, graph, target)
        mine = [one for one in MINE if isinstance(op, one.ops) and not one.refuse(task)]
        found[op.name] = mine or [PlainPool() if isinstance(op, Pool) else PlainConv()]
    return found


CASES = [
    pytest.param(name, target, id=f"{name}-{target.name}")
    for name in NETWORKS
    for target in TARGETS_HERE
    if target.vector > 4 or name == "planes"  # compiling takes the time; short vectors differ little
]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_variant_computes_what_the_reference_does(name: str, target: Target, tmp_path: Path) -> None:
    graph = network(name)
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    found = able(graph, target)
    for turn in range(max(map(len, found.values()))):
        choices = {op: ones[turn % len(ones)] for op, ones in found.items()}
        program = generate(make_plan(graph, target, choices, casts(), shares=turn % 2 == 1))
        run = open_library(program, compile_program(program, tmp_path / str(turn)))
        for _ in range(2):  # a second run would show a border that the first one wrote into
            error = np.abs(run(x) - wanted).max() / np.abs(wanted).max()
            assert error < TOLERANCE, {op: one.name for op, one in choices.items()}


def test_every_variant_is_used_somewhere() -> None:
    used = {
        one.name
        for name in NETWORKS
        for target in TARGETS.values()
        if target.vector > 1
        for ones in able(network(name), target).values()
        for one in ones
    }
    assert {one.name for one in MINE} <= used


@pytest.mark.parametrize(
    ("outputs", "inputs", "kernel", "stride", "before"), [(5, 9, 2, 2, 0), (7, 13, 3, 2, 1), (4, 4, 3, 1, 1)]
)
def test_spans_cover_every_output_and_cut_its_window(
    outputs: int, inputs: int, kernel: int, stride: int, before: int
) -> None:
    seen = {}
    for span in spans(outputs, inputs, kernel, stride, before):
        for index, output in enumerate(span.outputs):
            seen[output] = (span.first + index * stride, span.taps)
    for output in range(outputs):
        start = output * stride - before
        inside = [at for at in range(start, start + kernel) if 0 <= at < inputs]
        assert seen[output] == (inside[0], len(inside))


def test_what_a_family_cannot_do_it_says() -> None:
    graph = network("one channel")
    tasks = {op.name: Task(op, graph, find_target("avx512")) for op in graph.ops}
    grouped = tasks[graph.ops[1].name]
    assert direct.Direct(2).refuse(grouped) == "it has groups"
    assert "depthwise" in depthwise.Depthwise(1, 4).refuse(tasks[graph.ops[2].name])
    assert "1x1" in pointwise.Pointwise(2).refuse(grouped)
    assert first.First(5, 1).refuse(tasks[graph.ops[2].name])
    assert gemm.Gemv().refuse(grouped) and planar.Planar(4, 4).refuse(grouped)


def test_the_estimate_prefers_dots_where_a_vector_would_be_nearly_empty() -> None:
    """100 channels are 6 vectors of 16 and 4 channels more: a seventh vector would be a quarter full."""
    build = Builder(100, 20, 8)
    build.conv(100, (1, 1))
    graph, target = build.graph(), find_target("avx512")
    task = Task(graph.ops[0], graph, target)
    assert pointwise.Pointwise(3, dots=True).cost(task) < 0.95 * pointwise.Pointwise(3).cost(task)
