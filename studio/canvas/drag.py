"""While a wire is drawn: ports that fit glow, the others fade, and the reason stands at the pointer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QGraphicsView, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from engine.errors import OssicleError, sentence
from engine.registry import Registry
from engine.workflow import Workflow
from studio.canvas.ends import PortEnd, link_between
from studio.canvas.fits import Fitting, port_of, why_not
from studio.canvas.overlay import Overlay
from studio.look.theme import colour, font
from studio.model.document import Document

if TYPE_CHECKING:
    from studio.canvas.graph import Graph
    from studio.canvas.items import Box

WIDEST: Final = 380
AWAY: Final = QPoint(18, 20)
"""From the pointer to the bubble, so that it never covers the port."""


@dataclass(frozen=True)
class Verdict:
    """What the bubble says: whether the wire may be made, and why in up to three short lines."""

    is_yes: bool
    lines: tuple[str, ...]


def verdict(document: Document, start: PortEnd, other: PortEnd, workflow: Workflow | None = None) -> Verdict:
    """Whether two ends may be linked, in words; in a workflow without the wire that was taken off, if one was."""
    workflow = workflow if workflow is not None else document.workflow
    registry = document.registry
    error = why_not(workflow, registry, start, other)
    if error is not None:
        return Verdict(False, _reason(error))
    taking = other if start.is_output else start
    port = port_of(workflow, registry, taking)
    takes = f"{taking} takes {port.type.kind()}" if port is not None else f"{taking} is of unknown type"
    return Verdict(True, (takes, *_replaced(workflow, registry, start, other)))


def _reason(error: OssicleError) -> tuple[str, ...]:
    return sentence(error.what), sentence(f"Expected: {error.expected}"), sentence(error.remedy)


def _replaced(workflow: Workflow, registry: Registry, start: PortEnd, other: PortEnd) -> tuple[str, ...]:
    """The wire that gives way at a single input."""
    new = link_between(start, other)
    if new is None:
        return ()
    port = port_of(workflow, registry, PortEnd(new.target, new.input, False))
    there = [k for k in workflow.links if (k.target, k.input) == (new.target, new.input)]
    if not there or (port is not None and port.many):
        return ()
    return (f"Replaces the wire from {there[0].source}.{there[0].output}",)


class Bubble(Overlay):
    """A mark and a few lines at the pointer; the mouse goes through it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, "Whether this wire may be made")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._is_yes = True
        self.mark = QLabel()
        self.mark.setFont(font(15, bold=True))
        self.mark.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.lines = [QLabel() for _ in range(3)]
        row, column = QHBoxLayout(self), QVBoxLayout()
        row.setContentsMargins(10, 7, 12, 8)
        row.setSpacing(8)
        column.setSpacing(1)
        row.addWidget(self.mark)
        row.addLayout(column)
        for place, label in enumerate(self.lines):
            label.setObjectName("mute" if place else "")
            label.setFont(font(12, bold=not place))
            column.addWidget(label)

    @property
    def text(self) -> str:
        """All that is said, unshortened."""
        return "\n".join(label.toolTip() for label in self.lines if label.toolTip())

    def say(self, words: Verdict, at: QPoint) -> None:
        """Show a verdict beside a point of the parent."""
        self._is_yes = words.is_yes
        self.mark.setText("✓" if words.is_yes else "✕")
        self._tint()
        for label, line in zip(self.lines, (*words.lines, "", "", ""), strict=False):
            measure = QFontMetricsF(label.font())
            label.setText(measure.elidedText(line, Qt.TextElideMode.ElideMiddle, WIDEST))
            label.setToolTip(line)
            label.setVisible(bool(line))
        self.show_near(at, AWAY)

    def _tint(self) -> None:
        token = "green" if self._is_yes else "red"
        self.mark.setStyleSheet(f"color: {colour(token).name()}")

    def changeEvent(self, event: QEvent) -> None:
        """The mark takes the colours of the present ground."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "mark"):
            self._tint()


class LinkFeedback(QObject):
    """Told by the viewer what is dragged and what lies under the pointer."""

    def __init__(self, document: Document, view: QGraphicsView, graph: Graph) -> None:
        super().__init__(view)
        self.document = document
        self.view = view
        self.graph = graph
        self.bubble = Bubble(view.viewport())
        self._start: PortEnd | None = None

    @property
    def is_active(self) -> bool:
        """Whether a wire is being drawn."""
        return self._start is not None

    def start(self, end: PortEnd) -> None:
        """A wire is drawn from this end: show where it may go."""
        self._start = end
        fitting = Fitting(self._workflow(), self.document.registry, end)
        for box in self._boxes():
            for port in box.ports():
                port.glow = 1 if port.end == end or fitting.fits(port.end) else -1
            box.update()

    def over(self, end: PortEnd | None, at: QPointF) -> None:
        """The pointer is at a point of the scene, over a port or over none."""
        start = self._start
        if start is None:
            return
        if end is None or end == start:
            self.bubble.hide()
            return
        spot = self.view.mapFromScene(at)
        self.bubble.say(verdict(self.document, start, end, self._workflow()), spot)

    def stop(self) -> None:
        """The wire was made or given up."""
        self._start = None
        self.bubble.hide()
        for box in self._boxes():
            for port in box.ports():
                port.glow = 0
            box.update()

    def _workflow(self) -> Workflow:
        """The workflow without the wire in the hand: the viewer's gesture knows it."""
        gesture = getattr(self.view, "gesture", None)
        found = getattr(getattr(gesture, "draw", None) or gesture, "workflow", None)
        return found if isinstance(found, Workflow) else self.document.workflow

    def _boxes(self) -> Iterable[Box]:
        return list(self.graph.boxes.values())
