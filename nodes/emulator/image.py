"""An ELF as the emulator needs it: what lies where, and where it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

DEFAULT_RAM: Final = (0x2000_0000, 0x2100_0000)
"""Of an ELF without our linker scripts' symbols."""
MOST_BYTES: Final = 64 << 20
ARM, RISCV = "EM_ARM", "EM_RISCV"


class ImageError(ValueError):
    """An ELF that cannot be read, or is for another machine."""


@dataclass(frozen=True)
class Image:
    """A program for a microcontroller.

    Attributes:
        machine: `EM_ARM` or `EM_RISCV`.
        segments: (address it is stored at, bytes).
        areas: (start, end, whether it can be written) of flash and RAM.
    """

    machine: str
    entry: int
    segments: tuple[tuple[int, bytes], ...]
    areas: tuple[tuple[int, int, bool], ...]
    symbols: Mapping[str, int]


def read_image(path: Path) -> Image:
    """Read an ELF.

    Raises:
        ImageError: it is no ELF of a 32-bit microcontroller, or damaged.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    try:
        with path.open("rb") as file:
            return _image(ELFFile(file))
    except ImageError:
        raise
    except (ELFError, ConstructError, OSError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ImageError(f"the ELF cannot be read: {error}") from error


def _image(elf: Any) -> Image:
    machine = elf["e_machine"]
    if machine not in (ARM, RISCV) or elf.elfclass != 32 or not elf.little_endian:
        raise ImageError(f"the ELF is for {machine}, {elf.elfclass} bits, not for a 32-bit microcontroller")
    loads = [one for one in elf.iter_segments() if one["p_type"] == "PT_LOAD" and one["p_filesz"]]
    segments = tuple((int(one["p_paddr"]), bytes(one.data())) for one in loads)
    if not segments or sum(len(data) for _, data in segments) > MOST_BYTES:
        raise ImageError("the ELF holds no program, or one of more than 64 MB")
    if any(len(data) != one["p_filesz"] for one, (_, data) in zip(loads, segments, strict=True)):
        raise ImageError("the ELF is cut off")
    symbols = _symbols(elf)
    ram = (symbols.get("_data_start", DEFAULT_RAM[0]), symbols.get("_stack_top", DEFAULT_RAM[1]))
    if not 0 < ram[1] - ram[0] <= MOST_BYTES:
        raise ImageError(f"the ELF has its RAM from {ram[0]:#x} to {ram[1]:#x}")
    stored = [(start, start + len(data)) for start, data in segments if not ram[0] <= start < ram[1]]
    if not stored:
        raise ImageError("the ELF has no code in flash")
    flash = (min(start for start, _ in stored), max(end for _, end in stored))
    if flash[1] - flash[0] > MOST_BYTES:
        raise ImageError("the ELF is spread over more than 64 MB of flash")
    return Image(machine, int(elf["e_entry"]), segments, ((*flash, False), (*ram, True)), symbols)


def _symbols(elf: Any) -> dict[str, int]:
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return {}
    return {one.name: int(one["st_value"]) for one in table.iter_symbols() if one.name}
