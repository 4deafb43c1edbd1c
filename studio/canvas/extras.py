"""Everything around the canvas core: quick add, marks, link feedback, map, zoom bar, keys, menus, drops."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Signal

from engine.workflow import Link
from studio.canvas.canvas import Canvas
from studio.canvas.chooser import Chooser
from studio.canvas.context import ContextMenus
from studio.canvas.drag import LinkFeedback
from studio.canvas.drop import Drops
from studio.canvas.ends import PortEnd
from studio.canvas.keys import KeyCommands
from studio.canvas.linker import Linker
from studio.canvas.marks import Marks
from studio.canvas.minimap import Minimap
from studio.canvas.overlay import MARGIN
from studio.canvas.quickadd import QuickAdd
from studio.canvas.rename import Renamer
from studio.canvas.searchbar import SearchBar
from studio.canvas.steps import Steps
from studio.canvas.usage import Usage
from studio.canvas.zoombar import ZoomBar
from studio.commands import Command

NEAR_POINTER = QPoint(-20, 8)
"""From the pointer to the quick add list."""
LEAST_WIDTH = 460
"""A canvas narrower than this has no room for the map."""


class Extras(QObject):
    """What `attach` made.

    Attributes:
        usage: which types were used; the window keeps it in the settings (`to_text`, `from_text`).
        is_minimap_wanted: kept in the settings too.

    Signals:
        failed(OssicleError): something could not be done; the window tells it.
        settled(): `usage` or `is_minimap_wanted` changed.
    """

    failed = Signal(object)
    settled = Signal()

    def __init__(self, canvas: Canvas, usage: Usage, *, is_minimap_wanted: bool) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.usage = usage
        self.is_minimap_wanted = is_minimap_wanted
        document, viewer = canvas.document, canvas.viewer
        self.feedback = LinkFeedback(document, viewer, canvas.graph)
        self.marks = Marks(document, viewer, lambda name, at: canvas.move_boxes({name: at}))
        self.quick = QuickAdd(document, canvas, usage)
        self.linker = Linker(canvas, self.feedback, self.ask_add)
        self.goer = Chooser(canvas, "Go to a node", "Search nodes of this graph …", act="go")
        self.search = SearchBar(canvas)
        self.renamer = Renamer(canvas)
        self.steps = Steps(canvas)
        self.minimap = Minimap(document, canvas)
        self.zoombar = ZoomBar(canvas, canvas)
        self.drops = Drops(canvas, usage)
        self.menus = ContextMenus(canvas, self.marks)
        self.keys = KeyCommands(canvas, self)
        self._connect()
        self._place()
        self._look()

    def _connect(self) -> None:
        canvas = self.canvas
        canvas.drag_feedback = self.feedback
        canvas.viewer.key_hook = self.keys.hook
        canvas.add_requested.connect(self.ask_add)
        canvas.typed.connect(self._ask_typed)
        canvas.view_changed.connect(self._look)
        canvas.document.changed.connect(lambda _old, _new: self.renamer.close_())
        self.minimap.centre_wished.connect(canvas.viewer.centre)
        self.goer.chosen.connect(self.keys.show_node)
        self.quick.note_wished.connect(lambda text, at: self.marks.add_note(at, text))
        self.quick.added.connect(lambda _node: self.settled.emit())
        self.drops.added.connect(lambda _node: self.settled.emit())
        self.drops.refused.connect(self.failed)
        self.menus.failed.connect(self.failed)
        self.menus.use(self.commands())
        canvas.installEventFilter(self)
        canvas.viewer.viewport().installEventFilter(self)

    # ---- asking what to add

    def ask_add(self, spot: object, end: object) -> None:
        """Quick add at a point of the scene, for a dragged end or for none."""
        assert isinstance(spot, QPointF)
        port = end if isinstance(end, PortEnd) else None
        self.quick.ask_at(spot, self._pixel(spot), self.canvas.viewer, port)

    def ask_into(self, link: Link, spot: QPointF) -> None:
        """Quick add into a wire."""
        self.quick.ask_into(link, spot, self._pixel(spot), self.canvas.viewer)

    def _ask_typed(self, text: str) -> None:
        """A word begun on the empty canvas."""
        middle = self.canvas.rect().center()
        spot = self.canvas.viewer.mapToScene(middle)
        self.quick.ask_at(spot, middle - QPoint(self.quick.width() // 2, 120), self.canvas.viewer, text=text)
        self.quick.field.deselect()

    def _pixel(self, spot: QPointF) -> QPoint:
        viewer = self.canvas.viewer
        return viewer.viewport().mapTo(self.canvas, viewer.mapFromScene(spot)) + NEAR_POINTER

    # ---- in the corners

    def _look(self) -> None:
        self.marks.finish()  # fields over an item do not follow it
        self.renamer.close_()
        self.zoombar.show_zoom()
        self.minimap.set_seen(self.canvas.viewer.seen())

    def toggle_minimap(self) -> None:
        """Show the map, or not; remembered."""
        self.is_minimap_wanted = not self.is_minimap_wanted
        self._place()
        self.settled.emit()

    def _place(self) -> None:
        """The zoom bar in the lower left corner, the map to its right."""
        width, height = self.canvas.width(), self.canvas.height()
        bar, small = self.zoombar, self.minimap
        bar.move(MARGIN, height - MARGIN - bar.height())
        left = max(MARGIN + bar.width() + 24, round(0.285 * width))
        small.move(left, height - MARGIN - small.height())
        small.setVisible(self.is_minimap_wanted and width >= LEAST_WIDTH)
        bar.raise_()
        small.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the canvas's size; a press on the graph closes what is open over it."""
        if event.type() == QEvent.Type.Resize and watched is self.canvas:
            self._place()
        elif event.type() == QEvent.Type.MouseButtonPress and watched is not self.canvas:
            self.close_all()
        return False

    def close_all(self) -> None:
        """Close every list and field over the graph; what was written is kept. The search bar stays."""
        self.marks.finish()
        self.renamer.close_()
        for popup in (self.quick, self.linker, self.goer):
            popup.close_()

    def commands(self) -> list[Command]:
        """All commands of the canvas's surroundings."""
        return self.keys.commands()


def attach(canvas: Canvas, usage: Usage | None = None, *, is_minimap_wanted: bool = True) -> Extras:
    """Give a canvas everything around it."""
    return Extras(canvas, usage if usage is not None else Usage(), is_minimap_wanted=is_minimap_wanted)
