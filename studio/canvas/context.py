"""Context menus of the canvas, of nodes, wires and marks: tables of command ids, one menu made from each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, Literal

from PySide6.QtCore import QObject, QPoint, QPointF, Signal
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QMenu

from engine.errors import OssicleError
from engine.theme import TOKENS
from studio.canvas.canvas import Canvas
from studio.canvas.marks import Marks
from studio.commands import Command
from studio.look.icons import icon
from studio.look.theme import colour
from studio.model import marks as model
from studio.model.places import ALIGNMENTS

Thing = Literal["canvas", "node", "wire", "mark"]
Guard = Callable[[Command], Callable[[], object]]
LINE: Final = "-"
ALIGN: Final = "Align"
COLOUR: Final = "Colour"
MENUS: Final[Mapping[Thing, tuple[str, ...]]] = {
    "canvas": (
        "add.quick", "add.note", LINE, "edit.paste", "edit.select-all", LINE,
        "node.arrange", "view.fit", "view.zoom-100", "view.search", "view.minimap",
    ),
    "node": (
        "node.properties", "node.rename", LINE, "run.to", "run.again", LINE, "node.mute", "node.bypass",
        "node.link", LINE, "edit.cut", "edit.copy", "edit.duplicate", "edit.delete", LINE,
        "add.frame", "group.collapse", "group.open", "group.expand", ALIGN, "node.arrange", LINE,
        "edit.upstream", "edit.downstream",
    ),
    "wire": ("wire.insert", LINE, "edit.delete"),
    "mark": ("node.rename", COLOUR, LINE, "edit.cut", "edit.copy", "edit.duplicate", "edit.delete"),
}  # fmt: skip
"""Ids by thing; what no part offers is left out."""
IF_POSSIBLE: Final = frozenset({"group.open", "group.expand"})
"""Left out, not greyed, where they cannot be done: most nodes are no sub-graph."""
TITLES: Final[Mapping[tuple[Thing, str], str]] = {("mark", "node.rename"): "Write…", ("wire", "edit.delete"): "Remove"}
COLOUR_NAMES: Final[Mapping[str, str]] = {"mute": "Grey", **{name: name.capitalize() for name in model.COLOURS[1:]}}
assert set(model.COLOURS) <= TOKENS.keys()


class ContextMenus(QObject):
    """Shows the menu of what lies under the pointer.

    Signals:
        failed(OssicleError): a command of a menu could not be done; only where no guard is given.
    """

    failed = Signal(object)

    def __init__(self, canvas: Canvas, layer: Marks) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.document = canvas.document
        self.layer = layer
        self.commands: Mapping[str, Command] = {}
        self.guard: Guard = self._guarded
        self.menu: QMenu | None = None
        canvas.menu_requested.connect(self.show)

    def use(self, commands: Iterable[Command], guard: Guard | None = None) -> None:
        """Make menus of these commands; run them through a guard that tells errors."""
        self.commands = {command.id: command for command in commands}
        self.guard = guard or self._guarded

    def show(self, node: str, at: object) -> None:
        """Open the menu for a node, or for what lies at a point of the screen."""
        assert isinstance(at, QPoint)
        viewer = self.canvas.viewer
        thing: Thing = "node" if node else self._chosen_at(viewer.mapToScene(viewer.viewport().mapFromGlobal(at)))
        if self.menu is not None:
            self.menu.deleteLater()
        self.menu = self.menu_of(thing)
        self.menu.popup(at)

    def _chosen_at(self, at: QPointF) -> Thing:
        """What lies there; it is selected."""
        mark, wire = self.layer.at(at), self.canvas.viewer.wire_at(at)
        if wire is not None:
            if wire.link not in self.document.selection.links:
                self.document.select(links=[wire.link])
            return "wire"
        if mark is not None:
            if mark.mark.name not in self.document.selection.marks:
                self.document.select(marks=[mark.mark.name])
            return "mark"
        return "canvas"

    def menu_of(self, thing: Thing) -> QMenu:
        """The menu of a thing, for the present selection."""
        menu = QMenu(self.canvas)
        for entry in MENUS[thing]:
            if entry == LINE:
                menu.addSeparator()
            elif entry == ALIGN:
                self._add_all(menu.addMenu("Align"), (f"node.align-{how}" for how in ALIGNMENTS))
            elif entry == COLOUR:
                self._add_colours(menu.addMenu("Colour"))
            else:
                self._add(menu, entry, TITLES.get((thing, entry), ""))
        return menu

    def _add_all(self, menu: QMenu, ids: Iterable[str]) -> None:
        for id in ids:
            self._add(menu, id)

    def _add(self, menu: QMenu, id: str, title: str = "") -> None:
        command = self.commands.get(id)
        if command is None or (id in IF_POSSIBLE and not command.enabled()):
            return
        action = menu.addAction(title or command.title)
        action.setObjectName(id)
        action.setEnabled(command.enabled())
        if command.icon:
            action.setIcon(icon(command.icon, "mute"))
        if command.shortcuts:
            action.setText(f"{action.text()}\t{command.shortcuts[0].replace('Return', 'Enter')}")
        if command.is_checked is not None:
            action.setCheckable(True)
            action.setChecked(command.is_checked())
        run = self.guard(command)
        action.triggered.connect(lambda: run())

    def _add_colours(self, menu: QMenu) -> None:
        for token in model.COLOURS:
            action = menu.addAction(_dot(token), COLOUR_NAMES[token])
            action.setObjectName(f"colour.{token}")
            action.triggered.connect(partial(self._colour, token))

    def _colour(self, token: str, _checked: bool = False) -> None:
        names = sorted(self.document.selection.marks)
        self.document.edit("Colour", lambda workflow: model.set_colour(workflow, names, token))

    def _guarded(self, command: Command) -> Callable[[], object]:
        def run() -> None:
            try:
                command.run()
            except OssicleError as error:
                self.failed.emit(error)

        return run


def _dot(token: str) -> QIcon:
    drawn = QPixmap(28, 28)
    drawn.setDevicePixelRatio(2)
    drawn.fill("transparent")
    painter = QPainter(drawn)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(colour("line"))
    painter.setBrush(colour(token))
    painter.drawEllipse(QPointF(7, 7), 5, 5)
    painter.end()
    return QIcon(drawn)
