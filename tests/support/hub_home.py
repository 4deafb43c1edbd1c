"""A hub at home for tests: a real broker with TLS and rights, a store, and senders and receivers that use them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nodes.hub.access import Access, Version
from nodes.hub.broker import HUB_USER, Kind, Plan, Running, free_port, start
from nodes.hub.outbox import Outbox
from nodes.hub.receiver import Receiver, Watchers
from nodes.hub.sender import Sender
from nodes.hub.store import SqliteStore
from nodes.hub.ticket import Ticket
from nodes.hub.window import Pace

KINDS: tuple[Kind, ...] = ("mosquitto", "nats")
VERSIONS: dict[Kind, Version] = {"mosquitto": "5", "nats": "3.1.1"}
DEVICES = ("kitchen", "hall")
QUICK = Pace(resend_s=0.3, slowest_s=1.0)


@dataclass
class Home:
    """A broker, and what connects to it; everything is stopped at the end."""

    folder: Path
    broker: Running
    store: SqliteStore
    running: list[Sender | Receiver] = field(default_factory=list)

    def access(self, user: str, password: str | None = None) -> Access:
        """How a user logs in."""
        words = self.broker.plan.users
        version = VERSIONS[self.broker.plan.kind]
        return Access(user, words[user] if password is None else password, self.broker.ca.cert_file,
                      client_id=f"{user}-{len(self.running)}", version=version)  # fmt: skip

    def receiver(self, watchers: Watchers | None = None) -> Receiver:
        """A hub that stores."""
        made = Receiver(self.store, self.broker.address, self.access(HUB_USER), watchers)
        made.start()
        self.running.append(made)
        assert made.link.wait_up(15.0), made.link.problem
        return made

    def sender(self, device: str, pace: Pace = QUICK, ordered: Callable[[bytes], None] = lambda _order: None) -> Sender:
        """A device that sends."""
        outbox = Outbox(self.folder / f"{device}.db")
        made = Sender(outbox, self.broker.address, self.access(device), device, pace, ordered)
        made.start()
        self.running.append(made)
        return made

    def restart_broker(self) -> None:
        """The same broker again, at the same port."""
        self.broker = start(self.broker.plan)


@contextmanager
def home(kind: Kind, folder: Path, **changes: object) -> Iterator[Home]:
    """A broker of a kind with two devices and a hub."""
    users = {HUB_USER: "hub word", **{name: f"{name} word" for name in DEVICES}}
    plan = Plan(kind, folder / "broker", free_port(), users, **changes)  # type: ignore[arg-type]
    found = Home(folder, start(plan), SqliteStore(folder / "hub.db"))
    try:
        yield found
    finally:
        for one in found.running:
            one.stop()
        found.broker.stop()
        found.store.close()


def until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    """Wait for something; whether it came."""
    end = time.monotonic() + timeout_s
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    return is_so()


def ticket(house: Home, device: str) -> Path:
    """A file that lets a device in, as `ossicle hub enrol` writes it."""
    address, ca = house.broker.address, house.broker.ca.cert_file.read_text()
    found = Ticket(device, house.broker.plan.users[device], address.host, address.port, ca)
    path = house.folder / f"{device}.ticket"
    path.write_text(json.dumps(found.document()))
    return path
