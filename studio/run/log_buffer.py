"""Log lines between two refreshes of the window, and a word about lines that could not be read."""

from __future__ import annotations

from collections import deque
from typing import Final

from engine.console import count
from engine.event import Event
from studio.run.fold import SILENT
from studio.run.lines import Lines

MOST: Final = 20_000


class LogBuffer:
    """Collects events that are lines of the log; more than `MOST` at once lose the oldest."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=MOST)
        self._garbled = 0

    def add(self, event: Event) -> None:
        """Keep an event if it is a line of the log."""
        if event.kind not in SILENT:
            self._events.append(event)

    def clear(self) -> None:
        """Forget what was not taken."""
        self._events.clear()

    def take(self, lines: Lines, run: str) -> tuple[Event, ...]:
        """What has come since the last time."""
        if lines.garbled > self._garbled:
            last = lines.noise[-1] if lines.noise else ""
            text = f"{count(lines.garbled - self._garbled, 'line')} of the runner could not be read: {last}"
            self._events.append(Event("log", run, "", {"text": text, "level": "warning"}))
        self._garbled = lines.garbled
        told = tuple(self._events)
        self._events.clear()
        return told
