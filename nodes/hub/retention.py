"""Forgetting: events older than so many days go, now and then."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from nodes.hub.periodic import Periodic
from nodes.hub.store import Store, now

EVERY_S: Final = 600.0


class Retention(Periodic):
    """Purges a store in a thread of its own."""

    def __init__(self, store: Store, keep_days: float, every_s: float = EVERY_S) -> None:
        super().__init__("retention", every_s)
        self.forgotten = 0
        self._store, self._keep = store, timedelta(days=keep_days)

    def look(self) -> None:
        """Forget what is too old now."""
        self.forgotten += self._store.purge(now() - self._keep)
