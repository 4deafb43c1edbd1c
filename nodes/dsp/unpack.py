"""Unpack tar and zip archives that may be hostile: nothing leaves the folder, nothing grows past the limits.

Archives are read as a stream; limits are enforced on bytes really produced, never on what headers claim. Links and
devices are left out and reported. Names that point outside refuse the whole archive.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from nodes.dsp.errors import SourceError
from nodes.dsp.forward import ForwardReader
from nodes.dsp.layout import FileIssue
from nodes.dsp.tree import printable

Progress = Callable[[float], None]

_BLOCK_BYTES = 1 << 18
_FREE_BYTES_KEPT = 64 << 20
_RATIO_GRACE_BYTES = 64 << 20
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError),
    *(NotImplementedError, RuntimeError),  # zipfile: an unknown method, an encrypted member
)
_NAME_FAULTS = (None, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)  # None: the decompressors' own


@dataclass(frozen=True)
class Limits:
    """What an archive may become.

    Attributes:
        total_bytes: all files together.
        files: number of entries.
        ratio: unpacked bytes per byte of archive, once 64 MB have come out (audio: 1 to 10, bombs: 1000).
    """

    total_bytes: int = 40_000_000_000
    files: int = 2_000_000
    ratio: float = 200.0


class Entry(NamedTuple):
    """One member: its name as written, whether it is a plain file, a folder or something else, and how to read it."""

    name: str
    kind: str
    open: Callable[[], IO[bytes] | ForwardReader]


@dataclass
class _Budget:
    """Counts what has come out of the archive and stops it in time."""

    limits: Limits
    archive_bytes: int
    free_bytes: int
    bytes_out: int = 0
    entries: int = 0

    def spend(self, count: int) -> None:
        self.bytes_out += count
        if self.bytes_out > self.limits.total_bytes:
            raise _too_big(f"it holds more than {self.limits.total_bytes:,} bytes", "max_unpacked_bytes")
        ratio = self.bytes_out / max(self.archive_bytes, 1)
        if self.bytes_out > _RATIO_GRACE_BYTES and ratio > self.limits.ratio:
            raise _too_big(f"it expands more than {self.limits.ratio:g} times", "max_ratio")
        if self.bytes_out > self.free_bytes:
            raise SourceError(
                "there is no room to unpack the archive",
                f"more than {self.free_bytes:,} free bytes",
                "Free some disk space, or set OSSICLE_HOME to a folder on another disk",
            )

    def enter(self) -> None:
        self.entries += 1
        if self.entries > self.limits.files:
            raise _too_big(f"it holds more than {self.limits.files:,} files", "max_files")


def _too_big(what: str, limit: str) -> SourceError:
    return SourceError(
        f"the archive was refused: {what}", "a data set within the limits", f"If you trust it, raise {limit}"
    )


@dataclass
class _Target:
    """The folder that is filled, and what was left out."""

    folder: Path
    budget: _Budget
    issues: list[FileIssue] = field(default_factory=list)

    def take(self, entry: Entry) -> None:
        self.budget.enter()
        parts = safe_parts(entry.name)
        if entry.kind == "file" and parts:
            self._write(self.folder.joinpath(*parts), entry)
        elif entry.kind not in ("file", "folder"):
            self.issues.append(FileIssue(printable(entry.name), f"a {entry.kind} in an archive is not unpacked"))

    def _write(self, path: Path, entry: Entry) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with entry.open() as source, path.open("wb") as target:
                while block := source.read(_BLOCK_BYTES):
                    target.write(block)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise SourceError(
                f"the archive was refused: {printable(entry.name)!r} is a file and a folder in it ({error.strerror})",
                "names that fit together",
                "Pack the archive again",
            ) from error


def safe_parts(name: str) -> tuple[str, ...]:
    """A member's name as parts below the folder; `.` and empty parts are dropped, backslashes are separators.

    Raises:
        SourceError: it is absolute, has `..`, a drive letter or a control character.
    """
    path = name.replace("\\", "/")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    is_absolute = path.startswith("/") or (len(path) > 1 and path[1] == ":")
    if is_absolute or ".." in parts or any(ord(letter) < 32 for letter in path):
        raise SourceError(
            f"the archive was refused: the name {printable(name)[:200]!r} leads out of its folder",
            "relative names without ..",
            "Do not use this archive; get it again from its origin",
        )
    return parts


def unpack(
    archive: Path, folder: Path, limits: Limits | None = None, progress: Progress = lambda _fraction: None
) -> list[FileIssue]:
    """Unpack a tar (plain, gzip, bzip2) or zip archive into an empty folder; memory stays at a megabyte.

    The kind is told by content, not by name. `progress` is called with the fraction read; it may raise to stop.

    Returns:
        Members left out (links, devices), with the reason.

    Raises:
        SourceError: no archive, damaged or truncated, a name that leads out of the folder, or past the limits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = max(shutil.disk_usage(folder).free - _FREE_BYTES_KEPT, 0)
    target = _Target(folder, _Budget(limits or Limits(), archive.stat().st_size, free))
    try:
        with archive.open("rb") as raw:
            for entry in _entries(raw, target.budget):
                target.take(entry)
                progress(raw.tell() / max(target.budget.archive_bytes, 1))
    except SourceError:
        raise
    except _DAMAGE as error:
        raise _damaged(archive, error) from error
    except OSError as error:  # a full or read-only disk is no fault of the archive
        if error.errno in _NAME_FAULTS:
            raise _damaged(archive, error) from error
        raise
    return target.issues


