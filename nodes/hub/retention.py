"""Forgetting: events older than so many days go, now and then."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Final

from nodes.hub.errors import HubError
from nodes.hub.store import Store, now

EVERY_S: Final = 600.0


class Retention:
    """Purges a store in a thread of its own."""

    def __init__(self, store: Store, keep_days: float, every_s: float = EVERY_S) -> None:
        self.forgotten, self.problem = 0, ""
        self._store, self._keep, self._every_s = store, timedelta(days=keep_days), every_s
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self.forgotten += self._store.purge(now() - self._keep)
                self.problem = ""
            except HubError as error:
                self.problem = str(error)
            if self._ends.wait(self._every_s):
                return
