"""What a folder or an archive of recordings holds, from some of its names: no file is read, nothing is unpacked."""

from __future__ import annotations

import itertools
import os
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from pydantic import JsonValue

from engine.errors import OssicleError

LOOK_AT: Final = 400
"""Names looked at in each folder, and in an archive."""
LOOK_IN: Final = 24
"""Folders looked into."""
LOOK_BYTES: Final = 8_000_000
"""Bytes of a compressed archive that are read for its names, at most."""
AUDIO: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au")
SUBSETS: Final = frozenset(
    {"train", "training", "learn", "val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"}
)
NOISE: Final = frozenset({"_background_noise_", "_background_", "_background"})
PATTERNS: Final = (
    r"(?P<label>[^_\W]+)_(?P<speaker>[A-Za-z]+)_\d+",
    r"(?P<label>[^_\W]+)_(?P<speaker>[A-Za-z]*\d+)_\d+",
    r"(?P<label>[A-Za-z]+(?:[ _-][A-Za-z]+)*)[ _-]?\(?\d+\)?",
)
"""How file names tell label and speaker, the most telling first: 7_theo_12, yes_s03_1, door bell 4."""
FITS_SHARE: Final = 0.9
LEAST_SPEAKERS: Final = 4
"""Fewer cannot be kept apart in training, validation and testing."""
Layout = Literal["speech_commands", "esc50", "urbansound8k", "folder", "names", "csv", "auto"]
Values = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Seen:
    """What names told.

    Attributes:
        layout: how the ingest node would find labels.
        rule: how the partition node would part the clips.
        values: what else the ingest node needs to know.
        why: in words, for people.
    """

    layout: Layout
    rule: str
    why: str
    values: Values = field(default_factory=dict)


TITLES: Final = (
    ("speech.?commands", Seen("speech_commands", "given", "Speech Commands, by its name")),
    ("esc.?(10|50)", Seen("esc50", "fold", "ESC-50, by its name")),
    ("urbansound8k", Seen("urbansound8k", "fold", "UrbanSound8K, by its name")),
)
"""What a source is by its own name, if it is too large for its first names to tell."""


@dataclass(frozen=True)
class Names:
    """Some names below a source, with "/" between folders; `are_all` if there are no others."""

    names: Sequence[str]
    are_all: bool

    @property
    def audio(self) -> list[str]:
        """Those of recordings, noise tracks apart."""
        return [n for n in self.names if n.casefold().endswith(AUDIO) and n.split("/", 1)[0] not in NOISE]


def look_at(source: Path) -> Seen:
    """What a folder or an archive holds.

    Raises:
        OssicleError: it cannot be read, holds no recordings, or its recordings tell no classes.
    """
    names = _without_wrapper(names_in(source))
    for tell in (_by_lists, _by_table, _by_folders, _by_names):
        seen = tell(names)
        if seen is not None:
            return seen
    if not names.are_all:
        known = (seen for title, seen in TITLES if re.search(title, source.name.casefold()))
        return next(known, Seen("auto", "stratified", "not known before it is read"))
    if not names.audio:
        raise OssicleError(
            f"{source.name} holds no recordings", f"files such as {', '.join(AUDIO[:4])}",
            "Drop the folder that holds them",
        )  # fmt: skip
    raise OssicleError(
        f"the recordings in {source.name} do not tell their classes ({Path(names.audio[0]).name})",
        "a folder per class, names like yes_anna_1.wav, or a CSV table with file and label",
        "Sort them into folders, or add an Ingest node and set name_pattern",
    )


# ---- the ways labels are told


def _by_lists(found: Names) -> Seen | None:
    tops = {name.split("/", 1)[0] for name in found.names}
    has_noise = bool(tops & NOISE) and any("_nohash_" in name for name in found.names)
    if "testing_list.txt" in tops or has_noise:
        return Seen("speech_commands", "given", "Speech Commands")
    return None


