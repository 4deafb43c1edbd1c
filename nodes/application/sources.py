"""Recordings among what a user names: files, folders and archives, mixed."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nodes.dsp.errors import SourceError
from nodes.dsp.tree import scan
from nodes.dsp.unpack import unpack

_HEAD_BYTES: Final = 512
_ARCHIVES: Final = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh")


@dataclass(frozen=True)
class Recording:
    """One file to hear, or why it cannot be heard.

    Attributes:
        name: as the user knows it; members of an archive are ARCHIVE/MEMBER.
        path: where it lies now; an archive's members only until the next recording is asked for.
    """

    name: str
    path: Path
    problem: SourceError | None = None


def recordings(paths: Iterable[Path]) -> Iterator[Recording]:
    """Every recording, in the order given, folders and archives sorted by name.

    A file that was named is always tried, whatever its name says; in folders and archives only audio files are.
    """
    for path in paths:
        yield from _of(path)


def _of(path: Path) -> Iterator[Recording]:
    if path.is_dir():
        yield from _of_folder(path, str(path))
    elif not path.exists():
        missing = SourceError(f"{path} does not exist", "a recording, a folder or an archive", "Check the path")
        yield Recording(str(path), path, missing)
    elif _is_archive(path):
        yield from _of_archive(path)
    else:
        yield Recording(str(path), path)


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False  # decoding tells what is wrong with it
    return head.startswith(_ARCHIVES) or head[257:262] == b"ustar"


def _of_archive(path: Path) -> Iterator[Recording]:
    with tempfile.TemporaryDirectory(prefix="ossicle-predict-") as scratch:
        try:
            left_out = unpack(path, Path(scratch))
        except SourceError as error:
            yield Recording(str(path), path, error)
            return
        for issue in left_out:
            told = SourceError(issue.what, "a plain file", "Pack the archive again with the files themselves")
            yield Recording(f"{path}/{issue.file}", path, told)
        yield from _of_folder(Path(scratch), str(path))


def _of_folder(folder: Path, name: str) -> Iterator[Recording]:
    tree = scan(folder)
    root = tree.root.relative_to(folder).as_posix()
    prefix = name if root == "." else f"{name}/{root}"
    if not tree.audio and not tree.unreadable:
        none = SourceError(f"{name} holds no recording", "WAV, FLAC, Ogg or MP3 files", "Name another folder or file")
        yield Recording(name, folder, none)
    for file in sorted((*tree.audio, *tree.unreadable)):
        yield Recording(f"{prefix}/{file}", tree.path(file))
