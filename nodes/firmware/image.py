"""What an ELF holds: sections, symbols, and whose they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from nodes.firmware.errors import FirmwareError

Region = Literal["flash", "ram"]
WRITE, ALLOC = 1, 2
DEBUG_MARKS = ("$a", "$d", "$t", "$x")
"""Symbols that only say where code and where data lie."""


@dataclass(frozen=True)
class Section:
    """A part of the image. Initial values of variables lie in flash as well: as a section of their own."""

    name: str
    region: Region
    address: int
    size_bytes: int


@dataclass(frozen=True)
class Symbol:
    """A function or a variable."""

    name: str
    region: Region
    section: str
    address: int
    size_bytes: int
    is_code: bool

    @property
    def plain_name(self) -> str:
        """As the source has it, without what a compiler appends to its copies."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Image:
    """An ELF."""

    sha256: str
    machine: str
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]

    def used_bytes(self, region: Region) -> int:
        """Of flash or RAM, the reserved stack included."""
        return sum(section.size_bytes for section in self.sections if section.region == region)

    def bytes_of(self, name: str) -> int:
        """Of a function or variable with all its copies; 0 if the compiler needed none."""
        return sum(symbol.size_bytes for symbol in self._by_name.get(name, ()))

    @cached_property
    def _by_name(self) -> Mapping[str, list[Symbol]]:
        found: dict[str, list[Symbol]] = {}
        for symbol in self.symbols:
            found.setdefault(symbol.plain_name, []).append(symbol)
        return found


def read_image(path: Path, sha256: str | None = None) -> Image:
    """Read an ELF, and with `sha256` prove that it is the one it should be.

    Raises:
        FirmwareError: there is none, it is damaged, or it is another one.
    """
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise _damaged(path, f"its digest is {found[:12]}…, not {sha256[:12]}…")
    try:
        with path.open("rb") as file:
            return _image(ELFFile(file), found, len(content))
    except (
        ELFError, ConstructError, ValueError, TypeError, KeyError, AttributeError, OverflowError, AssertionError,
    ) as error:  # fmt: skip
        raise _damaged(path, f"{error or type(error).__name__}") from error


def _damaged(path: Path, why: str) -> FirmwareError:
    return FirmwareError(
        f"{path.name} is not the firmware that was built: {why}.", "the ELF as the compiler wrote it", "Build it again."
    )


def _image(elf: Any, sha256: str, file_bytes: int) -> Image:
    parts = [part for part in elf.iter_sections() if part["sh_flags"] & ALLOC and part["sh_size"]]
    for part in parts:
        end = part["sh_offset"] + part["sh_size"]
        if part["sh_type"] != "SHT_NOBITS" and end > file_bytes:
            raise ValueError(f"{part.name} ends {end - file_bytes:,} bytes behind the file")
    if not parts:
        raise ValueError("it holds no section")
    return Image(sha256, elf["e_machine"], tuple(_sections(parts)), tuple(_symbols(elf)))


def _region(part: Any) -> Region:
    return "ram" if part["sh_flags"] & WRITE or part["sh_type"] == "SHT_NOBITS" else "flash"


def _sections(parts: list[Any]) -> Iterator[Section]:
    for part in parts:
        yield Section(part.name, _region(part), part["sh_addr"], part["sh_size"])
        if _region(part) == "ram" and part["sh_type"] != "SHT_NOBITS":
            yield Section(f"{part.name} (initial values)", "flash", part["sh_addr"], part["sh_size"])


def _symbols(elf: Any) -> Iterator[Symbol]:
    table, seen = elf.get_section_by_name(".symtab"), set()
    for one in table.iter_symbols() if table is not None else ():
        index, address = one["st_shndx"], one["st_value"] & ~1
        key = (address, one["st_size"])
        if not isinstance(index, int) or not one["st_size"] or one.name.startswith(DEBUG_MARKS) or key in seen:
            continue  # a second name of the same bytes is no second symbol
        part, kind = elf.get_section(index), one["st_info"]["type"]
        if kind in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE") and part["sh_flags"] & ALLOC:
            seen.add(key)
            yield Symbol(one.name, _region(part), part.name, address, one["st_size"], kind == "STT_FUNC")
