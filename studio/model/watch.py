"""Notices when somebody else changes, replaces or deletes the open file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QFileSystemWatcher, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from engine.errors import OssicleError
from engine.workflow import Workflow
from studio.model.document import Document, load_any
from studio.model.graph_diff import Difference, differences

WAIT_MS = 250
"""Editors write in several steps; look when they are done."""
Stamp = tuple[int, int, int]


def stamp_of(path: Path) -> Stamp | None:
    """Time (ns), size and inode of a file: other ones after every write; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Watch(QObject):
    """Watches the document's file, and looks again whenever the application comes to the front.

    The person then has three choices: take the file's version (`take`), keep the own one (nothing to do: saving writes
    it), or look at the `differences` first.

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
        self._path: Path | None = None
        self._stamp: Stamp | None = None
        self._agreed: Workflow | None = None
        self._watcher = QFileSystemWatcher(self)
        self._timer = QTimer(self, singleShot=True, interval=WAIT_MS)
        self._timer.timeout.connect(self.look)
        self._watcher.fileChanged.connect(self._ask)
        self._watcher.directoryChanged.connect(self._ask)
        document.path_changed.connect(self._follow)
        document.file_agrees.connect(self._agree)
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.applicationStateChanged.connect(self._come_back)
        self._follow(document.path)

    def _ask(self, *_: object) -> None:
        self._timer.start()

    def _come_back(self, state: Qt.ApplicationState) -> None:
        if state == Qt.ApplicationState.ApplicationActive:
            self.look()
            self.document.look_for_subgraphs()

    def _follow(self, path: Any) -> None:
        """Watch the file, and its folder: a file that is replaced is another file."""
        old = [*self._watcher.files(), *self._watcher.directories()]
        if old:
            self._watcher.removePaths(old)
        self._path = path
        self._agreed = None
        if path is not None:
            self._watcher.addPaths([str(path), str(path.parent)])
            self._stamp = stamp_of(path)

    def _agree(self) -> None:
        """The file is as the document: only another write from now on is news."""
        self._agreed = self.document.workflow
        if self._path is not None:
            self._stamp = stamp_of(self._path)
            self._hold()

    def _hold(self) -> None:
        if str(self._path) not in self._watcher.files():
            self._watcher.addPath(str(self._path))

    def look(self) -> None:
        """Compare the file with what was last opened or saved here; tell each change once."""
        path = self._path
        if path is None or (stamp := stamp_of(path)) == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self.deleted.emit(path)
            return
        self._hold()
        try:
            found = load_any(path)
        except OssicleError as error:
            self.unreadable.emit(error)
            return
        is_news = found != self._agreed and found != self.document.workflow
        self._agreed = found
        if is_news:
            self.changed_outside.emit(found)

    def take(self, found: Workflow) -> None:
        """Take the file's version; one undo step brings the own one back."""
        self.document.edit("Take the changed file", lambda _mine: found)
        self.document.note_saved()

    def differences(self, found: Workflow) -> tuple[Difference, ...]:
        """What taking the file's version would change."""
        return differences(self.document.workflow, found, self.document.registry)
