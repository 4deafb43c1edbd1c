"""What a node computes from less than all its inputs, made once per store: `memo/<key>/`.

Features do not depend on which subset a clip is in, so ten folds of one data set need them once. The node names what
its part depends on; whoever comes first makes the folder, the others take it and link its files into their outputs. A
folder is whole or not there; its files are compared with their digests before they are used, and made anew if they
differ.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from engine.store import READ_ONLY, Store

RECORD: Final = "memo.json"
Make = Callable[[Path], None]


def memo(
    store: Store, key: str, make: Make, check: Callable[[], None], on_wait: Callable[[], None], *, is_forced: bool
) -> Path:
    """The folder of a key (hex), made by `make(folder)` unless it is there and whole.

    Args:
        check: called while another process makes the same; may raise to give up.
        is_forced: make it anew in any case.
    """
    path = store.root / "memo" / key[:2] / key
    with store.lock(key, check, on_wait):
        if not is_forced and _is_whole(store, path):
            return path
        shutil.rmtree(path, ignore_errors=True)
        work = store.work(key)
        try:
            make(work)
            _close(store, work)
            path.parent.mkdir(parents=True, exist_ok=True)
            work.rename(path)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return path


def _close(store: Store, folder: Path) -> None:
    """Make the files read-only and note their digests."""
    digests = {}
    for file in sorted(folder.iterdir()):
        file.chmod(READ_ONLY)
        digests[file.name] = store.digest(file)
    (folder / RECORD).write_text(json.dumps(digests), encoding="utf-8")


def _is_whole(store: Store, folder: Path) -> bool:
    try:
        digests: dict[str, str] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return all(store.digest(folder / name) == digest for name, digest in digests.items())
    except (OSError, ValueError, AttributeError):
        return False


def unused(store: Store) -> Iterator[Path]:
    """Folders whose files no artifact holds any more."""
    for folder in sorted((store.root / "memo").glob("*/*")):
        files = [path for path in folder.iterdir() if path.name != RECORD]
        if all(path.stat().st_nlink == 1 for path in files):
            yield folder
