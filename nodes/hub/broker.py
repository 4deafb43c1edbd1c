"""A broker that the hub starts itself: mosquitto or nats-server, with TLS, passwords and rights per device.

A device may write below evt/NAME/ and read below cmd/NAME/, where NAME is its user; the user `hub` reads evt/ and
writes cmd/. What the broker grants at subscription proves nothing (mosquitto says "granted" and delivers nothing), so
tests look at deliveries.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final, Literal

import psutil

from nodes.hub.certificates import CERTIFICATE_DAYS, Pair, authority, issue
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.files import write_private

Kind = Literal["mosquitto", "nats"]
HUB_USER: Final = "hub"
START_S: Final = 15.0
ITERATIONS: Final = 1000
PID_FILE: Final = "broker.pid"
PROGRAMS: Final[Mapping[str, str]] = MappingProxyType({"mosquitto": "mosquitto", "nats": "nats-server"})


@dataclass(frozen=True)
class Plan:
    """A broker as it shall be.

    Attributes:
        users: passwords by name; `hub` among them.
        hosts: names and addresses its certificate is for; it listens on the first.
        wants_certificates: whether clients must show one of this authority, whose name then is their user.
    """

    kind: Kind
    folder: Path
    port: int
    users: Mapping[str, str]
    hosts: Sequence[str] = ("127.0.0.1", "localhost")
    wants_certificates: bool = False
    certificate_days: float = CERTIFICATE_DAYS


@dataclass
class Running:
    """A broker that runs as a child of this process."""

    plan: Plan
    ca: Pair
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> Broker:
        """Where clients connect."""
        return Broker(self.plan.hosts[0], self.plan.port, tls=True)

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(START_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def readmit(self, users: Mapping[str, str]) -> None:
        """Let other users in, without a restart."""
        self.plan = Plan(**{**self.plan.__dict__, "users": dict(users)})
        configure(self.plan, self.ca)
        self.process.send_signal(signal.SIGHUP)


def find(kind: Kind | None = None) -> Kind:
    """The broker that is installed.

    Raises:
        HubError: it is not.
    """
    for name, program in PROGRAMS.items():
        if kind in (None, name) and shutil.which(program):
            return name  # type: ignore[return-value]
    raise HubError(
        f"there is no {PROGRAMS[kind] if kind else 'MQTT broker'} on this machine",
        "mosquitto or nats-server",
        "Install one (apt install mosquitto), or name a broker that runs elsewhere",
    )


def start(plan: Plan) -> Running:
    """Configure and start a broker; returns when it takes connections.

    Raises:
        HubError: it is not installed, or does not start; with what it said.
    """
    program = PROGRAMS[find(plan.kind)]
    ca = authority(plan.folder)
    configuration = configure(plan, ca)
    _end_orphan(plan.folder, program)
    with (plan.folder / "broker.log").open("ab") as log:
        process = _spawn(program, configuration, log)
    (plan.folder / PID_FILE).write_text(str(process.pid), encoding="ascii")
    end = time.monotonic() + START_S
    while not _answers(plan):
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            said = (plan.folder / "broker.log").read_text(errors="replace").strip().splitlines()[-1:]
            raise HubError(
                f"{program} did not start ({' '.join(said) or 'it said nothing'})",
                f"a free port {plan.port} and a folder it may write to",
                f"Look into {plan.folder / 'broker.log'}",
            )
        time.sleep(0.02)
    return Running(plan, ca, process)


def configure(plan: Plan, ca: Pair) -> Path:
    """Write everything the broker reads; the file it is started with."""
    if HUB_USER not in plan.users:
        raise HubError("the broker's users lack the hub", f"a user called {HUB_USER}", "Add it")
    plan.folder.mkdir(parents=True, exist_ok=True)
    issue(ca, plan.folder, "server", plan.hosts, plan.certificate_days)
    return _WRITERS[plan.kind](plan)


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spawn(program: str, configuration: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [str(shutil.which(program)), "-c", configuration.name]
    return subprocess.Popen(command, cwd=configuration.parent, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _end_orphan(folder: Path, program: str) -> None:
    """End the broker of a hub that was killed: it still holds the port. Nothing else is touched."""
    try:
        found = psutil.Process(int((folder / PID_FILE).read_text(encoding="ascii")))
        if found.name().startswith(program[:15]) and Path(found.cwd()) == folder.resolve():
            found.terminate()
            found.wait(START_S)
    except (OSError, ValueError, psutil.Error):
        pass  # there is none, or it is not ours


def _answers(plan: Plan) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((plan.hosts[0], plan.port)) == 0


def _mosquitto(plan: Plan) -> Path:
    passwords = "".join(f"{name}:{_hashed(word)}\n" for name, word in plan.users.items())
    write_private(plan.folder / "passwords", passwords.encode())
    rights = f"user {HUB_USER}\ntopic read evt/#\ntopic write cmd/#\n\npattern read cmd/%u/#\npattern write evt/%u/#\n"
    write_private(plan.folder / "rights", rights.encode())
    lines = [
        f"listener {plan.port} {plan.hosts[0]}",
        "cafile ca.crt",
        "certfile server.crt",
        "keyfile server.key",
        "tls_version tlsv1.2",
        "allow_anonymous false",
        *(["require_certificate true", "use_identity_as_username true"] if plan.wants_certificates else []),
        *([] if plan.wants_certificates else ["password_file passwords"]),
        "acl_file rights",
        "persistence false",
        "max_queued_messages 0",
        "max_inflight_messages 0",
        "message_size_limit 1048576",
        "max_keepalive 120",
        *(["user root"] if os.geteuid() == 0 else []),
    ]
    return write_private(plan.folder / "mosquitto.conf", ("\n".join(lines) + "\n").encode())


def _hashed(password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, 64)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(found).decode()}"


def _nats(plan: Plan) -> Path:
    def user(name: str, password: str) -> str:
        return json.dumps(
            {"user": name, "password": password, "permissions": _HUB_RIGHTS if name == HUB_USER else _rights(name)}
        )

    users = ",\n    ".join(user(name, word) for name, word in plan.users.items())
    tls = 'cert_file: "server.crt", key_file: "server.key"'
    if plan.wants_certificates:
        tls += ', ca_file: "ca.crt", verify: true'
    text = f"""server_name: "ossicle"
host: "{plan.hosts[0]}"
port: -1
jetstream {{ store_dir: "jetstream", max_memory_store: 64MB, max_file_store: 1GB }}
mqtt {{ host: "{plan.hosts[0]}", port: {plan.port}, ack_wait: "2s", max_ack_pending: 1000, tls {{ {tls} }} }}
accounts {{ hub {{ jetstream: enabled, users: [
    {users}
] }} }}
"""
    return write_private(plan.folder / "nats.conf", text.encode())


_HUB_RIGHTS: Final = {
    "publish": {"allow": ["cmd.>", "$MQTT.>"]},
    "subscribe": {"allow": ["evt", "evt.>", "$MQTT.>"]},
}


def _rights(name: str) -> dict[str, dict[str, list[str]]]:
    return {
        "publish": {"allow": [f"evt.{name}.>", "$MQTT.>"]},
        "subscribe": {"allow": [f"cmd.{name}", f"cmd.{name}.>", "$MQTT.>"]},
    }


_WRITERS: Final[Mapping[str, Callable[[Plan], Path]]] = MappingProxyType({"mosquitto": _mosquitto, "nats": _nats})
