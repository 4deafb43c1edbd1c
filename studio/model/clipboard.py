"""Copy, cut and paste of nodes, notes and frames: as JSON text, so between windows and to and from a text editor."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QMimeData, QObject
from PySide6.QtGui import QClipboard, QGuiApplication

from engine.errors import OssicleError
from engine.workflow import Workflow
from studio.commands import Command
from studio.model import fragment
from studio.model.document import Document, Selection
from studio.model.edit import Place, remove
from studio.model.fragment import MIME

Where = Callable[[], Place | None]


def nowhere() -> Place | None:
    """Pasted things go beside where they were copied."""
    return None


class ClipboardCommands(QObject):
    """The clipboard of a document.

    Attributes:
        where: asked at a paste: the place in the scene where it should begin, None for beside the original.
    """

    def __init__(self, document: Document, parent: QObject | None = None, where: Where = nowhere) -> None:
        super().__init__(parent)
        self.document = document
        self.where = where

    def commands(self) -> list[Command]:
        """Cut, copy and paste; they act while the canvas has the focus, so that text fields keep theirs."""
        some = self._has_some
        return [
            Command("edit.cut", "Cut", "Edit", self.cut, ("Ctrl+X",), some, on_canvas=True),
            Command("edit.copy", "Copy", "Edit", self.copy, ("Ctrl+C",), some, "copy", on_canvas=True),
            Command("edit.paste", "Paste", "Edit", self.paste, ("Ctrl+V",), on_canvas=True),
        ]

    def _has_some(self) -> bool:
        return bool(self.document.selection.nodes or self.document.selection.marks)

    def copy(self) -> None:
        """The selected nodes, notes and frames to the clipboard.

        Raises:
            OssicleError: nothing is selected.
        """
        part = self._selected()
        text = fragment.write(part)
        data = QMimeData()
        data.setText(text)
        data.setData(MIME, text.encode())
        _clipboard().setMimeData(data)

    def cut(self) -> None:
        """The same, and take them out; one undo step."""
        self.copy()
        chosen = self.document.selection
        self.document.edit(
            f"Cut {_words(chosen)}", lambda now: remove(now, nodes=chosen.nodes, links=chosen.links, marks=chosen.marks)
        )

    def paste(self) -> tuple[str, ...]:
        """What the clipboard holds, put in and selected; the new ids.

        Raises:
            OssicleError: it holds no nodes; says what it holds.
        """
        return self.insert(self._held(), self.where(), "Paste")

    def insert(self, part: Workflow, at: Place | None = None, text: str = "Insert") -> tuple[str, ...]:
        """Put a part into the document at a place and select it; one undo step; the new ids.

        Raises:
            OssicleError: the part is empty.
        """
        if not fragment.corners(part):
            raise OssicleError("there is nothing to put in", "nodes, notes or frames", "Copy some first")
        made: fragment.Names = {}

        def put(workflow: Workflow) -> Workflow:
            after, names = fragment.merge(workflow, part, fragment.shift_to(workflow, part, at))
            made.update(names)
            return after

        self.document.edit(text, put)
        self.document.select(nodes=made.values(), marks=made.values())
        return tuple(made.values())

    def _selected(self) -> Workflow:
        chosen = self.document.selection
        if not self._has_some():
            raise OssicleError("nothing is selected", "nodes, notes or frames", "Select some first")
        return fragment.part_of(self.document.workflow, chosen.nodes, chosen.marks)

    def _held(self) -> Workflow:
        data = _clipboard().mimeData()
        if data is None:
            return fragment.read("")
        if data.hasFormat(MIME):
            return fragment.read(bytes(data.data(MIME).data()).decode("utf-8", "replace"))
        return fragment.read(data.text())


def _clipboard() -> QClipboard:
    return QGuiApplication.clipboard()


def _words(chosen: Selection) -> str:
    names = sorted(chosen.nodes | chosen.marks)
    return names[0] if len(names) == 1 else f"{len(names)} things"
