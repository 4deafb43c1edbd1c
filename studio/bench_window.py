"""Child process of `ossicle bench editor`: one window, when it was painted, and what it holds in memory.

`python -m studio.bench_window STARTED EDITS`: STARTED is the time.time() at which the parent started it, EDITS the
number of edits made in the keyword project; prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from studio.window import Window

BANNED: Final = ("torch", "prefect")
FULL: Final = 1000
"""Undo steps that are kept: memory grows until there are as many."""


def main(started_s: float, edits: int) -> None:
    """Paint the window; open the keyword project and edit it."""
    from studio.app import application, make_window

    app = application()
    window = make_window("dark")
    window.restore()
    window.show()
    app.processEvents()
    window.repaint()
    told: dict[str, float] = {"painted_s": time.time() - started_s, "banned": len(_roots() & set(BANNED))}
    if edits:
        told |= _hour(app, window, edits)
        told["banned"] = len(_roots() & set(BANNED))
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def _roots() -> set[str]:
    return {name.split(".", 1)[0] for name in sys.modules}


def _hour(app: QApplication, window: Window, edits: int) -> dict[str, float]:
    """An hour of scripted edits, selections, undos and states of runs."""
    from engine.resource import project
    from engine.workflow import load

    window.document.show(load(project("keyword_spotting.workflow.json")))
    app.processEvents()
    told = {"open_mb": _resident_mb()}
    _edit(window, max(FULL, edits // 2))
    told["half_mb"] = _resident_mb()
    _edit(window, max(1, edits - edits // 2))
    return told | {"after_mb": _resident_mb()}


def _edit(window: Window, count: int) -> None:
    """Edits one after the other in a real event loop, so that what is to be deleted later is deleted."""
    from PySide6.QtCore import QEventLoop, QTimer

    steps, loop = _steps(window, count), QEventLoop()  # not the application's: to quit that asks to save
    timer = QTimer(interval=0)
    timer.timeout.connect(lambda: loop.quit() if next(steps, None) is None else None)
    timer.start()
    loop.exec()
    timer.stop()


def _steps(window: Window, count: int) -> Iterator[int]:
    from studio.model import edit
    from studio.model.edit import Place
    from studio.run.state import NodeState

    document, names = window.document, sorted(window.document.workflow.nodes)

    def move(name: str, spot: Place) -> None:
        document.edit(f"Move {name}", lambda workflow: edit.move(workflow, {name: spot}))

    for turn in range(count):
        name = names[turn % len(names)]
        move(name, (float(turn % 40 * 11), float(turn % 30 * 11)))
        document.select([name])
        window.canvas.set_states({name: NodeState("running", turn % 100 / 100, "", float(turn), 1.0)})
        if turn % 5 == 0:
            document.undo()
        yield turn + 1


def _resident_mb() -> float:
    import psutil

    return round(float(psutil.Process().memory_info().rss) / 1e6, 1)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
