"""Estimated cycles of what ran in emulation: a Cortex-M4 with memory that never waits, instruction by instruction.

The rules are those of the processor's reference manual: one cycle for arithmetic and multiplication, two for a load,
one for a load or store behind another, 1 + N for N words at once, two more for every branch taken. Real flash waits:
measured chips need 1.3 to 2.0 cycles per instruction of such code, so both the model and that range are estimates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CYCLES_PER_INSTRUCTION = (1.3, 2.0)
"""Estimated, from published measurements of kernels like ours."""
BRANCH_TAKEN = 2
DIVISION = 6
WIDE = 0xE800
"""A first half-word of at least this has a second."""

Block = tuple[int, int, int, int, int, int]
"""(region, address, bytes, instructions, times, times it was jumped to), as the emulator tells."""


@dataclass(frozen=True)
class Kind:
    """A kind of instruction.

    Attributes:
        cycles: it takes by itself.
        is_access: it reads or writes one word, so that a load right behind it takes one cycle.
        words: how many low bits of the last half-word are a list of registers, one more cycle for each.
    """

    name: str
    cycles: int = 1
    is_access: bool = False
    list_bits: int = 0
    counts_words: bool = False


ALU = Kind("alu")
LOAD = Kind("load", 2, is_access=True)
STORE = Kind("store", is_access=True)
BRANCH = Kind("branch")
PAIR = Kind("pair", 3)
SEVERAL_8, SEVERAL_9, SEVERAL_16 = (Kind("several", list_bits=bits) for bits in (8, 9, 16))
FLOATS = Kind("several", counts_words=True)
DIVIDE = Kind("divide", DIVISION)
SLOW_FLOAT = Kind("divide", 14)
MOVE_PAIR = Kind("move pair", 2)

_NARROW: tuple[tuple[int, int, Kind], ...] = (
    (0xF800, 0x4800, LOAD),
    (0xFF00, 0x4700, BRANCH),
    (0xF800, 0x5000, STORE),
    (0xFE00, 0x5400, STORE),
    (0xF000, 0x5000, LOAD),
    (0xF800, 0x6000, STORE),
    (0xF800, 0x6800, LOAD),
    (0xF800, 0x7000, STORE),
    (0xF800, 0x7800, LOAD),
    (0xF800, 0x8000, STORE),
    (0xF800, 0x8800, LOAD),
    (0xF800, 0x9000, STORE),
    (0xF800, 0x9800, LOAD),
    (0xF500, 0xB100, BRANCH),
    (0xF600, 0xB400, SEVERAL_9),
    (0xF000, 0xC000, SEVERAL_8),
    (0xF000, 0xD000, BRANCH),
    (0xF800, 0xE000, BRANCH),
)
"""(mask, value) of instructions of one half-word; the first that matches counts, all others are arithmetic."""

_WIDE: tuple[tuple[int, int, int, int, Kind], ...] = (
    (0xFFF0, 0xE8D0, 0xFFE0, 0xF000, Kind("table branch", 2)),
    (0xFF60, 0xE840, 0, 0, LOAD),
    (0xFE40, 0xE840, 0, 0, PAIR),
    (0xFE40, 0xE800, 0, 0, SEVERAL_16),
    (0xFE10, 0xF800, 0, 0, STORE),
    (0xFE10, 0xF810, 0, 0, LOAD),
    (0xFFF0, 0xFB90, 0x00F0, 0x00F0, DIVIDE),
    (0xFFF0, 0xFBB0, 0x00F0, 0x00F0, DIVIDE),
    (0xFFE0, 0xEC40, 0, 0, MOVE_PAIR),
    (0xFF30, 0xED00, 0, 0, STORE),
    (0xFF30, 0xED10, 0, 0, LOAD),
    (0xFE00, 0xEC00, 0, 0, FLOATS),
    (0xFFB0, 0xEE80, 0x0050, 0x0000, SLOW_FLOAT),
    (0xFFBF, 0xEEB1, 0x00D0, 0x00C0, SLOW_FLOAT),
    (0xF800, 0xF000, 0xD000, 0x9000, BRANCH),
    (0xF800, 0xF000, 0xC000, 0xC000, BRANCH),
    (0xFBFF, 0xF3EF, 0xD000, 0x8000, MOVE_PAIR),
    (0xFB80, 0xF380, 0xD000, 0x8000, ALU),
    (0xF800, 0xF000, 0xD000, 0x8000, BRANCH),
)
"""(mask, value) of the first and of the second half-word."""


def kind_of(first: int, second: int) -> Kind:
    """What an instruction is; `second` is ignored where it has one half-word."""
    if first < WIDE:
        return next((kind for mask, value, kind in _NARROW if first & mask == value), ALU)
    rows = (row for row in _WIDE if first & row[0] == row[1] and second & row[2] == row[3])
    return next((row[4] for row in rows), ALU)


def instructions(code: bytes) -> Iterator[tuple[Kind, int]]:
    """Kind of every instruction, and its last half-word."""
    words = [int.from_bytes(code[at : at + 2], "little") for at in range(0, len(code) - 1, 2)]
    at = 0
    while at < len(words):
        first, second = words[at], words[at + 1] if at + 1 < len(words) else 0
        last = second if first >= WIDE else first
        yield kind_of(first, second), last
        at += 2 if first >= WIDE else 1


def block_cycles(code: bytes) -> int:
    """Cycles of instructions one after another."""
    total, before = 0, ALU
    for kind, last in instructions(code):
        cycles = 1 if kind is LOAD and before.is_access else kind.cycles
        if kind.list_bits:
            cycles += (last & ((1 << kind.list_bits) - 1)).bit_count()
        total += cycles + (last & 0xFF if kind.counts_words else 0)
        before = kind
    return total


def region_cycles(elf: Path, blocks: Iterable[Block]) -> Counter[int]:
    """Estimated cycles by region of a run; odd regions are the layers."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        image = ELFFile(file)
        segments = [(part["p_paddr"], part.data()) for part in image.iter_segments() if part["p_type"] == "PT_LOAD"]
    known: dict[tuple[int, int], int] = {}
    totals: Counter[int] = Counter()
    for region, address, size, _, times, jumps in blocks:
        if (address, size) not in known:
            known[(address, size)] = block_cycles(_code(segments, address, size))
        totals[region] += known[(address, size)] * times + BRANCH_TAKEN * jumps
    return totals


def layer_cycles(elf: Path, blocks: Iterable[Block], layers: int) -> tuple[int, ...]:
    """Estimated cycles of every layer, of the first clip."""
    found = region_cycles(elf, blocks)
    return tuple(found[2 * layer + 1] for layer in range(layers))


def milliseconds(instructions_: int, clock_hz: float) -> tuple[float, float]:
    """Estimated least and most time of so many instructions."""
    low, high = (cycles * instructions_ / clock_hz * 1e3 for cycles in CYCLES_PER_INSTRUCTION)
    return low, high


def _code(segments: Iterable[tuple[int, bytes]], address: int, size: int) -> bytes:
    for start, data in segments:
        if start <= address < start + len(data):
            return data[address - start : address - start + size]
    return b""
