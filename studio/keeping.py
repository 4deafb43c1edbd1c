"""What outlives the window: settings, recent files, the journal, and changes of the file by others."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from engine.errors import OssicleError
from studio.commands import Command
from studio.model.graph_diff import summary
from studio.model.journal import Journal
from studio.model.recover import Entry, forget, has_lost_work, search
from studio.model.settings import read_settings, save_settings, with_recent
from studio.model.watch import Watch

if TYPE_CHECKING:
    from studio.window import Window


class Keeping(QObject):
    """Remembers, and offers back.

    Signals:
        recent_changed(tuple[Path, ...])
        failed(OssicleError)
    """

    recent_changed = Signal(object)
    failed = Signal(object)

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.window_ = window
        self.document = window.document
        self.settings, self._fault = read_settings()
        self.journal = Journal(self.document, self)
        self.watch = Watch(self.document, self)
        self.journal.failed.connect(self.failed)
        self.watch.unreadable.connect(self.failed)
        self.watch.changed_outside.connect(self._changed_outside)
        self.watch.deleted.connect(self._deleted)

    def commands(self) -> list[Command]:
        """Recover work; open the last files."""
        recent = [
            Command(f"file.recent.{path}", path.name, "File/Open recent", partial(self.window_.files.open, path),
                    about=str(path))
            for path in self.settings.recent
        ]  # fmt: skip
        return [*recent, Command("file.recover", "Recover unsaved work", "File", self.offer, (), has_lost_work)]

    def begin(self) -> None:
        """At the start: offer what an earlier window could not save."""
        if self._fault is not None:
            self.failed.emit(self._fault)
        self.offer()

    # ---- settings

    def change(self, **values: object) -> None:
        """Remember something; a settings file that cannot be written costs no work, so it is only told."""
        self.settings = self.settings.model_copy(update=values)
        try:
            save_settings(self.settings)
        except OSError as error:
            self.failed.emit(
                OssicleError(f"the settings cannot be written ({error})", "a writable folder", "Set OSSICLE_SETTINGS")
            )

    def remember(self, path: Path) -> None:
        """A file was opened or saved."""
        self.change(recent=with_recent(self.settings, path.resolve()).recent)
        self.recent_changed.emit(self.settings.recent)

    def forget(self, path: Any) -> None:
        """A recent file is gone for good."""
        self.change(recent=tuple(old for old in self.settings.recent if old != path))
        self.recent_changed.emit(self.settings.recent)

    def close(self, geometry: bytes, docks: bytes) -> None:
        """A clean end."""
        self.change(geometry=geometry, docks=docks)
        self.journal.close()

    # ---- lost work

    def offer(self) -> None:
        """Show the newest work that no window owns and no file holds."""
        found = search()
        for fault in found.faults:
            self.failed.emit(fault)
        if not found.entries:
            return
        entry = found.entries[0]
        minutes = max(1, round((time.time() - entry.time_s) / 60))
        self.window_.banner.tell(
            "warning", f"{entry.name} has edits that were not saved when the studio ended, {minutes} min ago", "",
            "Recover them, or discard them for good",
            (("Recover", lambda: self.recover(entry)), ("Discard", lambda: forget(entry))),
        )  # fmt: skip

    def recover(self, entry: Entry) -> None:
        """Open the work as an edited document; the journal entry goes once this window's own holds it."""
        if self.window_.files.may_leave():
            self.document.show(entry.workflow, entry.path, is_saved=False)
            self.journal.write()
            forget(entry)

    # ---- the file changed

    def _changed_outside(self, found: Any) -> None:
        path = self.document.path
        name = path.name if path is not None else ""
        self.window_.banner.tell(
            "warning", f"{name} was changed by another program", "the file as it was opened or saved here",
            f"It would change: {summary(self.watch.differences(found)) or 'only places and notes'}. Take the file's "
            "version (undo brings yours back), or keep yours and save over it",
            (("Take the file's", lambda: self.watch.take(found)), ("Keep mine", lambda: None)),
        )  # fmt: skip

    def _deleted(self, path: Any) -> None:
        self.window_.banner.tell(
            "warning", f"{path.name} was deleted or moved", f"a file at {path}",
            "Save to write it again; nothing is lost while this window is open",
            (("Save again", self.window_.files.save),),
        )  # fmt: skip
