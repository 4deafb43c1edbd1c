"""Firmware: from a network in integers to a C project for microcontrollers, built, run in emulation and proven equal.

>>> program = generate(fuse(integers), find_cpu("cortex-m4"))
>>> elf = make(find_toolchain(), program, folder, write(program, folder, golden))
>>> departures(program, emulate(elf, len(program.layers)), golden)
[]
"""

from nodes.firmware.cpu import CPUS, Cpu, find_cpu
from nodes.firmware.errors import FirmwareError
from nodes.firmware.fuse import fuse
from nodes.firmware.program import Program, generate
from nodes.firmware.project import Memory, Run, departures, emulate, make, write
from nodes.firmware.toolchain import find_toolchain, toolchains

__all__ = [
    "CPUS",
    "Cpu",
    "FirmwareError",
    "Memory",
    "Program",
    "Run",
    "departures",
    "emulate",
    "find_cpu",
    "find_toolchain",
    "fuse",
    "generate",
    "make",
    "toolchains",
    "write",
]
