"""The parity gate: firmware in emulation, the integer reference and the float graph, compared stage by stage.

Clips reach the firmware through a file by semihosting, so that any number of them runs through one image, in several
emulators at once. Every code of every stage comes back and is compared with the reference, to the bit.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.emulator import Options, Outcome
from nodes.firmware.emulator import broken, run_elf, where
from nodes.firmware.errors import FirmwareError
from nodes.firmware.parity_front import NAMES, FrontTally, Hearing, as_input, hear
from nodes.firmware.parity_replay import float_stages, replayed
from nodes.firmware.parity_report import Answers, Parity, stage_row
from nodes.firmware.parity_tally import Exact, Rounded
from nodes.firmware.parity_trace import CLIPS_FILE, TRACE_FILE, Trace, read_trace, trace_bytes, write_clips
from nodes.firmware.program import Program
from nodes.firmware.qemu import Board, run_board
from nodes.lne.ir import Graph
from nodes.quant.batched import float_maps
from nodes.quant.fixed import codes
from nodes.quant.simulate import simulated_maps

CLIPS_AT_ONCE: Final = 64
TRACE_BYTES_AT_ONCE: Final = 64 << 20
REPLAYED: Final = 8
"""Departing clips of a block whose stages are computed again from the firmware's own inputs."""
HEARD: Final = 8
"""Clips on which the noise of single stages is measured."""
STILL_S: Final = 20.0
"""A layer that takes longer hangs."""
LIMIT_S: Final = 3600.0
OUTPUT: Final = "output"
Array = NDArray[Any]


class Runner(Protocol):
    """Runs an image on the clips of a folder; the image leaves its trace there."""

    def __call__(self, elf: Path, folder: Path) -> Outcome: ...


@dataclass(frozen=True)
class Unicorn:
    """The emulator that counts instructions; here without counting.

    Attributes:
        cpu: the model to be; empty for the emulator's own choice.
        still_s: a layer that takes longer hangs.
    """

    cpu: str = ""
    still_s: float = STILL_S

    def __call__(self, elf: Path, folder: Path) -> Outcome:
        """Run it in a process of its own."""
        files = {name: folder / name for name in (CLIPS_FILE, TRACE_FILE)}
        return run_elf(elf, Options(LIMIT_S, self.still_s, self.cpu, counts=False, files=files))


@dataclass(frozen=True)
class Qemu:
    """A board in QEMU: another emulator, the same image and files."""

    board: Board
    limit_s: float = LIMIT_S

    def __call__(self, elf: Path, folder: Path) -> Outcome:
        """Run it; QEMU opens files where it is started."""
        told = run_board(Path(shutil.copy(elf, folder)), self.board, self.limit_s)
        return Outcome(code=told.code, console=told.console)


