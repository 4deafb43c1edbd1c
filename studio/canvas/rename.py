"""Renaming a node in place: a field over its title."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt

from engine.errors import OssicleError
from studio.canvas.canvas import Canvas
from studio.canvas.drag import Bubble, Verdict
from studio.canvas.field import Field
from studio.model import edit
from studio.model.boxes import boxes
from studio.model.places import HEADER


class Renamer(Field):
    """The field. Enter renames, Escape does not; a name that may not be says why and stays to be corrected."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__("Id", canvas.viewer.viewport())
        self.setAccessibleName("New id of the node")
        self.canvas = canvas
        self.node = ""
        self.bubble = Bubble(canvas.viewer.viewport())
        self.hide()
        self.pressed.connect(self._key)
        self.left.connect(self.close_)
        self.textEdited.connect(lambda _text: self._judge())

    def ask(self, node: str) -> None:
        """Ask for another id of a node."""
        document = self.canvas.document
        box = boxes(document.workflow, document.registry)[node]
        area = self.canvas.viewer.mapFromScene(QRectF(box.x, box.y, box.width, HEADER)).boundingRect()
        self.node = node
        self.setText(node)
        self.selectAll()
        self.setGeometry(area.adjusted(4, 3, -4, -2))
        self.resize(max(150, self.width()), max(28, self.height()))
        self._judge()
        self.show()
        self.raise_()
        self.setFocus()

    def error(self) -> OssicleError | None:
        """Why the text cannot be the node's id; None if it can."""
        try:
            edit.rename(self.canvas.document.workflow, self.node, self.text().strip())
        except OssicleError as error:
            return error
        return None

    def _judge(self) -> None:
        error = self.error()
        self.setProperty("invalid", error is not None)
        self.style().unpolish(self)
        self.style().polish(self)
        if error is None:
            self.bubble.hide()
        else:
            at = self.geometry().bottomLeft()
            self.bubble.say(Verdict(False, (error.what, f"Expected: {error.expected}")), at)

    def _key(self, key: object) -> None:
        if key == Qt.Key.Key_Escape:
            self.close_()
        elif key == Qt.Key.Key_Return and self.error() is None:
            self._rename()

    def _rename(self) -> None:
        old, new = self.node, self.text().strip()
        self.close_()
        if new != old:
            self.canvas.document.edit(f"Rename {old}", lambda workflow: edit.rename(workflow, old, new))
            self.canvas.document.select([new])

    def close_(self) -> None:
        """Close the field."""
        if self.isVisible():
            had_focus = self.hasFocus()
            self.hide()
            self.bubble.hide()
            if had_focus:
                self.canvas.viewer.setFocus()
