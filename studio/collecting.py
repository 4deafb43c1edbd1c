"""Python's garbage collection while nobody waits: a full one stops the window for 25 to 60 ms, whenever it comes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer

EVERY_MS: Final = 15_000
AT_LAST_S: Final = 300.0
"""In a run of hours a full collection comes this often all the same."""
YOUNG, MIDDLE, NEVER = 10_000, 20, 1_000_000
"""Thresholds of the three generations: the small ones stay automatic, the full one is ours."""


class Collecting(QObject):
    """Collects in pauses. What was made before is as old as the window and is not looked through again."""

    def __init__(self, is_idle: Callable[[], bool], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_idle = is_idle
        self._last_s = time.monotonic()
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, NEVER)
        self._timer = QTimer(self)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def look(self) -> None:
        """Collect if nothing goes on, or if it has not been done for long."""
        now = time.monotonic()
        if self._is_idle() or now - self._last_s > AT_LAST_S:
            gc.collect()
            self._last_s = now
