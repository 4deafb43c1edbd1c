"""From samples to answers on the device: what a front end in C offers, so that one program can hold it and a network.

A front end called FE is two files, FE.c and FE.h. Its header declares

    #define FE_HOP_SAMPLES 160              samples from one frame to the next
    #define FE_FRAMES 98                    frames of one input of the network
    void FE_start(void);                               forgets what was heard
    int FE_push(const int16_t *samples, int count);    frames that became ready by these samples
    int FE_ready(void);                                frames gathered, up to FE_FRAMES
    const int8_t *FE_features(void);                   one input of the network: frames x coefficients, the oldest first
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nodes.firmware.errors import FirmwareError
from nodes.firmware.kernel import c_type
from nodes.firmware.program import Program
from nodes.quant.fixed import Codes, Fixed

if TYPE_CHECKING:
    from nodes.firmware.frontend import Plan

SOUND: Final = "sound"
"""Prefix of a program's front end; no network gets it."""


@dataclass(frozen=True)
class FrontEndCode:
    """A front end as generated C.

    Attributes:
        name: prefix of its files and symbols, not the network's.
        frames, coefficients: of one input of the network.
        output: format of a code.
    """

    name: str
    source: str
    header: str
    frames: int
    coefficients: int
    output: Fixed


def front_end_code(plan: Plan, name: str = SOUND) -> FrontEndCode:
    """C of a front end in integers, for a program with a network."""
    from nodes.firmware.frontend import frontend_source

    made = frontend_source(plan, name)
    return FrontEndCode(made.name, made.source, made.header, plan.frames, plan.front_end.coefficients, plan.output)


@dataclass(frozen=True, eq=False)
class Heard:
    """A recording and what the device answers to it, for a test of the whole way.

    Attributes:
        samples: (samples,) of 16 bits.
        answers: the network's output codes at each decision, in order, in the order of memory.
    """

    samples: Codes
    answers: Sequence[Codes]


def fit_together(front_end: FrontEndCode, program: Program) -> None:
    """Check that a front end gives what a network takes.

    Raises:
        FirmwareError: shapes, formats or names do not go together; all reasons are listed.
    """
    graph = program.graph
    given, form = graph.maps[graph.source], graph.forms[graph.source]
    size = front_end.frames * front_end.coefficients
    is_in_order = given.h * given.w * given.c == size and _leading(given.h, given.w, given.c) == front_end.frames
    reasons = (
        (not is_in_order, f"the network reads {given.h} x {given.w} x {given.c} codes"),
        (front_end.output != form, f"the network reads codes of {form.bits} bits, {form.fraction} behind the point"),
        (front_end.name == program.name, f"both are called {program.name}"),
    )
    if found := [reason for is_so, reason in reasons if is_so]:
        code = front_end.output
        raise FirmwareError(
            f"Front end and network do not go together: {'; '.join(found)}.",
            f"{front_end.frames} frames of {front_end.coefficients} codes of {code.bits} bits, {code.fraction} behind "
            "the point, in this order",
            "Generate both from one model.",
        )


def _leading(*sizes: int) -> int:
    """The first size that is not 1: frames come first in memory."""
    return next((size for size in sizes if size != 1), 1)


def heard_header(program: Program, heard: Heard) -> str:
    """`heard.h`: the recording and the answers."""
    kind = c_type(program.graph.forms[program.graph.result])
    answers = [answer.ravel().tolist() for answer in heard.answers]
    rows = ",\n  ".join("{" + ", ".join(map(str, row)) + "}" for row in answers)
    return "\n".join(
        (
            "/* A recording, and what the device answers to it by the integer reference. */",
            "#include <stdint.h>\n",
            f"#define HEARD_SAMPLES {heard.samples.size}",
            f"#define HEARD_ANSWERS {len(answers)}",
            f"static const int16_t heard_samples[{heard.samples.size}] = {{\n  "
            + ", ".join(map(str, heard.samples.ravel().tolist()))
            + "};",
            f"static const {kind} heard_answers[{len(answers)}][{len(answers[0]) if answers else 1}] = {{\n  {rows}}};",
            "",
        )
    )
