"""The front end on the device: planned for a network's input, and tried on a recording from its first sample on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.parameters import FrontEnd
from nodes.embedded.feed import Feed
from nodes.embedded.samples import Tried
from nodes.emulator import Options
from nodes.firmware.compose import Heard, fit_together
from nodes.firmware.emulator import broken, run_elf
from nodes.firmware.errors import FirmwareError
from nodes.firmware.forms import Export, build_listen
from nodes.firmware.frontend import Plan, Source, codes_of, frontend_source, plan
from nodes.firmware.golden import in_memory
from nodes.firmware.program import Program
from nodes.firmware.project import RUN_LIMIT_S
from nodes.firmware.toolchain import Toolchain
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntegerGraph, evaluate
from nodes.quant.steps import States

NAME: Final = "hearing"
ANSWERS_PER_WINDOW: Final = 4
"""How often a network that sees sliding windows is asked while the frames of one go by."""


@dataclass(frozen=True)
class Hearing:
    """A front end in integers and in C.

    Attributes:
        every_frames: from one answer to the next.
        tried: what a shorter DFT costs; None if there is none, or nothing to measure it on.
    """

    plan: Plan
    source: Source
    every_frames: int
    tried: Tried | None = None


def hearing(front_end: FrontEnd, fed: Feed, program: Program, dft_samples: int | None = None) -> Hearing:
    """The front end of a network, in the format of its input; with the preset's DFT or a shorter one.

    Raises:
        FirmwareError: a microcontroller cannot compute it, or it gives something else than the network reads.
    """
    made = plan(front_end, program.graph.forms[program.graph.source], dft_samples=dft_samples)
    source = frontend_source(made, NAME if program.name != NAME else f"{NAME}_front")
    fit_together(source, program)
    frames = made.frames
    return Hearing(made, source, frames if fed.pieces > 1 else max(1, frames // ANSWERS_PER_WINDOW))


def heard(one: Hearing, graph: IntegerGraph, samples: NDArray[np.int16]) -> Heard | None:
    """A recording and the answers of the integer reference; None if nothing can be streamed of it.

    Frames at the ends of a clip that silence is put around are no part of a stream.
    """
    f = one.plan.front_end
    usable = samples[: len(samples) // f.hop_samples * f.hop_samples].astype(np.int64)
    count = 1 + (len(usable) - f.window_samples) // f.hop_samples
    if f.pad_samples or count < one.plan.frames:
        return None
    stream = replace(f, clip_samples=len(usable), append_samples=0, patch_frames=0)
    frames = codes_of(replace(one.plan, front_end=stream), usable)[:count]
    return Heard(usable, list(_answers(one, graph, frames)))


def _answers(one: Hearing, graph: IntegerGraph, frames: Codes) -> Iterator[Codes]:
    """Of every window that the device's program shows the network; states are kept."""
    given, states, since = graph.maps[graph.source], States(), 0
    for end in range(1, len(frames) + 1):
        since += 1
        if since < one.every_frames or end < one.plan.frames:
            continue
        since = 0
        window = frames[end - one.plan.frames : end].reshape(given.h, given.w, given.c).transpose(2, 0, 1)
        yield in_memory(evaluate(graph, window, states)[graph.result], graph, graph.result)


def listen(export: Export, folder: Path, toolchain: Toolchain) -> int:
    """Let the device's program hear the recording in emulation; how many answers were the reference's.

    Raises:
        FirmwareError: it does not run, or an answer is another one.
    """
    assert export.heard is not None
    outcome = run_elf(build_listen(export, folder, toolchain), Options(RUN_LIMIT_S))
    if outcome.fault or outcome.code not in (0, 1):
        raise broken(outcome.fault or f"exit code {outcome.code} while it listens")
    told = [line.split() for line in outcome.console.splitlines() if line.startswith("answer ")]
    wrong = [number for number, (_, _, differs) in enumerate(told) if differs != "0"]
    if outcome.code or wrong:
        raise FirmwareError(
            f"The firmware hears otherwise: answer {wrong[0] if wrong else len(told)} of {len(export.heard.answers)}.",
            "the answers of the integer reference, to the bit",
            "Take the other compiler; report this.",
        )
    return len(told)
