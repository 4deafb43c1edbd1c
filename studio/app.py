"""Start the studio: `ossicle-studio [FILE]`, or `ossicle studio`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine.errors import OssicleError

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from engine.commands.common import Opened
    from studio.look.theme import Ground
    from studio.window import Window

SWITCH_S = 0.0005
"""Threads in the background give way to the window after half a millisecond instead of Python's five."""
QUIET = "qt.qpa.fonts=false;qt.text.font.db=false"


def application() -> QApplication:
    """The one QApplication.

    Raises:
        OssicleError: there is no display to show a window on.
    """
    from PySide6.QtWidgets import QApplication

    found = QApplication.instance()
    if isinstance(found, QApplication):
        return found
    _check_display()
    os.environ.setdefault("QT_LOGGING_RULES", QUIET)
    sys.setswitchinterval(SWITCH_S)
    made = QApplication([sys.argv[0]])
    made.setApplicationName("ossicle")
    made.setApplicationDisplayName("Ossicle")
    made.setDesktopFileName("ossicle")
    return made


def _check_display() -> None:
    """Without a display Qt ends the process with an abort; say it in words instead."""
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
    if sys.platform.startswith("linux") and not has_display:
        raise OssicleError(
            "there is no display to open a window on",
            "a desktop session (DISPLAY or WAYLAND_DISPLAY)",
            "Run `ossicle run` without a window, or `ossicle studio --screenshot OUT.png FILE` for a picture",
        )


def make_window(ground: Ground | None = None) -> Window:
    """The window with its parts; nothing is opened or started yet."""
    app = application()
    from engine.registry import load_registry
    from studio.look import theme
    from studio.model.settings import load_settings

    theme.apply(app, ground or theme.wanted(load_settings().theme))
    from studio.window import Window

    return Window(load_registry())


def main(opened: Opened | None = None, ground: Ground | None = None) -> int:
    """Open the window and stay until it is closed; the exit code."""
    app = application()
    window = make_window(ground)
    window.restore()
    window.show()
    window.open_first(opened)
    window.begin()
    return app.exec()


def run() -> None:
    """`ossicle-studio [FILE]`."""
    from engine.commands.common import open_workflow

    files = [name for name in sys.argv[1:] if not name.startswith("-")]
    try:
        sys.exit(main(open_workflow(files[0]) if files else None))
    except OssicleError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
