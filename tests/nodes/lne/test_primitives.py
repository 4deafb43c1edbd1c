"""Every family against the float64 reference: each target this machine can run, shapes with awkward remainders."""

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
    candidates,
    casts,
    compile_program,
    generate,
    make_plan,
    open_library,
)
from nodes.lne.ir import Activation, Pads
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

RUNNABLE = [target for target in TARGETS.values() if can_run(target)]
TOLERANCE = 5e-5
"""Of the largest output; transforms of trained-like weights stay far below it in float32."""


def _same_3x3(build: Builder) -> None:
    build.conv(20)
    build.conv(33, activation=Activation.NONE)


def _stride_and_asymmetric_pads(build: Builder) -> None:
    build.conv(18, (5, 3), stride=(2, 2), pads=Pads(1, 0, 2, 1))
    build.conv(7, (3, 3), stride=(1, 2))


def _dilated(build: Builder) -> None:
    build.conv(12, (3, 3), dilation=(2, 2))
    build.conv(45, (3, 3), dilation=(4, 1), activation=Activation.RELU6)


def _residual(build: Builder) -> None:
    first = build.conv(24)
    build.conv(24)
    build.conv(24, residual=first)
    build.conv(24, residual=first, residual_last=True, scaled=True)


def _grouped(build: Builder) -> None:
    build.conv(20, (3, 3))
    build.conv(20, (3, 3), groups=20, stride=(2, 1))
    build.conv(40, (1, 1))
    build.conv(20, (3, 3), groups=4)


def _temporal(build: Builder) -> None:
    build.conv(16, (1, 3), activation=Activation.RELU)
    skip = build.conv(24, (1, 9), stride=(1, 2), pads=Pads(0, 4, 0, 4))
    build.conv(24, (1, 9), residual=skip)


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Builder], None]]] = {
    "same 3x3": ((3, 13, 11), _same_3x3),
    "stride, asymmetric": ((1, 21, 10), _stride_and_asymmetric_pads),
    "dilated": ((5, 19, 17), _dilated),
    "residual": ((24, 8, 12), _residual),
    "grouped": ((9, 12, 9), _grouped),
    "temporal": ((40, 1, 51), _temporal),
}


def network(name: str) -> Graph:
    shape, fill = NETWORKS[name]
    build = Builder(*shape)
    fill(build)
    return build.graph(name)


def one_of_each(able: list[Primitive]) -> list[Primitive]:
    """The best of every family: the variants have tests of their own."""
    return list({type(one): one for one in reversed(able)}.values())


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_primitive_computes_what_the_reference_does(name: str, target: object, tmp_path: Path) -> None:
    graph = network(name)
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    able = {op.name: one_of_each(candidates(Task(op, graph, target))) for op in graph.ops}
    for turn in range(max(map(len, able.values()))):
        choices = {op: found[turn % len(found)] for op, found in able.items()}
        plan = make_plan(graph, target, choices, casts(), shares=turn % 2 == 1)
        program = generate(plan)
        run = open_library(program, compile_program(program, tmp_path / str(turn)))
        for _ in range(2):  # a second run would show a border that the first one wrote into
            error = np.abs(run(x) - wanted).max() / np.abs(wanted).max()
            assert error < TOLERANCE, {op: one.name for op, one in choices.items()}
