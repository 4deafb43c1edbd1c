"""A firmware project in a folder: network, start-up, linker script, a test with golden inputs; built and run here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodes.firmware.emulator import Outcome
from nodes.firmware.errors import FirmwareError
from nodes.firmware.kernel import c_type
from nodes.firmware.program import Program
from nodes.firmware.toolchain import Toolchain, build
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntegerGraph, Maps, evaluate

TEMPLATES = Path(__file__).parent / "templates"
RUN_LIMIT_S = 120.0
SPARE_S = 30.0


@dataclass(frozen=True)
class Memory:
    """Where a device keeps code and data."""

    flash_bytes: int = 4 << 20
    ram_bytes: int = 4 << 20
    flash_origin: int = 0
    ram_origin: int = 0x2000_0000
    stack_bytes: int = 1024


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


def write(program: Program, folder: Path, inputs: Sequence[Codes], memory: Memory | None = None) -> tuple[str, ...]:
    """Write the project; `inputs` are codes (channels, rows, columns) of golden clips. Names of the C sources."""
    memory = memory or Memory()
    folder.mkdir(parents=True, exist_ok=True)
    names = {"@NAME@": program.name, "@OUTPUT_SIZE@": str(program.graph.maps[program.graph.result].size)}
    (folder / f"{program.name}.c").write_text(program.source)
    (folder / f"{program.name}.h").write_text(program.header)
    (folder / "golden.h").write_text(_golden(program, inputs))
    (folder / "link.ld").write_text(_filled("link.ld", _linker(memory)))
    for name in ("startup.c", "memory.c", "test.c"):
        (folder / name).write_text(_filled(name, names))
    return f"{program.name}.c", "startup.c", "memory.c", "test.c"


def _filled(name: str, words: Mapping[str, str]) -> str:
    text = (TEMPLATES / name).read_text()
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _linker(memory: Memory) -> dict[str, str]:
    return {
        "@FLASH_ORIGIN@": f"{memory.flash_origin:#x}",
        "@FLASH_BYTES@": str(memory.flash_bytes),
        "@RAM_ORIGIN@": f"{memory.ram_origin:#x}",
        "@RAM_BYTES@": str(memory.ram_bytes),
        "@STACK_BYTES@": str(memory.stack_bytes),
    }


def _golden(program: Program, inputs: Sequence[Codes]) -> str:
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


def make(toolchain: Toolchain, program: Program, folder: Path, sources: Sequence[str]) -> Path:
    """Build the project's ELF."""
    return build(toolchain, program.cpu, folder, sources)


def emulate(elf: Path, layers: int, limit_s: float = RUN_LIMIT_S) -> Run:
    """Run a project's test in a process of its own.

    Raises:
        FirmwareError: it hangs, faults or says what a test does not say; with the layer it was in and the registers.
    """
    command = (sys.executable, "-m", "nodes.firmware.emulator", str(elf), str(limit_s))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s + SPARE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise _broken(f"it did not end within {limit_s + SPARE_S:g} s") from error
    if done.returncode:
        raise _broken((done.stderr.strip().splitlines() or ["the emulator ended"])[-1])
    outcome = Outcome(**json.loads(done.stdout))
    if outcome.fault or outcome.code not in (0, 1):
        raise _broken(_where(outcome, layers))
    return _read(outcome, layers)


def _where(outcome: Outcome, layers: int) -> str:
    region = len(outcome.regions) - 1
    place = f"in layer {region // 2 % layers}" if region % 2 else "outside the layers"
    registers = " ".join(f"{name}={value:#x}" for name, value in outcome.registers.items())
    return f"{outcome.fault or f'exit code {outcome.code}'} {place}; {registers}".strip("; ")


def _broken(why: str) -> FirmwareError:
    return FirmwareError(
        f"The firmware does not run: {why}.", "a run to its end", "Generate and build it again; report this."
    )


def _read(outcome: Outcome, layers: int) -> Run:
    sums, stack, wrong = [], 0, 0
    for line in outcome.console.splitlines():
        word, first, second = line.split()
        if word == "layer":
            sums.append(int(second, 16))
        elif word == "stack":
            stack, wrong = int(first), int(second)
    clips = tuple(tuple(sums[at : at + layers]) for at in range(0, len(sums), layers))
    return Run(tuple(outcome.regions[1 : 2 * layers : 2]), clips, stack, wrong, outcome.seconds)
