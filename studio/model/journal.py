"""The journal: what the window holds and no file does yet, written soon after every edit and offered back after a crash.

One file per window, `journal/<id>.json` in the settings folder, beside a lock that the kernel drops when the process
dies, however it dies. A journal without a living owner is work to be recovered.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from PySide6.QtCore import QObject, QTimer, Signal

from engine.errors import OssicleError
from engine.lock import Lock, try_lock
from engine.workflow import Workflow, parse, to_json, write_atomic
from studio.model.document import Document
from studio.model.settings import settings_folder

WAIT_MS = 400
"""An edit is in the journal this long after it at the latest."""
ASIDE = ".unreadable"


@dataclass(frozen=True)
class Entry:
    """Work found in a journal that nobody owns any more."""

    file: Path
    workflow: Workflow
    path: Path | None
    time_s: float


def journal_folder() -> Path:
    """Where journals lie."""
    return settings_folder() / "journal"


class Journal(QObject):
    """Keeps the journal of one document.

    Signals:
        failed(OssicleError): the journal cannot be written; told once.
    """

    failed = Signal(object)

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.file = journal_folder() / f"{os.getpid()}-{uuid4().hex[:8]}.json"
        self._lock: Lock | None = None
        self._has_failed = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.write)
        document.changed.connect(self._ask)
        document.saved_changed.connect(self._ask)

    def _ask(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def write(self) -> None:
        """Write what no file holds, or take the journal away if there is nothing to lose."""
        self._timer.stop()
        try:
            self._remove() if self.document.is_saved else self._write()
        except OSError as error:
            self._tell(error)

    def _write(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = try_lock(self.file.with_suffix(".lock"))
        path = self.document.path
        entry = {
            "path": str(path) if path is not None else "",
            "time_s": time.time(),
            "workflow": to_json(self.document.workflow),
        }
        write_atomic(self.file, json.dumps(entry, ensure_ascii=False))

    def _remove(self) -> None:
        self.file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close(self) -> None:
        """A clean end: saved, or given up knowingly."""
        self._timer.stop()
        try:
            self._remove()
        except OSError:
            return  # the folder is gone: nothing is left to remove

    def _tell(self, error: OSError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self.failed.emit(
                OssicleError(
                    f"the journal {self.file} cannot be written ({error.strerror or error})",
                    "a settings folder with room that you may write to",
                    "Save your work now (Ctrl+S); set OSSICLE_SETTINGS to another folder",
                )
            )


def lost_work() -> list[Entry]:
    """Entries of windows that died, the newest first; files that cannot be read are set aside, never deleted."""
    return sorted(_entries(journal_folder()), key=lambda entry: -entry.time_s)


def _entries(folder: Path) -> Iterator[Entry]:
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        held = try_lock(file.with_suffix(".lock"))
        if held is None:
            continue  # its window lives
        with held:
            entry = _read(file)
        if entry is not None:
            yield entry


def _read(file: Path) -> Entry | None:
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        path = Path(raw["path"]) if raw["path"] else None
        return Entry(file, parse(raw["workflow"], str(file)), path, float(raw["time_s"]))
    except (OSError, ValueError, KeyError, TypeError, OssicleError):
        file.replace(file.with_name(file.name + ASIDE))
        return None


def forget(entry: Entry) -> None:
    """The work was recovered, or is not wanted."""
    entry.file.unlink(missing_ok=True)
