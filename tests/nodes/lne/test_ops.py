"""Operations beside convolution, each candidate on each target: odd sizes, borders, repeated values, shared memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import (
    TARGETS,
    Graph,
    Target,
    Task,
    candidates,
    casts,
    compile_program,
    generate,
    make_plan,
    open_library,
)
from nodes.lne.ir import Activation, Affine, Binary, Concat, Conv, Op, Pad, Pads, Pool, Rearrange, Recurrent, Softmax
from nodes.lne.primitives.plain import PlainConv, PlainPool
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

RUNNABLE = [target for target in TARGETS.values() if can_run(target) and target.name != "vnni"]
TOLERANCE = 2e-5
TURNS = {"x86-64": (0,), "avx2": (1,)}
"""Programs per network, two unless told here; in each, neighbouring operations have other candidates."""


def _binary(build: Builder, kind: str, other: str, activation: Activation = Activation.NONE) -> str:
    given, second = build.maps[build.last], build.maps[other]
    shape = tuple(map(max, given.shape, second.shape))
    name = f"{kind}{len(build.ops)}"
    return build.add(Binary(name, (given.name, other), f"{name}_out", kind=kind, activation=activation), shape)


def _affine(build: Builder, activation: Activation = Activation.NONE, low: float = -1.0) -> str:
    given, name = build.maps[build.last], f"affine{len(build.ops)}"
    scale, shift = build.rng.uniform(low, 1.0, (2, given.c))
    op = Affine(name, (given.name,), f"{name}_out", scale=scale, shift=shift + max(low, 0.0), activation=activation)
    return build.add(op, given.shape)


def _mean(build: Builder) -> str:
    given, name = build.maps[build.last], f"mean{len(build.ops)}"
    op = Pool(name, (given.name,), f"{name}_out", kind="mean", kernel=(given.h, given.w))
    return build.add(op, (given.c, 1, 1))


def _softmax(build: Builder, is_log: bool = False) -> str:
    given, name = build.maps[build.last], f"softmax{len(build.ops)}"
    return build.add(Softmax(name, (given.name,), f"{name}_out", is_log=is_log), given.shape)


def _concat(build: Builder, names: tuple[str, ...], axis: str) -> str:
    shape = list(build.maps[names[0]].shape)
    index = "chw".index(axis)
    shape[index] = sum(build.maps[name].shape[index] for name in names)
    name = f"concat{len(build.ops)}"
    return build.add(Concat(name, names, f"{name}_out", axis=axis), (shape[0], shape[1], shape[2]))


def _pad(build: Builder, pads: Pads, value: float) -> str:
    given, name = build.maps[build.last], f"pad{len(build.ops)}"
    shape = (given.c, given.h + pads.top + pads.bottom, given.w + pads.left + pads.right)
    return build.add(Pad(name, (given.name,), f"{name}_out", pads=pads, value=value), shape)


def _rearrange(build: Builder, turn: Callable[[np.ndarray], np.ndarray]) -> str:
    """`turn` is applied to the places of the map's values, and gives an array of three axes."""
    given, name = build.maps[build.last], f"rearrange{len(build.ops)}"
    table = turn(np.arange(given.size, dtype=np.int32).reshape(given.shape))
    op = Rearrange(name, (given.name,), f"{name}_out", table=np.ascontiguousarray(table).ravel())
    return build.add(op, (table.shape[0], table.shape[1], table.shape[2]))


def _recur(build: Builder, kind: str, units: int, **options: bool) -> str:
    given, name = build.maps[build.last], f"{kind}{len(build.ops)}"
    rows = {"gru": 3, "lstm": 4, "rnn": 1}[kind] * units
    op: Op = Recurrent(
        name,
        (given.name,),
        f"{name}_out",
        kind=kind,
        weight=build.rng.normal(0.0, given.c**-0.5, (rows, given.c)),
        recurrence=build.rng.normal(0.0, units**-0.5, (rows, units)),
        bias=build.rng.normal(0.0, 0.3, (2, rows)),
        **options,
    )
    return build.add(op, (units, 1, given.w if op.whole else 1))


def _by_value(build: Builder) -> None:
    first = build.conv(20)
    build.conv(20, activation=Activation.NONE)
    _binary(build, "add", first, Activation.RELU)
    _affine(build, Activation.SIGMOID)
    build.conv(20, activation=Activation.SWISH)
    whole = _binary(build, "subtract", first)
    _mean(build)
    gate = _affine(build, Activation.HARD_SIGMOID)
    build.last = whole
    _binary(build, "multiply", gate, Activation.HARD_SWISH)
    _binary(build, "minimum", first)
    last = _binary(build, "maximum", gate, Activation.TANH)
    positive = _affine(build, Activation.SIGMOID, 0.5)
    build.last = last
    _binary(build, "divide", positive, Activation.RELU6)
    _binary(build, "add", build.last)
    build.conv(37)
    _softmax(build)


