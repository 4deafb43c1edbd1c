"""A firmware project in a folder: network, start-up, linker script, a test with golden inputs; built and run here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nodes.emulator import Outcome
from nodes.firmware.errors import FirmwareError
from nodes.firmware.golden import Run as Run
from nodes.firmware.golden import departures as departures
from nodes.firmware.golden import golden_header
from nodes.firmware.program import Program
from nodes.firmware.toolchain import Toolchain, build
from nodes.quant.fixed import Codes

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


def write(program: Program, folder: Path, inputs: Sequence[Codes], memory: Memory | None = None) -> tuple[str, ...]:
    """Write the project; `inputs` are codes (channels, rows, columns) of golden clips. Names of the C sources."""
    memory = memory or Memory()
    folder.mkdir(parents=True, exist_ok=True)
    names = {"@NAME@": program.name, "@OUTPUT_SIZE@": str(program.graph.maps[program.graph.result].size)}
    (folder / f"{program.name}.c").write_text(program.source)
    (folder / f"{program.name}.h").write_text(program.header)
    (folder / "golden.h").write_text(golden_header(program, inputs))
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


def make(toolchain: Toolchain, program: Program, folder: Path, sources: Sequence[str]) -> Path:
    """Build the project's ELF."""
    return build(toolchain, program.cpu, folder, sources)


def emulate(elf: Path, layers: int, limit_s: float = RUN_LIMIT_S) -> Run:
    """Run a project's test in a process of its own.

    Raises:
        FirmwareError: it hangs, faults or says what a test does not say; with the layer it was in and the registers.
    """
    command = (sys.executable, "-m", "nodes.emulator", str(elf), str(limit_s))
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
