"""A firmware project in a folder: network, start-up, linker script, a test with golden inputs; built and run here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nodes.emulator import Options, Outcome
from nodes.firmware.emulator import broken, run_elf, where
from nodes.firmware.errors import FirmwareError
from nodes.firmware.golden import Run as Run
from nodes.firmware.golden import departures as departures
from nodes.firmware.golden import golden_header
from nodes.firmware.memory import Memory as Memory
from nodes.firmware.program import Program
from nodes.firmware.toolchain import TooLargeError, Toolchain, build
from nodes.quant.fixed import Codes

TEMPLATES = Path(__file__).parent / "templates"
TEST_SOURCES = ("startup.c", "memory.c", "test.c")
RUN_LIMIT_S = 120.0


def write(program: Program, folder: Path, inputs: Sequence[Codes], memory: Memory | None = None) -> tuple[str, ...]:
    """Write the test of a network; `inputs` are codes (channels, rows, columns) of golden clips.

    Returns:
        Names of the C sources.

    Raises:
        FirmwareError: the folder cannot be written.
    """
    network = {f"{program.name}.c": program.source, f"{program.name}.h": program.header}
    test = {name: filled(name, {"@NAME@": program.name}) for name in TEST_SOURCES}
    golden = {"golden.h": golden_header(program, inputs), "link.ld": (memory or Memory()).script()}
    save(folder, {**network, **test, **golden})
    return f"{program.name}.c", *TEST_SOURCES


def save(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, in folders as their names say.

    Raises:
        FirmwareError: that cannot be done.
    """
    for name, text in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            needed = sum(map(len, files.values()))
            raise FirmwareError(
                f"{name} could not be written: {error.strerror}.",
                f"a folder that takes {needed:,} bytes",
                "Free some space or choose another folder.",
            ) from error


def filled(name: str, words: Mapping[str, str]) -> str:
    """A template with its words replaced."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text) if words else text


def make(toolchain: Toolchain, program: Program, folder: Path, sources: Sequence[str]) -> Path:
    """Build the test's ELF.

    Raises:
        FirmwareError: as `build`; what takes most of a memory too small is named.
    """
    return fitting(program, Memory.of(folder / "link.ld"), lambda: build(toolchain, program.cpu, folder, sources))


def fitting(program: Program, memory: Memory, builds: Callable[[], Path]) -> Path:
    """What `builds` gives; if that is too large, an error with the limit and what takes most."""
    try:
        return builds()
    except TooLargeError as error:
        is_flash = error.region == "FLASH"
        limit = memory.flash_bytes if is_flash else memory.ram_bytes
        largest = _largest_constant(program) if is_flash else _largest_block(program)
        raise replace(
            error,
            what=f"The firmware is {error.over_bytes:,} bytes too large for {'flash' if is_flash else 'RAM'}"
            f"{f' ({error.section} does not fit)' * bool(error.section)}; {largest}.",
            expected=f"at most {limit:,} bytes",
        ) from error


def _largest_constant(program: Program) -> str:
    sizes = constant_bytes(program.source)
    if not sizes:
        return "code takes all of it"
    name = max(sizes, key=sizes.__getitem__)
    layer = next((layer.name for layer in program.layers if name in layer.symbols), "")
    return f"{name}{f' of {layer}' * bool(layer)} alone takes {sizes[name]:,}"


def _largest_block(program: Program) -> str:
    if not program.blocks:
        return f"the maps take {program.arena_bytes:,}"
    largest = max(program.blocks, key=lambda block: block.size_bytes)
    return f"the maps take {program.arena_bytes:,}, {largest.name} alone {largest.size_bytes:,}"


def constant_bytes(source: str) -> dict[str, int]:
    """Bytes of every constant array of generated C, by symbol."""
    rows = re.finditer(r"^static const u?int(8|16|32|64)_t (\w+)\[(\d+)\]", source, re.MULTILINE)
    return {row[2]: int(row[1]) // 8 * int(row[3]) for row in rows}


def emulate(elf: Path, layers: int | Sequence[str], limit_s: float = RUN_LIMIT_S) -> Run:
    """Run a project's test in a process of its own; `layers` are their names, or how many there are.

    Raises:
        FirmwareError: it hangs, faults or says what a test does not say; with the layer it was in and the registers.
    """
    names = [str(index) for index in range(layers)] if isinstance(layers, int) else layers
    return read_run(outcome_of(elf, names, Options(limit_s)), len(names))


def outcome_of(elf: Path, layers: Sequence[str], options: Options) -> Outcome:
    """What a project's test did in a process of its own.

    Raises:
        FirmwareError: as `emulate`.
    """
    outcome = run_elf(elf, options)
    if outcome.fault or outcome.code not in (0, 1):
        raise broken(where(outcome, layers))
    return outcome


def read_run(outcome: Outcome, layers: int) -> Run:
    """What a test told on its console, and its instructions."""
    sums, stack, wrong = [], 0, 0
    for line in outcome.console.splitlines():
        word, first, second = line.split()
        if word == "layer":
            sums.append(int(second, 16))
        elif word == "stack":
            stack, wrong = int(first), int(second)
    clips = tuple(tuple(sums[at : at + layers]) for at in range(0, len(sums), layers))
    return Run(tuple(outcome.regions[1 : 2 * layers : 2]), clips, stack, wrong, outcome.seconds)
