"""Notices when somebody else changes, replaces or deletes the open file."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from engine.errors import OssicleError
from engine.workflow import Workflow, load
from studio.model.document import Document

WAIT_MS = 250
"""Editors write in several steps; look when they are done."""


class Watch(QObject):
    """Watches the document's file.

    Signals:
        changed_outside(Workflow): the file holds another workflow than the one last opened or saved here.
        deleted(Path): the file is gone.
        unreadable(OssicleError): it is no workflow any more.
    """

    changed_outside = Signal(object)
    deleted = Signal(object)
    unreadable = Signal(object)

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self._seen: Workflow | None = None
        self._is_gone = False
        self._watcher = QFileSystemWatcher(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self.look)
        self._watcher.fileChanged.connect(self._ask)
        self._watcher.directoryChanged.connect(self._ask)
        document.path_changed.connect(self._follow)
        document.saved_changed.connect(self._note_save)
        self._follow(document.path)

    def _ask(self, *_: object) -> None:
        self._timer.start()

    def _follow(self, path: Any) -> None:
        """Watch the file, and its folder: a file that is replaced is another file."""
        old = [*self._watcher.files(), *self._watcher.directories()]
        if old:
            self._watcher.removePaths(old)
        if path is not None:
            self._watcher.addPaths([str(path), str(path.parent)])
        self._is_gone = False
        self._seen = self.document.workflow

    def _note_save(self, is_saved: bool) -> None:
        if is_saved:
            self._seen = self.document.workflow

    def look(self) -> None:
        """Compare the file with what was last opened or saved here; tell each change once."""
        path = self.document.path
        if path is None:
            return
        if not path.exists():
            if not self._is_gone:
                self._is_gone = True
                self.deleted.emit(path)
            return
        self._is_gone = False
        if str(path) not in self._watcher.files():
            self._watcher.addPath(str(path))
        try:
            found = load(path)
        except OssicleError as error:
            self.unreadable.emit(error)
            return
        if found != self._seen:
            self._seen = found
            if found != self.document.workflow:
                self.changed_outside.emit(found)
