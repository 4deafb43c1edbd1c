"""Golden clips: inputs whose answers and layers the integer reference knows, as C, and what departs from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def golden_header(program: Program, inputs: Sequence[Codes]) -> str:
    """`golden.h`: the inputs and the answers."""
    graph = program.graph
    kinds = [c_type(graph.forms[name]) for name in (graph.source, graph.result)]
    answers = [evaluate(graph, clip)[graph.result] for clip in inputs]
    return "\n".join(
        (
            "/* Golden clips: inputs, and the answers of the integer reference. */",
            "#include <stdint.h>\n",
            f"#define GOLDEN_CLIPS {len(inputs)}",
            f"typedef {kinds[1]} golden_output_t;",
            _arrays("golden_inputs", kinds[0], [in_memory(clip, graph, graph.source) for clip in inputs]),
            _arrays("golden_outputs", kinds[1], [in_memory(answer, graph, graph.result) for answer in answers]),
        )
    )


def _arrays(name: str, kind: str, clips: Sequence[Codes]) -> str:
    rows = ",\n  ".join("{" + ", ".join(map(str, clip.tolist())) + "}" for clip in clips)
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
