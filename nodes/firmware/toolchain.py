"""Compilers for firmware: GCC where it is installed, Zig's clang otherwise."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from nodes.firmware.cpu import Cpu
from nodes.firmware.errors import FirmwareError

GCC = "arm-none-eabi-gcc"
LONGEST_S = 300
Name = Literal["gcc", "zig"]
COMMON = (
    "-std=gnu11", "-ffreestanding", "-fno-builtin", "-ffunction-sections", "-fdata-sections", "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables", "-g0", "-Wall", "-Wextra", "-Wl,--gc-sections", "-Wl,-e,Reset_Handler",
)  # fmt: skip
GCC_ENDS = ("-nostartfiles", "-nostdlib", "-lgcc")  # Zig adds its own helpers, but for -nostdlib
TRACE = "-DOSSICLE_TRACE"


@dataclass(frozen=True)
class Toolchain:
    """A compiler that is installed here.

    Attributes:
        flags: chosen because its optimiser does best with them on our kernels.
    """

    name: Name
    command: tuple[str, ...]
    flags: tuple[str, ...]

    def line(
        self, cpu: Cpu, script: str, sources: Sequence[str], output: str, *, trace: bool = True
    ) -> tuple[str, ...]:
        """The whole command that builds an ELF from sources in its folder; with `trace` a test sees every layer."""
        traced, ends = (TRACE,) if trace else (), GCC_ENDS if self.name == "gcc" else ()
        return (*self.command, *self.compiling(cpu), *traced, "-T", script, *sources, *ends, "-o", output)

    def compiling(self, cpu: Cpu) -> tuple[str, ...]:
        """Flags for any source.

        Raises:
            FirmwareError: it does not compile for the processor.
        """
        if not self.takes(cpu):
            raise _without(cpu, self.name)
        return (*self._flags(cpu), *self.flags, *COMMON)

    def takes(self, cpu: Cpu) -> bool:
        """Whether it compiles for a processor."""
        return bool(self._flags(cpu))

    def _flags(self, cpu: Cpu) -> tuple[str, ...]:
        return cpu.gcc_flags if self.name == "gcc" else cpu.zig_flags

    def version(self) -> str:
        """What the compiler says it is, in one line; empty if it says nothing."""
        command = (self.command[0], "--version") if self.name == "gcc" else (*self.command[:-1], "version")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        said = done.stdout.strip().partition("\n")[0]
        return said if self.name == "gcc" else f"zig {said}"


FLAGS: Mapping[Name, tuple[str, ...]] = MappingProxyType(
    {"gcc": ("-O3", "-fno-schedule-insns"), "zig": ("-O2", "-fno-unroll-loops", "-fomit-frame-pointer")}
)


def toolchains() -> tuple[Toolchain, ...]:
    """Those installed here, the best first."""
    found = []
    if path := shutil.which(GCC):
        found.append(Toolchain("gcc", (path,), FLAGS["gcc"]))
    if importlib.util.find_spec("ziglang") is not None:
        found.append(Toolchain("zig", (sys.executable, "-m", "ziglang", "cc"), FLAGS["zig"]))
    return tuple(found)


def find_toolchain(name: Name | None = None, cpu: Cpu | None = None) -> Toolchain:
    """A toolchain by name, or the best there is, for a processor.

    Raises:
        FirmwareError: it is not installed, or does not compile for the processor.
    """
    installed = [one for one in toolchains() if name in (None, one.name)]
    found = [one for one in installed if cpu is None or one.takes(cpu)]
    if installed and not found and cpu is not None:
        raise _without(cpu, installed[0].name)
    if not found:
        raise FirmwareError(
            f"There is no compiler for microcontrollers{f' ({name})' if name else ''}.",
            f"{GCC} or Zig",
            "Install it: apt install gcc-arm-none-eabi, or pip install ziglang.",
        )
    return found[0]


@dataclass
class TooLargeError(FirmwareError):
    """A program that the linker cannot place.

    Attributes:
        region: FLASH or RAM.
        section: the first that did not fit; empty if the linker did not say.
        over_bytes: by how much the region is too small.
    """

    region: str = ""
    section: str = ""
    over_bytes: int = 0


def build(
    toolchain: Toolchain,
    cpu: Cpu,
    folder: Path,
    sources: Sequence[str],
    output: str = "firmware.elf",
    *,
    script: str = "link.ld",
    trace: bool = True,
) -> Path:
    """Compile and link the sources of a folder.

    Raises:
        TooLargeError: the program does not fit the memory of the linker script.
        FirmwareError: the compiler cannot be run, fails, or writes no ELF; its first complaint is in the message.
    """
    command, made = toolchain.line(cpu, script, sources, output, trace=trace), folder / output
    made.unlink(missing_ok=True)
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unusable(toolchain, f"could not be run: {error}") from error
    if done.returncode:
        raise _complaint(toolchain, done.returncode, done.stderr)
    if not made.is_file() or made.open("rb").read(4) != b"\x7fELF":
        raise _unusable(toolchain, "ended well but wrote no ELF")
    return made


def _without(cpu: Cpu, name: str) -> FirmwareError:
    others = [other for other, flags in (("gcc", cpu.gcc_flags), ("zig", cpu.zig_flags)) if flags]
    return FirmwareError(
        f"The toolchain {name} does not compile for {cpu.name}.",
        " or ".join(others),
        "Install it: pip install ziglang." if "zig" in others else "Choose another processor.",
    )


def _unusable(toolchain: Toolchain, why: str) -> FirmwareError:
    name = Path(toolchain.command[0]).name
    return FirmwareError(f"The compiler {name} {why}.", "a working compiler", "Install it again.")


def _complaint(toolchain: Toolchain, code: int, said: str) -> FirmwareError:
    """The error of a compiler that failed."""
    if over := re.search(r"region [`'](\w+)'?:? overflowed by (\d+)", said):
        region, size = over[1], int(over[2])
        section = re.search(rf"section [`']([^`']+)' will not fit in region [`']{region}", said)
        return TooLargeError(
            f"The firmware is {size:,} bytes too large for {region}.",
            "sections that fit",
            "Choose a device with more memory, or a smaller network.",
            region,
            section[1] if section else "",
            size,
        )
    if "No space left" in said:
        return FirmwareError("The disk is full.", "some megabytes for compiled files", "Free some space and try again.")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    told = next((line for line in lines if "error" in line or "undefined" in line), lines[0] if lines else "")
    if not told or "internal compiler error" in told or code < 0:
        return _unusable(toolchain, f"broke off with {_ending(code)}{f': {told}' * bool(told)}")
    return FirmwareError(
        f"{toolchain.name} failed: {told}.",
        "sources that the compiler takes",
        "Look at the first error; `make` in the folder repeats it.",
    )


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
