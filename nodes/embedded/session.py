"""The whole way: read, round, generate, build, run, compare. Knows no workflow; the node and the command share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from nodes.embedded.feed import Feed, feed, shared
from nodes.embedded.hearing import Hearing, heard, hearing, listen
from nodes.embedded.samples import Sounds, check_from_samples, sounds, try_dfts
from nodes.embedded.sequence import Decisions, decisions
from nodes.embedded.wish import NOISE_CLIPS, Clips, Floats, Network, Watch, Wish
from nodes.emulator import Options
from nodes.firmware.cpu import find_cpu
from nodes.firmware.cycles import layer_cycles
from nodes.firmware.errors import FirmwareError
from nodes.firmware.forms import Export, build_app, build_test, expected, write_form
from nodes.firmware.frontend import shortest_dft
from nodes.firmware.fuse import fuse
from nodes.firmware.golden import Run
from nodes.firmware.maps import memory_of
from nodes.firmware.parity import check
from nodes.firmware.parity_report import Parity
from nodes.firmware.program import Program, generate
from nodes.firmware.project import RUN_LIMIT_S, outcome_of, read_run
from nodes.firmware.qemu import board_of, run_board
from nodes.firmware.report import image_report
from nodes.firmware.toolchain import Toolchain, find_toolchain
from nodes.lne.ir import Graph
from nodes.lne.reading import read_onnx
from nodes.quant.convert import convert, settled
from nodes.quant.convert import watch as gather
from nodes.quant.fixed import Values, codes
from nodes.quant.formats import read_formats, rule_of
from nodes.quant.integer import IntegerGraph, IntSequence
from nodes.quant.settings import Settings

PROJECT: Final = "project"
"""The form that is built and run; its folder has this name."""
SHARES: Final = {"read": 0.02, "round": 0.05, "generate": 0.3, "build": 0.35, "run": 0.5, "compare": 0.6, "judge": 0.9}
"""Part of the whole at which a stage begins."""
COUNTED_CPUS: Final = ("cortex-m4", "cortex-m7", "cortex-m33")
"""Processors whose cycles the model may stand for; that of a Cortex-M4."""
ROOM_BYTES: Final = 4 << 20
"""Of flash and RAM, where nobody names a limit."""


@dataclass(frozen=True)
class Made:
    """Firmware that was built and run.

    Attributes:
        folder: with one folder per form in it.
        app, test: images of the device and of the test, in the project's folder.
        run: of the golden clips, in emulation.
        cycles: of every layer, estimated; empty where there is no model of the processor.
        witness: QEMU's board on which the golden clips gave the same checksums; empty without QEMU.
        parity: every stage of the judged clips, from their samples on where these are known; over single pieces
            where a clip has several.
        decisions: over whole clips, where they have several pieces.
        image: what the device's image holds, see `nodes.firmware.report`.
        ear: the front end on the device; None where there is none.
        answers: that the device gave to a recording, from its samples on; all of them the reference's.
        seconds: by stage.
    """

    folder: Path
    network: Network
    wish: Wish
    feed: Feed
    program: Program
    toolchain: Toolchain
    app: Path
    test: Path
    run: Run
    cycles: tuple[int, ...]
    witness: str
    parity: Parity
    decisions: Decisions | None
    image: dict[str, Any]
    ear: Hearing | None = None
    answers: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class _Clock:
    """Tells the stages and how long each took."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.seconds = watch, dict[str, float]()

    @contextmanager
    def stage(self, name: str, words: str) -> Iterator[None]:
        self.watch.progress(SHARES[name], words)
        begun_s = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun_s

    def within(self, name: str, next_name: str, words: str) -> Callable[[int, int], None]:
        """Progress inside a stage: told (done, all)."""
        first, last = SHARES[name], SHARES[next_name]
        return lambda done, whole: self.watch.progress(first + (last - first) * done / max(whole, 1), words)


