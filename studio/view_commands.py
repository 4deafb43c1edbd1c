"""What the Add, View and Help menus do, and what happens with dropped files, words, trials and earlier runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPointF, QUrl
from PySide6.QtGui import QDesktopServices

from engine.node import NodeSpec
from engine.record import RunRecord
from engine.workflow import SUFFIX, Workflow, load, parse
from studio.commands import Command
from studio.look.theme import ground
from studio.model import edit
from studio.model.edit import Place
from studio.model.places import HEIGHT, WIDTH, free_place

if TYPE_CHECKING:
    from studio.window import Window


class ViewCommands(QObject):
    """Commands about the window itself, and the wishes that its parts pass on."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.window_ = window
        self.document = window.document

    def commands(self) -> list[Command]:
        """The Add, View and Help menus."""
        specs = sorted(self.document.registry.specs.values(), key=lambda spec: (spec.category, spec.title))
        return [
            *self._undo_commands(),
            *(self._add_command(spec) for spec in specs),
            Command("view.commands", "Every command…", "View", self.every_command, ("Ctrl+Shift+P",), icon="search"),
            Command("view.theme", "Dark or light", "View", self.swap_ground, ("Ctrl+Alt+T",), icon="moon"),
            Command("view.start", "Start page", "View", self.show_start, ("Ctrl+Home",)),
            Command("view.full", "Full screen", "View", self.full_screen, ("F11",)),
            Command("view.picture", "Save a picture of the graph…", "File", self.save_picture, ("Ctrl+Alt+S",)),
            Command("help.keys", "Keyboard shortcuts", "Help", self.show_keys, ("F1",)),
            Command("help.about", "About Ossicle", "Help", self.about),
        ]

    def _undo_commands(self) -> list[Command]:
        document = self.document
        return [
            Command("edit.undo", "Undo", "Edit", document.undo, ("Ctrl+Z",), lambda: bool(document.undo_text), "undo",
                    words=lambda: f"Undo {document.undo_text}".strip()),
            Command("edit.redo", "Redo", "Edit", document.redo, ("Ctrl+Shift+Z", "Ctrl+Y"),
                    lambda: bool(document.redo_text), "redo", words=lambda: f"Redo {document.redo_text}".strip()),
        ]  # fmt: skip

    def _add_command(self, spec: NodeSpec) -> Command:
        about = spec.about.partition("\n")[0]
        menu = f"Add/{spec.category}"
        return Command(f"add.{spec.id}", spec.title, menu, partial(self.add_node, spec.id), about=about)

    # ---- adding

    def add_node(self, type_id: str, at: QPointF | None = None) -> str:
        """Place a node of that type, by default in the middle of what is seen; select it; its id."""
        spec = self.document.registry.find(type_id)
        if spec is None:
            return ""
        place = self._place(at)
        made: list[str] = []

        def add(workflow: Workflow) -> Workflow:
            after, name = edit.add_node(workflow, spec, place)
            made.append(name)
            return after

        self.document.edit(f"Add {spec.title}", add)
        self.document.select(made)
        self.window_.extras.usage.note(spec.id)
        self.window_.canvas.setFocus()
        return made[0]

    def _place(self, at: QPointF | None) -> Place:
        """Top left corner of a new box: around a point, or where there is room near the middle of what is seen."""
        seen = self.window_.canvas.viewer.seen().center()
        x, y = (at or seen).x() - WIDTH / 2, (at or seen).y() - HEIGHT / 2
        return (x, y) if at is not None else free_place(self.document.workflow, (x, y))

    def start_from_words(self, words: Sequence[str]) -> None:
        """A new graph that makes a spotter of these words."""
        from studio.model.starter import workflow_for

        if self.window_.files.may_leave():
            self.document.show(workflow_for(list(words)), None, is_saved=False)

    def take_in(self, paths: Sequence[Path], at: QPointF | None) -> None:
        """Files were dropped: a workflow is opened, anything else becomes the nodes that make sense of it."""
        from studio.model.starter import nodes_for, workflow_for

        files = [path for path in paths if path.name.endswith((SUFFIX, ".json"))]
        if files:
            self.window_.files.open(files[0])
        elif self.document.workflow.nodes:
            self.window_.clipboard.insert(nodes_for(list(paths)), self._place(at), "Take in what was dropped")
        elif self.window_.files.may_leave():
            self.document.show(workflow_for(list(paths)), None, is_saved=False)

    # ---- runs

    def restore_run(self, record: RunRecord) -> None:
        """The graph as that run had it; one undo step."""
        old = load(record.folder / "workflow.json")
        self.document.edit(f"Restore the graph of {record.id}", lambda _now: old)
        self.window_.session.replay(record)

    def open_report(self, path: Path) -> None:
        """Show a run's report in the browser."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

    def open_trial(self, trial: object) -> None:
        """The graph of one trial of a search, as a new document."""
        raw = trial.get("workflow") if isinstance(trial, dict) else getattr(trial, "workflow", None)
        if raw and self.window_.files.may_leave():
            self.document.show(parse(raw), None, is_saved=False)

    # ---- the window

    def every_command(self) -> None:
        """The command palette."""
        self.window_.command_palette.ask(list(self.window_.commands.values()))

    def swap_ground(self) -> None:
        """Dark becomes light and light dark."""
        self.window_.set_ground("light" if ground() == "dark" else "dark")

    def show_start(self) -> None:
        """The start page over the canvas."""
        window = self.window_
        is_shown = window.middle.currentWidget() is window.start
        window.middle.setCurrentWidget(window.canvas if is_shown else window.start)
        window.docks.set_quiet(not is_shown)

    def full_screen(self) -> None:
        """The whole screen, or not."""
        window = self.window_
        window.showNormal() if window.isFullScreen() else window.showFullScreen()

    def save_picture(self) -> None:
        """Ask for a file and save the whole graph as PNG or SVG."""
        from PySide6.QtWidgets import QFileDialog

        first = self.document.base / f"{self.document.workflow.name}.png"
        name, _ = QFileDialog.getSaveFileName(self.window_, "Save a picture", str(first), "Pictures (*.png *.svg)")
        if name:
            self.save_picture_to(Path(name))

    def save_picture_to(self, path: Path) -> None:
        """The whole graph, twice its size, as PNG; or as SVG.

        Raises:
            OssicleError: the file cannot be written.
        """
        from studio.canvas_picture import save

        save(self.window_.canvas, path)

    def show_keys(self) -> None:
        """All shortcuts, as the command palette lists them."""
        shown = [command for command in self.window_.commands.values() if command.shortcuts]
        self.window_.command_palette.ask(shown)

    def about(self) -> None:
        """Version, licence and where the data of this project lies."""
        from importlib.metadata import version

        self.window_.banner.tell("info", f"Ossicle {version('ossicle')}", "", "Local, open, reproducible edge-audio AI")
