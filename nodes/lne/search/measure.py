"""Time a compiled network in place: every layer between two marks of the clock, inside whole runs.

Layers timed alone would find their weights and inputs in the nearest cache. Here each layer runs behind the one before
it, several networks take turns, and the minimum over all rounds counts: whatever else the machine does only adds time.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.lne.build import Runner

Call = Callable[[], object]
WARM_UP_CALLS = 3
ROUND_S = 0.003
"""Of back-to-back calls per network and round."""
MOST_CALLS = 200


@dataclass(frozen=True)
class Profile:
    """What one network took.

    Attributes:
        names: of the steps, casts included, as in `Program.layers`.
        step_us, median_us: of every step, the minimum and the median over all calls.
        whole_us: of a call without marks, the minimum.
        whole_median_us: the median.
    """

    names: tuple[str, ...]
    step_us: tuple[float, ...]
    median_us: tuple[float, ...]
    whole_us: float
    whole_median_us: float

    @property
    def coverage(self) -> float:
        """Sum of the steps over the whole: near 1 where the marks cost little and the machine was quiet."""
        return sum(self.step_us) / self.whole_us


def plain_call(runner: Runner, values: NDArray[np.float32]) -> tuple[Call, NDArray[np.float32]]:
    """The cheapest way to call a network from Python, and where its output appears."""
    result = np.empty(runner.program.plan.graph.result_shape, np.float32)
    return _bound(runner, "run", np.ascontiguousarray(values, np.float32), result), result


def marked_call(runner: Runner, values: NDArray[np.float32]) -> tuple[Call, NDArray[np.uint64]]:
    """A call that marks the clock around every step, and where the marks appear."""
    result = np.empty(runner.program.plan.graph.result_shape, np.float32)
    marks = np.zeros(len(runner.program.layers) + 1, np.uint64)
    return _bound(runner, "profile", np.ascontiguousarray(values, np.float32), result, marks), marks


def _bound(runner: Runner, name: str, *arrays: NDArray[np.generic]) -> Call:
    """A function of the library with its arguments converted once; it keeps their memory alive."""
    function = getattr(runner.library, f"{runner.program.name}_{name}")
    function.argtypes, function.restype = [ctypes.c_void_p] * (1 + len(arrays)), None
    places = [ctypes.c_void_p(address) for address in (runner.start, *(array.ctypes.data for array in arrays))]

    def call(kept: object = (runner, arrays)) -> None:
        function(*places)

    return call


def repeats(call: Call) -> int:
    """Calls that fill a round, after a warm-up."""
    for _ in range(WARM_UP_CALLS):
        call()
    start_s = time.perf_counter()
    call()
    return max(1, min(MOST_CALLS, int(ROUND_S / max(time.perf_counter() - start_s, 1e-7))))


def measure(runners: Sequence[Runner], values: NDArray[np.float32], rounds: int = 10) -> list[Profile]:
    """Profile networks that read the same input, taking turns. Their libraries must be compiled for it.

    Args:
        rounds: turns of each network, of about 3 ms without and 3 ms with marks.
    """
    contestants = [_Contestant(runner, values) for runner in runners]
    for _ in range(rounds):
        for contestant in contestants:
            contestant.turn()
    return [contestant.profile() for contestant in contestants]


class _Contestant:
    """One network and what it took so far."""

    def __init__(self, runner: Runner, values: NDArray[np.float32]) -> None:
        self.runner = runner
        self.plain, _ = plain_call(runner, values)
        self.marked, self.marks = marked_call(runner, values)
        self.repeats = repeats(self.plain)
        self.whole_s: list[float] = []
        self.ticks: list[NDArray[np.int64]] = []
        self.rates: list[float] = []
        """Seconds per tick of the marks' clock."""

    def turn(self) -> None:
        clock = time.perf_counter
        self.plain()
        for _ in range(self.repeats):
            start_s = clock()
            self.plain()
            self.whole_s.append(clock() - start_s)
        self.marked()
        first, start_s = int(self.marks[-1]), clock()
        for _ in range(self.repeats):
            self.marked()
            self.ticks.append(np.diff(self.marks).astype(np.int64))
        self.rates.append((clock() - start_s) / max(1, int(self.marks[-1]) - first))

    def profile(self) -> Profile:
        us = np.stack(self.ticks) * (float(np.median(self.rates)) * 1e6)
        whole = np.array(self.whole_s) * 1e6
        return Profile(
            self.runner.program.layers,
            tuple(map(float, us.min(axis=0))),
            tuple(map(float, np.median(us, axis=0))),
            float(whole.min()),
            float(np.median(whole)),
        )
