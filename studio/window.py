"""The main window: every part made once, put in its place and connected to the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from engine.errors import OssicleError
from engine.registry import Registry
from studio import actions
from studio.canvas.canvas import Canvas
from studio.commands import Command
from studio.docks import Docks
from studio.file_commands import FileCommands
from studio.form.panel import PropertyPanel
from studio.keeping import Keeping
from studio.look import theme
from studio.look.icons import icon
from studio.model.clipboard import ClipboardCommands
from studio.model.document import Document
from studio.model.group import GroupCommands
from studio.panels.log import LogPanel
from studio.panels.notices import Banner
from studio.panels.palette import Palette
from studio.panels.plots import PlotsPanel, TabPanel
from studio.panels.problems import ProblemsPanel
from studio.panels.runs import RunsPanel
from studio.panels.start import StartPage
from studio.panels.status import StatusStrip
from studio.panels.topbar import TopBar
from studio.run.session import Session
from studio.thumbnails import Thumbnails
from studio.view_commands import ViewCommands
from studio.work import Background


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
        self.setAcceptDrops(True)
        self.background = Background(self)
        self.document = Document(registry, self)
        self.session = Session(self.document, self)
        self.keeping = Keeping(self.document, self)
        self._make_parts()
        self.banner = Banner(self.middle)
        self._put_together()
        self.commands = {command.id: command for command in self._all_commands()}
        self.actions_ = actions.build(self.commands.values(), self.topbar.menus, self, self.canvas, self._guarded)
        self.topbar.add_buttons(self.commands)
        self._connect()
        self._is_painted = False

    # ---- parts

    def _make_parts(self) -> None:
        document, session = self.document, self.session
        self.topbar = TopBar(document, session)
        self.canvas = Canvas(document)
        self.start = StartPage(self.keeping.settings.recent)
        self.palette_ = Palette(document)
        self.properties = PropertyPanel(document, session)
        self.plots = PlotsPanel(document, session)
        self.tabs = {
            "clips": TabPanel("clips", "Clips are listed here once a node has read some.", document, session),
            "confusion": TabPanel("confusion", "A benchmark's confusion matrix appears here.", document, session),
            "pareto": TabPanel("pareto", "The trials of an architecture search appear here.", document, session),
        }
        self.problems = ProblemsPanel(document, session)
        self.log = LogPanel(session)
        self.runs = RunsPanel(document, session)
        self.status = StatusStrip(session)
        self.files = FileCommands(document, self)
        self.thumbnails = Thumbnails(document, session, self.canvas, self.background)
        self.middle = QStackedWidget()

    def _put_together(self) -> None:
        self.setMenuWidget(self.topbar)
        for page in (self.start, self.canvas):
            self.middle.addWidget(page)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.middle)
        self.setCentralWidget(body)
        panels: Mapping[str, QWidget] = {
            "palette": self.palette_, "properties": self.properties, "plots": self.plots, **self.tabs,
            "problems": self.problems, "log": self.log, "runs": self.runs,
        }  # fmt: skip
        self.docks = Docks(self, panels)
        self.views = ViewCommands(self)
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        bar.addWidget(self.status, 1)
        bar.setContentsMargins(0, 0, 0, 0)

    def _all_commands(self) -> list[Command]:
        found: list[Command] = []
        parts = (
            self.files, self.keeping, self.views, self.docks, self.canvas,
            ClipboardCommands(self.document, self), GroupCommands(self.document, self), self.session,
        )  # fmt: skip
        for part in parts:
            found += part.commands()
        return found

    # ---- connections

    def _connect(self) -> None:
        document, session = self.document, self.session
        session.states_changed.connect(self._show_states)
        session.told.connect(lambda notice: self.banner.tell(notice.level, notice.what, notice.expected, notice.remedy))
        self.files.failed.connect(self.tell)
        self.files.opened.connect(self.keeping.remember)
        self.keeping.failed.connect(self.tell)
        document.changed.connect(self._choose_page)
        self.problems.go_to.connect(self.go_to)
        self.problems.count_changed.connect(lambda count: self.docks.set_count("problems", count))
        self.palette_.add_requested.connect(self.views.add_node)
        self.canvas.node_activated.connect(lambda node: self.go_to(node, ""))
        self.canvas.wire_clicked.connect(lambda link: (document.select(links=[link]), self.docks.show("plots")))
        self.canvas.files_dropped.connect(self.views.take_in)
        for view in (self.plots, *self.tabs.values()):
            view.clip_chosen.connect(self.plots.choose_clip)
            view.trial_chosen.connect(self.views.open_trial)
        self._connect_pages()

    def _connect_pages(self) -> None:
        self.start.open_file.connect(self.files.open)
        self.start.open_project.connect(self.files.open_project)
        self.start.say_words.connect(self.views.start_from_words)
        self.start.open_recordings.connect(lambda path: self.views.take_in([path], None))
        self.start.dropped.connect(lambda paths: self.views.take_in(paths, None))
        self.runs.restore.connect(self.views.restore_run)
        self.runs.replay.connect(self.session.replay)
        self.runs.open_report.connect(self.views.open_report)

    def _guarded(self, command: Command) -> Callable[[], object]:
        """Run a command if it can be run now; tell errors instead of dying of them."""

        def run() -> None:
            if not command.enabled():
                return
            try:
                command.run()
            except OssicleError as error:
                self.tell(error)

        return run

    def tell(self, error: OssicleError) -> None:
        """Show an error's three parts over the canvas."""
        self.banner.tell_error(error)

    def go_to(self, node: str, field: str) -> None:
        """Select a node, show it, and put the cursor into one of its parameters."""
        self.document.select([node])
        self.canvas.centre_on(node)
        self.docks.show("properties")
        self.properties.focus_parameter(node, field)

    def _show_states(self, nodes: frozenset[str]) -> None:
        self.canvas.set_states({node: self.session.state(node) for node in nodes})

    def _choose_page(self, *_: object) -> None:
        is_start = not self.document.workflow.nodes and self.document.path is None and not self.document.undo_text
        self.middle.setCurrentWidget(self.start if is_start else self.canvas)

    # ---- life

    def restore(self) -> None:
        """As the person left it: size, panels, theme."""
        settings = self.keeping.settings
        self.restoreGeometry(QByteArray(settings.geometry))
        if not self.docks.restore(settings.docks):
            self.docks.arrange()
        self.docks.style_tabs()

    def showEvent(self, event: QShowEvent) -> None:
        """Settle the panels once the window has its size."""
        super().showEvent(event)
        self.docks.style_tabs()

    def open_first(self, opened: Opened | None) -> None:
        """What was given at the start (a shipped project as a copy, to be saved elsewhere), or the start page."""
        if opened is not None:
            is_own = opened.path.resolve().parent == opened.base.resolve()
            self.document.unsaved_base = opened.base
            self.document.show(opened.workflow, opened.path.resolve() if is_own else None)
        self._choose_page()

    def begin(self, *, with_runner: bool = True) -> None:
        """After the first frame: the warm runner, the last run, what was not saved the last time."""
        if with_runner:
            QTimer.singleShot(0, self.session.begin)
        QTimer.singleShot(0, self.keeping.begin)

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
        self.keeping.close(bytes(self.saveGeometry().data()), self.docks.state())
        self.session.close()
        self.background.wait()
        event.accept()

    def set_ground(self, ground: theme.Ground) -> None:
        """Dark or light."""
        from PySide6.QtWidgets import QApplication

        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, ground)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
