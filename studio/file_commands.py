"""New, open, save, export, close: what the File menu does, and the guard that no work is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from engine.errors import OssicleError
from engine.library import load_any
from engine.resource import project, projects
from engine.workflow import SUFFIX, load
from studio.commands import Command
from studio.model.document import Document

FILTER = f"Workflows (*{SUFFIX} *.json);;All files (*)"
Ask = Callable[[], str]


class FileCommands(QObject):
    """The document's file.

    Signals:
        opened(Path): a file was opened or saved under a new name (for recent files and the last run).
        emptied(): the person wants an empty canvas.
        failed(OssicleError)
    """

    opened = Signal(object)
    emptied = Signal()
    failed = Signal(object)

    def __init__(self, document: Document, window: QWidget) -> None:
        super().__init__(window)
        self.document = document
        self.window_ = window
        self.ask_unsaved: Ask = self._ask_unsaved

    def commands(self) -> list[Command]:
        """The File menu."""
        return [
            Command("file.new", "New", "File", self.new, ("Ctrl+N",), icon="new"),
            Command("file.open", "Open…", "File", self.open_dialog, ("Ctrl+O",), icon="open"),
            Command("file.save", "Save", "File", self.save, ("Ctrl+S",), icon="save"),
            Command("file.save_as", "Save as…", "File", self.save_as, ("Ctrl+Shift+S",)),
            Command("file.revert", "Revert to the file", "File", self.revert, (), self._has_file),
            Command("file.export_python", "Export as Python script…", "File", self.export_python, ("Ctrl+Alt+P",)),
            *(
                Command(f"file.project.{name}", name, "File/Open example", partial(self.open_project, name))
                for name in projects()
            ),
        ]

    def _has_file(self) -> bool:
        return self.document.path is not None

    # ---- open

    def new(self) -> bool:
        """An empty document, unless the person wants to keep the present one."""
        if not self.may_leave():
            return False
        from engine.workflow import Workflow

        self.document.show(Workflow())
        self.emptied.emit()
        return True

    def open_dialog(self) -> None:
        """Ask for a file and open it."""
        name, _ = QFileDialog.getOpenFileName(self.window_, "Open a workflow", str(self.document.base), FILTER)
        if name:
            self.open(Path(name))

    def open(self, path: Path) -> bool:
        """Open a file; errors are told, the present document stays."""
        if not self.may_leave():
            return False
        try:
            self.document.open(path)
        except OssicleError as error:
            self.failed.emit(error)
            return False
        self.opened.emit(path)
        return True

    def open_project(self, name: str) -> bool:
        """Open a copy of a shipped example, not yet saved."""
        if not self.may_leave():
            return False
        self.document.show(load(project(f"{name}{SUFFIX}")), None)
        return True

    def revert(self) -> None:
        """Back to what the file holds; undo brings the edits back."""
        path = self.document.path
        if path is None:
            return
        try:
            saved = load_any(path)
        except OssicleError as error:
            self.failed.emit(error)
            return
        self.document.edit("Revert to the file", lambda _now: saved)

    # ---- save

    def save(self) -> bool:
        """Write the file; ask where if there is none yet."""
        return self.save_to(self.document.path) if self.document.path is not None else self.save_as()

    def save_as(self) -> bool:
        """Ask for a file and write it."""
        first = self.document.base / f"{self.document.workflow.name}{SUFFIX}"
        name, _ = QFileDialog.getSaveFileName(self.window_, "Save the workflow", str(first), FILTER)
        return self.save_to(_with_suffix(Path(name))) if name else False

    def save_to(self, path: Path) -> bool:
        """Write to that file from now on; errors are told, nothing is lost."""
        try:
            self.document.save(path)
        except OSError as error:
            self.failed.emit(
                OssicleError(
                    f"{path} cannot be written ({error.strerror or error})",
                    "a folder you may write to, with room",
                    "Save under another name; your work is still open and in the journal",
                )
            )
            return False
        except OssicleError as error:
            self.failed.emit(error)
            return False
        self.opened.emit(path)
        return True

    def export_python(self) -> None:
        """Write the graph as a Python script that builds and runs it."""
        first = self.document.base / f"{self.document.workflow.name}.py"
        name, _ = QFileDialog.getSaveFileName(self.window_, "Export as Python", str(first), "Python (*.py)")
        if name:
            self.export_to(Path(name))

    def export_to(self, path: Path) -> None:
        """Write the script there."""
        from engine.export import to_python
        from engine.workflow import write_atomic

        try:
            write_atomic(path, to_python(self.document.workflow))
        except OSError as error:
            self.failed.emit(OssicleError(f"{path} cannot be written ({error})", "a writable folder", "Choose another"))

    # ---- nothing is lost

    def may_leave(self) -> bool:
        """Whether the present document may go: saved, saved now, or given up knowingly."""
        if self.document.is_saved:
            return True
        answer = self.ask_unsaved()
        return answer == "discard" or (answer == "save" and self.save())

    def _ask_unsaved(self) -> str:
        box = QMessageBox(self.window_)
        box.setIcon(QMessageBox.Icon.NoIcon)
        box.setText(f"“{self.document.workflow.name}” has changes that no file holds.")
        box.setInformativeText("Save them first?")
        save = box.addButton("Save", QMessageBox.ButtonRole.AcceptRole)
        discard = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(save)
        box.exec()
        return {save: "save", discard: "discard"}.get(box.clickedButton(), "cancel")  # type: ignore[call-overload,no-any-return]


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == ".json" else path.with_name(path.name + SUFFIX)
