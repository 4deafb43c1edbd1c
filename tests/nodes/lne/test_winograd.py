"""Transformed convolutions: every tile size against the reference, what is refused, errors, geometry."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder
from lne_sanitized import run_sanitized

from nodes.lne import TARGETS, Graph, LneError, Task, casts, compile_program, generate, make_plan, open_library
from nodes.lne.build import compiler, write_sources
from nodes.lne.cross import can_emulate, run_abroad
from nodes.lne.ir import Activation, Conv, Pads
from nodes.lne.primitive import Primitive
from nodes.lne.primitives.plain import PlainConv
from nodes.lne.primitives.winograd import PRIMITIVES, Polyphase, Temporal, Transformed
from nodes.lne.primitives.winograd_error import layer_error, noise_error
from nodes.lne.primitives.winograd_product import capacity, make_parts
from nodes.lne.primitives.winograd_tiling import BLOCK_TILES, make_tiling, transformed
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

RUNNABLE = [target for name in ("avx512", "avx2", "x86-64") if can_run(target := TARGETS[name])]
TOLERANCE = 1e-5
"""Of the largest result of one layer."""
KINDS = {  # maps h x w, kernel, stride, dilation, pads
    "winograd": [((23, 14), (3, 3), (1, 1), (1, 1), None), ((21, 14), (3, 5), (1, 1), (1, 1), Pads(2, 1, 0, 3))],
    "polyphase": [((29, 31), (3, 3), (2, 2), (1, 1), Pads(0, 1, 1, 0)), ((36, 43), (3, 3), (1, 1), (2, 3), None)],
    "temporal": [((1, 37), (1, 9), (1, 1), (1, 1), None), ((1, 61), (1, 9), (1, 2), (1, 1), Pads(0, 4, 0, 4))],
}
CHANNELS = {"avx512": [(13, 45), (24, 7)], "avx2": [(1, 18)], "x86-64": [(24, 7)]}
"""Inputs and outputs; with an even number of inputs the second case of a kind."""
CASES = [(target, channels) for target in RUNNABLE for channels in CHANNELS[target.name]]


@pytest.fixture
def any_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets tiles be chosen that are never the best."""
    monkeypatch.setattr(Transformed, "beaten", lambda self, task: "")


def one_layer(case: tuple[object, ...], channels: tuple[int, int]) -> Graph:
    (h, w), kernel, stride, dilation, pads = case
    build = Builder(channels[0], h, w)
    build.conv(channels[1], kernel, stride=stride, dilation=dilation, pads=pads)
    return build.graph()


def error_of(graph: Graph, choices: dict[str, Primitive], target: object, folder: Path, shares: bool = False) -> float:
    """Largest error of two runs, beside the largest result; rectified noise goes in, as between layers."""
    x = np.random.default_rng(1).standard_normal(graph.source_shape).clip(0).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    program = generate(make_plan(graph, target, choices, casts(), shares=shares))
    run = open_library(program, compile_program(program, folder))
    return float(max(np.abs(run(x) - wanted).max() for _ in range(2)) / np.abs(wanted).max())


def fan(
    case: tuple[object, ...], channels: tuple[int, int], tried: list[Transformed]
) -> tuple[Graph, dict[str, Primitive]]:
    """One network in which every primitive computes the same convolution, and a 1x1 layer adds them up."""
    (h, w), kernel, stride, dilation, pads = case
    build = Builder(channels[0], h, w)
    choices: dict[str, Primitive] = {}
    previous = ""
    for primitive in tried:
        build.last = "input"
        previous = build.conv(
            channels[1], kernel, stride=stride, dilation=dilation, pads=pads, residual=previous, residual_last=True
        )
        choices[build.ops[-1].name] = primitive
    return build.graph(), choices


