"""The files under a folder, once, in one order: what every layout looks at."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from nodes.dsp.decode import EXTENSIONS, UNREADABLE

_CLUTTER = frozenset({"__MACOSX", "Thumbs.db"})


@dataclass(frozen=True)
class Tree:
    """Files below `root` as sorted relative paths with `/`; hidden files and links to folders are left out."""

    root: Path
    files: tuple[str, ...]

    def path(self, name: str) -> Path:
        """Where a file of the tree lies."""
        return self.root / name

    @cached_property
    def audio(self) -> tuple[str, ...]:
        """The files read as audio."""
        return tuple(name for name in self.files if extension(name) in EXTENSIONS)

    @cached_property
    def unreadable(self) -> tuple[str, ...]:
        """Audio files of kinds that cannot be read."""
        return tuple(name for name in self.files if extension(name) in UNREADABLE)

    @cached_property
    def known(self) -> frozenset[str]:
        """The files, for asking whether one is there."""
        return frozenset(self.files)


def extension(name: str) -> str:
    """Lower-case extension with its dot."""
    return PurePosixPath(name).suffix.lower()


def scan(folder: Path) -> Tree:
    """List a folder; where it holds nothing but one folder of folders (an unpacked archive), that one is the root."""
    root, files = folder, tuple(sorted(_walk(folder)))
    while (inner := _only_folder(files)) is not None:
        root, files = root / inner, tuple(name.removeprefix(f"{inner}/") for name in files)
    return Tree(root, files)


def _only_folder(files: tuple[str, ...]) -> str | None:
    """The one top folder if all files lie in folders below it (else it is a class, not a wrapper)."""
    parts = [name.split("/", 2) for name in files]
    is_wrapper = bool(parts) and any(len(part) == 3 for part in parts) and all(len(part) > 1 for part in parts)
    tops = {part[0] for part in parts}
    return tops.pop() if is_wrapper and len(tops) == 1 else None


def _walk(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if _is_wanted(name)]
        prefix = Path(place).relative_to(folder).as_posix()
        yield from (name if prefix == "." else f"{prefix}/{name}" for name in names if _is_wanted(name))


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and name not in _CLUTTER


def stamp(folder: Path) -> str:
    """Digest of all names, sizes and change times below a folder: cheap, and different when a file was replaced."""
    digest = hashlib.sha256()
    for name in sorted(_walk(folder)):
        try:
            status = (folder / name).stat()
        except OSError:
            continue  # a dangling link: reading will report it
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def printable(name: str) -> str:
    """A file name that any text file can hold: bytes that are not UTF-8 are written as `\\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