def build(network: Network, wish: Wish, folder: Path, watch: Watch | None = None) -> Made:
    """Firmware of a network in a folder, run and compared.

    Raises:
        LneError: the model cannot be read.
        QuantError: it has no integer form, or cannot be rounded.
        FirmwareError: it does not fit, does not build, does not run, or departs from the reference.
    """
    clock = _Clock(watch or Watch())
    with clock.stage("read", "reading the network"):
        whole = replace(read_onnx(network.onnx).graph, name=network.name)
        fed = feed(whole)
    with clock.stage("round", "choosing formats"):
        graph = fuse(rounded(whole, network, fed, wish, clock.watch))
    with clock.stage("generate", "generating C"):
        export, ear = _export(network, fed, graph, wish, clock.watch)
        for form in dict.fromkeys((PROJECT, *wish.forms)):
            write_form(form, export, folder / form)
    toolchain = find_toolchain(wish.toolchain, export.program.cpu)
    with clock.stage("build", f"compiling with {toolchain.name}"):
        app, test = _built(export, folder / PROJECT, toolchain)
    with clock.stage("run", f"running on an emulated {wish.cpu}"):
        run, cycles = _run(export.program, test)
        witness = _witness(export, test)
        answers = listen(export, folder / PROJECT, toolchain) if export.heard is not None else 0
    with clock.stage("compare", "comparing layers"):
        parity, decided = _compared(whole, network, fed, _Images(export.program, toolchain, test, ear), clock)
    image = image_report(export.program, app, export.memory, run)
    made = (run, cycles, witness, parity, decided, image, ear, answers, clock.seconds)
    return Made(folder, network, wish, fed, export.program, toolchain, app, test, *made)


def _export(
    network: Network, fed: Feed, graph: IntegerGraph, wish: Wish, watch: Watch
) -> tuple[Export, Hearing | None]:
    inputs = [codes(clip, graph.forms[graph.source]) for clip in spread(network.judged, fed, wish.golden_clips)]
    program = generate(graph, find_cpu(wish.cpu), ram_limit_bytes=wish.ram_bytes or None)
    memory = memory_of(wish.device, wish.flash_bytes or ROOM_BYTES, wish.ram_bytes or ROOM_BYTES)
    export, ear = Export(program, inputs, memory, wish.device), _ear(network, fed, program, wish, watch)
    if ear is None:
        return export, None
    known = None if network.recording is None else heard(ear, graph, network.recording)
    return replace(export, front_end=ear.source, every_frames=ear.every_frames, heard=known), ear


def _ear(network: Network, fed: Feed, program: Program, wish: Wish, watch: Watch) -> Hearing | None:
    """The front end, if it is known and wanted; one that no microcontroller computes is told and left out."""
    if network.front_end is None or not wish.hears:
        return None
    try:
        found = _sounds(network, fed)
        tried = None if found is None else try_dfts(found, program.graph, fed.graph)
        is_short = wish.dft == "shortest" or (wish.dft == "measured" and tried is not None and tried.is_within_rounding)
        made = hearing(network.front_end, fed, program, shortest_dft(network.front_end) if is_short else None)
        return replace(made, tried=tried)
    except FirmwareError as error:
        watch.log(f"Without its front end: {error.what}")
        return None


def _sounds(network: Network, fed: Feed) -> Sounds | None:
    """The judged clips as samples, if these and the front end are known."""
    if network.front_end is None or network.sounds is None:
        return None
    truth = network.judged.truth
    return sounds(network.front_end, fed, network.sounds, None if truth is None else truth.tolist())


def _built(export: Export, folder: Path, toolchain: Toolchain) -> tuple[Path, Path]:
    """The device's image and the test's, compiled side by side."""
    with ThreadPoolExecutor(2) as pool:
        app, test = (pool.submit(one, export, folder, toolchain) for one in (build_app, build_test))
        return app.result(), test.result()


def _run(program: Program, test: Path) -> tuple[Run, tuple[int, ...]]:
    has_model, names = program.cpu.name in COUNTED_CPUS, [layer.name for layer in program.layers]
    outcome = outcome_of(test, names, Options(RUN_LIMIT_S, keeps_blocks=has_model))
    cycles = layer_cycles(test, outcome.blocks, len(names)) if has_model else ()
    return read_run(outcome, len(names)), cycles


def _witness(export: Export, test: Path) -> str:
    """The golden clips once more in QEMU, where it is installed.

    Raises:
        FirmwareError: it tells other checksums.
    """
    board = board_of(export.program.cpu)
    if board is None:
        return ""
    lines = run_board(test, board).console.splitlines()
    wanted = expected(export).splitlines()
    told = [line for line in lines if not line.startswith("stack")]
    if told != wanted:
        first = next((pair for pair in zip(told, wanted, strict=False) if pair[0] != pair[1]), ("an early end", ""))
        raise FirmwareError(
            f"QEMU ({board.machine}) does not agree: it tells {first[0]!r}.",
            repr(first[1]) if first[1] else f"{len(wanted):,} lines",
            "Run the project's own test; report this.",
        )
    return board.machine


