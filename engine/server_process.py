"""The process of the background server: Prefect's own, and a thread that ends it when nobody has used it for long.

`python -P -m engine.server_process PORT FILE`. Whoever uses the server holds a shared lock on FILE and touches it.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

IDLE_S = 12 * 3600.0
POLL_S = 30.0


def is_held(path: Path) -> bool:
    """Whether somebody holds a shared lock on the file."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def end_when_idle(path: Path, idle_s: float, end: Callable[[], None]) -> None:
    """Call `end` once nobody has held or touched the file for so many seconds."""
    path.touch()
    while (left_s := path.stat().st_mtime + idle_s - time.time()) > 0:
        time.sleep(min(max(left_s, 0.01), POLL_S))
        if is_held(path):
            path.touch()
    end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve until stopped or idle."""
    port, path = sys.argv[1], Path(sys.argv[2])
    idle_s = float(os.environ.get("OSSICLE_SERVER_IDLE_S", IDLE_S))
    threading.Thread(target=end_when_idle, args=(path, idle_s, _end), daemon=True).start()
    sys.argv = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
