"""The journal: what the window holds and no file does yet, written soon after each edit, offered back after a crash.

One file per window, `journal/<pid>-<number>.json` in the settings folder, beside a lock that the kernel drops when the
process dies, however it dies. A journal without a living owner is work to be recovered (`studio.model.recover`).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from engine.errors import OssicleError
from engine.lock import Lock, try_lock
from engine.workflow import Workflow, to_json, write_atomic
from studio.model.document import Document
from studio.model.recover import Entry as Entry
from studio.model.recover import forget as forget
from studio.model.recover import journal_folder as journal_folder
from studio.model.recover import lock_of
from studio.model.recover import lost_work as lost_work

WAIT_MS = 400
"""An edit is in the journal this long after it at the latest (and the time that writing takes)."""


class Journal(QObject):
    """Keeps the journal of one document.

    Signals:
        written(): what is edited so far is safe.
        failed(OssicleError): the journal cannot be written; told once.
    """

    written = Signal()
    failed = Signal(object)
    _ended = Signal(object)

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.file = journal_folder() / f"{os.getpid()}-{uuid4().hex[:8]}.json"
        self._lock: Lock | None = None
        self._has_failed = False
        self._thread: threading.Thread | None = None
        self._ended.connect(self._hear, Qt.ConnectionType.QueuedConnection)
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self._begin)
        document.changed.connect(self._ask)
        document.saved_changed.connect(self._ask)

    def _ask(self, *_: object) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _begin(self) -> None:
        """Write in a thread: a large graph takes longer than a frame. What is edited meanwhile is asked for anew."""
        document = self.document
        if document.is_saved:
            self.write()
        elif self._thread is not None and self._thread.is_alive():
            self._ask()
        elif self._try(self._take_lock):
            self._thread = threading.Thread(target=self._work, args=(document.workflow, document.path), daemon=True)
            self._thread.start()

    def _work(self, workflow: Workflow, path: Path | None) -> None:
        error: OSError | None = None
        try:
            write_entry(self.file, workflow, path)
        except OSError as caught:
            error = caught
        try:
            self._ended.emit(error)
        except RuntimeError:
            return  # the window was closed meanwhile

    def _hear(self, error: object) -> None:
        if isinstance(error, OSError):
            self._tell(error)
        else:
            self.written.emit()

    def write(self) -> None:
        """Write what no file holds, or take the journal away if there is nothing to lose; at once."""
        self._timer.stop()
        self._settle()
        if self._try(self._remove if self.document.is_saved else self._write):
            self.written.emit()

    def close(self) -> None:
        """A clean end: saved, or given up knowingly."""
        self._timer.stop()
        self._settle()
        self._has_failed = True  # a folder that is gone needs no tidying: say nothing
        self._try(self._remove)

    def _settle(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _try(self, act: Callable[[], None]) -> bool:
        """Whether it went well; if not, it is told."""
        try:
            act()
        except OSError as error:
            self._tell(error)
            return False
        return True

    def _write(self) -> None:
        self._take_lock()
        write_entry(self.file, self.document.workflow, self.document.path)

    def _take_lock(self) -> None:
        if self._lock is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = try_lock(lock_of(self.file))

    def _remove(self) -> None:
        self.file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

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


def write_entry(file: Path, workflow: Workflow, path: Path | None) -> None:
    """Write a journal, atomically.

    Raises:
        OSError: the folder cannot be written.
    """
    entry = {"path": str(path) if path is not None else "", "time_s": time.time(), "workflow": to_json(workflow)}
    write_atomic(file, json.dumps(entry, ensure_ascii=False))
