"""Work that windows left behind when they died: found at the next start, offered, never deleted unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import subgraph
from engine.errors import OssicleError
from engine.lock import try_lock
from engine.workflow import Workflow, parse
from studio.model.document import load_any
from studio.model.settings import settings_folder

ASIDE = ".unreadable"


@dataclass(frozen=True)
class Entry:
    """Work found in a journal that nobody owns any more.

    Attributes:
        file: the journal.
        path: the file that the work was opened from or saved to; None if it never had one.
        time_s: when it was written (seconds since the epoch).
    """

    file: Path
    workflow: Workflow
    path: Path | None
    time_s: float

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.name if self.path is not None else self.workflow.name


@dataclass(frozen=True)
class Found:
    """All work that can be recovered, the newest first, and journals that cannot be read (they are set aside)."""

    entries: tuple[Entry, ...] = ()
    faults: tuple[OssicleError, ...] = ()


def journal_folder() -> Path:
    """Where journals lie."""
    return settings_folder() / "journal"


def lock_of(file: Path) -> Path:
    """The lock that the owner of a journal holds."""
    return file.with_suffix(".lock")


def has_lost_work() -> bool:
    """Whether there may be something: a quick look at names, nothing is read."""
    return any(journal_folder().glob("*.json"))


def lost_work() -> list[Entry]:
    """Entries of windows that died, the newest first."""
    return list(search().entries)


def search(folder: Path | None = None) -> Found:
    """Look through journals. Those of living windows are left alone; those whose work a file holds are removed."""
    entries: list[Entry] = []
    faults: list[OssicleError] = []
    for found in _look(folder or journal_folder()):
        if isinstance(found, Entry):
            entries.append(found)
        else:
            faults.append(found)
    return Found(tuple(sorted(entries, key=lambda entry: -entry.time_s)), tuple(faults))


def _look(folder: Path) -> Iterator[Entry | OssicleError]:
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            held = try_lock(lock_of(file))
            if held is None:
                continue  # its window lives
            with held:
                found = _read(file)
                if isinstance(found, Entry) and _is_saved(found):
                    forget(found)
                elif found is not None:
                    yield found
        except OSError as error:
            yield OssicleError(
                f"the journal {file} cannot be looked at ({error.strerror or error})", "a folder that you may use",
                "Correct its permissions; unsaved work may be in it",
            )  # fmt: skip


def _read(file: Path) -> Entry | OssicleError | None:
    """The entry in a journal; one that makes no sense is set aside with a message; None if it just went."""
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        workflow = _workflow(raw["workflow"], str(file))
        return Entry(file, workflow, Path(raw["path"]) if raw["path"] else None, float(raw["time_s"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError, OssicleError) as error:
        aside = file.with_name(file.name + ASIDE)
        file.replace(aside)
        return OssicleError(
            f"a journal of unsaved work cannot be read ({type(error).__name__})", "a complete journal",
            f"It is kept as {aside}; open it with a text editor if something is missing",
        )  # fmt: skip


def _workflow(raw: Any, origin: str) -> Workflow:
    is_part = isinstance(raw, dict) and "interface" in raw
    return subgraph.parse(raw, origin) if is_part else parse(raw, origin)


def _is_saved(entry: Entry) -> bool:
    """Whether the file holds the work after all: the window died between saving and tidying up."""
    try:
        return entry.path is not None and load_any(entry.path) == entry.workflow
    except OssicleError:
        return False


def forget(entry: Entry) -> None:
    """The work was recovered, or is not wanted."""
    entry.file.unlink(missing_ok=True)
