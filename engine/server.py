"""The background Prefect server: started once, on loopback, with a token, quiet; reused by everybody on this machine.

The server is another process; this module never imports Prefect. Its place (pid, port, token) stands in a file that
only the user may read. Nothing is sent anywhere: analytics and telemetry are off. Whoever uses the server holds
`in_use`; a server that nobody has used for half a day (OSSICLE_SERVER_IDLE_S) ends itself (`engine.server_process`).
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from engine.errors import OssicleError
from engine.lock import lock

State = Literal["healthy", "starting", "stopped"]
USER = "ossicle"
START_WAIT_S = 90.0
STOP_WAIT_S = 10.0
POLL_S = 0.1
CHILD = "engine.server_process"
IN_USE = "in-use"
RECORDER = "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER"
UNUSED = (
    "SCHEDULER", "LATE_RUNS", "FOREMAN", "TRIGGERS", "PAUSE_EXPIRATIONS", "CANCELLATION_CLEANUP", "REPOSSESSOR",
    "CLEANUP_RECONCILER",
)  # fmt: skip
QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    # nothing is scheduled here, and these services poll the database all day
    **{f"PREFECT_SERVER_SERVICES_{name}_ENABLED": "false" for name in UNUSED},
    # written one by one, task runs hold the database's lock when the next flow wants it (1.8 s before its first task)
    f"{RECORDER}_BATCH_SIZE": "200",
    f"{RECORDER}_READ_BATCH_SIZE": "200",
}


@dataclass(frozen=True)
class Server:
    """Where a server is."""

    pid: int
    port: int
    token: str

    @property
    def api_url(self) -> str:
        """Address of its API."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def auth(self) -> str:
        """Name and token as "name:token"."""
        return f"{USER}:{self.token}"


@dataclass(frozen=True)
class Status:
    """What is known about the server now."""

    state: State
    server: Server | None = None


def server_home() -> Path:
    """Folder of the server's files: OSSICLE_SERVER_HOME, or the user's state folder."""
    if given := os.environ.get("OSSICLE_SERVER_HOME"):
        return Path(given)
    import platformdirs

    return platformdirs.user_state_path("ossicle") / "server"


def status() -> Status:
    """Look for the server; answers within a second."""
    server = _read()
    if server is None or not _is_ours(server):
        return Status("stopped")
    return Status("healthy" if _is_healthy(server) else "starting", server)


def start_in_background() -> Status:
    """Start the server unless there is one, and do not wait until it is healthy (some 8 s).

    Raises:
        OssicleError: its folder cannot be written, or there is no Prefect.
    """
    home = server_home()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock(home / "start.lock", lambda: None, lambda: None):
            found = status()
            return found if found.state != "stopped" else Status("starting", _start(home))
    except OSError as error:
        raise OssicleError(
            f"the server's folder {home} cannot be used ({error.strerror or error})",
            "a folder that can be written",
            "Set OSSICLE_SERVER_HOME to another folder, or use --runner local",
        ) from error


def ensure(wait_s: float = START_WAIT_S) -> Server:
    """The healthy server; started if need be, and waited for.

    Raises:
        OssicleError: it does not become healthy in time.
    """
    end_s = time.monotonic() + wait_s
    found = start_in_background()
    while found.state == "starting" and time.monotonic() < end_s:
        time.sleep(POLL_S)
        found = status()
    if found.state == "healthy" and found.server is not None:
        return found.server
    raise OssicleError(
        f"the Prefect server is {found.state} after {wait_s:.0f} s",
        "a healthy server",
        f"Read {server_home() / 'server.log'}; `ossicle server stop` and try again, or use --runner local",
    )


def stop() -> bool:
    """Stop the server; False if there was none."""
    server = _read()
    _place().unlink(missing_ok=True)
    if server is None or not _is_ours(server):
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _is_ours(server):
            _signal(server.pid, number)
        end_s = time.monotonic() + STOP_WAIT_S
        while _is_ours(server) and time.monotonic() < end_s:
            time.sleep(POLL_S)
    return True


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Keep the server from ending itself. The kernel ends the use when this process dies, however it dies."""
    path = server_home() / IN_USE
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        os.utime(path)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.utime(path)


def is_alive(pid: int) -> bool:
    """Whether a process runs (and is not just waiting to be reaped)."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_ours(server: Server) -> bool:
    """Whether that process is the server: after a crash or a restart of the machine its number may be a stranger's."""
    import psutil

    try:
        command = psutil.Process(server.pid).cmdline()
    except psutil.Error:
        return False
    return CHILD in command and str(server.port) in command


def _place() -> Path:
    return server_home() / "server.json"


def _read() -> Server | None:
    try:
        return Server(**json.loads(_place().read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write(server: Server) -> None:
    part = _place().with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(server), file)
    part.replace(_place())


def _start(home: Path) -> Server:
    port, token = _free_port(), secrets.token_urlsafe(24)
    command = [sys.executable, "-P", "-m", CHILD, str(port), str(home / IN_USE)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {"PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{token}"}
    own["PREFECT_API_AUTH_STRING"] = own["PREFECT_SERVER_API_AUTH_STRING"]
    with (home / "server.log").open("ab") as log:
        child = subprocess.Popen(
            command, env={**inherited, **QUIET, **own}, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    server = Server(child.pid, port, token)
    _write(server)
    return server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _is_healthy(server: Server) -> bool:
    import http.client  # makes no TLS context, which would cost every run 20 ms

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1.0)
    word = base64.b64encode(server.auth.encode()).decode()
    try:
        connection.request("GET", "/api/health", headers={"Authorization": f"Basic {word}"})
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
