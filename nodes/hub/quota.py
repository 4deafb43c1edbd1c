"""How much one device may say: a bucket of events that fills at a steady rate.

A device above its rate is not answered; it sends the same again later, so nothing is lost, and the others are heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Quota:
    """Buckets of all devices.

    Attributes:
        per_s: events per second that a device may say on and on.
        burst: events it may say at once.
        turned_away: events that were not taken, by device.
    """

    per_s: float = 1000.0
    burst: float = 20_000.0
    clock: Callable[[], float] = time.monotonic
    turned_away: dict[str, int] = field(default_factory=dict)
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def admits(self, device: str, events: int) -> bool:
        """Whether a device may say so many events now; if so they are counted."""
        now = self.clock()
        level, seen = self._buckets.get(device, (self.burst, now))
        level = min(self.burst, level + (now - seen) * self.per_s)
        if level < events:
            self._buckets[device] = (level, now)
            self.turned_away[device] = self.turned_away.get(device, 0) + events
            return False
        self._buckets[device] = (level - events, now)
        return True