def _by_table(found: Names) -> Seen | None:
    tables = [name for name in found.names if name.casefold().endswith(".csv")]
    if any(PurePosixPath(name).name == "UrbanSound8K.csv" for name in tables):
        return Seen("urbansound8k", "fold", "UrbanSound8K")
    if any(name.startswith("meta/") for name in tables):
        return Seen("esc50", "fold", "a table with folds, as ESC-50")
    if any("/" not in name for name in tables):
        return Seen("auto", "stratified", "a table of files and labels")
    return None


def _by_folders(found: Names) -> Seen | None:
    """A folder per class, maybe below one folder per subset."""
    folders = {name.split("/", 1)[0] for name in found.audio if "/" in name}
    if folders and {name.casefold() for name in folders} <= SUBSETS:
        return Seen("folder", "given", "a folder per subset, a folder per class in it")
    if len(folders) < 2:
        return None
    has_speakers = sum("_nohash_" in name for name in found.audio) > FITS_SHARE * len(found.audio)
    return Seen("folder", "speaker" if has_speakers else "stratified", f"a folder per class: {_some(folders)}")


def _by_names(found: Names) -> Seen | None:
    stems = [PurePosixPath(name).stem for name in found.audio]
    for pattern in PATTERNS:
        matches = [match for stem in stems if (match := re.fullmatch(pattern, stem))]
        labels = {match["label"] for match in matches}
        if len(matches) < FITS_SHARE * len(stems) or not 2 <= len(labels) <= max(2, len(stems) / 2):
            continue
        speakers = {match["speaker"] for match in matches} if "speaker" in re.compile(pattern).groupindex else set()
        rule = "speaker" if len(speakers) >= LEAST_SPEAKERS else "stratified"
        return Seen("names", rule, f"labels in file names: {_some(labels)}", {"name_pattern": pattern})
    return None


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:4]) + (", …" if len(shown) > 4 else "")


# ---- names


def names_in(source: Path) -> Names:
    """Some names in a folder (and its first folders) or in an archive.

    Raises:
        OssicleError: it cannot be read.
    """
    try:
        return _in_folder(source) if source.is_dir() else _in_archive(source)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, ValueError) as error:
        raise OssicleError(
            f"{source} cannot be read ({error})", "a readable folder, or a whole tar or zip archive",
            "Check its permissions, or get the archive again",
        ) from error  # fmt: skip


def _in_folder(folder: Path) -> Names:
    names: list[str] = []
    todo, are_all = [""], True
    for number, below in enumerate(todo):  # grows while it is walked: breadth first
        if number == LOOK_IN:
            return Names(names, False)
        with os.scandir(folder / below) as entries:
            some = [entry for entry in itertools.islice(entries, LOOK_AT) if not entry.name.startswith(".")]
            are_all = are_all and next(entries, None) is None
        for entry in sorted(some, key=lambda entry: entry.name):
            name = f"{below}{entry.name}"
            names.append(name)
            if entry.is_dir():
                todo.append(f"{name}/")
    listed = [name for name in ("testing_list.txt", "metadata/UrbanSound8K.csv") if (folder / name).is_file()]
    return Names([*dict.fromkeys([*listed, *names])], are_all)


def _in_archive(path: Path) -> Names:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _first(name for name in archive.namelist())
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|*") as stream:
        return _first(_members(stream, file.tell))


def _members(stream: tarfile.TarFile, place: Callable[[], int]) -> Iterator[str]:
    for member in stream:
        yield member.name
        if place() > LOOK_BYTES:
            yield ""
            return


def _first(names: Iterator[str]) -> Names:
    some = list(itertools.islice(names, LOOK_AT + 1))
    are_all = len(some) <= LOOK_AT and "" not in some
    return Names([name.removeprefix("./").rstrip("/") for name in some if name.strip("./")], are_all)


def _without_wrapper(found: Names) -> Names:
    """Names without a single folder around everything, as archives have it."""
    names = [name for name in found.names if not PurePosixPath(name).name.startswith(".")]
    tops = {name.split("/", 1)[0] for name in names}
    if len(tops) == 1 and any("/" in name for name in names) and not tops & SUBSETS:
        return _without_wrapper(Names([name.split("/", 1)[1] for name in names if "/" in name], found.are_all))
    return Names(names, found.are_all)
