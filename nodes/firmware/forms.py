"""The forms in which a network leaves: a project for a board, a library, an Arduino library, a header of parameters."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from nodes.firmware.compose import FrontEndCode, Heard, fit_together, heard_header
from nodes.firmware.errors import FirmwareError
from nodes.firmware.golden import checksum, golden_header
from nodes.firmware.maps import note_of
from nodes.firmware.memory import Memory
from nodes.firmware.parameters import parameters_header
from nodes.firmware.program import Program
from nodes.firmware.project import TEST_SOURCES, constant_bytes, filled, fitting, save
from nodes.firmware.qemu import BOARDS, Board
from nodes.firmware.toolchain import COMMON, FLAGS, GCC_ENDS, TRACE, Toolchain, build
from nodes.quant.fixed import Codes
from nodes.quant.integer import evaluate

APP, TEST, LISTEN = "firmware.elf", "test.elf", "listen.elf"
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
        front_end: in C, if the device is to hear samples; `every_frames` from one answer to the next, 0 for as many as
            the network reads.
        heard: a recording for the test of the whole way; it needs a front end.

    Raises:
        FirmwareError: front end and network do not go together.
    """

    program: Program
    inputs: Sequence[Codes]
    memory: Memory = field(default_factory=Memory)
    device: str = ""
    front_end: FrontEndCode | None = None
    every_frames: int = 0
    heard: Heard | None = None

    def __post_init__(self) -> None:
        if self.front_end is not None:
            fit_together(self.front_end, self.program)

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


def build_listen(export: Export, folder: Path, toolchain: Toolchain) -> Path:
    """The device's program with a recording in place of the microphone, as `make run` builds it.

    Raises:
        FirmwareError: as `build`.
    """
    program, sources = export.program, (*_sources(export), "app.c", "listen.c")
    return fitting(
        program,
        export.board.memory,
        lambda: build(toolchain, program.cpu, folder, sources, LISTEN, script="test.ld", trace=False),
    )


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
    front_end = (f"{export.front_end.name}.c",) if export.front_end is not None else ()
    return f"{export.program.name}.c", *front_end, *RUNTIME


def _project(export: Export) -> dict[str, str]:
    words = _words(export)
    names = ("Makefile", "README.md", *(("CMakeLists.txt",) if export.program.cpu.gcc_flags else ()))
    build_files = {name: filled(f"project/{name}", words) for name in names}
    return {
        **_code(export),
        **{name: filled(name, words) for name in TEST_SOURCES},
        **_app(export, words),
        **build_files,
        "golden.h": golden_header(export.program, export.inputs[:GOLDEN_LIMIT]),
        "link.ld": export.memory.script(),
        "test.ld": export.board.memory.script(),
        "expected.txt": expected(export),
    }


def _code(export: Export) -> dict[str, str]:
    """The network, and the front end if there is one."""
    parts: list[Program | FrontEndCode] = [export.program]
    if export.front_end is not None:
        parts.append(export.front_end)
    return {f"{part.name}.{end}": text for part in parts for end, text in (("c", part.source), ("h", part.header))}


def _app(export: Export, words: Mapping[str, str]) -> dict[str, str]:
    if export.front_end is None:
        return {"app.c": filled("app.c", words)}
    app = {"app.c": filled("app_listen.c", words)}
    if export.heard is None:
        return app
    heard = heard_header(export.program, export.heard)
    return {**app, "listen.c": filled("listen.c", words), "heard.h": heard}


def _library(export: Export) -> dict[str, str]:
    return {**_code(export), "README.md": filled("library/README.md", _words(export))}


