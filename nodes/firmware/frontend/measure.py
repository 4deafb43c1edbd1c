"""A front end in emulation: whether it gives the reference's codes, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodes.emulator import Options
from nodes.firmware.cpu import Cpu
from nodes.firmware.cycles import CYCLES_PER_INSTRUCTION, region_cycles
from nodes.firmware.emulator import broken, run_elf, where
from nodes.firmware.frontend.dft import Codes
from nodes.firmware.frontend.plan import Plan
from nodes.firmware.frontend.reference import codes_of
from nodes.firmware.frontend.source import frontend_source
from nodes.firmware.memory import Memory
from nodes.firmware.project import TEMPLATES, save
from nodes.firmware.toolchain import Toolchain, build
from nodes.lne.frontend.template import filled

_HERE = "nodes.firmware.frontend"
NAME = "frontend"
STREAMED, PIECES = "(1 << 30)", "piece * 7 % 997 + 1"
"""Sizes of the pieces that samples come in: all at once, as counted, or of every size up to 997."""


@dataclass(frozen=True)
class Measured:
    """A front end as it ran on one clip.

    Attributes:
        wrong: codes that are not the reference's.
        instructions, cycles: for a second of audio; cycles are estimated for memory that never waits.
        ram_bytes, constant_bytes: of its variables and tables.
        code_bytes: of its functions.
    """

    frames: int
    wrong: int
    instructions: float
    cycles: float
    stack_bytes: int
    ram_bytes: int
    constant_bytes: int
    code_bytes: int

    def percent(self, clock_hz: float) -> tuple[float, float]:
        """Of a core's time, by the stated range of cycles per instruction."""
        low, high = (100.0 * self.instructions * cycles / clock_hz for cycles in CYCLES_PER_INSTRUCTION)
        return low, high


def measure(
    plan: Plan, samples: Codes, cpu: Cpu, toolchain: Toolchain, folder: Path, pieces: str = STREAMED
) -> Measured:
    """Build a front end, let it hear a clip (samples,) of 16 bits, and compare its features with the reference's.

    Raises:
        FirmwareError: it cannot be built, hangs or faults.
    """
    code = frontend_source(plan, NAME)
    expected = codes_of(plan, samples)[-plan.frames :]
    words = {
        "name": code.name,
        "NAME": code.name.upper(),
        "piece": pieces,
        "code": "int8_t" if plan.output.bits <= 8 else "int16_t",
    }
    files = {f"{code.name}.c": code.source, f"{code.name}.h": code.header, "hear.c": filled(_HERE, "hear.c", **words)}
    own = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in ("startup.c", "memory.c")}
    heard = "\n".join(_arrays(samples, expected, str(words["code"])))
    save(folder, {**files, **own, "heard.h": heard, "link.ld": Memory().script()})
    sources = (f"{code.name}.c", "hear.c", *own)
    elf = build(toolchain, cpu, folder, sources, trace=False)
    outcome = run_elf(elf, Options(120.0, keeps_blocks=True))
    if outcome.fault or outcome.code not in (0, 1):
        raise broken(where(outcome, ()))
    made, _ready, wrong, stack_bytes = (int(word) for word in outcome.console.split())
    second = plan.front_end.clip_samples / plan.front_end.rate_hz
    return Measured(
        made,
        wrong,
        outcome.regions[1] / second,
        region_cycles(elf, outcome.blocks)[1] / second,
        stack_bytes,
        code.ram_bytes,
        code.constant_bytes,
        _code_bytes(elf, f"{code.name}.c"),
    )


def _arrays(samples: Codes, expected: Codes, code: str) -> Iterator[str]:
    yield "#include <stdint.h>\n"
    yield f"#define HEARD_SAMPLES {samples.size}"
    for name, kind, values in (("samples", "int16_t", samples), ("codes", code, expected)):
        yield f"static const {kind} heard_{name}[] = {{{', '.join(map(str, values.ravel().tolist()))}}};"


def _code_bytes(elf: Path, source: str) -> int:
    """Bytes of the functions of one source, and of those that others may call."""
    from elftools.elf.elffile import ELFFile

    stem, total, inside = source.partition(".")[0], 0, False
    with elf.open("rb") as file:
        for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols():
            kind = symbol["st_info"]["type"]
            if kind == "STT_FILE":
                inside = symbol.name == source
            is_own = inside if symbol["st_info"]["bind"] == "STB_LOCAL" else symbol.name.startswith(f"{stem}_")
            total += symbol["st_size"] if kind == "STT_FUNC" and is_own else 0
    return total
