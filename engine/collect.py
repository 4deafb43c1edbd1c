"""Garbage collection: what to remove from a store, what that frees, and what killed processes left behind."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.artifact import DESCRIPTION_FILE
from engine.lock import try_lock
from engine.memo import unused
from engine.store import Store

GRACE_S = 3600.0
SCRATCH_DAYS = 7.0
KEY_LENGTH = 64


@dataclass(frozen=True)
class Item:
    """One artifact of a store. `files` are sizes by (device, inode): hard-linked files are shared between artifacts."""

    content_key: str
    kind: str
    used_s: float
    files: dict[tuple[int, int], int]

    @property
    def size_bytes(self) -> int:
        """Bytes of its files, shared ones included."""
        return sum(self.files.values())


@dataclass(frozen=True)
class Collected:
    """What was removed (or would be), and what stays. Bytes count shared files once."""

    removed: tuple[Item, ...]
    freed_bytes: int
    kept: int
    kept_bytes: int
    leftovers: int
    """Unfinished work, checkpoints and locks of processes that are gone."""


def items(store: Store) -> list[Item]:
    """All artifacts, the one not used for longest first."""
    found = [_item(store.path(key)) for key in store.content_keys()]
    return sorted((item for item in found if item is not None), key=lambda item: (item.used_s, item.content_key))


def size_bytes(found: Collection[Item]) -> int:
    """Bytes on disk of several artifacts, shared files counted once."""
    return sum({inode: size for item in found for inode, size in item.files.items()}.values())


def collect(
    store: Store,
    keep: Collection[str],
    limit_bytes: int | None = None,
    grace_s: float = GRACE_S,
    scratch_days: float = SCRATCH_DAYS,
    is_rehearsal: bool = False,
) -> Collected:
    """Remove artifacts that nobody keeps and nobody used lately.

    Args:
        keep: content keys that stay in any case (see `runs.referenced`).
        limit_bytes: stop as soon as the store is no larger than this; without it everything unused goes.
        grace_s: what was made or used within this time stays, since a run may be about to use it.
        scratch_days: checkpoints older than this go.
        is_rehearsal: remove nothing, only tell.
    """
    present = items(store)
    free_to_go = [item for item in present if item.content_key not in keep and item.used_s < time.time() - grace_s]
    removed = _oldest_beyond(present, free_to_go, limit_bytes)
    gone = {item.content_key for item in removed}
    kept = [item for item in present if item.content_key not in gone]
    leftovers = list(_leftovers(store, grace_s, scratch_days))
    if not is_rehearsal:
        for item in removed:
            store.evict(item.content_key)
        _forget_results(store)
        for path in (*leftovers, *unused(store)):
            _remove(path, store)
    kept_bytes = size_bytes(kept)
    return Collected(tuple(removed), size_bytes(present) - kept_bytes, len(kept), kept_bytes, len(leftovers))


def _oldest_beyond(present: list[Item], candidates: list[Item], limit_bytes: int | None) -> list[Item]:
    """The candidates to remove, oldest first, until what remains fits the limit."""
    if limit_bytes is None:
        return candidates
    owners = Counter(inode for item in present for inode in item.files)
    total, removed = size_bytes(present), []
    for item in candidates:
        if total <= limit_bytes:
            break
        removed.append(item)
        owners.subtract(item.files.keys())
        total -= sum(size for inode, size in item.files.items() if owners[inode] == 0)
    return removed


def _item(folder: Path) -> Item | None:
    try:
        statuses = [path.stat() for path in folder.rglob("*") if path.is_file()]
        used_s = folder.stat().st_mtime
        kind = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))["kind"]
    except FileNotFoundError:
        return None  # removed by somebody else just now
    except (OSError, ValueError, KeyError, TypeError):
        kind = "damaged"
    return Item(folder.name, kind, used_s, {(s.st_dev, s.st_ino): s.st_size for s in statuses})


def _forget_results(store: Store) -> None:
    for result in store.results():
        if not all(store.path(key).exists() for key in result.outputs.values()):
            store.forget(result.cache_key)


def _leftovers(store: Store, grace_s: float, scratch_days: float) -> Iterator[Path]:
    """Paths that no living process works with. Work and scratch belong to whoever holds the lock of their key."""
    now = time.time()
    for path in _entries(store.root / "tmp"):
        old = path.stat().st_mtime < now - grace_s
        if _is_idle(path.name, store) if len(path.name) == KEY_LENGTH else old:
            yield path
    for path in _entries(store.root / "scratch"):
        if path.stat().st_mtime < now - scratch_days * 86400 and _is_idle(path.name, store):
            yield path
    yield from (path for path in _entries(store.root / "locks") if _is_idle(path.stem, store))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_idle(cache_key: str, store: Store) -> bool:
    held = try_lock(store.lock_path(cache_key))
    if held is not None:
        held.release()
    return held is not None


def _remove(path: Path, store: Store) -> None:
    if path.parent.name == "locks":
        return  # looking whether somebody held it removed it
    held = try_lock(store.lock_path(path.name))
    if held is None:
        return  # taken into use since we looked
    with held:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