def _arduino(export: Export) -> dict[str, str]:
    words, program = _words(export), export.program
    example = f"examples/Classify_{program.name}"
    return {
        **{f"src/{name}": text for name, text in _code(export).items()},
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
        **_board(board),
        "@RUN@": shlex.join(board.command("")[:-1]) if board.machine else "false",
        "@GCC_FLAGS@": " ".join(gcc),
        "@GCC_ENDS@": " ".join(GCC_ENDS),
        "@GCC_START@": GCC_ENDS[0],
        "@GCC_LIBRARIES@": " ".join(GCC_ENDS[1:]),
        "@ZIG_FLAGS@": " ".join((*cpu.zig_flags, *FLAGS["zig"], *COMMON)),
        "@GCC@": _compiling(program),
        "@COMPILER@": "gcc" if cpu.gcc_flags else "zig",
        "@RUN_TEXT@": filled(f"project/run_{'gcc' if cpu.gcc_flags else 'zig'}.md", _board(board)).strip(),
        "@TRACE@": TRACE,
        "@SOURCES@": " ".join(_sources(export)),
        "@FLASH_KB@": f"{memory.flash_bytes / 1024:g}",
        "@RAM_KB@": f"{memory.ram_bytes / 1024:g}",
        "@FLASH_ORIGIN@": f"{memory.flash_origin:#010x}",
        "@RAM_ORIGIN@": f"{memory.ram_origin:#010x}",
        "@NOTE@": f"\n{note}" if (note := note_of(export.device)) else "",
        "@CLIPS@": str(min(len(export.inputs), GOLDEN_LIMIT)),
        "@INPUT_FRACTION@": str(graph.forms[graph.source].fraction),
        "@OUTPUT_FRACTION@": str(graph.forms[graph.result].fraction),
        "@SHAPE@": f"{shape.h} x {shape.w} x {shape.c}",
        "@CONSTANTS@": f"{sum(constant_bytes(program.source).values()):,}",
        "@ARENA@": f"{program.arena_bytes:,}",
        "@LAYERS@": _layer_table(program),
        **_front_words(export),
    }


def _board(board: Board) -> dict[str, str]:
    return {"@BOARD@": board.machine or "no board", "@PACKAGE@": board.package}


def _compiling(program: Program) -> str:
    """A command that compiles the network alone."""
    cpu = program.cpu
    flags = (*cpu.gcc_flags, *FLAGS["gcc"]) if cpu.gcc_flags else (*cpu.zig_flags, *FLAGS["zig"])
    return f"{'arm-none-eabi-gcc' if cpu.gcc_flags else 'python3 -m ziglang cc'} {' '.join(flags)} -c {program.name}.c"


def _front_words(export: Export) -> dict[str, str]:
    front = export.front_end
    if front is None:
        nothing = (
            "@FRONT@",
            "@FRONT_UPPER@",
            "@FRONT_END@",
            "@LISTEN_ELF@",
            "@LISTEN_RULE@",
            "@LISTEN_RUN@",
            "@EVERY@",
        )
        return {**dict.fromkeys(nothing, ""), "@FILL_IN@": "`app_read` and `app_answer`"}
    rules = filled("project/listen.mk", {}).split("\n---\n") if export.heard is not None else ("", "")
    return {
        "@FRONT@": front.name,
        "@FRONT_UPPER@": front.name.upper(),
        "@EVERY@": str(export.every_frames or front.frames),
        "@FRONT_END@": f"| `{front.name}.c`, `{front.name}.h` | the front end: samples to the network's input |\n",
        "@FILL_IN@": "`app_listen` and `app_answer`",
        "@LISTEN_ELF@": LISTEN if export.heard is not None else "",
        "@LISTEN_RULE@": rules[0],
        "@LISTEN_RUN@": rules[1].rstrip("\n"),
    }


def _layer_table(program: Program) -> str:
    sizes = constant_bytes(program.source)
    return "\n".join(
        f"| {layer.name} | {layer.kernel} | {layer.macs:,} | {sum(sizes.get(name, 0) for name in layer.symbols):,} "
        f"| {layer.ram_bytes:,} |"
        for layer in program.layers
    )
