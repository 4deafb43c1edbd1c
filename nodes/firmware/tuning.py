"""Kernels by what they cost: every candidate of every layer is built and run in emulation, the cheapest is taken.

Counts of instructions are exact and repeatable, so one run per kernel suffices, and the choice is the same each time.
Ranks of kernels are what such runs have shown; tuning tells whether they hold for a network of other shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodes.firmware.cpu import Cpu
from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels import candidates
from nodes.firmware.program import generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import Toolchain
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntegerGraph


@dataclass(frozen=True)
class Trial:
    """A kernel that was tried for a layer."""

    kernel: Kernel
    instructions: int


Trials = Mapping[str, tuple[Trial, ...]]
"""By operation, in the order of preference."""


def measure(graph: IntegerGraph, cpu: Cpu, toolchain: Toolchain, clip: Codes, folder: Path, most: int = 3) -> Trials:
    """Executed instructions of the first `most` candidates of every operation, one build for each place in the order.

    Raises:
        FirmwareError: an operation has no kernel, or a build or run fails.
    """
    able = {op.name: candidates(Task(op, graph, cpu))[:most] for op in graph.ops}
    found: dict[str, list[Trial]] = {name: [] for name in able}
    for turn in range(max(map(len, able.values()), default=0)):
        choices = {name: kernels[min(turn, len(kernels) - 1)] for name, kernels in able.items() if kernels}
        program = generate(graph, cpu, choices)
        into = folder / f"turn{turn}"
        elf = make(toolchain, program, into, write(program, into, [clip]))
        counts = emulate(elf, len(program.layers)).instructions
        for layer, count in zip(program.layers, counts, strict=True):
            if turn < len(able[layer.name]):
                found[layer.name].append(Trial(choices[layer.name], count))
    return {name: tuple(trials) for name, trials in found.items() if trials}


def cheapest(trials: Trials) -> dict[str, Kernel]:
    """The kernel with the fewest instructions of every operation; of equals the preferred one."""
    return {name: min(tried, key=lambda trial: trial.instructions).kernel for name, tried in trials.items()}
