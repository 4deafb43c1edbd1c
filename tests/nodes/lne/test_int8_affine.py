"""Scales and shifts of bytes: every byte of every channel as a quantized model computes it, by line or by table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import Graph, Range, casts, compile_program, find_target, generate, make_plan, open_library
from nodes.lne.ir import Activation, Affine
from nodes.lne.primitives.int8_affine_numbers import byte_table, line_of
from nodes.lne.primitives.int8_elementwise import Int8Affine
from nodes.lne.target import can_run

CHANNELS = 48
RANGES = {"input": Range(0.0213, 97), "y": Range(0.0347, 51)}
TARGETS = [name for name in ("vnni", "avx2", "x86-64", "c") if can_run(find_target(name))]


def _affine(activation: Activation, *, halves: bool = False) -> Affine:
    rng = np.random.default_rng(3)
    scale = np.full(CHANNELS, 0.5) if halves else rng.normal(1.0, 0.4, CHANNELS)
    shift = np.zeros(CHANNELS) if halves else rng.normal(0.0, 0.5, CHANNELS)
    return Affine("a", ("input",), "y", scale=scale, shift=shift, activation=activation)


def _graph(op: Affine) -> Graph:
    build = Builder(CHANNELS, 2, 128)
    build.add(op, (CHANNELS, 2, 128))
    return build.graph("affine")


@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU, Activation.RELU6, Activation.HARD_SWISH])
def test_the_table_is_the_real_computation_rounded(activation: Activation) -> None:
    op, (given, after) = _affine(activation), RANGES.values()
    table = byte_table(op, RANGES)
    real = (np.arange(256) - given.zero) * given.scale * op.scale[:, None] + op.shift[:, None]
    limits = {Activation.RELU: (0.0, np.inf), Activation.RELU6: (0.0, 6.0)}
    if activation is Activation.HARD_SWISH:
        real = real * np.clip(real / 6.0 + 0.5, 0.0, 1.0)
    else:
        real = np.clip(real, *limits.get(activation, (-np.inf, np.inf)))
    exact = np.clip(real / after.scale + after.zero, 0.0, 255.0)
    assert table.shape == (CHANNELS, 256)
    assert np.abs(table - exact).max() < 0.5001


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", ["line", "table", "ties"])
def test_every_byte_becomes_what_the_table_says(kind: str, target: str, tmp_path: Path) -> None:
    ranges = dict(RANGES)
    op = _affine(Activation.HARD_SWISH if kind == "table" else Activation.RELU, halves=kind == "ties")
    if kind == "ties":  # a half exactly between every two bytes, to the even one
        ranges = {"input": Range(0.25, 96), "y": Range(0.25, 48)}
    line = line_of(op, ranges)
    assert (line is None) == (kind == "table")
    graph = _graph(op)
    plan = make_plan(graph, find_target(target), {"a": Int8Affine()}, casts(), ranges)
    run = open_library(generate(plan), compile_program(generate(plan), tmp_path))
    stored = np.tile(np.arange(256).reshape(1, 1, 2, 128), (1, CHANNELS, 1, 1))
    given, after = ranges["input"], ranges["y"]
    found = run(((stored - given.zero) * given.scale).astype(np.float32))
    bytes_found = np.rint(found / after.scale).astype(int) + after.zero
    assert (bytes_found.reshape(CHANNELS, 256) == byte_table(op, ranges)).all()


def test_a_line_that_misses_a_byte_is_not_taken() -> None:
    """Shifts whose ties fall to both sides of every line: found by trying."""
    rng = np.random.default_rng(0)
    wanted = 0
    for _ in range(40):
        op = replace(_affine(Activation.NONE), shift=rng.normal(0.0, 0.5, CHANNELS))
        line = line_of(op, RANGES)
        if line is None:
            continue
        wanted += 1
        stored = np.arange(256, dtype=np.float64)
        found = (stored * line.factor[:, None] + line.constant[:, None]).astype(np.float32)
        rounded = np.clip(np.rint(found), line.clip.low, line.clip.high)
        assert (rounded == byte_table(op, RANGES)).all()
    assert wanted > 30, "most channels have one"
