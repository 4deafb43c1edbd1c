"""Kernels by measured cost; and that the ranks say what is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from integer_graphs import integers
from lne_graphs import Builder

from nodes.firmware.cpu import CPUS
from nodes.firmware.program import generate
from nodes.firmware.project import departures, emulate, make, write
from nodes.firmware.toolchain import find_toolchain
from nodes.firmware.tuning import Trials, cheapest, measure
from nodes.lne.ir import Pads, Pool
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntegerGraph

M4 = CPUS["cortex-m4"]
DEARER_FOR_FLASH = {"dsp-dense", "dsp-few"}
"""They keep weights in 8 bits, at the cost of instructions."""


def _fill(build: Builder) -> None:
    build.conv(16, (4, 4), stride=(2, 2), pads=Pads(1, 1, 1, 1))
    build.conv(16, (3, 3), groups=16)
    build.conv(24, (1, 1), pads=Pads())
    build.conv(16, (3, 3), pads=Pads())
    build.add(Pool("pool", (build.last,), "pooled", kernel=(2, 2), stride=(2, 2)), (16, 3, 2))
    build.conv(16, (3, 2), pads=Pads())
    build.conv(12, (1, 1), pads=Pads())


@pytest.fixture(scope="module")
def case() -> tuple[IntegerGraph, list[Codes]]:
    return integers("tuned", (1, 16, 12), _fill)


@pytest.fixture(scope="module")
def trials(case: tuple[IntegerGraph, list[Codes]], tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return measure(case[0], M4, find_toolchain(), case[1][0], tmp_path_factory.mktemp("trials"))


def test_the_preferred_kernel_is_the_cheapest_unless_it_saves_flash(trials: Trials) -> None:
    assert sum(len(tried) > 1 for tried in trials.values()) >= 5
    for name, tried in trials.items():
        first = tried[0]
        if first.kernel.name not in DEARER_FOR_FLASH:
            assert first.instructions == min(trial.instructions for trial in tried), name


def test_saving_flash_costs_less_than_twice_the_instructions(trials: Trials) -> None:
    dearer = [tried for tried in trials.values() if tried[0].kernel.name in DEARER_FOR_FLASH]
    assert dearer
    for tried in dearer:
        assert tried[0].instructions < 2 * min(trial.instructions for trial in tried)


def test_the_cheapest_kernels_give_the_same_codes(
    case: tuple[IntegerGraph, list[Codes]], trials: Trials, tmp_path: Path
) -> None:
    graph, clips = case
    program = generate(graph, M4, cheapest(trials))
    run = emulate(make(find_toolchain(), program, tmp_path, write(program, tmp_path, clips)), len(program.layers))
    assert departures(program, run, clips) == []
    assert sum(run.instructions) <= sum(tried[0].instructions for tried in trials.values()) * 1.01
