"""A hub as it runs: a broker, the receiver, the store, the feed, and what is known of every device."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from nodes.hub.access import Access
from nodes.hub.broker import HUB_USER, Kind, Plan, Running, find, start
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.event import time_text
from nodes.hub.home import HubHome
from nodes.hub.live import Feed
from nodes.hub.quota import Quota
from nodes.hub.receiver import Receiver, Watchers
from nodes.hub.retention import Retention
from nodes.hub.store import SqliteStore, Store
from nodes.hub.ticket import Ticket

PRESENT, UNKNOWN = "here", "unknown"
STATES: Final = ("here", "away", "lost")
WATCH_S: Final = 1.0


@dataclass(frozen=True)
class Settings:
    """How a hub runs.

    Attributes:
        broker: the broker to use; None starts one of its own.
        kind: of its own broker; None takes what is installed.
        port: of its own broker; 0 takes the one it had before, or a free one.
        hosts: names and addresses devices may call it by; it listens on the first.
        keep_days: events older than this are forgotten; 0 keeps everything.
        quota: how much one device may say.
    """

    broker: Broker | None = None
    access: Access = Access()
    kind: Kind | None = None
    port: int = 0
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")
    keep_days: float = 0.0
    quota: Quota = field(default_factory=Quota)


@dataclass(frozen=True)
class Presence:
    """Whether a device is there: "here", "away" (it said goodbye), "lost" (it vanished) or "unknown"."""

    state: str = UNKNOWN
    since: str = ""


class Hub:
    """The hub. Its own broker is started again whenever it dies."""

    def __init__(self, home: HubHome, settings: Settings | None = None, store: Store | None = None) -> None:
        self.home, self.settings, self.feed = home, settings or Settings(), Feed()
        self.store: Store = store or SqliteStore(home.store_file)
        self.started = datetime.now(UTC)
        self.restarts = 0
        self._presence: dict[str, Presence] = {}
        self._broker = self._start_broker() if self.settings.broker is None else None
        watchers = Watchers(self.feed.events, self._present)
        self.receiver = Receiver(self.store, self.address, self._access(), watchers, self.settings.quota)
        days = self.settings.keep_days
        self.retention = Retention(self.store, days) if days else None
        self._ends = threading.Event()
        self._watch = threading.Thread(target=self._keep_broker, name="broker watch", daemon=True)

    @property
    def address(self) -> Broker:
        """Where devices connect."""
        if self._broker is not None:
            return self._broker.address
        assert self.settings.broker is not None
        return self.settings.broker

    @property
    def broker(self) -> Running | None:
        """Its own broker, if it has one."""
        return self._broker

    def start(self) -> None:
        """Connect, and store what comes."""
        self.receiver.start()
        self._watch.start()
        if self.retention is not None:
            self.retention.start()

    def stop(self) -> None:
        """Store what has come, and end."""
        self._ends.set()
        self.feed.close()
        if self.retention is not None:
            self.retention.stop()
        self.receiver.stop()
        if self._watch.is_alive():
            self._watch.join()
        if self._broker is not None:
            self._broker.stop()
        self.store.close()

    def enrol(self, device: str) -> Ticket:
        """Let a device in; what it needs to connect.

        Raises:
            HubError: its name is none, or the broker is not this hub's own.
        """
        if self._broker is None:
            raise HubError(
                "the broker is not this hub's own", "a user and rights made in that broker", "Ask whoever runs it"
            )
        self.home.enrol(device)
        self._broker.readmit(self.home.users)
        return self.home.ticket(device, self.address)

    def dismiss(self, device: str) -> None:
        """Let a device in no more.

        Raises:
            HubError: it is not enrolled.
        """
        self.home.dismiss(device)
        if self._broker is not None:
            self._broker.readmit(self.home.users)

    def devices(self) -> tuple[dict[str, Any], ...]:
        """Every device that is enrolled or has spoken, with what is known of it."""
        counts, latest = self.store.counts(), {row.device: row for row in self.store.latest()}
        names = sorted({*self.home.devices(), *counts, *self._presence})
        return tuple(
            {
                "device": name,
                "is_enrolled": name in self.home.users,
                "state": self._presence.get(name, Presence()).state,
                "since": self._presence.get(name, Presence()).since,
                "events": counts.get(name, 0),
                "latest": None if name not in latest else {"time": latest[name].time, "body": latest[name].body},
            }
            for name in names
        )

    def status(self) -> dict[str, Any]:
        """How the hub fares."""
        tally, link = self.receiver.tally, self.receiver.link
        figures = ("messages", "stored", "repeated", "refused", "malformed", "dropped", "failures")
        return {
            "broker": str(self.address),
            "is_connected": link.is_up,
            "problem": str(link.problem) if link.problem is not None else "",
            "started": time_text(self.started),
            "broker_restarts": self.restarts,
            "devices_here": sum(found.state == PRESENT for found in self._presence.values()),
            "tally": {name: getattr(tally, name) for name in figures},
            "complaints": dict(tally.complaints),
            "turned_away": dict(self.receiver.quota.turned_away),
            "forgotten": self.retention.forgotten if self.retention is not None else 0,
        }

    def order(self, device: str, order: Mapping[str, Any]) -> bool:
        """Tell a device something now; False where there is no connection to the broker."""
        return self.receiver.order(device, json.dumps(order).encode())

    # ----

    def _start_broker(self) -> Running:
        settings = self.settings
        port = settings.port or self.home.port()
        return start(Plan(find(settings.kind), self.home.broker_folder, port, self.home.users, settings.hosts))

    def _access(self) -> Access:
        if self._broker is None:
            return self.settings.access
        version = "3.1.1" if self._broker.plan.kind == "nats" else "5"
        word = self.home.users[HUB_USER]
        return Access(HUB_USER, word, self._broker.ca.cert_file, client_id="ossicle-hub", version=version)  # type: ignore[arg-type]

    def _present(self, device: str, payload: bytes) -> None:
        try:
            state = json.loads(payload)["state"]
        except (ValueError, TypeError, KeyError):
            return
        if state in STATES:
            self._presence[device] = Presence(state, time_text(datetime.now(UTC)))
            self.feed.tell("presence", {"device": device, "state": state})

    def _keep_broker(self) -> None:
        """A broker that died is started again, devices keep what it had; users that changed on disk are let in."""
        while not self._ends.wait(WATCH_S):
            try:
                self._look_after(self._broker)
            except HubError as error:
                self.feed.tell("problem", {"what": error.what})

    def _look_after(self, broker: Running | None) -> None:
        if broker is None:
            return
        if self.home.refresh():
            broker.readmit(self.home.users)
        if broker.process.poll() is not None:
            self._broker = start(replace(broker.plan, users=self.home.users))
            self.restarts += 1
