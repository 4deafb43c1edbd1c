"""A stub context broker and an IoT agent as processes of their own, to be killed."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from nodes.hub.broker import free_port
from nodes.hub.fiware.ngsi import ContextBroker, Place

START_S = 30.0


@dataclass
class Program:
    """Something that serves HTTP; started again it is what it was."""

    command: list[str]
    url: str
    ready: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                httpx.get(f"{self.url}{self.ready}", timeout=1.0)
                return
            except httpx.HTTPError:
                time.sleep(0.02)
        raise AssertionError(f"{self.command} does not answer")

    def kill(self) -> None:
        """End it without warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def stub_program(folder: Path) -> Program:
    """The stub as a process."""
    port = free_port()
    command = [sys.executable, "-m", "nodes.hub.fiware.stub", "--port", str(port), "--file", str(folder / "stub.db")]
    return Program(command, f"http://127.0.0.1:{port}", "/version")


def client(url: str) -> ContextBroker:
    """A client of a broker of the tests."""
    return ContextBroker(Place(url, "lab", "/audio"), timeout_s=2.0)
