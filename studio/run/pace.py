"""News told in portions: the first after a pause at once, more of it together after a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer

FLUSH_MS: Final = 33


class Pace(QObject):
    """Calls `flush` soon after it was asked to, at most every 33 ms."""

    def __init__(self, flush: Callable[[], None], parent: QObject) -> None:
        super().__init__(parent)
        self._flushed_s = 0.0
        self._timer = QTimer(self, singleShot=True, interval=FLUSH_MS)
        self._timer.timeout.connect(flush)

    def ask(self) -> None:
        """There is news."""
        if not self._timer.isActive():
            since_ms = 1000 * (time.monotonic() - self._flushed_s)
            self._timer.start(max(0, round(FLUSH_MS - since_ms)))

    def note(self) -> None:
        """The news was told just now."""
        self._flushed_s = time.monotonic()

    def stop(self) -> None:
        """Nothing more is told."""
        self._timer.stop()