@dataclass
class _Comparison:
    """Sums of all stages."""

    program: Program
    float_graph: Graph | None
    truth: Sequence[int] | None
    exact: dict[str, Exact] = field(default_factory=dict)
    rounded: dict[str, Rounded] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    output: Exact = field(default_factory=Exact)
    front: FrontTally | None = None
    clips: int = 0
    changed: int = 0
    right: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self._names():
            self.exact[name], self.own[name] = Exact(), 0
            if self.float_graph is not None and name in self.float_graph.maps:
                self.rounded[name] = Rounded(self.program.graph.forms[name])

    def _names(self) -> Iterator[str]:
        return (layer.output for layer in self.program.layers)

    def add(self, block: Array, trace: Trace) -> None:
        """Take a block of clips (as reals, or as samples for a front end) and what the firmware made of them."""
        graph = self.program.graph
        if self.front is None:
            given = reached = codes(block.astype(np.float64), graph.forms[graph.source])
            reals = block
        else:
            heard = hear(self.front.hearing, block, graph)
            features = self.front.add(heard, trace.front, self.clips)
            given, reals = heard.given, heard.features
            reached = as_input(features, self.front.hearing.plan, graph)
        expected = simulated_maps(graph, given)
        departing: set[int] = set()
        for name, exact in self.exact.items():
            departing.update(exact.add(expected[name], trace.maps[name], self.clips))
        departing.update(self.output.add(expected[graph.result], trace.output, self.clips))
        self._replay(reached, trace, sorted(departing)[:REPLAYED])
        wanted = None if self.float_graph is None else self._hear(reals, expected)
        self._decide(wanted, expected[graph.result], trace.output)
        self.clips += len(block)

    def _replay(self, given: Array, trace: Trace, clips: list[int]) -> None:
        for clip in clips:
            found = {name: maps[clip] for name, maps in trace.maps.items()}
            for name, made in replayed(self.program.graph, given[clip], found):
                self.own[name] += int((made != found[name]).sum())

    def _hear(self, block: Array, expected: dict[str, Array]) -> Array:
        """The noise of rounding; the float graph's answers."""
        assert self.float_graph is not None
        wanted = float_maps(self.float_graph, block)
        for name, rounded in self.rounded.items():
            rounded.add(wanted[name], expected[name])
        stages = {op.output: op.inputs for op in self.program.graph.ops if op.output in self.rounded}
        for clip in range(len(block))[: max(0, HEARD - self.clips)]:
            maps = {name: codes_[clip] for name, codes_ in expected.items()}
            for name, alone in float_stages(self.float_graph, self.program.graph, maps, stages):
                self.rounded[name].add_own(alone, maps[name])
        return wanted[self.program.graph.result]

    def _decide(self, wanted: Array | None, expected: Array, found: Array) -> None:
        answers = {"float": wanted, "integer": expected, "firmware": found}
        decided = {name: _decisions(values) for name, values in answers.items() if values is not None}
        if "float" in decided:
            self.changed += int((decided["float"] != decided["integer"]).sum())
        if self.truth is not None:
            truth = np.asarray(self.truth)[self.clips : self.clips + len(found)]
            for name, chosen in decided.items():
                self.right[name] = self.right.get(name, 0) + int((chosen == truth).sum())

    def result(self, seconds: dict[str, float]) -> Parity:
        """All rows."""
        graph = self.program.graph
        rows = [] if self.front is None else list(self.front.rows())
        rows += [
            stage_row(
                layer.name, "layer", layer.operator, graph.forms[name], self.exact[name], self.own[name],
                self.rounded.get(name),
            )
            for layer in self.program.layers
            for name in (layer.output,)
        ]  # fmt: skip
        rows.append(stage_row(OUTPUT, "output", "", graph.forms[graph.result], self.output, None, None))
        answers = Answers(self.clips, self.changed if self.float_graph is not None else None, self.right)
        return Parity(self.program.name, self.program.cpu.name, tuple(rows), answers, seconds)


def _decisions(values: Array) -> Array:
    """The class with the largest score, of maps (clips, rows, columns, channels)."""
    return np.asarray(values.reshape(len(values), -1).argmax(1))


def check(
    program: Program,
    elf: Path,
    clips: Sequence[Array] | Array,
    float_graph: Graph | None = None,
    *,
    front_end: Hearing | None = None,
    truth: Sequence[int] | None = None,
    runner: Runner | None = None,
    workers: int = 2,
    on_progress: Callable[[int, int], None] | None = None,
) -> Parity:
    """Run clips through the firmware and compare every stage.

    Args:
        elf: the program's image, with the test of `nodes.firmware.project`.
        clips: inputs as reals, each of the source's shape; with a front end (clips, samples) of 16 bits.
        front_end: of an image made from `write_hearing`'s folder.
        truth: number of each clip's class, for how many are classified rightly.
        workers: emulators at once.
        on_progress: told (clips done, clips in all); what it raises ends the check.

    Raises:
        FirmwareError: there are no clips, or what is given is of another network; or the firmware hangs, faults or
            writes something else than a trace.
    """
    _check_given(program, clips, float_graph, truth)
    runner, found = (
        runner or Unicorn(),
        _Comparison(program, float_graph, truth, front=None if front_end is None else FrontTally(front_end)),
    )
    begun, waited = time.monotonic(), 0.0
    with tempfile.TemporaryDirectory(prefix="ossicle-parity-") as kept:
        for block in _emulated_blocks(program, elf, clips, runner, workers, Path(kept), front_end):
            started = time.monotonic()
            trace = block.trace.result()
            waited += time.monotonic() - started
            found.add(block.clips, trace)
            if on_progress is not None:
                on_progress(found.clips, len(clips))
    total = time.monotonic() - begun
    return found.result({"total": total, "waiting for the emulator": waited})


