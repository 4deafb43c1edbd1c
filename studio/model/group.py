"""Sub-graphs in the window: collapse a selection, expand a box, open its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from engine import subgraph
from engine.errors import OssicleError
from engine.library import CATEGORY, file_of, with_subgraphs
from engine.subgraph import SubgraphSpec
from engine.workflow import save
from studio.commands import Command
from studio.model.collapse import Offer, check_name, collapse, expand_node, offers
from studio.model.document import Document


@dataclass(frozen=True)
class Answer:
    """What a person wants of a new sub-graph: its name, and the parameters to show ("train-1.width")."""

    name: str
    exposed: tuple[str, ...] = ()


Ask = Callable[[tuple[Offer, ...], str], Answer | None]
"""Called with the parameters on offer and a suggested name; None for no."""


class GroupCommands(QObject):
    """Collapsing and expanding.

    Attributes:
        ask: how to ask a person; a dialog unless replaced.
        open_file: how to open a sub-graph's file; the window puts its guard against unsaved work here.
    """

    def __init__(self, document: Document, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.document = document
        self.ask: Ask = self._ask
        self.open_file: Callable[[Path], object] = self._open_file

    def commands(self) -> list[Command]:
        """The sub-graph part of the Node menu."""
        command = partial(Command, menu="Node", on_canvas=True)
        box = self._has_box
        return [
            command(
                "group.collapse", "Collapse into a sub-graph…", run=self.collapse, shortcuts=("Ctrl+G",),
                enabled=self._has_nodes, about="The selected nodes become one node, saved as a file and reusable",
            ),
            command(
                "group.expand", "Expand the sub-graph", run=self.expand, shortcuts=("Ctrl+Shift+G",), enabled=box,
                about="The nodes it stands for, in its place",
            ),
            command("group.open", "Open the sub-graph", run=self.open, shortcuts=("Ctrl+Return",), enabled=box),
        ]  # fmt: skip

    def _has_nodes(self) -> bool:
        return bool(self.document.selection.nodes)

    def _has_box(self) -> bool:
        return self._spec() is not None

    def _spec(self) -> SubgraphSpec | None:
        node = self.document.selection.node
        spec = self.document.registry.find(self.document.workflow.nodes[node].type) if node else None
        return spec if isinstance(spec, SubgraphSpec) else None

    def _chosen(self) -> SubgraphSpec:
        spec = self._spec()
        if spec is None:
            raise OssicleError("no sub-graph is selected", f"one node of {CATEGORY}", "Select it first")
        return spec

    # ---- what they do

    def collapse(self) -> str:
        """Ask for a name and the parameters to show, write the file, put the box in; its id, or "".

        Raises:
            OssicleError: it cannot be done; nothing has changed.
        """
        document = self.document
        workflow, nodes = document.workflow, document.selection.nodes
        collapse(workflow, document.registry, nodes, "probe")  # what cannot be done is told before anything is asked
        answer = self.ask(offers(workflow, document.registry, nodes), self._free_name())
        if answer is None:
            return ""
        done = collapse(workflow, document.registry, nodes, answer.name, answer.exposed)
        path = file_of(document.base, answer.name)
        if path.exists():
            raise _taken(answer.name)
        try:
            save(done.inside, path)
        except OSError as error:
            raise OssicleError(
                f"{path} cannot be written ({error.strerror or error})", "a folder you may write to",
                "Save the workflow into another folder first",
            ) from error  # fmt: skip
        registry = with_subgraphs(document.registry, document.base)
        if subgraph.PREFIX + answer.name not in registry.specs:
            path.unlink(missing_ok=True)
            bad = next(error for error in registry.errors if error.name == subgraph.PREFIX + answer.name)
            raise OssicleError(bad.error, "a selection that makes a sub-graph", "Choose other nodes")
        document.set_registry(registry)
        document.edit(f"Collapse into {answer.name}", lambda _now: done.workflow)
        document.select([done.box])
        return done.box

    def expand(self) -> tuple[str, ...]:
        """Put the nodes of the selected box in its place and select them; their ids."""
        self._chosen()
        document, box = self.document, self.document.selection.node
        workflow, names = expand_node(document.workflow, document.registry, box)
        document.edit(f"Expand {box}", lambda _now: workflow)
        document.select(names)
        return names

    def open(self) -> None:
        """Open the file of the selected box in this window."""
        self.open_file(self._chosen().path)

    def _open_file(self, path: Path) -> None:
        if not self.document.is_saved:
            raise OssicleError("there are edits that no file holds", "a saved workflow", "Save it first (Ctrl+S)")
        self.document.open(path)

    # ---- asking

    def _free_name(self) -> str:
        number = 1
        while file_of(self.document.base, f"part-{number}").exists():
            number += 1
        return f"part-{number}"

    def _ask(self, found: tuple[Offer, ...], name: str) -> Answer | None:
        from studio.panels.collapse import CollapseDialog

        above = self.parent()
        dialog = CollapseDialog(found, name, self.why_not, above if isinstance(above, QWidget) else None)
        return dialog.answer() if dialog.exec() else None

    def why_not(self, name: str) -> str:
        """Why a sub-graph may not have that name; "" if it may."""
        try:
            check_name(name)
        except OssicleError as error:
            return f"{error.expected[:1].upper()}{error.expected[1:]}"
        return "There is one of that name already" if file_of(self.document.base, name).exists() else ""


def _taken(name: str) -> OssicleError:
    return OssicleError(f"there is a sub-graph {name} already", "another name", "Choose another name")