@dataclass(frozen=True)
class _Images:
    """What is compared."""

    program: Program
    toolchain: Toolchain
    test: Path
    ear: Hearing | None


def _parity(network: Network, fed: Feed, images: _Images, clock: _Clock) -> Parity:
    """From samples to answers where the firmware hears and the samples are known, else from features."""
    program, ear, clips = images.program, images.ear, network.judged
    found = None if ear is None else _sounds(network, fed)
    if ear is not None and found is not None:
        told = clock.within("compare", "judge", f"comparing {len(found.samples):,} clips, from the samples on")
        return check_from_samples(found, ear.plan, program, images.toolchain, fed.graph, told)
    inputs = [piece for clip in clips.values for piece in fed.inputs(clip)]
    truth = clips.truth.tolist() if fed.pieces == 1 and clips.truth is not None else None
    told = clock.within("compare", "judge", f"comparing {len(inputs):,} inputs")
    return check(program, images.test, inputs, fed.graph, truth=truth, on_progress=told)


def _compared(
    whole: Graph, network: Network, fed: Feed, images: _Images, clock: _Clock
) -> tuple[Parity, Decisions | None]:
    parity = _parity(network, fed, images, clock)
    if not parity.is_exact:
        raise FirmwareError(
            parity.summary, "outputs of every layer that are equal to the bit", "Take the other compiler; report this."
        )
    if fed.pieces == 1:
        return parity, None

    def told(done: int) -> None:
        clock.watch.progress(SHARES["judge"], f"judging clip {done}")

    return parity, decisions(whole, fed, images.program.graph, network.judged, told)


def rounded(whole: Graph, network: Network, fed: Feed, wish: Wish, watch: Watch) -> IntegerGraph:
    """The network in integers: with the formats it brings, or with formats chosen on its calibration clips.

    A network over several patches is calibrated as a whole: only then its state has the range that it will have.

    Raises:
        QuantError: operations without an integer form, formats of another network, nothing to calibrate on.
    """
    if network.formats is not None:
        settings = shared(read_formats(network.formats), fed)
        return _keeping(convert(fed.graph, None, settings), fed)
    settings = Settings(wish.bits, wish.bias_bits, rule_of(wish.rule), channel_scales=wish.channel_scales)
    if fed.pieces == 1:
        return convert(fed.graph, gather(fed.graph, _told(network.calibration, fed.inputs, watch), wish.bits), settings)
    tensors = gather(whole, _told(network.calibration, _as_it_is, watch), wish.bits)
    return _keeping(convert(fed.graph, None, shared(settled(whole, tensors, settings), fed)), fed)


def _as_it_is(clip: Floats) -> list[Values]:
    return [clip.astype(np.float64)]


def _keeping(graph: IntegerGraph, fed: Feed) -> IntegerGraph:
    """The same; with several pieces to a clip, recurrent layers go on from the state the last piece left."""
    if fed.pieces == 1:
        return graph
    ops = tuple(replace(op, keeps_state=True) if isinstance(op, IntSequence) else op for op in graph.ops)
    return replace(graph, ops=ops)


def _told(clips: Clips | None, inputs: Callable[[Floats], list[Values]], watch: Watch) -> Iterator[Values]:
    """Inputs of calibration clips, with progress between them, which may raise to stop."""
    first, last = SHARES["round"], SHARES["generate"]
    values: Floats | tuple[Floats, ...] = () if clips is None else clips.values
    for number, clip in enumerate(values):
        watch.progress(first + (last - first) * number / len(values), f"calibrating on clip {number + 1:,}")
        yield from inputs(clip)


def spread(clips: Clips, fed: Feed, count: int) -> list[Values]:
    """The inputs of some clips, evenly over all."""
    rows = np.unique(np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int))
    return [values for row in rows.tolist() for values in fed.inputs(clips.values[row])]


def noise(graph: Graph, count: int = NOISE_CLIPS, seed: int = 0) -> Clips:
    """Normal inputs for a network nobody gave any."""
    rng = np.random.default_rng(seed)
    return Clips(rng.normal(0.0, 1.0, (count, *graph.source_shape[1:])).astype(np.float32), is_real=False)
