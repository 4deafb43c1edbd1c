"""Plain kernels and the portable twins of the others, on this machine: no undefined behaviour, the same codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from firmware_sanitized import COMPILER, Case, wrong_under_sanitizers
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.fuse import fuse
from nodes.firmware.kernel import Task
from nodes.firmware.kernels import BUILT_IN, candidates
from nodes.firmware.program import generate
from nodes.lne.ir import Activation, Binary, Concat, Graph, Pads, Pool, Rearrange, Recurrent
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.integer import IntegerGraph

M4 = CPUS["cortex-m4"]


def _planes(name: str) -> Graph:
    """First layers, pools with and without borders, residuals, tables, products of maps, a dense layer."""
    build = Builder(1, 12, 10)
    build.conv(8, (3, 3), stride=(1, 1))
    build.add(Pool("pool1", (build.last,), "p1", kernel=(2, 2), stride=(2, 2)), (8, 6, 5))
    skip = build.conv(8, (3, 3), pads=Pads(1, 1, 1, 1))
    build.conv(8, (3, 3), groups=8)
    build.conv(8, (1, 1), pads=Pads(), residual=skip)
    build.add(Pool("pool2", (build.last,), "p2", kernel=(3, 3), stride=(2, 2), pads=Pads(1, 1, 1, 1)), (8, 3, 3))
    build.conv(8, (3, 3), dilation=(1, 2), activation=Activation.SWISH)
    build.add(Pool("pool3", (build.last,), "p3", kernel=(2, 1)), (8, 2, 3))
    build.add(Pool("mean", ("conv6_out",), "m", kind="mean", kernel=(3, 3)), (8, 1, 1))
    build.add(Binary("times", ("p2", "m"), "t", kind="multiply"), (8, 3, 3))
    build.add(Binary("less", ("t", "p2"), "l", kind="subtract", activation=Activation.RELU6), (8, 3, 3))
    build.add(Binary("sum", ("l", "m"), "a", kind="add"), (8, 3, 3))
    build.add(Concat("join", ("a", "p2"), "j", axis="w"), (8, 3, 6))
    order = np.arange(144).reshape(8, 3, 6).transpose(1, 2, 0).ravel().astype(np.int32)
    build.add(Rearrange("turn", ("j",), "r", table=order), (3, 6, 8))
    build.conv(6, (6, 8), pads=Pads(), activation=Activation.NONE)
    return build.graph(name)


def _first(name: str) -> Graph:
    build = Builder(1, 11, 9)
    build.conv(8, (4, 3), stride=(2, 2), pads=Pads(1, 1, 2, 1))
    build.conv(6, (3, 3), activation=Activation.NONE)
    return build.graph(name)


def _steps(name: str) -> Graph:
    build, rng = Builder(4, 1, 9), np.random.default_rng(1)
    skip = build.conv(12, (1, 1), stride=(1, 2), pads=Pads())
    build.last = "input"
    build.conv(12, (1, 9), stride=(1, 2), pads=Pads(0, 4, 0, 4))
    build.conv(12, (1, 9), residual=skip)
    for kind, gates in (("gru", 3), ("lstm", 4), ("rnn", 1)):
        given, units, steps = build.maps[build.last].c, 7, build.maps[build.last].w
        build.add(
            Recurrent(
                kind, (build.last,), f"{kind} out", kind=kind, weight=rng.normal(0, 0.4, (gates * units, given)),
                recurrence=rng.normal(0, 0.4, (gates * units, units)), bias=rng.normal(0, 0.1, (2, gates * units)),
            ),
            (units, 1, steps),
        )  # fmt: skip
    return build.graph(name)


def _integers(graph: Graph, settings: Settings) -> IntegerGraph:
    values = list(np.random.default_rng(2).normal(0.0, 1.0, (4, *graph.source_shape)))
    return convert(graph, watch(graph, values, settings.bits), settings)


def _cases() -> Iterator[Case]:
    """Networks in every width with every kernel that can compute them, as few programs as that takes."""
    for make in (_planes, _first, _steps):
        for settings in (Settings(8), Settings(16), Settings(8, channel_scales=True)):
            tried: set[str] = set()
            width = f"{settings.bits}{'c' if settings.channel_scales else ''}"
            made = fuse(_integers(make(f"{make.__name__}{width}"), settings))
            able = {op.name: candidates(Task(op, made, M4)) for op in made.ops}
            for turn in range(max(map(len, able.values()))):
                choices = {op: found[turn % len(found)] for op, found in able.items()}
                if not {kernel.name for kernel in choices.values()} <= tried:
                    tried |= {kernel.name for kernel in choices.values()}
                    yield Case(generate(replace(made, name=f"{made.name}_{turn}"), M4, choices), _clips(made))


def _clips(made: IntegerGraph) -> list[np.ndarray]:
    form, shape = made.forms[made.source], made.maps[made.source].shape
    rng = np.random.default_rng(3)
    return [rng.integers(form.low, form.high + 1, shape), rng.choice([form.low, form.high], shape)]


@pytest.mark.skipif(not COMPILER, reason="there is no compiler for this machine")
def test_no_kernel_does_what_c_leaves_undefined(tmp_path: Path) -> None:
    cases = list(_cases())
    tried = {layer.kernel for case in cases for layer in case.program.layers}
    assert {kernel.name for kernel in BUILT_IN if kernel.name.startswith("plain")} <= tried
    assert len([name for name in tried if name.startswith("dsp")]) >= 12
    assert wrong_under_sanitizers(cases, tmp_path) == []
