"""Facts and small pictures on the boxes, made in threads from each node's artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject

from engine.artifact import load
from studio.canvas.canvas import Canvas
from studio.canvas.thumb import Thumb
from studio.model.document import Document
from studio.run.session import Session
from studio.work import Background


class Thumbnails(QObject):
    """Gives the canvas a Thumb for every node that has an artifact; each artifact is looked at once per ground."""

    def __init__(self, document: Document, session: Session, canvas: Canvas, background: Background) -> None:
        super().__init__(canvas)
        self.document, self.session, self.canvas, self.background = document, session, canvas, background
        self._shown: dict[str, Path] = {}
        session.states_changed.connect(self.refresh)
        document.changed.connect(self._forget_gone)

    def refresh(self, nodes: Any) -> None:
        """Make the Thumbs of these nodes if their outputs are new."""
        for node in nodes & self.document.workflow.nodes.keys():
            outputs = self.session.state(node).outputs
            path = next(iter(outputs.values()), None)
            if path is not None and self._shown.get(node) != path:
                self._shown[node] = path
                self._make(node, path)
            elif path is None and self._shown.pop(node, None) is not None:
                self.canvas.set_thumbs({node: Thumb()})

    def restyle(self) -> None:
        """Make all anew in the colours of the present ground."""
        self._shown.clear()
        self.refresh(frozenset(self.document.workflow.nodes))

    def _make(self, node: str, path: Path) -> None:
        def made() -> Thumb:
            from studio.views.thumbs import thumb_of

            return thumb_of(load(path))

        self.background.call(f"thumb {node}", made, lambda thumb: self._show(node, path, thumb))

    def _show(self, node: str, path: Path, thumb: Thumb) -> None:
        if self._shown.get(node) == path and node in self.document.workflow.nodes:
            self.canvas.set_thumbs({node: thumb})

    def _forget_gone(self, _old: object, _new: object) -> None:
        for node in [n for n in self._shown if n not in self.document.workflow.nodes]:
            del self._shown[node]

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """The canvas became dark or light."""
        if event.type() == QEvent.Type.PaletteChange:
            self.restyle()
        return False
