"""Code for aarch64, cross-built and run under an emulator, against the reference; and what is said where that fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lne_graphs import Builder
from lne_ops import NETWORKS, network, planned

from nodes.lne import TARGETS, Graph, LneError, Primitive, Target, Task, candidates, casts, generate, make_plan
from nodes.lne.cross import build_abroad, can_emulate, compiler_for, emulator, is_foreign, run_abroad
from nodes.lne.ir import Activation, Pads
from nodes.lne.program import Program
from nodes.lne.reference import evaluate

FOREIGN = [target for target in TARGETS.values() if is_foreign(target)]
TOLERANCE = 2e-5


def _small() -> Graph:
    build = Builder(3, 9, 7)
    first = build.conv(20)
    build.conv(20, (5, 3), pads=Pads(2, 1, 2, 1), activation=Activation.SIGMOID)
    build.conv(20, residual=first)
    build.conv(20, groups=20, stride=(2, 2))
    build.conv(6, (1, 1), activation=Activation.NONE)
    return build.graph("small")


def _program(graph: Graph, name: str, turn: int = 0) -> Program:
    target = TARGETS[name]
    choices: dict[str, Primitive] = {}
    for op in graph.ops:
        found = candidates(Task(op, graph, target))
        choices[op.name] = found[turn % len(found)]
    return generate(make_plan(graph, target, choices, casts(), shares=turn % 2 == 1))


@pytest.mark.parametrize("target", FOREIGN, ids=lambda target: target.name)
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_foreign_code_computes_what_the_reference_does(target: Target, turn: int, tmp_path: Path) -> None:
    if not can_emulate(target):
        pytest.skip("no compiler or no emulator for this machine")
    graph = _small()
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    found = run_abroad(_program(graph, target.name, turn), tmp_path, x)
    assert np.abs(found - wanted).max() < TOLERANCE * np.abs(wanted).max()


@pytest.mark.parametrize("target", FOREIGN, ids=lambda target: target.name)
@pytest.mark.parametrize("name", NETWORKS)
def test_foreign_code_of_other_operations(name: str, target: Target, tmp_path: Path) -> None:
    if not can_emulate(target):
        pytest.skip("no compiler or no emulator for this machine")
    graph = network(name)
    x = np.random.default_rng(1).standard_normal(graph.source_shape).astype(np.float32)
    wanted = evaluate(graph, x)[graph.result].reshape(graph.result_shape)
    found = run_abroad(generate(planned(graph, target, 0)), tmp_path, x)
    assert np.abs(found - wanted).max() < TOLERANCE * np.abs(wanted).max()


def test_without_a_compiler_or_an_emulator_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    if not FOREIGN:
        pytest.skip("no target is foreign here")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LneError, match="ziglang"):
        compiler_for(FOREIGN[0])
    with pytest.raises(LneError, match="qemu-user-static"):
        emulator(FOREIGN[0])
    assert not can_emulate(FOREIGN[0])


def test_a_machine_without_a_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LneError, match="no start for c"):
        build_abroad(_program(_small(), "c"), tmp_path)
