"""Compilers for firmware: GCC where it is installed, Zig's clang otherwise."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nodes.firmware.cpu import Cpu
from nodes.firmware.errors import FirmwareError

GCC = "arm-none-eabi-gcc"
LONGEST_S = 300
Name = Literal["gcc", "zig"]
COMMON = (
    "-std=gnu11", "-ffreestanding", "-fno-builtin", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra",
    "-nostartfiles", "-Wl,--gc-sections",
)  # fmt: skip


@dataclass(frozen=True)
class Toolchain:
    """A compiler that is installed here.

    Attributes:
        flags: chosen because its optimiser does best with them on our kernels.
    """

    name: Name
    command: tuple[str, ...]
    flags: tuple[str, ...]

    def line(self, cpu: Cpu, script: str, sources: Sequence[str], output: str) -> tuple[str, ...]:
        """The whole command that builds an ELF from sources in its folder."""
        own = cpu.gcc_flags if self.name == "gcc" else cpu.zig_flags
        ends = ("-nostdlib", "-lgcc") if self.name == "gcc" else ()  # Zig adds its own helpers, but for -nostdlib
        return (
            *self.command,
            *own,
            *self.flags,
            *COMMON,
            "-DOSSICLE_TRACE",
            "-T",
            script,
            *sources,
            *ends,
            "-o",
            output,
        )


def toolchains() -> tuple[Toolchain, ...]:
    """Those installed here, the best first."""
    found = []
    if path := shutil.which(GCC):
        found.append(Toolchain("gcc", (path,), ("-O3", "-fno-schedule-insns")))
    if importlib.util.find_spec("ziglang") is not None:
        found.append(Toolchain("zig", (sys.executable, "-m", "ziglang", "cc"), ("-O2",)))
    return tuple(found)


def find_toolchain(name: Name | None = None) -> Toolchain:
    """A toolchain by name, or the best there is.

    Raises:
        FirmwareError: it is not installed.
    """
    found = [one for one in toolchains() if name in (None, one.name)]
    if not found:
        raise FirmwareError(
            f"There is no compiler for microcontrollers{f' ({name})' if name else ''}.",
            f"{GCC} or Zig",
            "Install it: apt install gcc-arm-none-eabi, or pip install ziglang.",
        )
    return found[0]


def build(toolchain: Toolchain, cpu: Cpu, folder: Path, sources: Sequence[str], output: str = "firmware.elf") -> Path:
    """Compile and link the sources of a folder.

    Raises:
        FirmwareError: the compiler fails; its first complaint is in the message.
    """
    command = toolchain.line(cpu, "link.ld", sources, output)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FirmwareError(
            f"{toolchain.command[0]} could not be run: {error}.", "a working compiler", "Install it again."
        ) from error
    if done.returncode:
        said = next(
            (line for line in done.stderr.splitlines() if "error" in line or "overflow" in line), done.stderr[:200]
        )
        raise FirmwareError(
            f"{toolchain.name} failed: {said.strip()}.", "sources that fit the processor and its memory", _remedy(said)
        )
    return folder / output


def _remedy(said: str) -> str:
    if "overflow" in said or "region" in said:
        return "Choose a device with more memory, or a smaller network."
    return "Look at the first error; `make` in the folder repeats it."
