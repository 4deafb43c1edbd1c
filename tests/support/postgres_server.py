"""A real PostgreSQL server for tests, in a folder of its own, reached by a socket file."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

START_S = 30.0
OPTIONS = ("-c", "listen_addresses=", "-c", "max_connections=40")


def _owner() -> str:
    """The server refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


@dataclass
class Postgres:
    """A server; `database` makes a new one in it."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pg", dir="/tmp")))
    process: subprocess.Popen[bytes] | None = None
    last: str = ""
    _count: int = 0

    def make(self) -> None:
        """Make the cluster."""
        shutil.chown(self.folder, _owner())
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "hub", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start the server and wait for it."""
        command = [_program("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *OPTIONS]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, user=_owner(), start_new_session=True)
        end = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self._url("postgres")).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.1)

    def kill(self) -> None:
        """End it without warning, with all its processes."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def database(self) -> str:
        """Address of a new, empty database."""
        self._count += 1
        with psycopg.connect(self._url("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE hub{self._count}")
        self.last = self._url(f"hub{self._count}")
        return self.last

    def _url(self, name: str) -> str:
        return f"host={self.folder} dbname={name} user=hub"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([_program(program), *arguments], check=True, capture_output=True, user=_owner(), cwd="/")


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found or shutil.which(name), "PostgreSQL is not installed: run `make setup-test`"
    return str(found[-1]) if found else str(shutil.which(name))