def _divided(build: Builder) -> None:
    build.conv(3, (3, 3))
    values = build.last
    build.conv(1, (1, 1), activation=Activation.SIGMOID)
    row = _affine(build, Activation.SIGMOID, 0.5)
    build.last = values
    _binary(build, "divide", row)
    _binary(build, "multiply", row, Activation.SWISH)
    _softmax(build, is_log=True)
    build.conv(16, (1, 1))
    _softmax(build, is_log=True)


def _moved(build: Builder) -> None:
    a = build.conv(5)
    b = build.conv(20)
    _concat(build, (a, b, a), "c")
    build.conv(16, (3, 3))
    _pad(build, Pads(1, 2, 0, 3), 0.5)
    _concat(build, (build.last, build.last), "h")
    _concat(build, (build.last, build.last), "w")
    build.conv(6, (3, 3), stride=(2, 2))
    _rearrange(build, lambda x: x.transpose(2, 0, 1))
    build.conv(6, (3, 3))
    _rearrange(build, lambda x: x[1:, ::2, :-1])
    shuffled = np.random.default_rng(5).permutation
    _rearrange(build, lambda x: shuffled(x.ravel()).reshape(x.shape))
    build.conv(4, (3, 3))
    _rearrange(build, lambda x: x.reshape(-1, 1, 1))
    _rearrange(build, lambda x: x)
    build.conv(11, (1, 1))


def _remembered(build: Builder) -> None:
    build.conv(13, (1, 3))
    _recur(build, "gru", 20)
    _recur(build, "lstm", 33)
    _recur(build, "rnn", 7, reverse=True)
    _recur(build, "gru", 18, linear_before_reset=False)
    _recur(build, "lstm", 64, whole=False)
    _recur(build, "gru", 20)
    _recur(build, "lstm", 9, reverse=True)


def _last_state(build: Builder) -> None:
    _recur(build, "lstm", 16, reverse=True)
    _recur(build, "gru", 70, linear_before_reset=False, reverse=True)
    _recur(build, "gru", 40, whole=False, reverse=True)


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Builder], None]]] = {
    "by value": ((5, 7, 9), _by_value),
    "divided": ((4, 3, 5), _divided),
    "moved": ((3, 6, 5), _moved),
    "remembered": ((9, 1, 6), _remembered),
    "last state": ((3, 1, 2), _last_state),
}


def network(name: str) -> Graph:
    shape, fill = NETWORKS[name]
    build = Builder(*shape)
    fill(build)
    return build.graph(name)


@pytest.mark.parametrize("target", RUNNABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_candidate_computes_what_the_reference_does(name: str, target: Target, tmp_path: Path) -> None:
    graph = network(name)
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    able = {op.name: candidates(Task(op, graph, target)) for op in graph.ops}
    for turn in TURNS.get(target.name, (0, 1)):
        choices = {}
        for index, (op, found) in enumerate(able.items()):
            own = [one for one in found if not {Conv, Pool} & set(one.ops)] or [PlainConv(), PlainPool()]
            own = [one for one in own if one in found]
            choices[op] = own[(turn + index) % len(own)]
        program = generate(make_plan(graph, target, choices, casts(), shares=turn % 2 == 1))
        run = open_library(program, compile_program(program, tmp_path / str(turn)))
        for _ in range(2):
            error = np.abs(run(x) - wanted).max() / np.abs(wanted).max()
            assert error < TOLERANCE, {op: one.name for op, one in choices.items()}


@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_every_operation_has_a_plain_and_a_vector_primitive(target: Target) -> None:
    for name in NETWORKS:
        graph = network(name)
        for op in graph.ops:
            names = [one.name for one in candidates(Task(op, graph, target))]
            moves = isinstance(op, Concat | Pad | Rearrange | Pool)
            assert moves or any(one.startswith("plain") for one in names), op.name
            assert moves or target.vector == 1 or any(not one.startswith("plain") for one in names), op.name


def test_what_works_in_place_needs_no_memory_of_its_own() -> None:
    build = Builder(8, 6, 6)
    first = build.conv(16, (3, 3))
    for activation in (Activation.SIGMOID, Activation.TANH, Activation.SWISH):
        _affine(build, activation)
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
    _affine(build, Activation.SIGMOID)
    _binary(build, "add", first)
    graph, target = build.graph("kept"), TARGETS["c"]
    choices = {op.name: candidates(Task(op, graph, target))[0] for op in graph.ops}
    held = {step.task.op.name: step for step in make_plan(graph, target, choices, casts(), shares=True).steps}
    assert not held["affine1"].in_place and held["add2"].in_place
