"""Means, maxima and transpositions against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from integer_graphs import integers
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.golden import departures
from nodes.firmware.kernel import Task
from nodes.firmware.kernels import best
from nodes.firmware.kernels.transpose import matrix
from nodes.firmware.program import generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import find_toolchain
from nodes.lne.ir import Map, Pool
from nodes.quant.fixed import Fixed
from nodes.quant.integer import IntegerGraph, IntOp, IntRearrange

BYTE = Fixed(8, 4)


def _rearranged(given: tuple[int, int, int], order: np.ndarray, shape: tuple[int, int, int]) -> IntegerGraph:
    maps = {"in": Map("in", *given), "out": Map("out", *shape)}
    op = IntRearrange("turn", ("in",), "out", table=order.astype(np.int64))
    return IntegerGraph("turned", "in", "out", maps, {"in": BYTE, "out": BYTE}, (op,))


def _task(graph: IntegerGraph, op: IntOp, cpu: str = "cortex-m4") -> Task:
    return Task(op, graph, CPUS[cpu])


TURNED = _rearranged((1, 6, 9), np.arange(54).reshape(6, 9).T.ravel(), (1, 9, 6))


def test_a_transposition_is_found_whatever_its_map_is_called() -> None:
    assert matrix(_task(TURNED, TURNED.ops[0])) == (6, 9)
    channels = _rearranged((1, 6, 9), np.arange(54), (9, 1, 6))  # (channels, columns) become memory (columns, channels)
    assert matrix(_task(channels, channels.ops[0])) is not None or best(_task(channels, channels.ops[0]))
    mixed = _rearranged((1, 6, 9), np.random.default_rng(0).permutation(54), (1, 9, 6))
    assert matrix(_task(mixed, mixed.ops[0])) is None


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m4"])
def test_transpositions_need_no_table(cpu: str, tmp_path: Path) -> None:
    program = generate(TURNED, CPUS[cpu])
    assert program.layers[0].kernel == "plain-transpose"
    assert program.layers[0].symbols == ()
    clips = [np.random.default_rng(1).integers(-128, 128, (1, 6, 9))]
    elf = make(find_toolchain(), program, tmp_path, write(program, tmp_path, clips))
    assert departures(program, emulate(elf, 1), clips) == []


def test_means_are_exact(tmp_path: Path) -> None:
    def fill(build: Builder) -> None:
        build.conv(8, (3, 3))
        build.add(
            Pool("mean", (build.last,), "mean", kind="mean", kernel=(3, 2), stride=(2, 1)),
            (8, 5, 8),
        )
        build.add(Pool("all", (build.last,), "all", kind="mean", kernel=(5, 8)), (8, 1, 1))

    made, clips = integers("means", (1, 11, 9), fill)
    clips.append(np.full_like(clips[0], -128))
    program = generate(made, CPUS["cortex-m4"])
    assert [layer.kernel for layer in program.layers][1:] == ["dsp-mean", "dsp-mean"]
    elf = make(find_toolchain(), program, tmp_path, write(program, tmp_path, clips))
    assert departures(program, emulate(elf, len(program.layers)), clips) == []
