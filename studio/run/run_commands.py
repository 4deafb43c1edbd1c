"""The commands of a session: Run, Run to here, Re-run this, Stop, and what is about the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from studio.commands import Command

if TYPE_CHECKING:
    from studio.run.session import Session


def run_commands(session: Session) -> list[Command]:
    """The entries of the menu Run."""
    document = session.document

    def is_idle() -> bool:
        return not session.is_active

    def is_on_node() -> bool:
        return is_idle() and bool(document.selection.node)

    return [
        Command("run.all", "Run", "Run", session.run_all, ("R", "Ctrl+R", "F5"), is_idle, "run",
                "Run what is not done yet"),
        Command("run.to", "Run to here", "Run", lambda: session.run_to(document.selection.node), ("Shift+R",),
                is_on_node, "run-to", "Run the selected node and what it needs", on_canvas=True),
        Command("run.again", "Re-run this", "Run", lambda: session.rerun(document.selection.node), ("Ctrl+Shift+R",),
                is_on_node, "rerun", "Run the selected node although its result is known"),
        Command("run.stop", "Stop", "Run", session.stop, (".",), lambda: session.is_active, "stop",
                "Stop after the step at hand; finished nodes are kept", on_canvas=True),
        Command("run.stop-at-once", "Stop at once", "Run", session.stop_at_once, ("Ctrl+Shift+.",),
                lambda: session.is_active, "stop", "End the runner with its run; finished nodes are kept"),
        Command("run.restart", "Restart the runner", "Run", session.stop_at_once, (), is_idle, "rerun",
                "A new process: after a plugin was installed, or to free memory"),
        Command("run.folder", "Open the run's folder", "Run", lambda: open_folder(session), (),
                lambda: session.run.folder is not None, "folder", "Events, record, log and results of the run shown"),
    ]  # fmt: skip


def open_folder(session: Session) -> None:
    """Show the run's folder in the desktop's file manager."""
    if (folder := session.run.folder) is not None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
