"""The main window: every part made once, put in its place and connected to the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QByteArray, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QStackedWidget, QWidget

from engine.errors import OssicleError
from engine.registry import Registry
from engine.workflow import Link
from studio import actions
from studio.canvas.canvas import Canvas
from studio.canvas.extras import attach
from studio.canvas.usage import Usage
from studio.collecting import Collecting
from studio.commands import Command
from studio.docks import Docks
from studio.file_commands import FileCommands
from studio.form.panel import PropertyPanel
from studio.keeping import Keeping
from studio.look import theme
from studio.look.icons import icon
from studio.model.clipboard import ClipboardCommands
from studio.model.document import Document
from studio.model.edit import Place
from studio.model.group import GroupCommands
from studio.panels.claims import ClaimsPanel
from studio.panels.command_palette import CommandPalette
from studio.panels.log import LogPanel
from studio.panels.notices import Banner
from studio.panels.palette import Palette
from studio.panels.plots import PlotsPanel, TabPanel
from studio.panels.problems import ProblemsPanel
from studio.panels.runs import RunsPanel
from studio.panels.start import StartPage
from studio.panels.status import StatusStrip
from studio.panels.topbar import TopBar
from studio.run.session import Notice, Session
from studio.shortcuts import with_shortcuts
from studio.sweep_commands import SweepCommands
from studio.thumbnails import Thumbnails
from studio.view_commands import ViewCommands
from studio.views.viewer import load_viewers
from studio.work import Background

if TYPE_CHECKING:
    from engine.commands.common import Opened


class Window(QMainWindow):
    """Ossicle's window.

    Signals:
        painted(): the first frame is on screen.
    """

    painted = Signal()

    def __init__(self, registry: Registry) -> None:
        super().__init__()
        self.setWindowTitle("Ossicle")
        self.setWindowIcon(icon("ossicle", "accent", 32))
        self.resize(1600, 1000)
        self.setMinimumSize(960, 640)
        self.background = Background(self)
        self.document = Document(registry, self)
        self.session = Session(self.document, self)
        self.files = FileCommands(self.document, self)
        self.keeping = Keeping(self)
        self._make_canvas()
        self._make_panels()
        self._put_together()
        self.clipboard = ClipboardCommands(self.document, self, self._paste_place)
        self.groups = GroupCommands(self.document, self)
        self.groups.open_file = self.files.open
        self.views = ViewCommands(self)
        self.sweeps = SweepCommands(self)
        self.commands = {command.id: command for command in self._all_commands()}
        self.actions_ = actions.build(self.commands.values(), self.topbar.menus, self, self.canvas, self._guarded)
        self.topbar.add_buttons(self.commands)
        self.extras.menus.use(self.commands.values(), self._guarded)
        self._connect()
        self._is_painted = False

    # ---- parts

    def _make_canvas(self) -> None:
        settings = self.keeping.settings
        self.canvas = Canvas(self.document)
        usage = Usage.from_text(settings.usage)
        self.extras = attach(self.canvas, usage, is_minimap_wanted=settings.has_minimap)
        self.thumbnails = Thumbnails(self.document, self.session, self.canvas, self.background)
        self.start = StartPage(settings.recent, self.document.registry)
        self.middle = QStackedWidget()
        self.middle.addWidget(self.start)
        self.middle.addWidget(self.canvas)
        self.banner = Banner(self.middle)

    def _make_panels(self) -> None:
        document, session = self.document, self.session
        self.topbar = TopBar(document, session)
        self.palette_ = Palette(document)
        self.properties = PropertyPanel(document, session)
        self.plots = PlotsPanel(document, session)
        self.tabs = {
            "clips": TabPanel("clips", "Clips are listed here once a node has read some.", document, session),
            "confusion": TabPanel("confusion", "A benchmark's confusion matrix appears here.", document, session),
            "pareto": TabPanel("pareto", "The trials of an architecture search appear here.", document, session),
        }
        self.claims = ClaimsPanel(document, session)
        self.problems = ProblemsPanel(document, session)
        self.log = LogPanel(session)
        self.runs = RunsPanel(document, session)
        self.status = StatusStrip(session)
        self.command_palette = CommandPalette(self)

    def _put_together(self) -> None:
        self.setMenuWidget(self.topbar)
        self.setCentralWidget(self.middle)
        panels: Mapping[str, QWidget] = {
            "palette": self.palette_, "properties": self.properties, "plots": self.plots, **self.tabs,
            "claims": self.claims, "problems": self.problems, "log": self.log, "runs": self.runs,
        }  # fmt: skip
        self.docks = Docks(self, panels)
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.setContentsMargins(0, 0, 0, 0)
        bar.addWidget(self.status, 1)

    def _all_commands(self) -> list[Command]:
        parts: tuple[Any, ...] = (
            self.files, self.keeping, self.clipboard, self.groups, self.canvas, self.extras, self.session,
            self.sweeps, self.views, self.properties, self.palette_, self.claims, self.problems, self.runs,
            self.docks,
        )  # fmt: skip
        return with_shortcuts(command for part in parts for command in part.commands())

    # ---- connections

    def _connect(self) -> None:
        """Signals carry plain objects, so slots are joined without their static types."""
        document, session, views = self.document, self.session, self.views
        joined: tuple[tuple[Any, Callable[..., object]], ...] = (
            (session.states_changed, self._show_states),
            (session.told, self._tell_notice),
            (self.files.failed, self.tell),
            (self.files.opened, self.keeping.remember),
            (self.files.emptied, self._show_canvas),
            (self.keeping.failed, self.tell),
            (self.keeping.recent_changed, self.start.show_recent),
            (self.extras.failed, self.tell),
            (self.extras.settled, self._settle),
            (document.changed, self._choose_page),
            (document.path_changed, self._choose_page),
            (self.problems.go_to, self.go_to),
            (self.problems.count_changed, lambda count: self.docks.set_count("problems", count)),
            (self.claims.go_to, self.go_to),
            (self.claims.count_changed, lambda count: self.docks.set_count("claims", count)),
            (self.claims.open_paper, self.files.open_project),
            (self.claims.failed, self.tell),
            (self.palette_.add_requested, views.add_node),
            (self.properties.log_requested, lambda _node: self.docks.show("log")),
            (self.properties.rerun_requested, session.rerun),
            (self.canvas.node_activated, lambda node: self.go_to(node, "")),
            (self.canvas.wire_clicked, self._show_wire),
            (self.canvas.files_dropped, views.take_in),
            (self.start.open_file, self.files.open),
            (self.start.start_empty, self.files.new),
            (self.start.open_project, self.files.open_project),
            (self.start.say_words, views.start_from_words),
            (self.start.open_recordings, lambda path: views.take_in([path], None)),
            (self.start.dropped, lambda paths: views.take_in(paths, None)),
            (self.runs.restore, views.restore_run),
            (self.runs.replay, session.replay),
            (self.runs.open_report, views.open_report),
            (self.command_palette.failed, self.tell),
            (self.runs.told, self._tell_notice),
            (self.problems.failed, self.tell),
            (self.start.forget, self.keeping.forget),
        )
        for signal, slot in joined:
            signal.connect(self._told(slot))
        views_: tuple[Any, ...] = (self.plots, *self.tabs.values())
        for view in views_:
            view.clip_chosen.connect(self.plots.choose_clip)
            view.trial_chosen.connect(self._told(views.open_trial))
            view.node_chosen.connect(lambda node: document.select([node]))

    def _told(self, slot: Callable[..., object]) -> Callable[..., None]:
        """A slot whose errors are shown instead of being lost in the event loop."""

        def run(*values: object) -> None:
            try:
                slot(*values)
            except OssicleError as error:
                self.tell(error)

        return run

    def _guarded(self, command: Command) -> Callable[[], object]:
        """Run a command if it can be run now; show its error if it has one."""

        def run() -> None:
            if command.enabled():
                self._told(command.run)()

        return run

    # ---- what parts tell each other

    def tell(self, error: OssicleError) -> None:
        """Show an error's three parts over the canvas."""
        self.banner.tell_error(error)

    def _tell_notice(self, notice: Notice) -> None:
        self.banner.tell(notice.level, notice.what, notice.expected, notice.remedy, notice.actions)

    def go_to(self, node: str, field: str) -> None:
        """Select a node, show it, and put the cursor into one of its parameters."""
        if node not in self.document.workflow.nodes:
            return
        self.document.select([node])
        self.canvas.centre_on(node)
        self.docks.show("properties")
        self.properties.focus_parameter(node, field)

    def _show_wire(self, link: Link) -> None:
        self.document.select(links=[link])
        self.docks.show("plots")

    def _paste_place(self) -> Place | None:
        """Where the pointer is, if it is over the canvas; else beside the original."""
        if not self.canvas.underMouse():
            return None
        at = self.canvas.scene_position_of_cursor()
        return at.x(), at.y()

    def _show_states(self, nodes: frozenset[str]) -> None:
        states = {node: self.session.state(node) for node in nodes}
        self.canvas.set_states(states)
        self.extras.minimap.set_states(states)

    def _settle(self) -> None:
        self.keeping.change(usage=self.extras.usage.to_text(), has_minimap=self.extras.is_minimap_wanted)

    def _show_canvas(self) -> None:
        """An empty canvas instead of the start page."""
        self.middle.setCurrentWidget(self.canvas)
        self.docks.set_quiet(False)
        self.canvas.setFocus()

    def _choose_page(self, *_: object) -> None:
        document = self.document
        is_start = not (document.workflow.nodes or document.path or document.undo_text or document.redo_text)
        self.middle.setCurrentWidget(self.start if is_start else self.canvas)
        self.docks.set_quiet(is_start)

    # ---- life

    def restore(self) -> None:
        """As the person left it: size and panels."""
        settings = self.keeping.settings
        self.restoreGeometry(QByteArray(settings.geometry))
        if not self.docks.restore(settings.docks):
            self.docks.arrange()

    def open_first(self, opened: Opened | None) -> None:
        """What was given at the start (a shipped project as a copy, to be saved elsewhere), or the start page."""
        if opened is not None:
            is_own = opened.path.resolve().parent == opened.base.resolve()
            self.document.work_in(opened.base)
            self.document.show(opened.workflow, opened.path.resolve() if is_own else None)
        self._choose_page()

    def begin(self, *, with_runner: bool = True) -> None:
        """After the first frame: the warm runner, the last run, what was not saved the last time."""
        if with_runner:
            QTimer.singleShot(0, self.session.begin)
        QTimer.singleShot(0, self.keeping.begin)
        self.background.call("viewers", _import_heavy, self._load_viewers)

    def _load_viewers(self, _done: None) -> None:
        """Register the viewers while nobody waits; a plugin's that failed are told."""
        self._collecting = Collecting(lambda: not self.session.is_active, self)
        for name, error in load_viewers().items():
            self.banner.tell("warning", f"the viewers of {name} did not load ({error})", "", "Update or uninstall it")

    def showEvent(self, event: QShowEvent) -> None:
        """Settle the panels once the window has its size."""
        super().showEvent(event)
        self.docks.style_tabs()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the overlays in their places."""
        super().resizeEvent(event)
        if self.banner.isVisible():
            self.banner.place()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell of the first frame."""
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self.painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Nothing is lost: ask about unsaved work, remember the window, end the runner."""
        if not self.files.may_leave():
            event.ignore()
            return
        self.docks.set_quiet(False)
        self.keeping.close(bytes(self.saveGeometry().data()), self.docks.state())
        self.session.close()
        self.background.wait()
        event.accept()

    def set_ground(self, ground: theme.Ground) -> None:
        """Dark or light, now and at the next start."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, ground)
        self.thumbnails.restyle()
        self.keeping.change(theme=ground)


def _import_heavy() -> None:
    """What the viewers stand on, imported in a thread so that the first one shown does not wait for it."""
    import h5py  # noqa: F401
    import numpy  # noqa: F401
    import pyqtgraph  # noqa: F401
