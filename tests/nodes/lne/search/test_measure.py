"""Layers timed in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lne_graphs import Builder

from nodes.lne import Runner, casts, compile_program, find_target, generate, make_plan, open_library
from nodes.lne.search import choose, measure


def runner(folder: Path) -> Runner:
    build = Builder(8, 20, 20)
    build.conv(32)
    build.conv(4, (1, 1))
    graph, target = build.graph("small"), find_target("native")
    program = generate(make_plan(graph, target, choose(graph, target), casts()))
    return open_library(program, compile_program(program, folder, profile=True))


def test_the_layers_add_up_to_the_whole(tmp_path: Path) -> None:
    run = runner(tmp_path)
    values = np.random.default_rng(0).standard_normal(run.program.plan.graph.source_shape).astype(np.float32)
    first, second = measure([run, run], values, rounds=8)
    assert first.names == run.program.layers and len(first.step_us) == len(first.names)
    assert all(0 < least <= median for least, median in zip(first.step_us, first.median_us, strict=True))
    assert 0.5 < first.coverage < 1.5
    assert 0.5 < second.whole_us / first.whole_us < 2.0
    wide, narrow = (first.step_us[first.names.index(name)] for name in ("conv0", "conv1"))
    assert wide > narrow, "eighteen times the work takes longer"
