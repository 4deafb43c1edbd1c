"""The journal: what the window holds and no file does yet, written soon after each edit, offered back after a crash.

One file per window, `journal/<pid>-<number>.json` in the settings folder, beside a lock that the kernel drops when the
process dies, however it dies. A journal without a living owner is work to be recovered (`studio.model.recover`).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from uuid import uuid4

from PySide6.QtCore import QObject, QTimer, Signal

from engine.errors import OssicleError
from engine.lock import Lock, try_lock
from engine.workflow import Workflow, to_json, write_atomic
from studio.model.document import Document
from studio.model.recover import Entry as Entry
from studio.model.recover import forget as forget
from studio.model.recover import journal_folder as journal_folder
from studio.model.recover import lock_of
from studio.model.recover import lost_work as lost_work
from studio.work import Background

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

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.file = journal_folder() / f"{os.getpid()}-{uuid4().hex[:8]}.json"
        self._lock: Lock | None = None
        self._has_failed = False
        self._thread = Background(self, threads=1)
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
            return
        try:
            self._take_lock()
        except OSError as error:
            self._tell(error)
            return
        workflow, path = document.workflow, document.path
        self._thread.call(
            "write", lambda: write_entry(self.file, workflow, path), lambda _: self.written.emit(), self._tell_error
        )

    def write(self) -> None:
        """Write what no file holds, or take the journal away if there is nothing to lose; at once."""
        self._timer.stop()
        self._settle()
        try:
            if self.document.is_saved:
                self._remove()
            else:
                self._take_lock()
                write_entry(self.file, self.document.workflow, self.document.path)
        except OSError as error:
            self._tell(error)
        except OssicleError as error:
            self._tell_error(error)
        else:
            self.written.emit()

    def close(self) -> None:
        """A clean end: saved, or given up knowingly."""
        self._timer.stop()
        self._settle()
        try:
            self._remove()
        except OSError:
            return  # the folder is gone: nothing is left to remove

    def _settle(self) -> None:
        self._thread.forget("write")
        self._thread.wait()

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
        self._tell_error(_fault(self.file, error))

    def _tell_error(self, error: OssicleError) -> None:
        if not self._has_failed:
            self._has_failed = True
            self.failed.emit(error)


def write_entry(file: Path, workflow: Workflow, path: Path | None) -> None:
    """Write a journal, atomically.

    Raises:
        OssicleError: the folder cannot be written.
    """
    entry = {"path": str(path) if path is not None else "", "time_s": time.time(), "workflow": to_json(workflow)}
    try:
        write_atomic(file, json.dumps(entry, ensure_ascii=False))
    except OSError as error:
        raise _fault(file, error) from error


def _fault(file: Path, error: OSError) -> OssicleError:
    return OssicleError(
        f"the journal {file} cannot be written ({error.strerror or error})",
        "a settings folder with room that you may write to",
        "Save your work now (Ctrl+S); set OSSICLE_SETTINGS to another folder",
    )
