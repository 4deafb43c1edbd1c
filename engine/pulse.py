"""Signs of life of the warm runner: whole lines from any thread, a heartbeat, and news of the Prefect server."""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

from engine import server
from engine.event import Event

BEAT_S: Final = 1.0
POLL_S: Final[Mapping[str, float]] = {"starting": 0.5, "stopped": 2.0, "healthy": 10.0}
"""How long to wait before looking at the server again, by its state."""
MAXRSS_BYTES: Final = 1 if sys.platform == "darwin" else 1024
"""The unit of getrusage's ru_maxrss."""


class Voice:
    """The stream of lines to the parent, shared by all threads: a line is never torn by another one."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._guard = threading.Lock()

    def say(self, kind: str, **values: Any) -> None:
        """One line about the runner itself: `kind` and an empty `run` and `node` like every event, then `values`."""
        self._write(json.dumps({"kind": kind, "run": "", "node": "", **values}, ensure_ascii=False))

    def tell(self, event: Event) -> None:
        """One event of a run: a sink."""
        self._write(event.to_line())

    def _write(self, line: str) -> None:
        with self._guard:
            self._stream.write(line + "\n")
            self._stream.flush()


def every(seconds: float, act: Callable[[], object], ended: threading.Event) -> threading.Thread:
    """Call `act` again and again in a thread, until `ended` or until nobody reads what it writes."""

    def loop() -> None:
        while not ended.wait(seconds):
            try:
                act()
            except (OSError, ValueError):
                return  # the parent closed its end

    thread = threading.Thread(target=loop, daemon=True, name="pulse")
    thread.start()
    return thread


class Beat:
    """The heartbeat: that the process is alive, and what it and its isolated nodes use.

    The line: {"kind": "alive", "rss_bytes", "peak_bytes" (the most so far), "cpu_s" (used so far, all threads)}.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._peak_bytes = 0

    def __call__(self) -> None:
        """Say it once."""
        rss_bytes, cpu_s = usage()
        self._peak_bytes = max(self._peak_bytes, rss_bytes, own_peak_bytes())
        self._voice.say("alive", rss_bytes=rss_bytes, peak_bytes=self._peak_bytes, cpu_s=round(cpu_s, 3))


def own_peak_bytes() -> int:
    """The most memory this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES


def usage() -> tuple[int, float]:
    """Bytes held now and processor seconds used so far, by this process and its children of the same session.

    The Prefect server is a child in a session of its own, so it does not count.
    """
    import psutil

    me = psutil.Process()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    rss_bytes, cpu_s = 0, ended.ru_utime + ended.ru_stime
    session = os.getsid(0)
    for process in (me, *me.children(recursive=True)):
        try:
            if os.getsid(process.pid) == session:
                rss_bytes += process.memory_info().rss
                times = process.cpu_times()
                cpu_s += times.user + times.system
        except (psutil.Error, OSError):
            continue  # it ended while we looked
    return rss_bytes, cpu_s


class ServerWatch:
    """Tells every change of the Prefect server's state: {"kind": "server", "state": "starting"}.

    Args:
        on_healthy: called the first time that it is healthy.
    """

    def __init__(self, voice: Voice, on_healthy: Callable[[], None]) -> None:
        self._voice, self._on_healthy = voice, on_healthy
        self.state = ""
        self._was_healthy = False

    def look(self) -> None:
        """Look once. A healthy server that is too busy to answer in time still counts as healthy."""
        found = server.status().state
        found = "healthy" if (self.state, found) == ("healthy", "starting") else found
        if found != self.state:
            self.state = found
            self._voice.say("server", state=found)
        if found == "healthy" and not self._was_healthy:
            self._was_healthy = True
            self._on_healthy()

    def start(self, ended: threading.Event) -> threading.Thread:
        """Look again and again in a thread, often while the server starts, rarely once it is there."""

        def loop() -> None:
            while not ended.wait(POLL_S.get(self.state, 0.0)):
                try:
                    self.look()
                except (OSError, ValueError):
                    return

        thread = threading.Thread(target=loop, daemon=True, name="server-watch")
        thread.start()
        return thread
