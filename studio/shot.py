"""A picture of the window, rendered offscreen: `ossicle studio --screenshot OUT.png FILE`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import OssicleError

if TYPE_CHECKING:
    from PySide6.QtGui import QPixmap

    from engine.commands.common import Opened
    from studio.look.theme import Ground
    from studio.window import Window

SETTLE_S = 1.2
SETTLED_LIMIT_S = 20.0
RUN_LIMIT_S = 3600.0
"""A run for a picture that takes longer than this is given up."""


@dataclass(frozen=True)
class Shot:
    """What to picture."""

    opened: Opened | None
    target: Path
    size: tuple[int, int] = (1600, 1000)
    ground: Ground = "dark"
    select: str = ""
    panel: str = ""
    run: bool = False
    scale: float = 1.0


def take(shot: Shot) -> None:
    """Open the window offscreen, run the graph if asked, wait until everything is drawn, save the picture.

    Raises:
        OssicleError: the file cannot be opened, the run failed to end, or the picture cannot be written.
    """
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    os.environ["QT_SCALE_FACTOR"] = f"{shot.scale:g}"
    from studio.app import make_window

    window = make_window(shot.ground)
    try:
        saved = _picture(window, shot).save(str(shot.target))
    finally:
        window.document.note_saved()
        window.close()
    if not saved:
        raise OssicleError(f"{shot.target} cannot be written", "a writable folder, a .png name", "Choose another name")


def _picture(window: Window, shot: Shot) -> QPixmap:
    window.resize(*shot.size)
    window.show()
    window.docks.arrange()
    window.open_first(shot.opened)
    window.begin(with_runner=shot.run)
    if shot.run:
        _run(window)
    _arrange(window, shot)
    _settle(window)
    return window.grab()


def _arrange(window: Window, shot: Shot) -> None:
    window.docks.fit()
    window.canvas.fit()
    if shot.select:
        if shot.select not in window.document.workflow.nodes:
            from engine.workflow import no_such_node

            raise no_such_node(window.document.workflow, shot.select)
        window.document.select([shot.select])
    if shot.panel:
        window.docks.show(shot.panel)


def _run(window: Window) -> None:
    """Run and wait for the end; the picture shows a failed run as such."""
    session = window.session
    wait_until(lambda: session.run.runner_state == "warm", 120)
    session.run_all()
    wait_until(lambda: session.run.state in ("running", "queued"), 30)
    wait_until(lambda: session.run.state == "idle", RUN_LIMIT_S)


def _settle(window: Window) -> None:
    """Until threads have delivered and timers have fired."""
    wait_until(lambda: window.session.is_settled, SETTLED_LIMIT_S)
    end = time.monotonic() + SETTLE_S
    wait_until(lambda: time.monotonic() > end, SETTLE_S * 2)
    window.background.wait()
    end = time.monotonic() + SETTLE_S / 2
    wait_until(lambda: time.monotonic() > end, SETTLE_S)


def wait_until(is_done: Callable[[], bool], limit_s: float) -> bool:
    """Process events until something holds; whether it did within the limit."""
    from studio.app import application

    app, end = application(), time.monotonic() + limit_s
    while not is_done():
        if time.monotonic() > end:
            return False
        app.processEvents()
        time.sleep(0.005)
    return True
