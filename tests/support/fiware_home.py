"""A stub context broker and an IoT agent as processes of their own, to be killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from engine.resource import resource
from nodes.hub.broker import free_port
from nodes.hub.device.runtime import Manner, Runtime
from nodes.hub.fiware.ngsi import ContextBroker, Place
from nodes.hub.outbox import Said

START_S = 30.0


@dataclass
class Program:
    """Something that serves HTTP; started again it is what it was."""

    command: list[str]
    url: str
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = {**os.environ, **self.environment}
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )
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


def agent_modules() -> Path | None:
    """Where `setup.sh test` put the IoT agent library; None where it could not."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "ossicle" / "iot-agent" / "node_modules"
    return found if shutil.which("node") and (found / "iotagent-node-lib").is_dir() else None


@dataclass
class Agent:
    """The real IoT agent library, with our agent.js; `south` is where devices would speak to it."""

    program: Program
    south: str


def agent_program(broker: str, modules: Path) -> Agent:
    """An IoT agent as a process."""
    north, south = free_port(), free_port()
    environment = {
        "CB": broker, "NORTH_PORT": str(north), "SOUTH_PORT": str(south), "NODE_PATH": str(modules),
    }  # fmt: skip
    command = ["node", str(resource("fiware/agent.js"))]
    program = Program(command, f"http://127.0.0.1:{north}", "/iot/about", environment)
    return Agent(program, f"http://127.0.0.1:{south}/iot/json")


def client(url: str) -> ContextBroker:
    """A client of a broker of the tests."""
    return ContextBroker(Place(url, "lab", "/audio"), timeout_s=2.0)


class Obedient:
    """A device's runtime that hears nothing but takes every order at once, with its own rules."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.times: list[float] = []
        self.put: Callable[[list[Said]], Any] = lambda _said: None
        ear = SimpleNamespace(facts=SimpleNamespace(words=(1,), labels=("silence", "yes"), rate_hz=16000))
        self.runtime = Runtime(ear, Manner(), lambda said: self.put(said), {"update": lambda _order: None})  # type: ignore[arg-type]

    def take(self, payload: bytes) -> None:
        """As the runtime's loop does between two blocks."""
        self.times.append(time.perf_counter())
        self.heard.append(payload)
        self.runtime.order(payload)
        self.runtime._obey()
