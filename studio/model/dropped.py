"""What was dropped: decided from names and the first bytes, without reading or unpacking anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from engine.errors import OssicleError

Kind = Literal["workflow", "folder", "archive", "recording", "unknown"]
SUFFIXES: Final[Mapping[str, Kind]] = {
    ".workflow.json": "workflow",
    **dict.fromkeys((".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au"), "recording"),
    **dict.fromkeys((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), "archive"),
}
STARTS: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"PK\x03\x04", "archive"), (b"\x1f\x8b", "archive"), (b"BZh", "archive"), (b"\xfd7zXZ\x00", "archive"),
    (b"RIFF", "recording"), (b"fLaC", "recording"), (b"OggS", "recording"), (b"FORM", "recording"),
)  # fmt: skip
HEAD_BYTES: Final = 4096
"""Read at most, of files whose name says nothing."""
WORDS: Final[Mapping[Kind, str]] = {
    "workflow": "workflow", "folder": "folder", "archive": "archive", "recording": "recording", "unknown": "other file",
}  # fmt: skip


@dataclass(frozen=True)
class Dropped:
    """A dropped path and what it is."""

    path: Path
    kind: Kind


def what_is(path: Path) -> Kind:
    """What a path is; "unknown" if it is nothing we can take in, or cannot be read."""
    try:
        if path.is_dir():
            return "folder"
        name = path.name.casefold()
        for suffix, kind in SUFFIXES.items():
            if name.endswith(suffix):
                return kind
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return "unknown"
    if head.lstrip().startswith(b"{") and b'"nodes"' in head:
        return "workflow"
    return next((kind for start, kind in STARTS if head.startswith(start)), "unknown")


def sort_dropped(paths: Iterable[Path]) -> tuple[Dropped, ...]:
    """What was dropped, each path once, in the order given."""
    return tuple(Dropped(path, what_is(path)) for path in dict.fromkeys(paths))


def usable(dropped: Sequence[Dropped]) -> tuple[Dropped, ...]:
    """Those that can be taken in.

    Raises:
        OssicleError: none can.
    """
    found = tuple(item for item in dropped if item.kind != "unknown")
    if not found:
        names = ", ".join(item.path.name for item in dropped[:3]) or "nothing"
        raise OssicleError(
            f"{names} cannot be made into a graph", "a folder, an archive, recordings or a workflow file",
            "Drop the folder that holds the recordings",
        )  # fmt: skip
    return found


def label_of(dropped: Sequence[Dropped]) -> str:
    """What dropping it would do, in a few words."""
    workflow = next((item for item in dropped if item.kind == "workflow"), None)
    if workflow is not None:
        return f"Open {workflow.path.name}"
    counts: dict[Kind, int] = {}
    for item in dropped:
        if item.kind != "unknown":
            counts[item.kind] = counts.get(item.kind, 0) + 1
    if not counts:
        return "Not a folder, archive, recording or workflow"
    named = " and ".join(f"{count} {WORDS[kind]}{'s' * (count > 1)}" for kind, count in counts.items())
    one = dropped[0].path.name
    return f"Make nodes for {one if len(dropped) == 1 else named}"
