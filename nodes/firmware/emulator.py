"""Run a Cortex-M ELF in Unicorn and count every executed instruction: `python -m nodes.firmware.emulator ELF`.

A process of its own: the emulator is an optional extra under another licence, and a wild program may take it down.
Regions are cut by calls of `ossicle_mark`; odd regions are the layers. Counting follows basic blocks: a block of Thumb
code holds one instruction per half-word, or per word where the first half-word is at least 0xE800.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

FLASH, RAM, SYSTEM = 0x0000_0000, 0x2000_0000, 0xE000_E000
FLASH_BYTES: Final = 16 << 20
RAM_BYTES: Final = 16 << 20
WRITE, EXIT, EXIT_EXTENDED = 0x04, 0x18, 0x20
MOST_INSTRUCTIONS: Final = 2_000_000_000
REGISTERS: Final = (*(f"r{index}" for index in range(13)), "sp", "lr", "pc")


@dataclass
class Outcome:
    """What a run told.

    Attributes:
        code: the program's exit code; None if it did not end.
        fault: why it was stopped, with the registers; empty if it ended.
        regions: executed instructions between marks, in order.
    """

    code: int | None = None
    fault: str = ""
    console: str = ""
    instructions: int = 0
    regions: list[int] = field(default_factory=list)
    seconds: float = 0.0
    registers: dict[str, int] = field(default_factory=dict)


class Machine:
    """A Cortex-M with flash, RAM, semihosting and counters."""

    def __init__(self, elf: Path, limit_s: float) -> None:
        from elftools.elf.elffile import ELFFile
        from unicorn import UC_ARCH_ARM, UC_HOOK_BLOCK, UC_HOOK_INTR, UC_MODE_MCLASS, UC_MODE_THUMB, Uc

        self.outcome, self.limit_s = Outcome(), limit_s
        self._blocks: Counter[tuple[int, int, int]] = Counter()
        self._lengths: dict[tuple[int, int], int] = {}
        self._region = 0
        self._uc: Any = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        for start, size in ((FLASH, FLASH_BYTES), (RAM, RAM_BYTES), (SYSTEM, 0x1000)):
            self._uc.mem_map(start, size)
        with elf.open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self._uc.mem_write(segment["p_paddr"], segment.data())
            table = image.get_section_by_name(".symtab")
            marks = table.get_symbol_by_name("ossicle_mark") if table is not None else None
        self._mark = marks[0]["st_value"] & ~1 if marks else -1
        self._uc.hook_add(UC_HOOK_BLOCK, self._block)
        self._uc.hook_add(UC_HOOK_INTR, self._semihost)

    def run(self) -> Outcome:
        """From the reset vector to the end of the program, a fault, or the time limit."""
        from unicorn import UcError
        from unicorn.arm_const import UC_ARM_REG_SP

        stack, start = struct.unpack("<II", self._uc.mem_read(FLASH, 8))
        self._uc.reg_write(UC_ARM_REG_SP, stack)
        begun = time.monotonic()
        try:
            self._uc.emu_start(start | 1, 0xFFFF_FFFE, timeout=int(self.limit_s * 1e6))
        except UcError as error:
            self._stop(f"{error}")
        out = self.outcome
        out.seconds = time.monotonic() - begun
        if out.code is None and not out.fault:
            self._stop(f"no end within {self.limit_s:g} s")
        out.regions = self._counts()
        out.instructions = sum(out.regions)
        return out

    def _stop(self, why: str) -> None:
        from unicorn import arm_const

        names = {name: getattr(arm_const, f"UC_ARM_REG_{name.upper()}") for name in REGISTERS}
        self.outcome.fault = why
        self.outcome.registers = {name: self._uc.reg_read(number) for name, number in names.items()}

    def _block(self, _uc: Any, address: int, size: int, _data: Any) -> None:
        if address == self._mark:
            self._region += 1
        self._blocks[(self._region, address, size)] += 1

    def _semihost(self, uc: Any, _number: int, _data: Any) -> None:
        from unicorn.arm_const import UC_ARM_REG_PC, UC_ARM_REG_R0, UC_ARM_REG_R1

        operation, argument = uc.reg_read(UC_ARM_REG_R0), uc.reg_read(UC_ARM_REG_R1)
        if operation == WRITE:
            self.outcome.console += self._text(argument)
            uc.reg_write(UC_ARM_REG_PC, (uc.reg_read(UC_ARM_REG_PC) + 2) | 1)
        elif operation in (EXIT, EXIT_EXTENDED):
            self.outcome.code = struct.unpack("<II", uc.mem_read(argument, 8))[1] if operation == EXIT_EXTENDED else 0
            uc.emu_stop()
        else:
            self._stop(f"exception {_number}")
            uc.emu_stop()

    def _text(self, address: int) -> str:
        found = bytearray()
        while byte := self._uc.mem_read(address + len(found), 1)[0]:
            found.append(byte)
        return found.decode("ascii", "replace")

    def _counts(self) -> list[int]:
        counts = [0] * (self._region + 1)
        for (region, address, size), times in self._blocks.items():
            counts[region] += times * self._length(address, size)
        return counts

    def _length(self, address: int, size: int) -> int:
        """Instructions of a block."""
        known = self._lengths.get((address, size))
        if known is None:
            code, at, known = self._uc.mem_read(address, size), 0, 0
            while at < size:
                at, known = at + (4 if code[at + 1] >> 3 >= 0x1D else 2), known + 1
            self._lengths[(address, size)] = known
        return known


def main() -> None:
    """Print the outcome as JSON."""
    elf, limit_s = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 60.0
    json.dump(asdict(Machine(elf, limit_s).run()), sys.stdout)


if __name__ == "__main__":
    main()
