"""Generated programs: the same plan gives the same bytes, and steps that do the same share one function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from lne_graphs import Builder

from nodes.lne import Task, candidates, casts, compile_program, find_target, generate, make_plan, open_library
from nodes.lne.ir import Binary, Conv, Graph
from nodes.lne.reference import evaluate


def twice() -> Graph:
    """The same convolution on the input and on itself again, then their sum."""
    build = Builder(8, 6, 5)
    first = build.conv(8)
    op = build.ops[0]
    assert isinstance(op, Conv)
    build.add(replace(op, name="again", inputs=(first,), output="again_out"), (8, 6, 5))
    build.add(replace(op, name="third", inputs=("again_out",), output="third_out"), (8, 6, 5))
    build.add(Binary("sum", (first, "third_out"), "total", kind="add"), (8, 6, 5))
    return build.graph("twice")


def test_steps_that_do_the_same_share_a_function(tmp_path: Path) -> None:
    graph, target = twice(), find_target("native")
    choices = {op.name: candidates(Task(op, graph, target))[0] for op in graph.ops}
    program = generate(make_plan(graph, target, choices, casts()))
    assert (
        program.source.count("_layer(const") == len(program.layers) - 1 or "twice_3_layer(const" not in program.source
    )
    run = open_library(program, compile_program(program, tmp_path))
    x = np.random.default_rng(0).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result]
    assert np.abs(run(x)[0] - wanted).max() < 2e-5 * np.abs(wanted).max()


def test_the_same_plan_gives_the_same_bytes() -> None:
    graph, target = twice(), find_target("native")
    choices = {op.name: candidates(Task(op, graph, target))[0] for op in graph.ops}
    made = [generate(make_plan(graph, target, choices, casts())) for _ in range(2)]
    assert (made[0].source, made[0].weights) == (made[1].source, made[1].weights)
