"""A thread that looks after something now and then."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from nodes.hub.errors import HubError


class Periodic(ABC):
    """Looks at once, and then again and again; a look that fails is told by `problem` and does not end it."""

    def __init__(self, name: str, every_s: float) -> None:
        self.problem = ""
        self._every_s, self._ends = every_s, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def look(self) -> None:
        """Look once.

        Raises:
            HubError: it cannot be done now.
        """

    def start(self) -> None:
        """Begin, with a first look at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is under way."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ends.is_set():
            try:
                self.look()
                self.problem = ""
            except HubError as error:
                self.problem = str(error)
            self._ends.wait(self._every_s)
