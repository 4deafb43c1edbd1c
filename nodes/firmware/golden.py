"""Golden clips: inputs whose answers and layers the integer reference knows, as C, and what departs from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nodes.firmware.errors import FirmwareError
from nodes.firmware.kernel import c_type
from nodes.firmware.program import Program
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntegerGraph, Maps, evaluate


@dataclass(frozen=True)
class Run:
    """A run of the test in emulation.

    Attributes:
        instructions: executed, by layer, of the first clip.
        checksums: of every layer's output, in order, clip by clip.
        wrong: clips whose answer is not the golden one.
    """

    instructions: tuple[int, ...]
    checksums: tuple[tuple[int, ...], ...]
    stack_bytes: int
    wrong: int
    seconds: float


def golden_header(program: Program, inputs: Sequence[Codes], front_end: str = "") -> str:
    """`golden.h`: inputs, answers, and a checksum of every layer's output.

    Args:
        front_end: prefix of a front end's symbols, if clips in a file are samples.

    Raises:
        FirmwareError: there is no clip.
    """
    if not inputs:
        raise FirmwareError("There are no golden clips.", "at least one", "Give the firmware a clip to be tested on.")
    graph = program.graph
    given, result = (c_type(graph.forms[name]) for name in (graph.source, graph.result))
    known = [evaluate(graph, clip) for clip in inputs]
    sums = [[checksum(maps[layer.output], graph, layer.output) for layer in program.layers] for maps in known]
    return "\n".join(
        (
            "/* Golden clips: inputs; the integer reference's answers; checksums (FNV-1a) of every layer's output. */",
            "#include <stdint.h>\n",
            f"#define GOLDEN_CLIPS {len(inputs)}",
            f"#define GOLDEN_INPUT_SIZE {graph.maps[graph.source].size}",
            f"#define GOLDEN_OUTPUT_SIZE {graph.maps[graph.result].size}",
            f"#define GOLDEN_RESET() {_reset(program)}",
            *_hearing(front_end),
            f"typedef {given} golden_input_t;",
            f"typedef {result} golden_output_t;",
            _arrays("golden_inputs", given, [in_memory(clip, graph, graph.source).tolist() for clip in inputs]),
            _arrays(
                "golden_outputs",
                result,
                [in_memory(maps[graph.result], graph, graph.result).tolist() for maps in known],
            ),
            _arrays("golden_sums", "uint32_t", sums),
            "",
        )
    )


def _hearing(front_end: str) -> Iterator[str]:
    """What the test calls of a front end."""
    if front_end:
        yield f'#include "{front_end}.h"\n#define GOLDEN_HEARS 1'
        yield f"#define GOLDEN_CLIP_SAMPLES {front_end.upper()}_CLIP_SAMPLES"
        yield from (f"#define GOLDEN_{name.upper()} {front_end}_{name}" for name in _CALLS)


_CALLS = ("start", "push", "finish", "features")


def _reset(program: Program) -> str:
    """Every clip starts from nothing, as the reference does."""
    keeps = any(getattr(op, "keeps_state", False) for op in program.graph.ops)
    return f"{program.name}_reset()" if keeps else "(void)0"


def _arrays(name: str, kind: str, clips: Sequence[Sequence[int]]) -> str:
    rows = ",\n  ".join("{" + ", ".join(map(str, clip)) + "}" for clip in clips)
    return f"static const {kind} {name}[{len(clips)}][{len(clips[0])}] __attribute__((aligned(4))) = {{\n  {rows}}};"


def in_memory(values: Codes, graph: IntegerGraph, name: str) -> Codes:
    """Codes of a map in the order of the firmware: rows, columns, channels."""
    return values.reshape(graph.maps[name].shape).transpose(1, 2, 0).ravel()


def checksum(values: Codes, graph: IntegerGraph, name: str) -> int:
    """FNV-1a (32 bits) of a map as it lies in the firmware's memory."""
    kind = np.int8 if graph.forms[name].bits <= 8 else np.dtype("<i2")
    total = 2166136261
    for byte in in_memory(values, graph, name).astype(kind).tobytes():
        total = ((total ^ byte) * 16777619) & 0xFFFF_FFFF
    return total


def departures(program: Program, found: Run, inputs: Sequence[Codes]) -> list[str]:
    """Layers whose output is not the reference's, the first of each clip; empty if all are equal to the bit."""
    told = []
    for index, (clip, sums) in enumerate(zip(inputs, found.checksums, strict=True)):
        maps: Maps = evaluate(program.graph, clip)
        for layer, seen in zip(program.layers, sums, strict=True):
            if checksum(maps[layer.output], program.graph, layer.output) != seen:
                told.append(f"clip {index}: {layer.name}")
                break
    return told
