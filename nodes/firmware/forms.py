"""The forms in which a network leaves: a project for a board, a library, an Arduino library, a header of parameters."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from nodes.firmware.errors import FirmwareError
from nodes.firmware.golden import checksum, golden_header
from nodes.firmware.memory import Memory
from nodes.firmware.parameters import parameters_header
from nodes.firmware.program import Program
from nodes.firmware.project import TEST_SOURCES, constant_bytes, filled, fitting, save
from nodes.firmware.qemu import BOARDS, Board
from nodes.firmware.toolchain import COMMON, FLAGS, GCC_ENDS, TRACE, Toolchain, build
from nodes.quant.fixed import Codes
from nodes.quant.integer import evaluate

APP, TEST = "firmware.elf", "test.elf"
RUNTIME = ("startup.c", "memory.c")
GOLDEN_LIMIT = 3
"""Clips compiled into a project's test; more go through it by a file."""


@dataclass(frozen=True)
class Export:
    """What leaves.

    Attributes:
        inputs: codes (channels, rows, columns) of golden clips; the first few are compiled in.
        memory: the device's.
        device: its name, for people.
    """

    program: Program
    inputs: Sequence[Codes]
    memory: Memory = field(default_factory=Memory)
    device: str = ""

    @property
    def board(self) -> Board:
        """Where the test runs; a machine of its own memory where QEMU has no board for the processor."""
        return BOARDS.get(self.program.cpu.name, Board(""))


def write_form(form: str, export: Export, folder: Path) -> None:
    """Write one form into a folder. The same export gives the same bytes, with no path of this machine in them.

    Raises:
        FirmwareError: there is no such form, or the folder cannot be written.
    """
    if form not in FORMS:
        raise FirmwareError(f"There is no form {form!r}.", f"one of {', '.join(FORMS)}", "Correct the form.")
    save(folder, FORMS[form](export))


def build_app(export: Export, folder: Path, toolchain: Toolchain) -> Path:
    """The device's image of a written project, as `make` builds it.

    Raises:
        FirmwareError: as `build`; if the device is too small, with the limit and what takes most.
    """
    program, sources = export.program, (*_sources(export), "app.c")
    return fitting(
        program,
        export.memory,
        lambda: build(toolchain, program.cpu, folder, sources, APP, script="link.ld", trace=False),
    )


def build_test(export: Export, folder: Path, toolchain: Toolchain) -> Path:
    """The test of a written project, as `make run` builds it; for the emulator and for QEMU.

    Raises:
        FirmwareError: as `build`.
    """
    program, sources = export.program, (*_sources(export), "test.c")
    memory = export.board.memory
    return fitting(program, memory, lambda: build(toolchain, program.cpu, folder, sources, TEST, script="test.ld"))


def expected(export: Export) -> str:
    """What the test says on its console, but for the stack: the integer reference's checksums."""
    program, lines = export.program, []
    for clip, codes in enumerate(export.inputs[:GOLDEN_LIMIT]):
        maps = evaluate(program.graph, codes)
        for index, layer in enumerate(program.layers):
            lines.append(f"layer {index} {checksum(maps[layer.output], program.graph, layer.output):x}")
        lines.append(f"clip {clip} 0")
    return "\n".join((*lines, ""))


def _sources(export: Export) -> tuple[str, ...]:
    return f"{export.program.name}.c", *RUNTIME


def _project(export: Export) -> dict[str, str]:
    words = _words(export)
    build_files = {name: filled(f"project/{name}", words) for name in ("Makefile", "CMakeLists.txt", "README.md")}
    return {
        **_network(export.program),
        **{name: filled(name, words) for name in ("app.c", *TEST_SOURCES)},
        **build_files,
        "golden.h": golden_header(export.program, export.inputs[:GOLDEN_LIMIT]),
        "link.ld": export.memory.script(),
        "test.ld": export.board.memory.script(),
        "expected.txt": expected(export),
    }


def _network(program: Program) -> dict[str, str]:
    return {f"{program.name}.c": program.source, f"{program.name}.h": program.header}


def _library(export: Export) -> dict[str, str]:
    return {**_network(export.program), "README.md": filled("library/README.md", _words(export))}


def _arduino(export: Export) -> dict[str, str]:
    words, program = _words(export), export.program
    example = f"examples/Classify_{program.name}"
    return {
        **{f"src/{name}": text for name, text in _network(program).items()},
        **{name: filled(f"arduino/{name}", words) for name in ("library.properties", "keywords.txt")},
        f"{example}/Classify_{program.name}.ino": filled("arduino/Classify.ino", words),
        f"{example}/golden.h": golden_header(program, export.inputs[:1]),
        "README.md": filled("library/README.md", words),
    }


def _header(export: Export) -> dict[str, str]:
    return {f"{export.program.name}_parameters.h": parameters_header(export.program)}


FORMS: Mapping[str, Callable[[Export], dict[str, str]]] = MappingProxyType(
    {"project": _project, "library": _library, "arduino": _arduino, "header": _header}
)


def _words(export: Export) -> dict[str, str]:
    """What templates name between @."""
    program, memory, board = export.program, export.memory, export.board
    graph, cpu = program.graph, program.cpu
    gcc = (*cpu.gcc_flags, *FLAGS["gcc"], *COMMON)
    shape = graph.maps[graph.source]
    return {
        "@NAME@": program.name,
        "@UPPER@": program.name.upper(),
        "@TITLE@": program.name.replace("_", " "),
        "@CPU@": cpu.name,
        "@DEVICE@": " ".join(export.device.split()) or cpu.name,
        "@BOARD@": board.machine or "no board",
        "@RUN@": shlex.join(board.command("")[:-1]) if board.machine else "false",
        "@GCC_FLAGS@": " ".join(gcc),
        "@GCC_ENDS@": " ".join(GCC_ENDS),
        "@GCC_START@": GCC_ENDS[0],
        "@GCC_LIBRARIES@": " ".join(GCC_ENDS[1:]),
        "@ZIG_FLAGS@": " ".join((*cpu.zig_flags, *FLAGS["zig"], *COMMON)),
        "@GCC@": f"arm-none-eabi-gcc {' '.join((*cpu.gcc_flags, *FLAGS['gcc']))} -c {program.name}.c",
        "@TRACE@": TRACE,
        "@SOURCES@": " ".join(_sources(export)),
        "@FLASH_KB@": f"{memory.flash_bytes / 1024:g}",
        "@RAM_KB@": f"{memory.ram_bytes / 1024:g}",
        "@FLASH_ORIGIN@": f"{memory.flash_origin:#010x}",
        "@RAM_ORIGIN@": f"{memory.ram_origin:#010x}",
        "@CLIPS@": str(min(len(export.inputs), GOLDEN_LIMIT)),
        "@INPUT_FRACTION@": str(graph.forms[graph.source].fraction),
        "@OUTPUT_FRACTION@": str(graph.forms[graph.result].fraction),
        "@SHAPE@": f"{shape.h} x {shape.w} x {shape.c}",
        "@CONSTANTS@": f"{sum(constant_bytes(program.source).values()):,}",
        "@ARENA@": f"{program.arena_bytes:,}",
        "@LAYERS@": _layer_table(program),
        "@FRONT_END@": "",
        "@FILL_IN@": "`app_read` and `app_answer`",
    }


def _layer_table(program: Program) -> str:
    sizes = constant_bytes(program.source)
    return "\n".join(
        f"| {layer.name} | {layer.kernel} | {layer.macs:,} | {sum(sizes.get(name, 0) for name in layer.symbols):,} "
        f"| {layer.ram_bytes:,} |"
        for layer in program.layers
    )
