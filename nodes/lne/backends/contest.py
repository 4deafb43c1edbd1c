"""Engines take turns on one core: one process each, the same rounds, minimum and median of single calls.

Every engine must compute what the reference does before it may take part.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import nodes.lne
from nodes.lne.backends.contender import Floats
from nodes.lne.backends.found import Backend
from nodes.lne.errors import LneError

WARM_UP_CALLS = 20
ROUND_US = 3000.0
LEAST_CALLS, MOST_CALLS = 3, 200
TOLERANCE, INT8_TOLERANCE = 1e-3, 0.15
"""Of the largest output, or of 1 where that is less."""
ROOT = Path(nodes.lne.__file__).parents[2]
OURS = "nodes.lne.backends.ours:lne"


@dataclass(frozen=True)
class Timing:
    """What an engine took, in microseconds over all calls, and its error as a part of the largest output."""

    least_us: float
    median_us: float
    error: float


@dataclass(frozen=True)
class Entry:
    """One network of a race: how it is opened, by which interpreter, from which file."""

    name: str
    function: str
    python: str
    model: Path
    tolerance: float = TOLERANCE


@dataclass
class Contest:
    """Processes of engines, started as they are needed and kept for the next network.

    Attributes:
        core: all are pinned to; the last one this process may use by default.
        excluded: why an engine did not take part, by name, in the last race.
        serving: engines of the last race that take one input after another.
    """

    backends: list[Backend]
    core: int = field(default_factory=lambda: _last_core())
    excluded: dict[str, str] = field(default_factory=dict)
    serving: set[str] = field(default_factory=set)
    _workers: dict[str, _Worker] = field(default_factory=dict, repr=False)

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.stop()
        self._workers.clear()

    def entries(self, model: Path) -> list[Entry]:
        """Every engine on one ONNX file."""
        return [
            Entry(one.name, one.function, one.python, model, INT8_TOLERANCE if one.is_int8 else TOLERANCE)
            for one in self.backends
        ]

    def race(self, entries: Iterable[Entry], values: Floats, wanted: Floats, rounds: int = 30) -> dict[str, Timing]:
        """Time every engine that computes what is wanted, taking turns."""
        self.excluded.clear()
        self.serving.clear()
        with tempfile.TemporaryDirectory(prefix="ossicle-race-") as folder:
            path = Path(folder) / "values.npy"
            np.save(path, np.ascontiguousarray(values, np.float32))
            errors = {entry.name: self._enter(entry, path, wanted) for entry in entries}
        able = {name: error for name, error in errors.items() if error is not None}
        times = self._rounds(list(able), rounds)
        return {name: Timing(min(us), float(np.median(us)), able[name]) for name, us in times.items() if us}

    def _enter(self, entry: Entry, values: Path, wanted: Floats) -> float | None:
        """The error of an engine's output; none if it is left out."""
        try:
            asked = {"open": entry.function, "model": str(entry.model), "values": str(values)}
            answer = self._worker(entry).ask(asked)
        except LneError as failure:
            self._exclude(entry.name, failure.what)
            return None
        output = np.array(answer["output"])
        if output.size != wanted.size or not np.isfinite(output).all():
            self._exclude(entry.name, f"{output.size} values instead of {wanted.size}, or not finite")
            return None
        largest = float(np.abs(wanted).max())
        error = float(np.abs(output - wanted.reshape(-1)).max())
        if error > entry.tolerance * max(1.0, largest):
            self._exclude(entry.name, f"its output is wrong by {error:.2g} of {largest:.2g}")
            return None
        if answer["takes_more"]:
            self.serving.add(entry.name)
        return error / largest

    def _exclude(self, name: str, reason: str) -> None:
        self.excluded[name] = reason
        worker = self._workers.pop(name, None)
        if worker is not None:
            worker.stop()

    def _worker(self, entry: Entry) -> _Worker:
        if entry.name not in self._workers:
            self._workers[entry.name] = _Worker.start(entry, self.core)
        return self._workers[entry.name]

    def _rounds(self, names: list[str], rounds: int) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {name: [] for name in names}
        calls: dict[str, int] = {}
        for name in names:
            first = self._time(name, 3, 1) or [0.0]
            calls[name] = max(LEAST_CALLS, min(MOST_CALLS, int(ROUND_US / max(min(first), 0.1))))
            self._time(name, 1, min(WARM_UP_CALLS, calls[name]))
        for _ in range(rounds):
            for name in names:
                times[name].extend(self._time(name, calls[name], 3 if calls[name] > 5 else 1))
        return times

    def _time(self, name: str, calls: int, warm: int) -> list[float]:
        if name not in self._workers:
            return []
        try:
            return list(self._workers[name].ask({"time": calls, "warm": warm})["us"])
        except LneError as error:
            self._exclude(name, error.what)
            return []


def _last_core() -> int:
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else -1


@dataclass
class _Worker:
    """A process and its two pipes."""

    name: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, entry: Entry, core: int) -> _Worker:
        environment: Mapping[str, str] = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        }
        try:
            process = subprocess.Popen(
                [entry.python, "-m", "nodes.lne.backends.worker", str(core)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment,
            )
        except OSError as error:
            raise LneError(f"{entry.python} could not be started: {error}.", "a Python", "Correct its path.") from error
        return cls(entry.name, process)

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request, one answer.

        Raises:
            LneError: the engine raised an error, or its process ended.
        """
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            raise LneError(f"the process of {self.name} ended.", "an engine that runs here", "Leave it out.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise LneError(str(answer["error"]), f"a network {self.name} can run", "Leave it out.")
        return answer

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
