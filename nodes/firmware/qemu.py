"""The boards QEMU has for our processors: a second witness beside the emulator that counts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nodes.firmware.cpu import Cpu
from nodes.firmware.errors import FirmwareError
from nodes.firmware.memory import Memory

LIMIT_S = 120.0
SERIAL = ("-display", "none", "-monitor", "none", "-serial", "none")
SEMIHOSTING = ("-semihosting-config", "enable=on,target=native,chardev=console", "-chardev", "stdio,id=console")


@dataclass(frozen=True)
class Board:
    """A board in QEMU. A later core of a family runs the code of an earlier one.

    Attributes:
        package: that holds `program`.
        options: besides those of every board.
    """

    machine: str
    memory: Memory = Memory()
    program: str = "qemu-system-arm"
    package: str = "qemu-system-arm"
    options: tuple[str, ...] = ()

    def command(self, elf: str) -> tuple[str, ...]:
        """Runs an ELF that was linked for the board's memory; its console is the standard output."""
        return (self.program, "-M", self.machine, *self.options, *SERIAL, *SEMIHOSTING, "-kernel", elf)


_SECURE = Memory(flash_origin=0x1000_0000, ram_origin=0x3800_0000)
_M3, _M33 = Board("mps2-an385"), Board("mps2-an505", _SECURE)
BOARDS: Mapping[str, Board] = MappingProxyType(
    {
        "cortex-m0": _M3,
        "cortex-m0plus": _M3,
        "cortex-m3": _M3,
        "cortex-m4": Board("mps2-an386"),
        "cortex-m7": Board("mps2-an500"),
        "cortex-m23": _M33,
        "cortex-m33": _M33,
        "cortex-m55": Board("mps3-an547", Memory(512 << 10, 2 << 20, 0x1000_0000, 0x2100_0000)),
        "rv32imac": Board(
            "virt",
            Memory(flash_origin=0x8000_0000, ram_origin=0x8040_0000),
            "qemu-system-riscv32",
            "qemu-system-misc",
            ("-bios", "none"),
        ),
    }
)
"""By processor. The 4 MB of flash and of RAM hold any network; a device's own limits are the linker's business."""


@dataclass(frozen=True)
class Told:
    """What a program wrote to its console, and its exit code."""

    console: str
    code: int


def board_of(cpu: Cpu) -> Board | None:
    """The board for a processor, None without one or where QEMU is not installed."""
    board = BOARDS.get(cpu.name)
    return board if board is not None and shutil.which(board.program) else None


def run_board(elf: Path, board: Board, limit_s: float = LIMIT_S) -> Told:
    """Run an ELF on a board.

    Raises:
        FirmwareError: QEMU cannot be run, or the program faults or does not end.
    """
    try:
        done = subprocess.run(
            board.command(elf.name), cwd=elf.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=limit_s, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise FirmwareError(
            f"{board.program} is not installed.", "QEMU's boards", f"Install it: apt install {board.package}."
        ) from error
    except subprocess.TimeoutExpired as error:
        last = (error.stdout or b"").decode("ascii", "replace").strip().rpartition("\n")[2]
        raise _broken(board, f"no end within {limit_s:g} s{f', after {last!r}' * bool(last)}") from error
    if done.returncode not in (0, 1) or "FAULT" in done.stdout:
        said = [line for line in (*done.stdout.splitlines(), *done.stderr.splitlines()) if line.strip()]
        raise _broken(board, f"exit code {done.returncode}{f', {said[-1]}' if said else ''}")
    return Told(done.stdout, done.returncode)


def _broken(board: Board, why: str) -> FirmwareError:
    return FirmwareError(
        f"The firmware does not run in QEMU ({board.machine}): {why}.",
        "a run to its end",
        "Run it in the counting emulator, which tells the layer and the registers.",
    )