@pytest.mark.usefixtures("any_tile")
@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize(("target", "channels"), CASES, ids=lambda value: getattr(value, "name", str(value)))
def test_every_tile_computes_what_the_reference_does(
    target: object, family: str, channels: tuple[int, int], tmp_path: Path
) -> None:
    case = KINDS[family][1 - channels[0] % 2]
    sample = one_layer(case, channels)
    task = Task(sample.ops[0], sample, target)
    tried = [one for one in PRIMITIVES if one.family == family and not one.refuse(task)]
    assert len(tried) >= 4
    graph, choices = fan(case, channels, tried)
    assert error_of(graph, choices, target, tmp_path, shares=channels[0] == 1) < TOLERANCE


def _odd_layers() -> Iterator[tuple[str, Graph, Primitive]]:
    build = Builder(4, 41, 1)
    build.conv(12, (9, 1), activation=Activation.NONE)
    yield "down", build.graph(), Temporal(5, 1)
    build = Builder(3, 60, 1)
    build.conv(5, (7, 1), stride=(3, 1), activation=Activation.TANH)
    yield "stride 3", build.graph(), Temporal(4, 1)
    build = Builder(6, 7, 40)
    build.conv(9, (1, 5), dilation=(1, 2))
    yield "rows of a map", build.graph(), Temporal(1, 4)
    build = Builder(6, 1, 64)
    build.conv(9, (1, 13))
    yield "three sub-filters", build.graph(), Temporal(1, 5)
    build = Builder(5, 64, 64)
    build.conv(21, (3, 3), scaled=True)
    yield "several blocks", build.graph(), Transformed(4, 4)
    build = Builder(3, 33, 34)
    build.conv(8, (3, 3), dilation=(16, 16))
    yield "phases of one or two tiles", build.graph(), Polyphase(3, 3)
    build = Builder(2, 16, 16)
    build.conv(8, (3, 4), stride=(1, 2), pads=Pads(1, 0, 1, 0))
    yield "stride one way", build.graph(), Polyphase(4, 4)


ODD = {name: (graph, primitive) for name, graph, primitive in _odd_layers()}


@pytest.mark.usefixtures("any_tile")
@pytest.mark.parametrize("name", ODD)
def test_odd_shapes(name: str, tmp_path: Path) -> None:
    graph, primitive = ODD[name]
    assert error_of(graph, {graph.ops[0].name: primitive}, RUNNABLE[0], tmp_path) < TOLERANCE


def layer_of(*, channels: int = 16, outputs: int = 16, size: tuple[int, int] = (20, 20), **rest: object) -> Task:
    build = Builder(channels, *size)
    build.conv(outputs, **rest)
    graph = build.graph()
    return Task(graph.ops[0], graph, TARGETS["avx2"])


