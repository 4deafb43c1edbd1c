"""Linking by keyboard: choose an end, then one of the ports of the graph that fit it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QPointF

from engine.errors import OssicleError
from engine.workflow import Link
from studio.canvas.canvas import Canvas
from studio.canvas.chooser import Chooser, Row
from studio.canvas.drag import LinkFeedback
from studio.canvas.ends import PortEnd, link_between
from studio.canvas.fits import Fitting, port_of
from studio.model import edit
from studio.model.boxes import Box, boxes
from studio.model.places import ports_of

NEW = "new:"
"""Key of the row that adds a node instead."""
Ask = Callable[[QPointF, PortEnd], None]


class Linker(Chooser):
    """The list of ends. `ask_new` is called where a new node is wished for."""

    def __init__(self, canvas: Canvas, feedback: LinkFeedback, ask_new: Ask) -> None:
        super().__init__(canvas, "Link to", "Search ports …", act="link")
        self.canvas = canvas
        self.feedback = feedback
        self.ask_new = ask_new
        self._start: PortEnd | None = None
        self._ends: dict[str, PortEnd] = {}
        self.chosen.connect(self._choose)
        self.moved.connect(self._show)
        self.closed.connect(self._stop)

    def link_from(self, node: str, *, is_output: bool = True) -> None:
        """Start at a node: at once from its only port on that side, else ask which.

        Raises:
            OssicleError: it has no port on that side.
        """
        document = self.canvas.document
        names = ports_of(document.workflow, document.registry, node)[is_output]
        side = "output" if is_output else "input"
        if not names:
            raise OssicleError(f"{node} has no {side}", f"a node with an {side}", "Select another node")
        ends = [PortEnd(node, name, is_output) for name in names]
        if len(ends) == 1:
            self._ask_other(ends[0])
        else:
            self._start = None
            self._ask_rows([self._row(end, side) for end in ends], ends, f"Link which {side} of {node}?", node)

    def _ask_other(self, start: PortEnd) -> None:
        self._start = start
        document = self.canvas.document
        fitting = Fitting(document.workflow, document.registry, start)
        ends = [end for end in self._all(is_output=not start.is_output) if fitting.fits(end)]
        taken = {PortEnd(k.target, k.input, False): k for k in document.workflow.links if not self._takes_many(k)}
        parts = boxes(document.workflow, document.registry)
        ends.sort(key=lambda end: (_input(start, end) in taken, _way(parts[start.node], parts[end.node])))
        rows = [self._row(end, _told(taken.get(_input(start, end)))) for end in ends]
        rows.append(Row(NEW, "New node …", f"Add a node that fits {start} and wire it", "Add"))
        self.feedback.start(start)
        self._ask_rows(rows, ends, f"Link {start} {'to' if start.is_output else 'from'} …", start.node)

    def _ask_rows(self, rows: list[Row], ends: list[PortEnd], heading: str, near: str) -> None:
        self._ends = {str(end): end for end in ends}
        self.ask(rows, self._beside(near), heading=heading, back_to=self.canvas.viewer)

    def _beside(self, node: str) -> QPoint:
        """Below the node, so that neither it nor its neighbours to the right are covered."""
        box = boxes(self.canvas.document.workflow, self.canvas.document.registry)[node]
        return self.canvas.viewer.mapFromScene(QPointF(box.x, box.bottom + 14))

    def _all(self, *, is_output: bool) -> list[PortEnd]:
        workflow, registry = self.canvas.document.workflow, self.canvas.document.registry
        return [
            PortEnd(node, port, is_output)
            for node in workflow.nodes
            for port in ports_of(workflow, registry, node)[is_output]
        ]

    def _takes_many(self, link: Link) -> bool:
        document = self.canvas.document
        port = port_of(document.workflow, document.registry, PortEnd(link.target, link.input, False))
        return port is not None and port.many

    def _row(self, end: PortEnd, about: str) -> Row:
        document = self.canvas.document
        port = port_of(document.workflow, document.registry, end)
        spec = document.registry.find(document.workflow.nodes[end.node].type)
        title = spec.title if spec is not None else end.node
        kind = port.type.kind() if port is not None else ""
        return Row(str(end), str(end), f"{kind or 'unknown type'} · {about}", title, kind)

    # ---- what is marked and chosen

    def _show(self, key: str) -> None:
        """The wire that would be made, as far as it can be seen."""
        ends = (self._start, self._ends.get(key))
        if not self.isVisible() or ends[0] is None:
            return
        start, other = (self.canvas.graph.port(end) if end is not None else None for end in ends)
        if start is not None and other is not None:
            self.canvas.viewer.live.show_between(start, other.middle(), True)
        else:
            self.canvas.viewer.live.setVisible(False)

    def _choose(self, key: str) -> None:
        start, end = self._start, self._ends.get(key)
        self._stop()
        if start is None:
            if end is not None:
                self._ask_other(end)
        elif end is not None:
            self._link(start, end)
        else:
            box = boxes(self.canvas.document.workflow, self.canvas.document.registry)[start.node]
            side = box.right + 66 if start.is_output else box.x - 66
            self.ask_new(QPointF(side, box.middle[1]), start)

    def _link(self, start: PortEnd, end: PortEnd) -> None:
        document, link = self.canvas.document, link_between(start, end)
        if link is not None:
            registry = document.registry
            document.edit(f"Wire {link.source} to {link.target}", lambda w: edit.link(w, registry, link))
            document.select([end.node])

    def _stop(self) -> None:
        self.feedback.stop()
        self.canvas.viewer.live.setVisible(False)


def _input(start: PortEnd, end: PortEnd) -> PortEnd:
    """The input of the two."""
    return end if start.is_output else start


def _told(taken: Link | None) -> str:
    return f"replaces the wire from {taken.source}.{taken.output}" if taken is not None else "free"


def _way(start: Box, end: Box) -> float:
    (x, y), (a, b) = start.middle, end.middle
    return abs(x - a) + abs(y - b)
