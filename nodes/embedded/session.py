"""The whole way: read, round, generate, build, run, compare. Knows no workflow; the node and the command share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np

from nodes.embedded.feed import Feed, feed
from nodes.embedded.wish import NOISE_CLIPS, Clips, Floats, Network, Watch, Wish
from nodes.firmware.cpu import find_cpu
from nodes.firmware.errors import FirmwareError
from nodes.firmware.fuse import fuse
from nodes.firmware.golden import Run, departures
from nodes.firmware.program import Program, generate
from nodes.firmware.project import emulate, make, write
from nodes.firmware.toolchain import Toolchain, find_toolchain
from nodes.lne.ir import Graph
from nodes.lne.reading import read_onnx
from nodes.quant.convert import convert, settled
from nodes.quant.convert import watch as gather
from nodes.quant.fixed import Fixed, Values, codes
from nodes.quant.formats import read_formats, rule_of
from nodes.quant.integer import IntegerGraph, IntSequence
from nodes.quant.settings import Settings

PROJECT_FOLDER: Final = "project"
SHARES: Final = {"read": 0.02, "round": 0.05, "generate": 0.4, "build": 0.5, "run": 0.65, "compare": 0.75}
"""Part of the whole at which a stage begins."""


@dataclass(frozen=True)
class Made:
    """Firmware that was built and run.

    Attributes:
        folder: with the project in `PROJECT_FOLDER`.
        run: of the golden clips, in emulation.
        departed: layers that were not the reference's; none of a sound program.
        seconds: by stage.
    """

    folder: Path
    network: Network
    wish: Wish
    feed: Feed
    program: Program
    toolchain: Toolchain
    elf: Path
    run: Run
    departed: tuple[str, ...]
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


def build(network: Network, wish: Wish, folder: Path, watch: Watch | None = None) -> Made:
    """Firmware of a network in a folder, run and compared.

    Raises:
        LneError: the model cannot be read.
        QuantError: it has no integer form, or cannot be rounded.
        FirmwareError: it does not fit, does not build or does not run.
    """
    clock = _Clock(watch or Watch())
    with clock.stage("read", "reading the network"):
        whole = replace(read_onnx(network.onnx).graph, name=network.name)
        fed = feed(whole)
    with clock.stage("round", "choosing formats"):
        graph = fuse(rounded(whole, network, fed, wish, clock.watch))
    inputs = [codes(clip, graph.forms[graph.source]) for clip in spread(network.judged, fed, wish.golden_clips)]
    toolchain = find_toolchain(wish.toolchain)
    with clock.stage("generate", "generating C"):
        program = generate(graph, find_cpu(wish.cpu), ram_limit_bytes=wish.ram_bytes or None)
        sources = write(program, folder / PROJECT_FOLDER, inputs)
    with clock.stage("build", f"compiling with {toolchain.name}"):
        elf = make(toolchain, program, folder / PROJECT_FOLDER, sources)
    with clock.stage("run", f"running on an emulated {wish.cpu}"):
        run = emulate(elf, len(program.layers))
    with clock.stage("compare", "comparing layers"):
        departed = tuple(departures(program, run, inputs))
    if departed:
        raise _unequal(departed)
    return Made(folder, network, wish, fed, program, toolchain, elf, run, departed, clock.seconds)


def rounded(whole: Graph, network: Network, fed: Feed, wish: Wish, watch: Watch) -> IntegerGraph:
    """The network in integers: with the formats it brings, or with formats chosen on its calibration clips.

    A network over several patches is calibrated as a whole: only then its state has the range that it will have.

    Raises:
        QuantError: operations without an integer form, formats of another network, nothing to calibrate on.
    """
    if network.formats is not None:
        settings = _shared(read_formats(network.formats), fed)
        return _keeping(convert(fed.graph, None, settings), fed)
    settings = Settings(wish.bits, wish.bias_bits, rule_of(wish.rule))
    if fed.pieces == 1:
        return convert(fed.graph, gather(fed.graph, _told(network.calibration, fed.inputs, watch), wish.bits), settings)
    tensors = gather(whole, _told(network.calibration, _as_it_is, watch), wish.bits)
    return _keeping(convert(fed.graph, None, _shared(settled(whole, tensors, settings), fed)), fed)


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


def _shared(settings: Settings, fed: Feed) -> Settings:
    """Formats for all pieces of a clip: of what was computed for each apart, the one with the largest range."""
    formats = dict(settings.formats)
    for name, others in fed.twins.items():
        for key, twins in ((name, others), *_parts(name, others)):
            found = [formats[one] for one in (key, *twins) if one in formats]
            if found:
                formats[key] = min(found, key=_fraction)
    return replace(settings, formats=formats)


def _parts(name: str, others: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for part in ("weight", "recurrence"):
        yield f"{name} {part}", tuple(f"{one} {part}" for one in others)


def _fraction(form: Fixed) -> int:
    return form.fraction


def spread(clips: Clips, fed: Feed, count: int) -> list[Values]:
    """The inputs of some clips, evenly over all."""
    rows = np.unique(np.linspace(0, len(clips) - 1, min(count, len(clips))).round().astype(int))
    return [values for row in rows.tolist() for values in fed.inputs(clips.values[row])]


def noise(graph: Graph, count: int = NOISE_CLIPS, seed: int = 0) -> Clips:
    """Normal inputs for a network nobody gave any."""
    rng = np.random.default_rng(seed)
    return Clips(rng.normal(0.0, 1.0, (count, *graph.source_shape[1:])).astype(np.float32), is_real=False)


def _unequal(departed: tuple[str, ...]) -> FirmwareError:
    return FirmwareError(
        f"The firmware departs from the integer reference: {'; '.join(departed[:5])}.",
        "outputs of every layer that are equal to the bit",
        "Build it with the other compiler; report this.",
    )
