"""Sums, products and other joins of two maps, tables, maps side by side: the reference on every processor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from nodes.firmware.cpu import CPUS
from nodes.firmware.golden import departures
from nodes.firmware.kernel import Task
from nodes.firmware.kernels import candidates
from nodes.firmware.kernels.nest import nest_of
from nodes.firmware.program import generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import Name, find_toolchain
from nodes.lne.ir import Map
from nodes.quant.fixed import Fixed
from nodes.quant.integer import IntAdd, IntBinary, IntConcat, IntegerGraph, IntOp, IntTable, Shift, Table

BYTE, WORD = Fixed(8, 4), Fixed(16, 9)
SHAPES = {"same": (6, 4, 5), "rows": (6, 1, 5), "channels": (6, 1, 1), "columns": (1, 4, 1), "one": (1, 1, 1)}
LIMITS = {8: ((-128, 127), (0, 127), (0, 96)), 16: ((-32768, 32767), (0, 32767), (-7, 1000))}


class _Joins:
    """A graph that grows by joins with its input: every one reads the last and a piece of the first."""

    def __init__(self, form: Fixed) -> None:
        self.form, self.ops, self.last = form, list[IntOp](), "in"
        self.maps = {"in": Map("in", *SHAPES["same"])}
        self.forms = {"in": form}

    def map(self, name: str, shape: tuple[int, int, int], form: Fixed | None = None) -> str:
        self.maps[name], self.forms[name] = Map(name, *shape), form or self.form
        return name

    def add(self, op: IntOp) -> None:
        self.ops.append(op)
        self.last = op.output

    def piece(self, kind: str) -> str:
        """A map of this shape: the largest of what it stands for."""
        from nodes.quant.integer import IntPool

        c, h, w = SHAPES[kind]
        if kind == "same":
            return "in"
        name = f"piece {kind}"
        if name not in self.maps:
            given = self.maps["in"]
            side = (given.h // h, given.w // w)
            whole = self.map(f"{name} all", (given.c, h, w)) if c == 1 else name
            self.map(whole, (given.c, h, w))
            self.ops.append(IntPool(f"{name} pool", ("in",), whole, kind="max", kernel=side, stride=side))
            if c == 1:
                weight = np.ones((1, given.c, 1, 1), np.int64)
                from nodes.quant.integer import IntConv

                rule = Shift(3, self.form.low, self.form.high)
                self.map(name, (1, h, w))
                self.ops.append(
                    IntConv(f"{name} sum", (whole,), name, weight=weight, bias=np.zeros(1, np.int64), requantise=rule)
                )
        return name

    def graph(self) -> IntegerGraph:
        return IntegerGraph("joins", "in", self.last, self.maps, self.forms, tuple(self.ops))


def _joins(bits: int) -> IntegerGraph:
    made = _Joins(BYTE if bits == 8 else WORD)
    other = WORD if bits == 8 else BYTE
    shape = SHAPES["same"]
    rules = [
        (left, right, limits) for left in ((0, 0), (2, 0), (0, 5)) for right in (0, 1, 6) for limits in LIMITS[bits]
    ]
    kinds = list(SHAPES)
    for index, (left, right, limits) in enumerate(rules):
        pair = made.last, made.piece(kinds[index % len(kinds)])
        inputs = pair if index % 2 else pair[::-1]
        out = made.map(f"sum{index}", shape)
        made.add(IntAdd(f"add {index}", inputs, out, left=left, requantise=Shift(right, *limits)))
    for index, kind in enumerate(("subtract", "maximum", "minimum", "multiply")):
        out = made.map(f"{kind} out", shape)
        rule = Shift(bits - 1 if kind == "multiply" else 1, *LIMITS[bits][0])
        pair = ("in", made.piece(kinds[index]))
        made.add(IntBinary(kind, pair, out, kind=kind, left=(0, 0) if kind == "multiply" else (1, 0), requantise=rule))
    mixed = made.map("mixed", shape, other)
    made.add(IntAdd("mixed add", (made.last, "in"), mixed, left=(3, 0), requantise=Shift(2, other.low, other.high)))
    back = made.map("back", shape)
    made.add(IntAdd("back add", ("in", mixed), back, left=(0, 0), requantise=Shift(4, *LIMITS[bits][0])))
    if bits == 8:
        table = Table(np.random.default_rng(4).integers(-128, 128, 256), -128)
        made.add(IntTable("table", (made.last,), made.map("curve", shape), table=table))
    for axis, side in (("c", 0), ("h", 1), ("w", 2)):
        given = (made.last, "in")
        total = list(made.maps[made.last].shape)
        if any(made.maps["in"].shape[i] != total[i] for i in range(3) if i != side):
            given = (made.last, made.last)
        total[side] += made.maps[given[1]].shape[side]
        low, high = made.form.low, made.form.high
        out = made.map(f"beside {axis}", (total[0], total[1], total[2]))
        rules2 = (Shift(0, low, high), Shift({"c": 2, "h": 0, "w": -1}[axis], low, high))
        made.add(IntConcat(f"concat {axis}", given, out, axis=axis, requantise=rules2))
    return made.graph()


def _clips(graph: IntegerGraph) -> Iterator[np.ndarray]:
    form, shape = graph.forms[graph.source], graph.maps[graph.source].shape
    rng = np.random.default_rng(3)
    yield rng.integers(form.low, form.high + 1, shape)
    yield np.where(rng.random(shape) < 0.5, form.low, form.high)


def _departs(graph: IntegerGraph, cpu: str, tool: Name | None, folder: Path, turn: int = 0) -> list[str]:
    able = {op.name: candidates(Task(op, graph, CPUS[cpu])) for op in graph.ops}
    program = generate(graph, CPUS[cpu], {name: found[min(turn, len(found) - 1)] for name, found in able.items()})
    clips = list(_clips(graph))
    elf = make(find_toolchain(tool, CPUS[cpu]), program, folder, write(program, folder, clips))
    return departures(program, emulate(elf, len(program.layers)), clips)


@pytest.mark.parametrize("cpu", CPUS)
def test_joins_are_exact_on_every_processor(cpu: str, tmp_path: Path) -> None:
    for bits in (8, 16):
        assert _departs(_joins(bits), cpu, None, tmp_path / str(bits)) == []


@pytest.mark.parametrize("bits", [8, 16])
def test_joins_are_exact_by_plain_kernels_and_clang_too(bits: int, tmp_path: Path) -> None:
    assert _departs(_joins(bits), "cortex-m4", "zig", tmp_path / "zig") == []
    assert _departs(_joins(bits), "cortex-m4", "gcc", tmp_path / "plain", turn=1) == []


def test_every_join_of_whole_runs_is_taken_by_simd() -> None:
    graph = _joins(8)
    for op in graph.ops:
        if isinstance(op, IntAdd | IntBinary):
            task = Task(op, graph, CPUS["cortex-m4"])
            long = nest_of(task).run[0] >= 4
            assert (candidates(task)[0].name == "dsp-join") == long, op.name


def test_loops_are_as_few_as_shapes_allow() -> None:
    maps = {"a": Map("a", 8, 20, 98), "b": Map("b", 8, 1, 98), "o": Map("o", 8, 20, 98)}
    op = IntAdd("add", ("a", "b"), "o", left=(0, 0), requantise=Shift(0, -128, 127))
    graph = IntegerGraph("g", "a", "o", maps, dict.fromkeys(maps, BYTE), (op,))
    found = nest_of(Task(op, graph, CPUS["cortex-m4"]))
    assert found.run == (784, (1, 1))
    assert found.outer == ((20, (784, 0)),)
