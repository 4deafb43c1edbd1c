"""A node's box: one item that paints its whole story, ports and all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtWidgets import QStyleOptionGraphicsItem, QWidget

from engine.node import NodeSpec
from engine.workflow import Node
from studio.canvas import ink
from studio.canvas.facts import Words, node_tooltip, words_of
from studio.canvas.ngq import AbstractNodeItem
from studio.canvas.ports import RADIUS as PORT_RADIUS
from studio.canvas.ports import Port
from studio.canvas.thumb import HEIGHT_PX, WIDTH_PX, Thumb
from studio.look.shapes import kind_shape
from studio.look.theme import colour, kind_colour
from studio.model.places import HEADER, WIDTH, height_of, port_y
from studio.run.state import NEVER, NodeState

if TYPE_CHECKING:
    from engine.node import Port as PortSpec
    from studio.canvas.pipes import Wire

PAD: Final = 12.0
OVERHANG: Final = 18.0
"""How far ports, their glow and the shadow reach beyond the outline."""
Z_NODE, Z_SELECTED = 1.0, 1.5
NO_LINES: Final = Thumb()
_WHOLE: Final = QRectF(0, 0, 2 * WIDTH_PX, 2 * HEIGHT_PX)


class Box(AbstractNodeItem):
    """A placed node. The canvas sets what it shows; texts are laid out when it is first painted.

    Attributes:
        node_id: id in the workflow.
        node: the node as the file has it.
        home: where the file or the layout put it; elsewhere means moved.
    """

    def __init__(
        self, name: str, node: Node, spec: NodeSpec | None, extra: tuple[Iterable[str], Iterable[str]]
    ) -> None:
        super().__init__(name)
        self.node_id = name
        self.node = node
        self.spec = spec
        self.home = QPointF()
        self.state: NodeState = NEVER
        self.thumb: Thumb = NO_LINES
        self.picture: QPixmap | None = None
        self.values: Mapping[str, JsonValue] = {}
        self.is_chosen = False
        self.is_hovered = False
        self.inputs_by_name = self._ports(spec.inputs if spec else (), extra[0], is_output=False)
        self.outputs_by_name = self._ports(spec.outputs if spec else (), extra[1], is_output=True)
        self.box_height = float(height_of(len(self.inputs_by_name), len(self.outputs_by_name)))
        self._area = QRectF(-OVERHANG, -OVERHANG, WIDTH + 2 * OVERHANG, self.box_height + 2 * OVERHANG)
        self._words: Words | None = None
        self._letters: list[ink.Letters] | None = None

    def _ports(self, specs: Iterable[PortSpec], extra: Iterable[str], *, is_output: bool) -> dict[str, Port]:
        known: dict[str, PortSpec | None] = {spec.name: spec for spec in specs}
        known |= {name: None for name in extra if name not in known}
        x = float(WIDTH) if is_output else 0.0
        return {
            name: Port(self, name, is_output, spec, QPointF(x, port_y(index)))
            for index, (name, spec) in enumerate(known.items())
        }

    # ---- what others ask

    def ports(self) -> list[Port]:
        """All ports, inputs first."""
        return [*self.inputs_by_name.values(), *self.outputs_by_name.values()]

    def wires(self) -> list[Wire]:
        """Every wire that ends here, once."""
        return list(dict.fromkeys(wire for port in self.ports() for wire in port.wires))

    def port(self, name: str, *, is_output: bool) -> Port | None:
        """The port of a name."""
        return (self.outputs_by_name if is_output else self.inputs_by_name).get(name)

    @property
    def kind(self) -> str:
        """Artifact type of the main output; "" without one (an input's, then)."""
        return next((port.kind for port in (*self.outputs_by_name.values(), *self.inputs_by_name.values())), "")

    def outline(self) -> QRectF:
        """The box itself in the scene, without ports and shadow."""
        at = self.pos()
        return QRectF(at.x(), at.y(), WIDTH, self.box_height)

    @property
    def words(self) -> Words:
        """Everything written on it."""
        if self._words is None:
            self._words = words_of(self.node_id, self.node, self.spec, self.state, self.thumb.lines, self.values)
        return self._words

    def tooltip(self) -> str:
        """The full story, for the pointer resting on it."""
        return node_tooltip(self.node_id, self.node, self.spec, self.state, self.words)

    # ---- what the canvas tells it

    def refresh(self) -> None:
        """Something it shows has changed."""
        self._words = self._letters = None
        self.update()

    def set_state(self, state: NodeState) -> None:
        """Show another state."""
        if state != self.state:
            self.state = state
            self.refresh()

    def set_thumb(self, thumb: Thumb) -> None:
        """Show other facts, or another picture."""
        if thumb is not self.thumb:
            self.thumb = thumb
            self.picture = ink.rounded(thumb.picture) if thumb.picture is not None else None
            self.refresh()

    def set_chosen(self, is_chosen: bool) -> None:
        """Show it selected or not."""
        if is_chosen != self.is_chosen:
            self.is_chosen = is_chosen
            self.setZValue(Z_SELECTED if is_chosen else Z_NODE)
            self.update()

    # ---- painting

    def boundingRect(self) -> QRectF:
        """Outline with ports and shadow."""
        return self._area

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw all of it."""
        is_dim = self.node.mode == "muted"
        if is_dim:
            painter.setOpacity(ink.DIM)
        self._paint_body(painter)
        if self.picture is not None and not self.words.error:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(QRectF((WIDTH - WIDTH_PX) / 2, HEADER + 2, WIDTH_PX, HEIGHT_PX), self.picture, _WHOLE)
        if self._letters is None:
            self._letters = self._laid_out()
        ink.write(painter, self._letters)
        if self.node.mode == "bypassed":
            self._paint_bypass(painter)
        self._paint_ports(painter)
        if is_dim:
            painter.setOpacity(1.0)

    def _paint_body(self, painter: QPainter) -> None:
        height = self.box_height
        painter.setPen(ink.NO_PEN)
        for grown in ink.SHADOWS:
            painter.setBrush(ink.shadow())
            painter.drawPath(ink.outline(height, grown).translated(0, 3))
        if self.is_chosen:
            painter.setPen(ink.line_pen(colour("accent", 0.28), 5.0))
            painter.drawPath(ink.outline(height, 1.0))
        is_known = self.spec is not None
        token = "accent" if self.is_chosen else "red" if self.words.error else "line"
        painter.setPen(ink.line_pen(colour(token), 1.6 if self.is_chosen else 1.0, dashed=not is_known))
        painter.setBrush(colour("panel" if is_known else "canvas"))
        painter.drawPath(ink.outline(height))
        painter.setPen(ink.NO_PEN)
        painter.setBrush(kind_colour(self.kind) if is_known else colour("faint"))
        painter.drawPath(ink.stripe())
        painter.fillRect(QRectF(1, HEADER - 3, WIDTH - 2, 1), colour("line", 0.55))
        if self.state.state == "running" and self.state.fraction > 0:
            painter.setBrush(colour("blue"))
            painter.drawPath(ink.lower_edge(height, round(WIDTH * min(1.0, self.state.fraction), 1)))

    def _laid_out(self) -> list[ink.Letters]:
        words, right, bottom = self.words, WIDTH - PAD, self.box_height - 9.0
        state = ink.letters(f"{words.mark} {words.state}", right, 21, 104, ink.STATE, words.token, right=True)
        written = [state, ink.letters(words.title, PAD, 21.5, state.at.x() - PAD - 8, ink.TITLE, "text")]
        time = ink.letters(words.time, right, bottom, 90, ink.TIME, "mute", right=True)
        written += [time, ink.letters(words.foot, PAD, bottom, time.at.x() - PAD - 8, ink.FOOT, "mute")]
        written += [
            ink.letters(line, PAD, HEADER + 15 + 17 * row, WIDTH - 2 * PAD, ink.FACT, token)
            for row, (line, token) in enumerate(self._lines())
        ]
        return written

    def _lines(self) -> list[tuple[str, str]]:
        """The lines in the middle with their colours: facts, what is wrong, or what the node does."""
        words, width = self.words, WIDTH - 2 * PAD
        if words.error and words.lines:
            return [(words.lines[0], "mute"), (words.error, "red")]
        if words.error:
            return [(line, "red") for line in ink.two_lines(words.error, width, ink.FACT)]
        if self.picture is not None:
            return []
        return [(line, "mute") for line in words.lines or ink.two_lines(words.about, width, ink.FACT)]

    def _paint_bypass(self, painter: QPainter) -> None:
        """The wire drawn through, from the first input to the first output of its type."""
        target = next(iter(self.outputs_by_name.values()), None)
        if target is None:
            return
        fitting = [port for port in self.inputs_by_name.values() if port.kind == target.kind]
        for port in fitting[:1]:
            painter.setPen(ink.line_pen(kind_colour(target.kind), 2.0))
            painter.drawLine(port.at, target.at)

    def _paint_ports(self, painter: QPainter) -> None:
        for port in self.ports():
            shade = kind_colour(port.kind) if port.kind else colour("faint")
            shape = kind_shape(port.kind, PORT_RADIUS)
            painter.translate(port.at)
            if port.glow < 0:
                painter.setOpacity(0.25)
            if port._hovered or port.glow > 0:
                painter.setPen(ink.NO_PEN)
                painter.setBrush(ink.clear(shade, 0.28))
                painter.drawEllipse(QPointF(), 11.0, 11.0)
            is_hollow = port.is_optional and not port.is_output
            painter.setPen(ink.line_pen(shade if is_hollow else colour("canvas"), 1.6))
            painter.setBrush(colour("panel") if is_hollow else shade)
            painter.drawPath(shape)
            if port.glow < 0:
                painter.setOpacity(ink.DIM if self.node.mode == "muted" else 1.0)
            painter.translate(-port.at)
