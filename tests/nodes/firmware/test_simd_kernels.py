"""Kernels for SIMD on awkward shapes: odd channels and widths, strides, borders, 16 bits, a scale per channel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from integer_graphs import integers, scaled
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.fuse import fuse
from nodes.firmware.golden import departures
from nodes.firmware.kernel import Task
from nodes.firmware.kernels import candidates
from nodes.firmware.kernels.dsp import is_quick
from nodes.firmware.kernels.dsp_block import Block, piece, split
from nodes.firmware.program import generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import Name, find_toolchain
from nodes.lne.ir import Activation, Pads, Pool
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv, IntegerGraph, Scale

M4 = CPUS["cortex-m4"]


def _odd(build: Builder) -> None:
    """Channels that fill no word, windows with holes between them, a maximum with borders."""
    build.conv(6, (3, 3), stride=(1, 1))
    build.conv(5, (3, 2), pads=Pads(1, 0, 1, 1))
    build.conv(9, (2, 3), stride=(2, 2), pads=Pads(0, 2, 1, 1))
    build.add(Pool("pool", (build.last,), "pooled", kernel=(3, 3), stride=(2, 2), pads=Pads(1, 1, 1, 1)), (9, 4, 4))
    build.conv(7, (1, 1), pads=Pads(), activation=Activation.NONE)
    build.conv(8, (4, 4), pads=Pads(), activation=Activation.RELU6)
    build.conv(11, (1, 1), pads=Pads())


def _lines(build: Builder) -> None:
    """Long runs with a rest, depthwise kernels of many taps, a residual beside an odd width."""
    build.conv(8, (1, 5), stride=(1, 2), pads=Pads(0, 1, 0, 1))
    build.conv(8, (1, 9), groups=8)
    build.conv(8, (1, 4), groups=8, stride=(1, 2), pads=Pads(0, 1, 0, 2), activation=Activation.NONE)
    kept = build.conv(12, (1, 5))
    build.conv(12, (1, 11), residual=kept)
    build.add(Pool("pool", (build.last,), "pooled", kernel=(1, 2), stride=(1, 2)), (12, 1, 7))
    build.conv(4, (1, 7), pads=Pads())


def _holes(build: Builder) -> None:
    """Taps with holes between them, and means of large windows with a rest of channels."""
    build.conv(8, (3, 3), dilation=(2, 2))
    build.conv(7, (2, 3), dilation=(3, 1), stride=(1, 2))
    build.conv(8, (3, 2), dilation=(1, 4))
    build.conv(8, (3, 3), groups=8, dilation=(2, 3))
    build.conv(8, (1, 5), groups=8, dilation=(1, 2), stride=(1, 2), activation=Activation.NONE)
    build.conv(7, (1, 1), pads=Pads())
    build.add(Pool("mean", (build.last,), "mean", kind="mean", kernel=(20, 17)), (7, 1, 1))


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Builder], None]]] = {
    "odd": ((1, 15, 13), _odd),
    "lines": ((1, 1, 59), _lines),
    "holes": ((3, 20, 66), _holes),
}


def _departs(
    graph: IntegerGraph, clips: list[Codes], folder: Path, turn: int = 0, tool: Name | None = None
) -> list[str]:
    able = {op.name: candidates(Task(op, graph, M4)) for op in graph.ops}
    program = generate(graph, M4, {name: found[turn % len(found)] for name, found in able.items()})
    elf = make(find_toolchain(tool), program, folder, write(program, folder, clips))
    told = departures(program, emulate(elf, len(program.layers)), clips)
    return [f"{line} ({', '.join(layer.kernel for layer in program.layers)})" for line in told]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("form", ["shift", "scale", "fused"])
def test_awkward_shapes_are_computed_exactly(name: str, bits: int, form: str, tmp_path: Path) -> None:
    made, clips = integers(name, *NETWORKS[name], bits)
    loud = [np.where(clip < 0, -(1 << (bits - 1)), (1 << (bits - 1)) - 1) for clip in clips]
    graph = {"shift": lambda: made, "scale": lambda: scaled(fuse(made)), "fused": lambda: fuse(made)}[form]()
    assert any(kernel.name.startswith("dsp") for op in graph.ops for kernel in candidates(Task(op, graph, M4)))
    assert _departs(graph, [*clips, *loud], tmp_path) == []


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("scales", [False, True])
def test_clang_gives_the_same_codes(name: str, scales: bool, tmp_path: Path) -> None:
    made, clips = integers(name, *NETWORKS[name])
    assert _departs(scaled(made) if scales else fuse(made), clips, tmp_path, tool="zig") == []


def test_slow_scales_are_exact_too(tmp_path: Path) -> None:
    """Scales near one leave no room for the short way by the high word."""
    made, clips = integers("odd", *NETWORKS["odd"])
    ops = list(made.ops)
    for index, op in enumerate(ops):
        if isinstance(op, IntConv):
            channels = len(op.weight)
            rule = Scale(np.full(channels, 3), np.full(channels, 9), -1, op.requantise.low, op.requantise.high)
            assert not is_quick(rule)
            ops[index] = type(op)(**{**vars(op), "requantise": rule})
    graph = type(made)(**{**vars(made), "ops": tuple(ops)})
    assert _departs(graph, clips, tmp_path) == []


@pytest.mark.parametrize(("size", "parts"), [(7, (4, 2, 1)), (3, (2, 1)), (8, (4, 2, 1)), (1, (4, 2, 1))])
def test_parts_cover_everything_once(size: int, parts: tuple[int, ...]) -> None:
    covered = [at for first, end, part in split(size, parts) for at in range(first, end)]
    assert covered == list(range(size))
    assert all((end - first) % part == 0 for first, end, part in split(size, parts))


@pytest.mark.parametrize("steps", [1, 7, 18, 19, 22, 24, 36, 38, 216])
def test_pieces_are_neither_tiny_nor_huge(steps: int) -> None:
    size = piece(steps)
    assert min(steps, 6) <= size <= 18


@pytest.mark.parametrize("block", [Block(2, 4, 1), Block(1, 4), Block(2, 2, 1, wide=True)])
def test_a_block_takes_no_more_registers_than_there_are(block: Block) -> None:
    sums = block.pixels * block.channels * (2 if block.wide else 1)
    assert sums + max(2, block.pixels) + 2 + 2 <= 14


def _costs(build: Builder) -> None:
    build.conv(16, (3, 3))
    build.conv(16, (3, 3), groups=16)
    build.conv(24, (1, 1), pads=Pads())
    build.conv(16, (3, 3), pads=Pads())
    build.conv(12, (1, 1), pads=Pads())


@pytest.mark.parametrize("tool", ["gcc", "zig"])
def test_blocks_need_few_instructions_and_scales_cost_little(tool: Name, tmp_path: Path) -> None:
    """Counts are exact: instructions per multiplication, and at most 15 % more with a scale per channel."""
    made, clips = integers("costs", (4, 16, 14), _costs)
    totals: list[int] = []
    for graph in (made, scaled(made)):
        program, folder = generate(graph, M4), tmp_path / str(len(totals))
        run = emulate(
            make(find_toolchain(tool), program, folder, write(program, folder, clips[:1])), len(program.layers)
        )
        totals.append(sum(run.instructions))
        ratios = {
            layer.kernel: count / layer.macs for layer, count in zip(program.layers, run.instructions, strict=True)
        }
        if graph is made:
            assert ratios["dsp-2x4"] < 0.95
            assert ratios["dsp-pointwise-2x4"] < 1.25
            assert ratios["dsp-depthwise"] < 3.2
    assert totals[0] < totals[1] < 1.15 * totals[0]