@pytest.mark.parametrize(
    ("primitive", "task", "reason"),
    [
        (Transformed(4, 4), layer_of(groups=4), "groups"),
        (Transformed(4, 4), layer_of(stride=(2, 2)), "stride"),
        (Transformed(4, 4), layer_of(kernel=(1, 9)), "one row"),
        (Polyphase(4, 4), layer_of(), "neither"),
        (Temporal(1, 5), layer_of(), "rows and columns"),
        (Temporal(1, 5), layer_of(kernel=(9, 1)), "same ways"),
        (Transformed(7, 5), layer_of(size=(4, 4)), "too small"),
        (Transformed(6, 6), layer_of(kernel=(5, 5)), "not exact"),
        (Transformed(2, 2), layer_of(), "far cheaper"),
        (Polyphase(4, 4), layer_of(stride=(2, 2), dilation=(2, 2)), "stride and dilation"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(primitive: Transformed, task: Task, reason: str) -> None:
    assert reason in primitive.refuse(task)


def test_plain_c_is_refused() -> None:
    build = Builder(8, 20, 20)
    build.conv(8)
    graph = build.graph()
    assert "no vectors" in Transformed(4, 4).refuse(Task(graph.ops[0], graph, TARGETS["c"]))


def test_weights_that_lose_too_much_are_refused() -> None:
    """The plainest case: weights that are not numbers."""
    build = Builder(1, 20, 20)
    build.conv(1)
    op = build.ops[0]
    assert isinstance(op, Conv)
    graph = build.graph()
    task = Task(op, graph, TARGETS["avx2"])
    assert not Transformed(5, 5).refuse(task)
    again = replace(op, weight=np.nan * op.weight)
    assert "with these weights" in Transformed(5, 5).refuse(replace(task, op=again))
    with pytest.raises(LneError, match="with these weights"):
        make_plan(replace(graph, ops=(again,)), TARGETS["avx2"], {again.name: Transformed(5, 5)}, casts())


def test_larger_tiles_are_less_exact() -> None:
    sizes = [((m, 3), (m, 3)) for m in (2, 4, 6)]
    errors = [noise_error(*size) for size in sizes]
    assert errors == sorted(errors)
    assert errors[0] < 5e-7 and errors[-1] < 1e-5


def test_the_error_of_a_layer_is_that_of_its_kind() -> None:
    task = layer_of(channels=48, outputs=32)
    assert isinstance(task.op, Conv)
    assert layer_error(task.op, make_tiling(task, 4, 4)) < 3 * noise_error((4, 3), (4, 3))


@pytest.mark.parametrize(
    ("rest", "sizes", "share"),
    [
        ({}, (4, 4), 36 / (16 * 9)),
        ({"kernel": (5, 5)}, (4, 4), 64 / (16 * 25)),
        ({"stride": (2, 2)}, (4, 4), 81 / (16 * 9)),
        ({"kernel": (1, 9)}, (1, 5), 17 / (5 * 9)),
        ({"kernel": (1, 9), "stride": (1, 2)}, (1, 5), 17 / (5 * 9)),
        ({"dilation": (2, 2)}, (5, 5), 49 / (25 * 9)),
    ],
)
def test_multiplications_saved(rest: dict[str, tuple[int, int]], sizes: tuple[int, int], share: float) -> None:
    """Where tiles fit the map, products per output and tap are as theory has it."""
    task = layer_of(size=(40, 40), **rest)
    tiling = make_tiling(task, *sizes)
    out = task.graph.maps[task.op.output]
    assert isinstance(task.op, Conv)
    taps = task.op.kernel[0] * task.op.kernel[1]
    assert tiling.products / (out.h * out.w * taps) == pytest.approx(share)


def test_every_output_is_in_one_tile() -> None:
    for rest in ({}, {"stride": (2, 2)}, {"dilation": (3, 2)}, {"kernel": (5, 3)}):
        task = layer_of(size=(31, 22), **rest)
        tiling, out = make_tiling(task, 4, 5), task.graph.maps[task.op.output]
        seen = np.zeros((out.h, out.w), int)
        for strip in tiling.strips:
            for tile in range(strip.tiles):
                rows = strip.last if tile == strip.tiles - 1 else 4
                ys = strip.along + (tile * 4 + np.arange(rows)) * tiling.along.dilation
                xs = strip.across + np.arange(strip.width) * tiling.across.dilation
                seen[np.ix_(ys, xs)] += 1
        assert (seen == 1).all()


def test_blocks_hold_every_strip_and_enough_tiles() -> None:
    tiling = make_tiling(layer_of(channels=100, outputs=100, size=(80, 80)), 4, 4)
    assert [index for block in tiling.blocks for index in block] == list(range(len(tiling.strips)))
    assert len(tiling.blocks) > 1 and min(tiling.tiles_per_block) >= BLOCK_TILES


@pytest.mark.parametrize("target", [TARGETS[name] for name in ("x86-64", "avx2", "avx512")], ids=lambda one: one.name)
@pytest.mark.parametrize("channels", [1, 3, 16, 20, 36, 45, 50, 100])
def test_parts_hold_every_channel_and_the_registers(target: object, channels: int) -> None:
    for counts in ((1,), (10,), (10, 9), (40, 40)):
        parts = make_parts(channels, counts, target)
        held = sum(part.step() // part.at_once for part in parts)
        assert channels <= held <= target.padded(channels)
        assert capacity(parts) >= max(counts)
        for part in parts:
            for group in part.groups:
                assert group.tiles * len(part.widths) + len(part.widths) + 1 <= target.registers


def test_filters_at_all_points_are_filters_of_the_terms() -> None:
    """At point zero of both axes only the first tap of each term counts."""
    task = layer_of(channels=2, outputs=3, stride=(2, 2))
    assert isinstance(task.op, Conv)
    found = transformed(task.op.weight, make_tiling(task, 4, 4))
    weight = task.op.weight
    ratio = found[0, 0, 0, 0] / weight[:, :, 0, 0].T
    assert np.allclose(ratio, ratio[0, 0])
    assert np.allclose(found[0, 0, 1, 1] / weight[:, :, 1, 1].T, ratio[0, 0])
    assert not found[-1, :, 1].any() and not found[:, -1, :, 1].any()


def test_the_same_layer_gives_the_same_code() -> None:
    texts = set()
    for _ in range(2):
        task = layer_of(channels=5, outputs=7)
        choices = {task.op.name: Transformed(4, 4)}
        texts.add(generate(make_plan(task.graph, TARGETS["avx2"], choices, casts())).source)
    assert len(texts) == 1


@pytest.mark.usefixtures("any_tile")
def test_beside_other_primitives(tmp_path: Path) -> None:
    build = Builder(6, 18, 15)
    build.conv(20)
    build.conv(20, stride=(2, 2))
    build.conv(20)
    graph = build.graph()
    names = [op.name for op in graph.ops]
    choices = dict(zip(names, (Transformed(4, 4), PlainConv(), Transformed(4, 4)), strict=True))
    assert error_of(graph, choices, RUNNABLE[0], tmp_path, shares=True) < TOLERANCE


def all_loops() -> tuple[Graph, dict[str, Primitive]]:
    """All shapes of loops in one network."""
    build, choices = Builder(5, 37, 38), []
    build.conv(18, dilation=(16, 16))
    choices.append(Polyphase(3, 3))
    build.conv(33)
    choices.append(Transformed(5, 4))
    build.conv(17, (5, 3), stride=(2, 2))
    choices.append(Polyphase(4, 4))
    first = build.conv(20, (1, 3))
    choices.append(Temporal(1, 6))
    build.conv(20, (9, 1), residual=first, scaled=True)
    choices.append(Temporal(5, 1))
    return build.graph(), dict(zip((op.name for op in build.ops), choices, strict=True))


@pytest.mark.usefixtures("any_tile")
@pytest.mark.parametrize("target", RUNNABLE[:2], ids=lambda target: target.name)
def test_memory_and_arithmetic_are_clean(target: object, tmp_path: Path) -> None:
    """With sanitizers, and with no warning."""
    graph, choices = all_loops()
    program = generate(make_plan(graph, target, choices, casts(), shares=True))
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    assert np.abs(run_sanitized(program, tmp_path, x) - wanted).max() < TOLERANCE * np.abs(wanted).max()
    source, _ = write_sources(program, tmp_path)
    strict = ("-fsyntax-only", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-psabi", *target.flags)
    subprocess.run([*compiler(), *strict, str(source)], check=True)


@pytest.mark.usefixtures("any_tile")
def test_a_foreign_machine_computes_the_same(tmp_path: Path) -> None:
    target = TARGETS["aarch64"]
    if not can_emulate(target):
        pytest.skip("no compiler or no emulator for this machine")
    graph, choices = all_loops()
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    found = run_abroad(generate(make_plan(graph, target, choices, casts())), tmp_path, x)
    assert np.abs(found - wanted).max() < TOLERANCE * np.abs(wanted).max()
