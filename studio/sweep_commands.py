"""The commands of sweeps: ask for one and run it, stop, open the report; and what is said at the end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from engine.console import count, duration
from engine.sweep_record import REPORT
from studio.commands import Command
from studio.run.notice import Action, Level, Notice
from studio.run.sweep import SweepView
from studio.work import Background

if TYPE_CHECKING:
    from studio.model.sweep import Known
    from studio.panels.sweep import SweepWindow
    from studio.window import Window


class SweepCommands(QObject):
    """Sweep… and Open the sweep's report; a notice when a sweep has ended."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.window_ = window
        self.session = window.session
        self.panel: SweepWindow | None = None
        self._background = Background(self, 1)
        self._last = SweepView()
        self.session.sweep_changed.connect(self._changed)

    def commands(self) -> list[Command]:
        """Entries of the menu Run."""
        return [
            Command("run.sweep", "Sweep…", "Run", self.ask, ("Ctrl+Alt+R",), icon="random",
                    about="Run the graph once per combination of values: seeds, folds, settings"),
            Command("run.sweep-report", "Open the sweep's report", "Run", self.open_report, (),
                    lambda: self._report() is not None, "report", "Means, spreads and every point of the last sweep"),
        ]  # fmt: skip

    def ask(self) -> None:
        """Show the window of the sweep, made at the first call."""
        if self.panel is None:
            from studio.panels.sweep import SweepWindow

            self.panel = SweepWindow(self.window_.document, self.session, self.window_)
            self.panel.report_wanted.connect(lambda path: self.window_.views.open_report(path))
        self.panel.ask()

    def open_report(self) -> None:
        """Show the report of the last sweep in the browser."""
        if (path := self._report()) is not None:
            self.window_.views.open_report(path)

    def _report(self) -> Path | None:
        folder = self._last.folder
        return folder / REPORT if folder is not None and (folder / REPORT).is_file() else None

    def _changed(self) -> None:
        before, self._last = self._last, self.session.sweep
        if before.is_on and not self._last.is_on and self._last.folder is not None:
            self._background.call("figures", partial(_read, self._last, self._last.folder), self._tell)

    def _tell(self, known: Known) -> None:
        actions: tuple[Action, ...] = (("Figures", self.ask),)
        if self._report() is not None:
            actions = (("Open the report", self.open_report), *actions)
        self.session.told.emit(notice_of_end(known, actions))


def _read(view: SweepView, folder: Path) -> Known:
    from studio.model.sweep import Known, figures_of

    return Known(view, figures_of(folder))


def notice_of_end(known: Known, actions: tuple[Action, ...] = ()) -> Notice:
    """What is said when a sweep has ended."""
    view = known.view
    failed = [point for point in view.points if point.state == "failed"]
    level: Level = "warning" if failed or view.state == "interrupted" else "info"
    points = count(len(view.points), "point")
    figures = f": {known.headline}" if known.headline else ""
    if failed:
        first = failed[0]
        why = first.error.what if first.error is not None else "it failed"
        return Notice(
            level, f"{len(failed)} of {points} failed{figures}", f"{first.name} to end well ({why})",
            "Correct it and run the sweep again: finished points are kept", first.node, actions,
        )  # fmt: skip
    if view.state == "done":
        return Notice(level, f"{points} done in {duration(view.seconds)}{figures}", actions=actions)
    return Notice(
        level, f"The sweep ended after {view.done} of {points}{figures}", "",
        "Run it again to go on where it was", actions=actions,
    )  # fmt: skip
