"""Threads that work beside the hub, and those that look after something now and then."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from nodes.hub.errors import HubError


class Background(ABC):
    """Work in a thread of its own, from `start` to `stop`."""

    def __init__(self, name: str) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way; nothing if it never began."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Work until `_ends` is set."""


class Periodic(Background):
    """Looks at once, and then again and again; a look that fails is told by `problem` and does not end it."""

    def __init__(self, name: str, every_s: float) -> None:
        super().__init__(name)
        self.problem, self._every_s = "", every_s

    @abstractmethod
    def look(self) -> None:
        """Look once.

        Raises:
            HubError: it cannot be done now.
        """

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self.look()
                self.problem = ""
            except HubError as error:
                self.problem = str(error)
            self._ends.wait(self._every_s)