def _check_given(
    program: Program, clips: Sequence[Array] | Array, float_graph: Graph | None, truth: Sequence[int] | None
) -> None:
    graph = program.graph
    if not len(clips):
        raise FirmwareError("There are no clips to run.", "at least one", "Check the subset.")
    if truth is not None and len(truth) != len(clips):
        raise FirmwareError(
            f"{len(truth):,} classes are given for {len(clips):,} clips.",
            "one for each",
            "Give both of the same clips.",
        )
    known = {} if float_graph is None else float_graph.maps
    missing = [name for name in (graph.source, graph.result) if float_graph is not None and name not in known]
    if missing:
        raise FirmwareError(
            f"The float graph has no {missing[0]}, which the firmware has.",
            "the graph that the integers were made from",
            "Convert it and generate the firmware again.",
        )


@dataclass(frozen=True)
class _Block:
    """Clips on their way: as they were given, and what the firmware makes of them."""

    clips: Array
    trace: Future[Trace]


def _blocks(
    program: Program, clips: Sequence[Array] | Array, workers: int, front_end: Hearing | None
) -> Iterator[Array]:
    """Clips, so many at once that every emulator has work and a trace stays small."""
    shape: tuple[int, ...] = program.graph.maps[program.graph.source].shape
    if front_end is not None:
        shape = (front_end.plan.front_end.clip_samples,)
    each = trace_bytes(program) + (0 if front_end is None else front_end.record_bytes())
    at_once = min(CLIPS_AT_ONCE, max(1, TRACE_BYTES_AT_ONCE // each), -(-len(clips) // workers))
    for first in range(0, len(clips), at_once):
        yield np.stack([_shaped(np.asarray(clip), shape) for clip in clips[first : first + at_once]])


def _shaped(clip: Array, shape: tuple[int, ...]) -> Array:
    if clip.size != math.prod(shape):
        what = "samples" if len(shape) == 1 else "values"
        raise FirmwareError(
            f"A clip has {clip.size:,} {what}.",
            f"{' x '.join(map(str, shape))}",
            "Give clips as long as the network's.",
        )
    return clip.reshape(shape)


def _emulated_blocks(
    program: Program,
    elf: Path,
    clips: Sequence[Array] | Array,
    runner: Runner,
    workers: int,
    folder: Path,
    front_end: Hearing | None,
) -> Iterator[_Block]:
    """Blocks in order, while the emulators are at work on the next ones."""
    ahead, pool = deque[_Block](), ThreadPoolExecutor(workers)
    try:
        for number, block in enumerate(_blocks(program, clips, workers, front_end)):
            coming = pool.submit(_emulated, program, elf, block, folder / str(number), runner, front_end)
            ahead.append(_Block(block, coming))
            if len(ahead) > workers:
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


def _emulated(
    program: Program, elf: Path, block: Array, folder: Path, runner: Runner, front_end: Hearing | None
) -> Trace:
    folder.mkdir()
    graph, names = program.graph, [layer.name for layer in program.layers]
    if front_end is None:
        write_clips(folder / CLIPS_FILE, graph, codes(block.astype(np.float64), graph.forms[graph.source]))
    else:
        (folder / CLIPS_FILE).write_bytes(block.astype("<i2").tobytes())
        names = [*front_end.plan.front_end.frames * NAMES, *names]
    outcome = runner(elf, folder)
    if outcome.fault or outcome.code != 0:
        raise broken(where(outcome, names))
    trace = read_trace(folder / TRACE_FILE, program, len(block))
    for name in (CLIPS_FILE, TRACE_FILE):
        (folder / name).unlink()
    return trace
