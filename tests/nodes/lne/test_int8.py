"""8-bit primitives against the integer reference, bit for bit, and against float."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import (
    TARGETS,
    Graph,
    LneError,
    Range,
    Task,
    candidates,
    casts,
    compile_program,
    find_target,
    generate,
    make_plan,
    open_library,
)
from nodes.lne.cross import can_emulate, is_foreign, run_abroad
from nodes.lne.ir import Activation, Affine, Binary, Conv, Pads, Pool
from nodes.lne.layout import U8_HWC
from nodes.lne.primitive import Primitive
from nodes.lne.primitives.int8 import PRIMITIVES
from nodes.lne.primitives.int8_numbers import conv_numbers, quantised
from nodes.lne.ranges import calibrate
from nodes.lne.reference import evaluate
from nodes.lne.simulate import Simulation
from nodes.lne.target import can_run

TURNS = {"vnni": 3, "avx2": 3, "avx512": 1, "x86-64": 1, "aarch64": 2, "aarch64-dot": 3, "c": 1}
"""Programs to compile per target; each takes other candidates."""
RUNNABLE = [name for name in TURNS if can_run(TARGETS[name])]
CLIPS = 3


def _pool(build: Builder, kind: str, kernel: tuple[int, int], stride: tuple[int, int], pads: Pads | None = None) -> str:
    pads = pads or Pads()
    given, name = build.maps[build.last], f"pool{len(build.ops)}"
    h = (given.h + pads.top + pads.bottom - kernel[0]) // stride[0] + 1
    w = (given.w + pads.left + pads.right - kernel[1]) // stride[1] + 1
    op = Pool(name, (given.name,), f"{name}_out", kind=kind, kernel=kernel, stride=stride, pads=pads)
    return build.add(op, (given.c, h, w))


def _sum(build: Builder, other: str, kind: str = "add") -> str:
    given, name = build.maps[build.last], f"sum{len(build.ops)}"
    op = Binary(name, (given.name, other), f"{name}_out", kind=kind, activation=Activation.RELU)
    return build.add(op, given.shape)


def _affine(build: Builder) -> str:
    given, name = build.maps[build.last], f"affine{len(build.ops)}"
    pair = [build.rng.normal(mean, 0.3, given.c) for mean in (1.0, 0.0)]
    op = Affine(name, (given.name,), f"{name}_out", scale=pair[0], shift=pair[1], activation=Activation.RELU)
    return build.add(op, given.shape)


@cache
def picture() -> Graph:
    """Two dimensions: first layer of one channel, residuals, depthwise, dilation, pools, a whole-map layer."""
    build = Builder(1, 21, 10)
    build.conv(50, (5, 3), stride=(2, 1), pads=Pads(1, 0, 2, 1))
    skip = build.conv(64, (1, 1))
    build.conv(64, (3, 3), groups=64)
    build.conv(64, (1, 1), residual=skip)
    build.conv(64, (1, 1), residual=skip, residual_last=True, scaled=True)
    _sum(build, skip)
    build.conv(70, (3, 3), dilation=(2, 1), activation=Activation.NONE)
    build.conv(70, (5, 5), groups=70, activation=Activation.RELU6)
    build.conv(70, (3, 3), groups=70, stride=(2, 2), activation=Activation.NONE)
    _affine(build)
    _pool(build, "max", (3, 2), (1, 1), Pads(1, 0, 1, 0))
    build.conv(24, (3, 3), groups=2, activation=Activation.HARD_SWISH)
    build.conv(3, (1, 1))
    build.conv(40, (3, 3))
    _pool(build, "mean", (2, 2), (1, 1))
    given = build.maps[build.last]
    build.conv(12, (given.h, given.w), pads=Pads(), activation=Activation.NONE)
    return build.graph("picture")


@cache
def temporal() -> Graph:
    """One dimension: many channels in, long kernels, depthwise along the columns, global mean."""
    build = Builder(40, 1, 51)
    build.conv(24, (1, 3))
    skip = build.conv(56, (1, 9), stride=(1, 2), pads=Pads(0, 4, 0, 4))
    build.conv(56, (1, 9), groups=56)
    build.conv(56, (1, 9), residual=skip, activation=Activation.NONE)
    _sum(build, skip, "subtract")
    _pool(build, "mean", (1, build.maps[build.last].w), (1, 1))
    build.conv(5, (1, 1), activation=Activation.SIGMOID)
    return build.graph("temporal")


NETWORKS = {"picture": picture, "temporal": temporal}


@cache
def clips(name: str) -> np.ndarray:
    shape = NETWORKS[name]().source_shape
    return np.random.default_rng(2).standard_normal((CLIPS, *shape[1:])).astype(np.float32)


@cache
def ranges(name: str) -> dict[str, Range]:
    return calibrate(NETWORKS[name](), clips(name), "extremes")


def able(graph: Graph, target: str, given: dict[str, Range]) -> dict[str, list[Primitive]]:
    tasks = {op.name: Task(op, graph, find_target(target), given) for op in graph.ops}
    return {name: [one for one in candidates(task) if one in PRIMITIVES] for name, task in tasks.items()}


def chosen(graph: Graph, target: str, given: dict[str, Range], turn: int) -> dict[str, Primitive]:
    """In every turn candidates that were not taken before, as far as there are any."""
    found = able(graph, target, given)
    taken: set[str] = set()
    choice: dict[str, Primitive] = {}
    for number in range(turn + 1):
        choice = {}
        for index, (name, those) in enumerate(found.items()):
            fresh = [one for one in those if one.name not in taken]
            choice[name] = fresh[0] if fresh else those[(index + number) % len(those)]
            taken.add(choice[name].name)
    return choice


@pytest.mark.parametrize(("target", "turn"), [(name, turn) for name in RUNNABLE for turn in range(TURNS[name])])
@pytest.mark.parametrize("name", NETWORKS)
def test_c_gives_the_bytes_of_the_integer_reference(name: str, target: str, turn: int, tmp_path: Path) -> None:
    graph, given, x = NETWORKS[name](), ranges(name), clips(name)
    choices = chosen(graph, target, given, turn)
    plan = make_plan(graph, find_target(target), choices, casts(), given, shares=turn % 2 == 1)
    program = generate(plan)
    run = open_library(program, compile_program(program, tmp_path))
    signatures = {step.task.op.name: step.primitive.signature(step.task) for step in plan.steps}
    wanted = Simulation(graph, given, signatures).outputs(x)
    for _ in range(2):  # a second run would show a border that the first one wrote into
        found = np.concatenate([run(clip[None]) for clip in x])
        # Floats behind the last 8-bit layer may round differently; a byte that differs anywhere would be a whole step.
        assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max(), {k: v.name for k, v in choices.items()}


ABROAD = [name for name in TURNS if is_foreign(TARGETS[name]) and can_emulate(TARGETS[name])]


@pytest.mark.skipif(not ABROAD, reason="no compiler for another machine, or no emulator")
@pytest.mark.parametrize(("target", "turn"), [(name, turn) for name in ABROAD for turn in range(TURNS[name])])
@pytest.mark.parametrize("name", NETWORKS)
def test_foreign_code_gives_the_bytes_of_the_integer_reference(
    name: str, target: str, turn: int, tmp_path: Path
) -> None:
    graph, given, x = NETWORKS[name](), ranges(name), clips(name)[:1]
    plan = make_plan(graph, find_target(target), chosen(graph, target, given, turn), casts(), given)
    signatures = {step.task.op.name: step.primitive.signature(step.task) for step in plan.steps}
    wanted = Simulation(graph, given, signatures).outputs(x)
    found = run_abroad(generate(plan), tmp_path, x)
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_every_primitive_is_taken_in_some_turn() -> None:
    names = {
        one.name
        for name in NETWORKS
        for target, turns in TURNS.items()
        for turn in range(turns)
        for one in chosen(NETWORKS[name](), target, ranges(name), turn).values()
    }
    assert names | {"cast-u8", "cast-u8-plain"} == {one.name for one in PRIMITIVES}


@pytest.mark.parametrize("name", NETWORKS)
def test_bytes_stay_near_the_float_network(name: str) -> None:
    graph, given, x = NETWORKS[name](), ranges(name), clips(name)
    exact = np.stack([evaluate(graph, clip)[graph.result].ravel() for clip in x])
    floats = Simulation(graph).outputs(x).reshape(CLIPS, -1)
    assert np.abs(floats - exact).max() < 1e-5 * np.abs(exact).max()
    signatures = {
        op.name: those[0].signature(Task(op, graph, find_target("c"), given))
        for op, those in zip(graph.ops, able(graph, "c", given).values(), strict=True)
    }
    assert all(U8_HWC in signature.inputs for signature in signatures.values())
    error = np.abs(Simulation(graph, given, signatures).outputs(x).reshape(CLIPS, -1) - exact)
    assert error.max() < 0.1 * np.abs(exact).max()


def test_weights_of_a_quantised_model_keep_their_scale() -> None:
    generator = np.random.default_rng(3)
    stored = generator.integers(-100, 101, (6, 5, 3, 3)).astype(np.float32)
    scales = generator.uniform(1e-3, 2e-2, 6).astype(np.float32)
    weight = (stored * scales[:, None, None, None]).astype(np.float64)
    found, found_scales = quantised(weight, np.zeros(6), 0.05)
    assert (found_scales == scales).all()
    assert (found == stored).all()


def test_weights_without_a_grid_use_all_of_a_byte() -> None:
    weight = np.random.default_rng(4).standard_normal((8, 30, 3, 3))
    stored, scales = quantised(weight, np.zeros(8), 0.05)
    assert (np.abs(stored).reshape(8, -1).max(1) == 127).all()
    assert (np.abs(stored * scales[:, None, None, None] - weight) <= scales[:, None, None, None] * 0.5001).all()


def test_a_channel_of_tiny_weights_keeps_its_bias() -> None:
    op = Conv("c", ("x",), "y", weight=np.full((2, 3, 1, 1), 1e-12), bias=np.array([0.5, -2.0]))
    numbers = conv_numbers(op, {"x": Range(0.1, 7)})
    assert (np.abs(numbers.bias * numbers.unit.astype(np.float64) - op.bias) < 1e-6).all()


def test_maps_without_a_range_are_refused_with_their_name() -> None:
    graph = temporal()
    task = Task(graph.ops[0], graph, find_target("c"), {"input": Range(0.1, 3)})
    plain = next(one for one in PRIMITIVES if one.name == "int8-plain")
    assert plain.refuse(task) == "the range of conv0_out is not known"


def test_a_plan_without_the_range_of_its_input_is_refused() -> None:
    graph = temporal()
    known = {name: one for name, one in ranges("temporal").items() if name != "input"}
    plain = {name: those[0] for name, those in able(graph, "c", ranges("temporal")).items()}
    with pytest.raises(LneError, match="the range of input is not known"):
        make_plan(graph, find_target("c"), plain, casts(), known)
