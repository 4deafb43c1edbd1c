"""Dims boxes that do not matter now and rings the one that does: for search and for linking by keyboard."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from studio.look.theme import colour
from studio.model.boxes import Box, around

Z_VEIL = 4.0
ROOM = 20.0
"""How far ports and shadow reach beyond a box."""


class Veil(QGraphicsItem):
    """Lies over the boxes; the mouse goes through it."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(Z_VEIL)
        self.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.dimmed: frozenset[str] = frozenset()
        self.found: frozenset[str] = frozenset()
        self.ringed = ""
        self._boxes: Mapping[str, Box] = {}
        self._area = QRectF()
        self.setVisible(False)

    def dim(self, boxes: Mapping[str, Box], found: Collection[str], ringed: str = "") -> None:
        """Dim all boxes but those found, and ring one."""
        self.prepareGeometryChange()
        self._boxes = boxes
        self.found = frozenset(found)
        self.dimmed = frozenset(boxes) - self.found
        self.ringed = ringed
        whole = around(boxes.values())
        self._area = QRectF(*whole.grown(ROOM)) if whole is not None else QRectF()
        self.setVisible(bool(boxes))
        self.update()

    def lift(self) -> None:
        """Nothing is dimmed."""
        self.dimmed = self.found = frozenset()
        self.setVisible(False)

    def boundingRect(self) -> QRectF:
        """Around all boxes."""
        return self._area

    def shape(self) -> QPainterPath:
        """Nothing: it cannot be hit."""
        return QPainterPath()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Ground-coloured glass over what is dimmed; amber around what is found."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("canvas", 0.74))
        for name in self.dimmed:
            painter.drawRoundedRect(QRectF(*self._boxes[name].grown(8)), 12, 12)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for name in self.found & self._boxes.keys():
            is_ringed = name == self.ringed
            pen = QPen(colour("accent", 1.0 if is_ringed else 0.55), 2.4 if is_ringed else 1.4)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawRoundedRect(QRectF(*self._boxes[name].grown(5)), 13, 13)
