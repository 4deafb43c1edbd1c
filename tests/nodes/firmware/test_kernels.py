"""Every kernel against the integer reference, bit by bit, on shapes with borders and remainders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.fuse import fuse
from nodes.firmware.kernel import Task
from nodes.firmware.kernels import BUILT_IN, candidates
from nodes.firmware.program import generate
from nodes.firmware.project import departures, emulate, make, write
from nodes.firmware.toolchain import find_toolchain
from nodes.lne.ir import Activation, Binary, Pads, Pool, Recurrent
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import codes
from nodes.quant.integer import IntConv, IntConvPool, IntegerGraph, evaluate

M4 = CPUS["cortex-m4"]


def _plane(build: Builder) -> None:
    build.conv(4, (3, 3), pads=Pads())
    build.add(Pool("pool1", (build.last,), "p1", kernel=(2, 2), stride=(2, 2)), (4, 6, 5))
    build.conv(8, (3, 3))
    build.add(Pool("pool2", (build.last,), "p2", kernel=(3, 3), stride=(2, 2), pads=Pads(1, 1, 1, 1)), (8, 3, 3))
    build.conv(12, (3, 3), pads=Pads(), activation=Activation.NONE)
    build.conv(7, (1, 1), pads=Pads(), activation=Activation.RELU6)


def _first(build: Builder) -> None:
    build.conv(6, (4, 3), stride=(2, 2), pads=Pads(1, 1, 2, 1), activation=Activation.NONE)
    kept = build.conv(8, (1, 1), pads=Pads())
    build.conv(8, (3, 3), groups=8)
    build.add(Binary("product", (kept, build.last), "joined", kind="multiply"), build.maps[kept].shape)
    build.conv(8, (3, 3), groups=8, stride=(2, 2), activation=Activation.NONE)
    build.add(Pool("pool", (build.last,), "pooled", kernel=(2, 2), stride=(2, 1)), (8, 2, 2))
    build.add(Pool("mean", (build.last,), "mean", kind="mean", kernel=(2, 2)), (8, 1, 1))


def _temporal(build: Builder) -> None:
    skip = build.conv(12, (1, 1), stride=(1, 2), pads=Pads())
    build.last = "input"
    build.conv(12, (1, 9), stride=(1, 2), pads=Pads(0, 4, 0, 4))
    build.conv(12, (1, 9), residual=skip)
    build.conv(8, (1, 1), pads=Pads())
    rng = np.random.default_rng(1)
    for index, whole in enumerate((True, False)):
        given = build.maps[build.last]
        build.add(
            Recurrent(
                f"rnn{index}", (build.last,), f"state{index}", kind="rnn", weight=rng.normal(0, 0.4, (12, given.c)),
                recurrence=rng.normal(0, 0.3, (12, 12)), bias=rng.normal(0, 0.1, (2, 12)), whole=whole,
            ),
            (12, 1, given.w if whole else 1),
        )  # fmt: skip
    build.conv(10, (1, 1), pads=Pads(), activation=Activation.NONE)


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Builder], None]]] = {
    "plane": ((1, 14, 12), _plane),
    "first": ((1, 13, 11), _first),
    "temporal": ((8, 1, 23), _temporal),
}


def integers(name: str, bits: int = 8) -> tuple[IntegerGraph, list[np.ndarray]]:
    shape, fill = NETWORKS[name]
    build = Builder(*shape)
    fill(build)
    graph = build.graph(name)
    clips = list(np.random.default_rng(2).normal(0.0, 1.0, (4, *graph.source_shape)))
    made = convert(graph, watch(graph, clips, bits), Settings(bits=bits))
    return made, [codes(clip[0], made.forms[made.source]) for clip in clips[:2]]


@pytest.mark.parametrize(("name", "fused"), [*((name, False) for name in NETWORKS), ("plane", True), ("first", True)])
def test_every_kernel_computes_what_the_reference_does(name: str, fused: bool, tmp_path: Path) -> None:
    made, clips = integers(name)
    if fused:
        made = fuse(made)
        assert any(isinstance(op, IntConvPool) for op in made.ops)
    able = {op.name: candidates(Task(op, made, M4)) for op in made.ops}
    for turn in range(max(map(len, able.values()))):
        choices = {op: found[turn % len(found)] for op, found in able.items()}
        program = generate(made, M4, choices)
        folder = tmp_path / str(turn)
        elf = make(find_toolchain(), program, folder, write(program, folder, clips))
        found = emulate(elf, len(program.layers))
        assert departures(program, found, clips) == [], {op: kernel.name for op, kernel in choices.items()}


def test_these_networks_try_every_kernel_for_simd() -> None:
    tried = {
        kernel.name
        for name in NETWORKS
        for plain in [integers(name)[0]]
        for made in (plain, fuse(plain))
        for op in made.ops
        for kernel in candidates(Task(op, made, M4))
    }
    assert {kernel.name for kernel in BUILT_IN if kernel.name.startswith("dsp")} <= tried


def test_fast_kernels_need_fewer_instructions(tmp_path: Path) -> None:
    """Counts are exact, so this is no timing: the best candidates against the plain ones."""
    totals = []
    made, clips = integers("plane")
    for plain in (True, False):
        able = {op.name: candidates(Task(op, made, M4)) for op in made.ops}
        choices = {op: found[-1 if plain else 0] for op, found in able.items()}
        program = generate(made, M4, choices)
        folder = tmp_path / str(plain)
        elf = make(find_toolchain(), program, folder, write(program, folder, clips[:1]))
        totals.append(sum(emulate(elf, len(program.layers)).instructions))
    assert totals[1] < 0.7 * totals[0]


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m3"])
def test_processors_without_simd_get_plain_kernels(cpu: str) -> None:
    made = integers("plane")[0]
    assert all(layer.kernel.startswith("plain") for layer in generate(made, CPUS[cpu]).layers)


def test_joined_layers_give_the_same_answers_in_less_memory() -> None:
    made, clips = integers("plane")
    joined = fuse(made)
    assert [type(op) for op in joined.ops].count(IntConvPool) == 2
    for clip in clips:
        assert (evaluate(joined, clip)[joined.result] == evaluate(made, clip)[made.result]).all()
    assert generate(joined, M4).arena_bytes < generate(made, M4).arena_bytes


def test_a_map_that_others_read_is_kept() -> None:
    build = Builder(4, 6, 6)
    build.conv(4, (3, 3))
    build.add(Pool("pool", (build.last,), "pooled", kernel=(1, 1)), (4, 6, 6))
    build.conv(4, (3, 3), residual="conv0_out")
    graph = build.graph()
    made = convert(graph, watch(graph, [np.ones(graph.source_shape)], 8))
    assert not any(isinstance(op, IntConvPool) for op in fuse(made).ops)


@pytest.mark.parametrize("name", NETWORKS)
def test_sums_of_sixteen_bits_do_not_overflow(name: str, tmp_path: Path) -> None:
    """Codes at the ends of their range, so that 32 bits would not hold the sums."""
    made, clips = integers(name, 16)
    loud = [np.where(clip < 0, -(1 << 15), (1 << 15) - 1) for clip in clips]
    largest = max(
        int(np.abs(op.weight).reshape(len(op.weight), -1).sum(1).max()) for op in made.ops if isinstance(op, IntConv)
    )
    assert largest << 15 >= 1 << 31
    program = generate(made, M4)
    elf = make(find_toolchain(), program, tmp_path, write(program, tmp_path, loud))
    assert departures(program, emulate(elf, len(program.layers)), loud) == []
