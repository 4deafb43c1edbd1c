"""Locks between processes: one `flock`-ed file per name, gone when nobody holds it.

The kernel drops the lock when its process dies, however it dies, so a lock never outlives its owner.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_S = 0.02


@dataclass(frozen=True)
class Lock:
    """A lock that is held; leaving the `with` block gives it back."""

    path: Path
    descriptor: int

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the lock back; its file is removed while still held, so no second holder can hold a removed file."""
        try:
            self.path.unlink(missing_ok=True)
        finally:
            os.close(self.descriptor)


def try_lock(path: Path) -> Lock | None:
    """The lock, or None while somebody else holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(path, descriptor):
                return Lock(path, descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder removed the file between our open and our lock: try the new one


def lock(path: Path, check: Callable[[], None], on_wait: Callable[[], None]) -> Lock:
    """Wait for the lock. `check` is called while waiting and may raise to give up; `on_wait` once, if it is taken."""
    held = try_lock(path)
    if held is None:
        on_wait()
    while held is None:
        check()
        time.sleep(POLL_S)
        held = try_lock(path)
    return held


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock now."""
    if not path.exists():
        return False
    held = try_lock(path)
    if held is not None:
        held.release()
    return held is None


def _is_current(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
