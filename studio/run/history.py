"""Earlier runs, read back from their folders: the last run of a workflow, any run anew, curves of earlier runs."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.errors import OssicleError
from engine.event import Event
from engine.lock import is_locked
from engine.runs import EVENTS, LOCK, RECORD, WORKFLOW, run_folders
from engine.workflow import load
from studio.run.fold import SILENT, Fold, event_of
from studio.run.rows import Row, Rows

if TYPE_CHECKING:
    from studio.views.data.curves import Curve

LOG_LINES: Final = 20_000
RUNS: Final = 8
MOST_BYTES: Final = 20_000_000
"""Runs before the last one that are read back with it, and how much of them."""
LOOK_BACK: Final = 40
"""Newest runs among which earlier ones of the same workflow are looked for."""


@dataclass(frozen=True)
class Replay:
    """A run as its events tell it: the same as if it had been watched. `log` holds the events for the log."""

    folder: Path
    fold: Fold
    log: tuple[Event, ...]


def events_of(path: Path) -> Iterator[Event]:
    """Events of a file, one after the other; garbled lines and a half last one are left out."""
    try:
        with path.open("rb") as file:
            for raw in file:
                if (event := _event(raw)) is not None:
                    yield event
    except OSError:
        return


def _event(raw: bytes) -> Event | None:
    try:
        line = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return event_of(line) if isinstance(line, dict) else None


def replay(folder: Path, fold: Fold | None = None) -> Replay:
    """Read a run back. A run that ended without saying so was interrupted.

    Args:
        fold: what earlier runs left; nothing unless given.
    """
    fold, log = fold or Fold(), list[Event]()
    for event in events_of(folder / EVENTS):
        fold.take(event)
        if event.kind == "run_started":
            fold.folder = folder  # the project may have been moved since
        if event.kind not in SILENT and len(log) < LOG_LINES:
            log.append(event)
    with contextlib.suppress(OssicleError):
        fold.workflow = load(folder / WORKFLOW)
    if fold.is_open and not is_locked(folder / LOCK):
        fold.end()
    return Replay(folder, fold, tuple(log))


def runs_of(home: Path, workflow: str, base: Path, limit: int = LOOK_BACK) -> list[Path]:
    """Folders of the newest runs of a workflow, the newest first."""
    return [folder for folder in run_folders(home)[:limit] if _belongs(folder / RECORD, workflow, str(base.resolve()))]


@functools.lru_cache(maxsize=512)
def _belongs(path: Path, workflow: str, base: str) -> bool:
    """Whether a record is of a workflow of that name in that folder; a record never changes its mind about this."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return bool((raw["workflow"], raw["base"]) == (workflow, base))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def last_replay(home: Path, workflow: str, base: Path) -> Replay | None:
    """The last run of a workflow, read back on top of some runs before it; None if there is none.

    The runs before it tell the curves of what the last run found done, and the nodes that it left out.
    """
    fold, found = Fold(), None
    for folder in reversed(_recent(runs_of(home, workflow, base))):
        found = replay(folder, fold)
    return found


def _recent(folders: list[Path]) -> list[Path]:
    """The newest runs, as many as can be read in a moment; the last one in any case."""
    chosen, room = folders[:1], MOST_BYTES
    for folder in folders[1:RUNS]:
        with contextlib.suppress(OSError):
            room -= (folder / EVENTS).stat().st_size
        if room < 0:
            break
        chosen.append(folder)
    return chosen


def curves(home: Path, workflow: str, base: Path, node: str, but: str, limit: int = 5) -> tuple[Curve, ...]:
    """Metric rows of one node in earlier runs, the newest first; runs in which it told fewer than two are left out.

    Args:
        but: id of the run that is shown already.
    """
    from studio.views.data.curves import Curve

    found: list[Curve] = []
    for folder in runs_of(home, workflow, base):
        if len(found) == limit:
            break
        rows = _rows(folder / EVENTS, node) if folder.name != but else ()
        if len(rows) > 1:
            found.append(Curve(folder.name, rows))
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _rows(path: Path, node: str) -> tuple[Row, ...]:
    """Metric rows of a node of a run that is over."""
    name, rows = json.dumps(node).encode(), Rows()
    try:
        with path.open("rb") as file:
            for raw in file:
                event = _event(raw) if b'"metric"' in raw and name in raw else None
                if event is not None and (event.kind, event.node) == ("metric", node):
                    rows.add({key: value for key, value in event.values.items() if type(value) in (float, int)})  # type: ignore[misc]
    except OSError:
        return ()
    return tuple(rows.rows)