def _damaged(archive: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{archive.name} cannot be unpacked ({error})",
        "a complete archive without a password",
        "Download or copy it again, or unpack it yourself and give the folder",
    )


def _entries(raw: IO[bytes], budget: _Budget) -> Iterator[Entry]:
    start = raw.read(512)
    raw.seek(0)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_entries(raw, budget)
    if start.startswith(b"\x1f\x8b"):
        return _tar_entries(gzip.GzipFile(fileobj=raw), budget)
    if start.startswith(b"BZh"):
        return _tar_entries(bz2.BZ2File(raw), budget)
    if start[257:262] == b"ustar":
        return _tar_entries(raw, budget)
    raise SourceError(
        f"{PurePosixPath(str(getattr(raw, 'name', 'the file'))).name} is no archive",
        "a tar, tar.gz, tar.bz2 or zip file",
        "Check that the file or the address is right, or unpack it yourself and give the folder",
    )


def _tar_entries(stream: IO[bytes] | io.BufferedIOBase, budget: _Budget) -> Iterator[Entry]:
    with tarfile.open(fileobj=ForwardReader(stream, budget.spend), mode="r:") as archive:
        while (member := archive.next()) is not None:
            yield Entry(member.name, _tar_kind(member), partial(_tar_file, archive, member))
            archive.members = []  # type: ignore[attr-defined]  # a million members must not pile up


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.issparse():
        return "sparse file"
    if member.isreg():
        return "file"
    kinds = {"folder": member.isdir(), "link": member.issym() or member.islnk(), "device": member.isdev()}
    return next((name for name, holds in kinds.items() if holds), "special file")


def _tar_file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    opened = archive.extractfile(member)
    if opened is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    return opened


def _zip_entries(raw: IO[bytes], budget: _Budget) -> Iterator[Entry]:
    with zipfile.ZipFile(raw) as archive:
        for member in archive.infolist():
            yield Entry(member.orig_filename, _zip_kind(member), partial(_zip_file, archive, member, budget))


def _zip_file(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> ForwardReader:
    return ForwardReader(archive.open(member), budget.spend)


def _zip_kind(member: zipfile.ZipInfo) -> str:
    mode = member.external_attr >> 16
    if member.is_dir():
        return "folder"
    kinds = {"link": stat.S_ISLNK(mode), "device": stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode)}
    return next((name for name, holds in kinds.items() if holds), "file")
