"""Operations beside convolution, each candidate on each target: odd sizes, borders, repeated values, shared memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder
from lne_ops import NETWORKS, affine, binary, concat, network, pad, planned, rearrange
from lne_sanitized import run_sanitized

from nodes.lne import (
    TARGETS,
    Range,
    Target,
    Task,
    candidates,
    casts,
    compile_program,
    find_target,
    generate,
    make_plan,
    open_library,
)
from nodes.lne.build import compiler
from nodes.lne.ir import Activation, Affine, Concat, Pad, Pads, Rearrange
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

RUNNABLE = [target for target in TARGETS.values() if can_run(target) and target.name != "vnni"]
TOLERANCE = 2e-5
TURNS = {"x86-64": (0,), "avx2": (1,)}
"""Programs per network, two unless told here; in each, neighbouring operations have other candidates."""


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_candidate_computes_what_the_reference_does(name: str, target: Target, tmp_path: Path) -> None:
    graph = network(name)
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    for turn in TURNS.get(target.name, (0, 1)):
        program = generate(planned(graph, target, turn))
        run = open_library(program, compile_program(program, tmp_path / str(turn)))
        for _ in range(2):
            error = np.abs(run(x) - wanted).max() / np.abs(wanted).max()
            assert error < TOLERANCE, [step.primitive.name for step in program.plan.steps]


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_every_operation_has_a_plain_and_a_vector_primitive(target: Target) -> None:
    for name in NETWORKS:
        graph = network(name)
        for op in graph.ops:
            names = [one.name for one in candidates(Task(op, graph, target))]
            moves = isinstance(op, Concat | Pad | Rearrange)
            assert moves or any(one.startswith("plain") for one in names), op.name
            assert moves or target.vector == 1 or any(not one.startswith("plain") for one in names), op.name


def test_what_works_in_place_needs_no_memory_of_its_own() -> None:
    build = Builder(8, 6, 6)
    first = build.conv(16, (3, 3))
    for activation in (Activation.SIGMOID, Activation.TANH, Activation.SWISH):
        affine(build, activation)
    last = build.last
    build.conv(16, (3, 3))
    graph, target = build.graph("in place"), TARGETS["c"]
    choices = {op.name: candidates(Task(op, graph, target))[0] for op in graph.ops}
    plan = make_plan(graph, target, choices, casts())
    held = {buffer.map.name: buffer for buffer in plan.buffers}
    assert held[first].offset == held[last].offset and held[first].halo == held[last].halo
    assert [step.in_place for step in plan.steps if isinstance(step.task.op, Affine)] == [True] * 3


def test_a_map_that_is_read_again_is_not_overwritten() -> None:
    build = Builder(8, 6, 6)
    first = build.conv(16, (3, 3))
    affine(build, Activation.SIGMOID)
    binary(build, "add", first)
    graph, target = build.graph("kept"), TARGETS["c"]
    choices = {op.name: candidates(Task(op, graph, target))[0] for op in graph.ops}
    held = {step.task.op.name: step for step in make_plan(graph, target, choices, casts(), shares=True).steps}
    assert not held["affine1"].in_place and held["add2"].in_place


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_code_is_standard_c(name: str, tmp_path: Path) -> None:
    source = tmp_path / "plain.c"
    source.write_text(generate(planned(network(name), TARGETS["c"], 0)).source)
    strict = ("-std=c99", "-pedantic-errors", "-Wall", "-Werror", "-fsyntax-only", str(source))
    assert subprocess.run([*compiler(), *strict], timeout=60, check=False).returncode == 0
    assert "immintrin" not in source.read_text()


@pytest.mark.parametrize(("name", "target"), list(zip(NETWORKS, ("c", "native") * 3, strict=False)))
def test_nothing_is_read_or_written_outside_the_memory_given(name: str, target: str, tmp_path: Path) -> None:
    graph = network(name)
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    found = run_sanitized(generate(planned(graph, find_target(target), 1)), tmp_path, x)
    assert np.abs(found - wanted).max() < TOLERANCE * np.abs(wanted).max()


def test_bytes_are_moved_as_they_are(tmp_path: Path) -> None:
    build = Builder(5, 6, 7)
    concat(build, ("input", "input"), "h")
    concat(build, (build.last, build.last), "c")
    pad(build, Pads(1, 2, 3, 0), 0.5)
    rearrange(build, lambda x: x.transpose(2, 0, 1)[:, 1:])
    graph, target = build.graph("bytes"), find_target("native")
    ranges = {name: Range(1 / 64, 131) for name in graph.maps}
    tasks = {op.name: Task(op, graph, target, ranges) for op in graph.ops}
    choices = {name: next(one for one in candidates(task) if "u8" in one.name) for name, task in tasks.items()}
    program = generate(make_plan(graph, target, choices, casts(), ranges))
    x = np.random.default_rng(1).uniform(-1.9, 1.9, graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    found = open_library(program, compile_program(program, tmp_path))(x)
    assert np.abs(found - wanted).max() < 0.51 / 64


def test_bytes_of_other_ranges_are_not_moved() -> None:
    build = Builder(5, 6, 7)
    concat(build, ("input", "input"), "h")
    graph = build.graph("bytes")
    ranges = {name: Range(0.1 * (1 + index), 0) for index, name in enumerate(graph.maps)}
    found = candidates(Task(graph.ops[0], graph, TARGETS["c"], ranges))
    assert found and not any("u8" in one.name for one in found)
