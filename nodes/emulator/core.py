"""What differs between processor families for the emulator: registers, traps, the length of instructions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from nodes.emulator.image import ARM, RISCV, Image

BREAKPOINT_ARM, BREAKPOINT_RISCV = 7, 3
SEMIHOST_ARM = b"\xab\xbe"
SEMIHOST_RISCV = bytes.fromhex("1310f001 73001000 13507040")
SYSTEM_ARM = (0xE000_E000, 0x1000)
_EXCEPTIONS_ARM: Mapping[int, str] = MappingProxyType(
    {
        1: "undefined instruction",
        2: "supervisor call",
        3: "instruction fetched from where there is none",
        4: "data accessed where there are none",
        7: "breakpoint",
        8: "return from an exception",
        17: "no such coprocessor (is the floating-point unit on?)",
        18: "invalid state (a branch to an even address?)",
        19: "stack overflow",
        22: "unaligned access",
    }
)
_EXCEPTIONS_RISCV: Mapping[int, str] = MappingProxyType(
    {
        0: "instruction at an odd address",
        1: "instruction fetched from where there is none",
        2: "undefined instruction",
        3: "breakpoint",
        4: "unaligned load",
        5: "data read where there are none",
        6: "unaligned store",
        7: "data written where there are none",
        11: "environment call",
    }
)


@dataclass(frozen=True)
class Core:
    """A processor family.

    Attributes:
        registers: names for people and the emulator's numbers, for a dump.
        call: numbers of the semihosting operation's register, its argument's, and the program counter.
        trap_bytes: of the instruction that calls the host; 0 where the emulator has passed it already.
    """

    arch: int
    mode: int
    registers: Mapping[str, int]
    call: tuple[int, int, int]
    breakpoint: int
    trap_bytes: int
    exceptions: Mapping[int, str]
    instruction_bytes: Callable[[int, int], int]
    reset: Callable[[Any, Image], int]
    thumb: int = 0

    def is_semihosting(self, uc: Any, number: int) -> bool:
        """Whether an exception calls the host."""
        if number != self.breakpoint:
            return False
        return not self.thumb or bytes(uc.mem_read(uc.reg_read(self.call[2]), 2)) == SEMIHOST_ARM

    def is_unknown_call(self, uc: Any) -> bool:
        """Whether the host is called by what the emulator takes for an invalid instruction: RISC-V's `ebreak`."""
        from unicorn import UcError

        try:
            around = bytes(uc.mem_read(uc.reg_read(self.call[2]) - self.trap_bytes, len(SEMIHOST_RISCV)))
        except UcError:
            return False
        return not self.thumb and around == SEMIHOST_RISCV

    def arguments(self, uc: Any) -> tuple[int, int]:
        """(operation, argument)."""
        return uc.reg_read(self.call[0]), uc.reg_read(self.call[1])

    def answer(self, uc: Any, value: int) -> None:
        """What the host gives back."""
        uc.reg_write(self.call[0], value & 0xFFFF_FFFF)

    def resume(self, uc: Any) -> None:
        """Go on behind the trap."""
        uc.reg_write(self.call[2], (uc.reg_read(self.call[2]) + self.trap_bytes) | self.thumb)

    def exception(self, number: int) -> str:
        """In words."""
        return self.exceptions.get(number, f"exception {number}")


def _arm_reset(uc: Any, image: Image) -> int:
    """The stack and the start from the vector table, which lies where flash begins."""
    from unicorn.arm_const import UC_ARM_REG_SP

    stack, start = struct.unpack("<II", uc.mem_read(image.areas[0][0], 8))
    uc.reg_write(UC_ARM_REG_SP, stack)
    return int(start) | 1


def _arm() -> Core:
    from unicorn import UC_ARCH_ARM, UC_MODE_MCLASS, UC_MODE_THUMB, arm_const

    names = (*(f"r{index}" for index in range(13)), "sp", "lr", "pc")
    registers = {name: getattr(arm_const, f"UC_ARM_REG_{name.upper()}") for name in names}
    return Core(
        UC_ARCH_ARM,
        UC_MODE_THUMB | UC_MODE_MCLASS,
        registers,
        (registers["r0"], registers["r1"], registers["pc"]),
        BREAKPOINT_ARM,
        2,
        _EXCEPTIONS_ARM,
        lambda _, high: 4 if high >> 3 >= 0x1D else 2,  # a first half-word of at least 0xE800 has a second
        _arm_reset,
        thumb=1,
    )


def _riscv() -> Core:
    from unicorn import UC_ARCH_RISCV, UC_MODE_RISCV32, riscv_const

    names = ("ra", "sp", "gp", "tp", *(f"t{i}" for i in range(7)), *(f"s{i}" for i in range(12)))
    names = (*names, *(f"a{i}" for i in range(8)), "pc")
    registers = {name: getattr(riscv_const, f"UC_RISCV_REG_{name.upper()}") for name in names}
    return Core(
        UC_ARCH_RISCV,
        UC_MODE_RISCV32,
        registers,
        (registers["a0"], registers["a1"], registers["pc"]),
        BREAKPOINT_RISCV,
        4,
        _EXCEPTIONS_RISCV,
        lambda low, _: 4 if low & 3 == 3 else 2,
        lambda _, image: image.entry,
    )


CORES: Mapping[str, Callable[[], Core]] = MappingProxyType({ARM: _arm, RISCV: _riscv})


def _model(name: str) -> Callable[[], int]:
    def find() -> int:
        from unicorn import arm_const

        return int(getattr(arm_const, f"UC_CPU_ARM_{name.upper().replace('-', '_')}"))

    return find


CPU_MODELS: Mapping[str, Callable[[], int]] = MappingProxyType(
    {name: _model(name) for name in ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33")}
)


def system_memory(machine: str) -> tuple[tuple[int, int], ...]:
    """(start, bytes) of a processor's own registers."""
    return (SYSTEM_ARM,) if machine == ARM else ()
