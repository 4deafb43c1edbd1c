"""Recurrent layers in C against the integer reference, bit by bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.golden import Run, checksum, departures
from nodes.firmware.kernel import Task
from nodes.firmware.kernels import candidates
from nodes.firmware.program import Program, generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import find_toolchain
from nodes.lne.ir import Recurrent
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import Codes, Fixed, codes
from nodes.quant.integer import IntegerGraph, IntSequence, States, evaluate

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
LAYERS = (
    ("gru", 6, False),
    ("lstm", 8, True),
    ("rnn", 7, True),
    ("rnn", 12, False),
    ("lstm", 5, False),
    ("gru", 4, True),
)
"""Kind, units, whether backwards; each reads all steps of the one before."""


def network(layers: tuple[tuple[str, int, bool], ...], features: int = 6, steps: int = 5) -> Builder:
    build, rng = Builder(features, 1, steps), np.random.default_rng(3)
    for index, (kind, units, reverse) in enumerate(layers):
        given, last = build.maps[build.last].c, index == len(layers) - 1
        rows = GATES[kind] * units
        build.add(
            Recurrent(
                f"{kind} {index}", (build.last,), f"state{index}", kind=kind, whole=not last, reverse=reverse,
                weight=rng.normal(0, 1.0 / given**0.5, (rows, given)), bias=rng.normal(0, 0.3, (2, rows)),
                recurrence=rng.normal(0, 1.0 / units**0.5, (rows, units)),
            ),
            (units, 1, 1 if last else steps),
        )  # fmt: skip
    return build


def integers(build: Builder, bits: int, formats: dict[str, Fixed] | None = None) -> tuple[IntegerGraph, list[Codes]]:
    graph = build.graph()
    values = list(np.random.default_rng(2).normal(0.0, 2.0, (4, *graph.source_shape)))
    made = convert(graph, watch(graph, values, bits), Settings(bits=bits, formats=formats or {}))
    loud = np.random.default_rng(5).integers(made.forms["input"].low, made.forms["input"].high + 1, values[0][0].shape)
    return made, [*(codes(clip[0], made.forms[made.source]) for clip in values[:2]), loud]


@pytest.mark.parametrize("bits", [8, 16])
def test_every_kernel_computes_what_the_reference_does(bits: int, tmp_path: Path) -> None:
    made, clips = integers(network(LAYERS), bits)
    cpu = CPUS["cortex-m4"]
    able = {op.name: candidates(Task(op, made, cpu)) for op in made.ops}
    tried = set()
    for turn in range(max(map(len, able.values()))):
        choices = {op: found[turn % len(found)] for op, found in able.items()}
        tried |= {kernel.name for kernel in choices.values()}
        program = generate(made, cpu, choices)
        folder = tmp_path / str(turn)
        assert departures(program, _run(program, folder, write(program, folder, clips)), clips) == []
    assert tried == {"plain-recurrent", "dsp-recurrent"}


@pytest.mark.parametrize("finer", ["weight", "recurrence"])
def test_products_at_different_scales_meet(finer: str, tmp_path: Path) -> None:
    """Whichever product's sums are shifted: both orders of the products."""
    layers = tuple((kind, 5, False) for kind in GATES)
    formats = {f"{kind} {index} {finer}": Fixed(8, 12) for index, kind in enumerate(GATES)}
    made, clips = integers(network(layers), 8, formats)
    assert all(max(op.shifts) > 0 for op in made.ops if isinstance(op, IntSequence))
    program = generate(made, CPUS["cortex-m4"])
    assert {layer.kernel for layer in program.layers} == {"dsp-recurrent"}
    assert departures(program, _run(program, tmp_path, write(program, tmp_path, clips)), clips) == []


def test_states_are_kept_from_call_to_call(tmp_path: Path) -> None:
    made, clips = integers(network(tuple((kind, 8, False) for kind in GATES), steps=3), 8)
    kept = replace(made, ops=tuple(replace(op, keeps_state=True) for op in made.ops if isinstance(op, IntSequence)))
    states: States = {}
    joined = [evaluate(kept, clip, states) for clip in clips]
    for cpu in ("cortex-m4", "cortex-m3"):
        program = generate(kept, CPUS[cpu])
        sources = write(program, tmp_path / cpu, clips)
        assert departures(program, _run(program, tmp_path / cpu, sources), clips) == [], "every clip starts anew"
        golden = tmp_path / cpu / "golden.h"
        golden.write_text(golden.read_text().replace(f"{program.name}_reset()", "(void)0"))
        found = _run(program, tmp_path / cpu, sources)
        for maps, sums in zip(joined, found.checksums, strict=True):
            assert [checksum(maps[layer.output], kept, layer.output) for layer in program.layers] == list(sums)
        assert found.wrong == len(clips) - 1
        assert program.state_bytes > 0
    assert "_reset" not in generate(made, CPUS["cortex-m4"]).header


def _run(program: Program, folder: Path, sources: tuple[str, ...]) -> Run:
    return emulate(make(find_toolchain(), program, folder, sources), len(program.layers))
