"""Everything the keyboard does to the graph, as commands: one table for menus, shortcuts and the command palette."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, QPointF, Qt
from PySide6.QtGui import QKeyEvent

from engine.errors import OssicleError
from engine.workflow import Mode, Workflow
from studio.canvas.canvas import Canvas
from studio.canvas.chooser import Row
from studio.canvas.fits import why_no_bypass
from studio.commands import Command, always
from studio.model import edit, marks
from studio.model.align import align
from studio.model.boxes import boxes
from studio.model.places import ALIGNMENTS, arrange
from studio.model.walk import reach

if TYPE_CHECKING:
    from studio.canvas.extras import Extras

ALIGN_KEYS = {
    "left": "Ctrl+Shift+Left",
    "right": "Ctrl+Shift+Right",
    "top": "Ctrl+Shift+Up",
    "bottom": "Ctrl+Shift+Down",
}


class KeyCommands(QObject):
    """The commands of the canvas beyond those of `Canvas` itself."""

    def __init__(self, canvas: Canvas, extras: Extras) -> None:
        super().__init__(canvas)
        self.canvas = canvas
        self.document = canvas.document
        self.extras = extras

    # ---- asked of the selection

    def has_nodes(self) -> bool:
        """Whether there is any node."""
        return bool(self.document.workflow.nodes)

    def has_chosen(self) -> bool:
        """Whether a node is selected."""
        return bool(self.document.selection.nodes)

    def _chosen(self, least: int = 1) -> list[str]:
        """Selected nodes.

        Raises:
            OssicleError: fewer than wanted.
        """
        found = sorted(self.document.selection.nodes)
        if len(found) < least:
            many = f"at least {least} nodes" if least > 1 else "a node"
            raise OssicleError(
                f"{len(found) or 'nothing'} is selected", many, "Click one, or walk there with the arrows"
            )
        return found

    # ---- selecting

    def invert(self) -> None:
        """Select what is not selected."""
        document = self.document
        every = document.workflow.nodes.keys() | marks.marks(document.workflow).keys()
        left = every - document.selection.nodes - document.selection.marks
        document.select(left, (), left)

    def reach(self, *, after: bool) -> None:
        """Select with the selected nodes all that they need, or all that needs them."""
        self.document.select(reach(self.document.workflow, self._chosen(), after=after))

    # ---- changing

    def toggle(self, mode: Mode) -> None:
        """Mute or bypass, or the way back.

        Raises:
            OssicleError: a node has nothing to pass on; says which and why. Then none is changed.
        """
        names, document = self._chosen(), self.document
        is_on = any(document.workflow.nodes[name].mode != mode for name in names)
        if mode == "bypassed" and is_on:
            for name in names:
                error = why_no_bypass(document.workflow, document.registry, name)
                if error is not None:
                    raise error
        what = {"muted": ("Mute", "Unmute"), "bypassed": ("Bypass", "Do not bypass")}[mode][not is_on]
        document.edit(f"{what} {_named(names)}", lambda w: edit.toggle_mode(w, names, mode))

    def align(self, how: str) -> None:
        """Align or distribute the selected nodes."""
        parts = boxes(self.document.workflow, self.document.registry)
        chosen = {name: parts[name] for name in self.document.selection.nodes}
        places = align(how, chosen)
        self.document.edit(ALIGNMENTS[how], lambda workflow: edit.move(workflow, places))

    def arrange(self) -> None:
        """Lay out the selected nodes, or all if fewer than two are selected."""
        chosen = sorted(self.document.selection.nodes)
        names = chosen if len(chosen) > 1 else None
        self.document.edit("Lay out", lambda workflow: arrange(workflow, names))
        if names is None:
            self.canvas.fit()

    def duplicate(self) -> None:
        """The selected nodes and marks once more, beside them, with the wires among them and into them."""
        document = self.document
        chosen = document.selection
        if not (chosen.nodes or chosen.marks):
            raise OssicleError("nothing is selected", "nodes, notes or frames", "Select some first")
        from studio.canvas.duplicate import duplicated

        made: list[dict[str, str]] = []

        def change(workflow: Workflow) -> Workflow:
            after, names = duplicated(workflow, chosen.nodes, chosen.marks)
            made.append(names)
            return after

        document.edit(f"Duplicate {_named(sorted(chosen.nodes | chosen.marks))}", change)
        document.select(made[0].values(), (), made[0].values())

    # ---- asking

    def properties(self) -> None:
        """The properties of the selected node; the text of a selected mark."""
        chosen = self.document.selection
        if not chosen.nodes and len(chosen.marks) == 1:
            self.extras.marks.write_in(next(iter(chosen.marks)))
            return
        self.canvas.node_activated.emit(self.extras.steps.here or self._chosen()[0])

    def rename(self) -> None:
        """Another id for the selected node; another text for a selected mark."""
        chosen = self.document.selection
        if not chosen.nodes and len(chosen.marks) == 1:
            self.extras.marks.write_in(next(iter(chosen.marks)))
            return
        node = self.extras.steps.here or self._chosen()[0]
        self.extras.steps.reveal(node)
        self.extras.renamer.ask(node)

    def link(self, *, is_output: bool) -> None:
        """Link the selected node to another by keyboard."""
        self._chosen()
        self.extras.linker.link_from(self.extras.steps.here, is_output=is_output)

    def add(self) -> None:
        """Quick add at the pointer; beside the selected node if the pointer is not over the canvas."""
        self.extras.ask_add(self.canvas.scene_position_of_cursor(), None)

    def note(self) -> None:
        """A note at the pointer."""
        self.extras.marks.add_note(self.canvas.scene_position_of_cursor())

    def frame(self) -> None:
        """A frame around what is selected."""
        self.extras.marks.add_frame()

    def go_to(self) -> None:
        """A list of all nodes to go to one."""
        document = self.document
        parts = boxes(document.workflow, document.registry)
        rows = [self._row(name) for name in sorted(parts, key=lambda name: (parts[name].x, parts[name].y, name))]
        at = QPoint((self.canvas.width() - self.extras.goer.width()) // 2, 12)
        self.extras.goer.ask(rows, at, back_to=self.canvas.viewer)

    def _row(self, name: str) -> Row:
        node = self.document.workflow.nodes[name]
        spec = self.document.registry.find(node.type)
        kind = next((port.type.kind() for port in (*spec.outputs, *spec.inputs)), "") if spec is not None else ""
        title = spec.title if spec is not None else node.type
        told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in node.params.items())
        return Row(name, name, told or (spec.about.partition("\n")[0] if spec is not None else ""), title, kind)

    def show_node(self, name: str) -> None:
        """Select a node and bring it to the middle."""
        self.extras.steps.go(name)
        self.canvas.centre_on(name)

    def insert_into_wire(self) -> None:
        """Quick add into the selected wire."""
        link = next(iter(sorted(self.document.selection.links)), None)
        if link is None:
            raise OssicleError("no wire is selected", "a wire", "Click one first")
        wire = self.canvas.graph.wires.get(link)
        at = wire.path().pointAtPercent(0.5) if wire is not None else QPointF()
        self.extras.ask_into(link, at)

    def step_back(self) -> None:
        """Let go of what is dragged, else select nothing."""
        if not self.extras.marks.cancel():
            self.document.select()

    def hook(self, event: QKeyEvent) -> bool:
        """Escape is no shortcut: the viewer first cancels its own gestures with it."""
        if event.key() != Qt.Key.Key_Escape:
            return False
        self.step_back()
        return True

    # ---- the table

    def commands(self) -> list[Command]:
        """Every command."""
        return [*self._editing(), *self._going(), *self._aligning(), *self.extras.steps.commands()]

    def _editing(self) -> list[Command]:
        chosen, some = self.has_chosen, self._has_any
        return [
            _letter("add.quick", "Add a node…", "Add", self.add, ("Tab", "A"), icon="plus"),
            _letter("add.note", "Add a note", "Add", self.note, ("N",), icon="note"),
            _letter("add.frame", "Frame around the selection", "Add", self.frame, ("G",), some, icon="frame"),
            _letter("node.properties", "Properties", "Node", self.properties, ("Return", "Enter"), some),
            _letter("node.rename", "Rename…", "Node", self.rename, ("F2",), some),
            _letter("node.link", "Link an output to…", "Node", partial(self.link, is_output=True), ("L",), chosen),
            _letter(
                "node.link-input", "Link an input from…", "Node",
                partial(self.link, is_output=False), ("Shift+L",), chosen,
            ),
            _letter("node.mute", "Mute", "Node", partial(self.toggle, "muted"), ("M",), chosen),
            _letter("node.bypass", "Bypass", "Node", partial(self.toggle, "bypassed"), ("B",), chosen),
            _letter("edit.duplicate", "Duplicate", "Edit", self.duplicate, ("Ctrl+D",), some, icon="copy"),
            _letter("wire.insert", "Put a node into the wire…", "Node", self.insert_into_wire, ("I",), self._has_wire),
            _letter("node.arrange", "Lay out", "Node", self.arrange, ("Ctrl+L",), self.has_nodes, icon="graph"),
        ]  # fmt: skip

    def _going(self) -> list[Command]:
        chosen, search = self.has_chosen, self.extras.search.ask
        before, after = (partial(self.reach, after=is_after) for is_after in (False, True))
        return [
            _letter("edit.invert", "Invert the selection", "Edit", self.invert, ("Ctrl+I",), self._has_all),
            _letter("edit.upstream", "Select all it needs", "Edit", before, ("Ctrl+[",), chosen),
            _letter("edit.downstream", "Select all that needs it", "Edit", after, ("Ctrl+]",), chosen),
            _letter("edit.deselect", "Select nothing", "Edit", self.step_back, ("Ctrl+Shift+A",), self._is_holding),
            _letter("view.search", "Search the graph…", "View", search, ("/", "Ctrl+F"), self.has_nodes, icon="search"),
            Command("view.go-to", "Go to a node…", "View", self.go_to, ("Ctrl+K",), self.has_nodes),
            Command(
                "view.minimap", "Map of the graph", "View", self.extras.toggle_minimap, ("Ctrl+M",),
                is_checked=lambda: self.extras.is_minimap_wanted,
            ),
        ]  # fmt: skip

    def _aligning(self) -> list[Command]:
        return [
            _letter(
                f"node.align-{how}", title, "Node/Align", partial(self.align, how),
                (ALIGN_KEYS[how],) if how in ALIGN_KEYS else (), self.has_chosen,
            )
            for how, title in ALIGNMENTS.items()
        ]  # fmt: skip

    def _has_any(self) -> bool:
        return bool(self.document.selection.nodes or self.document.selection.marks)

    def _has_wire(self) -> bool:
        return bool(self.document.selection.links)

    def _has_all(self) -> bool:
        return self.has_nodes() or bool(marks.marks(self.document.workflow))

    def _is_holding(self) -> bool:
        return not self.document.selection.is_empty


def _letter(
    id: str, title: str, menu: str, run: Callable[[], object], keys: tuple[str, ...],
    enabled: Callable[[], bool] = always, icon: str = "",
) -> Command:  # fmt: skip
    """A command whose keys act while the canvas has the focus."""
    return Command(id, title, menu, run, keys, enabled, icon, on_canvas=True)


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} nodes"
