"""Editor of a path: typed, chosen, or dropped; written relative to the workflow file where it lies below it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import JsonValue
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QMenu, QToolButton

from studio.form.edit_line import LineEditor
from studio.form.fields import Field
from studio.look.icons import icon

BUTTON_PX: Final = 22
Base = Callable[[], Path]


def written(path: Path, base: Path) -> str:
    """How a path stands in the file: relative below the workflow's folder, "~" below home, else absolute."""
    for root, prefix in ((base, ""), (Path.home(), "~/")):
        try:
            inside = path.relative_to(root)
        except ValueError:
            continue
        return f"{prefix}{inside.as_posix()}"
    return path.as_posix()


def found_at(text: str, base: Path) -> Path:
    """Where a path from a parameter lies."""
    return Path(os.path.normpath(base / Path(text).expanduser()))


class PathEditor(LineEditor):
    """A line with a button for the file dialog; files and folders can be dropped on it."""

    is_wide = True

    def __init__(self, field: Field, base: Base) -> None:
        super().__init__(field)
        self.base = base
        self.button = QToolButton(self)
        self.button.setObjectName("mini")
        self.button.setIcon(icon("folder", "mute", 14))
        self.button.setAccessibleName("Choose a file or a folder")
        self.button.setToolTip("Choose a file or a folder; or drop one here")
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.button.clicked.connect(self._ask)
        self.line.setAcceptDrops(False)
        self.setAcceptDrops(True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The button at the right."""
        super().resizeEvent(event)
        self.line.setGeometry(0, 0, self.width() - BUTTON_PX, self.height())
        self.button.setGeometry(self.width() - BUTTON_PX, (self.height() - BUTTON_PX) // 2, BUTTON_PX, BUTTON_PX)

    def show_value(self, value: JsonValue, hint: str = "") -> None:
        """Show the path; the tooltip is where it lies."""
        super().show_value(value, hint or "drop or choose a file or folder")
        is_place = isinstance(value, str) and value and "://" not in value and "{" not in value
        self.line.setToolTip(str(found_at(str(value), self.base())) if is_place else "")

    def take(self, path: Path) -> None:
        """Make a chosen or dropped path the value."""
        text = written(path, self.base())
        self.line.put(text)
        self._typed(text)

    def _ask(self) -> None:
        if self.field.format == "directory-path":
            self._ask_folder()
        elif self.field.format == "file-path":
            self._ask_file()
        else:
            menu = QMenu(self)
            menu.addAction("Folder…", self._ask_folder)
            menu.addAction("File…", self._ask_file)
            menu.popup(self.button.mapToGlobal(self.button.rect().bottomLeft()))

    def _start(self) -> str:
        here = found_at(self.line.text(), self.base())
        return str(here if here.exists() else self.base())

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, f"{self.field.label}: folder", self._start())
        if chosen:
            self.take(Path(chosen))

    def _ask_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, f"{self.field.label}: file", self._start())
        if chosen:
            self.take(Path(chosen))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """One local file or folder may be dropped."""
        if _local(event.mimeData()) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take it."""
        path = _local(event.mimeData())
        if path is not None:
            self.take(path)
            event.acceptProposedAction()


def _local(data: QMimeData) -> Path | None:
    files = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    return Path(files[0]) if files else None
