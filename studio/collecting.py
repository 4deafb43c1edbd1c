"""Python's garbage collection at the top of the event loop, and the full one while nobody waits.

Left to itself it comes in the middle of anything: in a paint event, or in a thread that only reads a file. If it then
finds widgets that only a reference cycle held, Qt's objects die in the wrong place and the process with them. And a
full collection stops the window for 25 to 60 ms.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer

EVERY_MS: Final = 500
FULL_S: Final = 15.0
AT_LAST_S: Final = 300.0
"""In a run of hours a full collection comes this often all the same."""
YOUNG: Final = 1


class Collecting(QObject):
    """Collects from a timer. What was made before is as old as the window and is not looked through again."""

    def __init__(self, is_idle: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_idle = is_idle
        self._last_s = time.monotonic()
        gc.disable()
        gc.collect()
        gc.freeze()
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect what is young; everything, if nothing goes on or it has not been done for long."""
        since_s = time.monotonic() - self._last_s
        if since_s > AT_LAST_S or (since_s > FULL_S and self._is_idle()):
            gc.collect()
            self._last_s = time.monotonic()
        else:
            gc.collect(YOUNG)
