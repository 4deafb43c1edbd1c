"""Ports as items: where a wire may end. They paint nothing themselves, their box paints them with everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtWidgets import QGraphicsItem

from engine.node import Port as PortSpec
from studio.canvas.ends import PortEnd
from studio.canvas.ngq import PortItem

if TYPE_CHECKING:
    from studio.canvas.items import Box
    from studio.canvas.pipes import Wire

RADIUS: Final = 5.5
REACH: Final = 13.0
"""How far from its middle a port is still meant, in scene units."""
_AREA: Final = QRectF(-REACH, -REACH, 2 * REACH, 2 * REACH)
_NO_CONTENTS: Final = QGraphicsItem.GraphicsItemFlag.ItemHasNoContents


class Port(PortItem):
    """One input or output. `spec` is None where the type is unknown here; `kind` is then "".

    Attributes:
        kind: name of the artifact type.
        glow: 1 while something that fits is dragged, -1 while it does not, 0 otherwise.
    """

    itemChange = QGraphicsItem.itemChange  # noqa: N815  NodeGraphQt's is called from C++ for every move

    def __init__(self, box: Box, name: str, is_output: bool, spec: PortSpec | None, at: QPointF) -> None:
        QGraphicsItem.__init__(self, box)  # not PortItem's: it sets tooltips, cursors and flags one by one
        self.setFlag(_NO_CONTENTS)
        self.setPos(at)
        self._pipes: list[Wire] = []
        self._name = name
        self._port_type = "out" if is_output else "in"
        self._hovered = False
        self.box = box
        self.at = at
        self.spec = spec
        self.is_output = is_output
        self.kind = spec.type.kind() if spec is not None else ""
        self.glow = 0

    def boundingRect(self) -> QRectF:
        """The area that means this port."""
        return _AREA

    @property
    def end(self) -> PortEnd:
        """Its name."""
        return PortEnd(self.box.node_id, self._name, self.is_output)

    @property
    def port_name(self) -> str:
        """Name of the port within its node."""
        return self._name

    @property
    def wires(self) -> list[Wire]:
        """Wires that end here."""
        return self._pipes

    @property
    def is_optional(self) -> bool:
        """Whether it may stay unwired."""
        return self.spec is not None and (self.spec.optional or self.spec.many)

    @property
    def takes_many(self) -> bool:
        """Whether several wires may end here: outputs and inputs that say so."""
        return self.is_output or (self.spec is not None and self.spec.many)

    def middle(self) -> QPointF:
        """Where wires end, in the scene."""
        return self.box.pos() + self.at
