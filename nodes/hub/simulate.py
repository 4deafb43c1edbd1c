"""A fleet and its hub as processes, for benchmarks under faults: `python -m nodes.hub.simulate hub|devices`.

Each reads one JSON document from standard input, so that no password stands in a process list, and tells how it fares
in JSON lines.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.event import Event
from nodes.hub.outbox import Bounds, Outbox, Said
from nodes.hub.quota import Quota
from nodes.hub.receiver import Receiver, Watchers
from nodes.hub.sender import Sender
from nodes.hub.store import SqliteStore
from nodes.hub.window import Pace

SIM_PACE: Final = Pace(resend_s=1.0, slowest_s=4.0)
TICK_S: Final = 0.05
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """How a process reaches the broker."""

    host: str
    port: int
    ca_file: str
    version: str

    @property
    def broker(self) -> Broker:
        """The address."""
        return Broker(self.host, self.port, tls=True)

    def access(self, user: str, password: str) -> Access:
        """A user's login."""
        return Access(user, password, Path(self.ca_file), client_id=user, version=self.version)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Load:
    """What each device says.

    Attributes:
        results: of each device in all, over every life of its process.
        per_s: of each device; 0 is as fast as the outbox takes them.
        together: results of one transaction.
        skew_s: by how much its clock is wrong.
        slow_s: each write of the outbox waits so long: a slow disk.
    """

    results: int
    per_s: float = 0.0
    together: int = 1
    skew_s: float = 0.0
    slow_s: float = 0.0


@dataclass
class _Stop:
    """Set by the signal that asks for an end."""

    event: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.event.set()


def run_hub(line: Line, password: str, folder: Path) -> None:
    """A hub that stores, and tells the delays of what it stored."""
    stop, delays = _stop(), _Delays()
    store = SqliteStore(folder / "hub.db")
    watchers = Watchers(fresh=delays.add)
    receiver = Receiver(store, line.broker, line.access("hub", password), watchers, Quota(per_s=1e9, burst=1e9))
    receiver.start()
    _tell({"is_ready": receiver.link.wait_up(60.0)})
    while not stop.event.wait(TICK_S):
        pass
    receiver.stop()
    tally = receiver.tally
    _tell({"delays_ms": delays.taken, "stored": tally.stored, "repeated": tally.repeated, "failures": tally.failures})
    store.close()


@dataclass
class _Delays:
    """From what a device said to its row: both clocks are this machine's."""

    taken: list[float] = field(default_factory=list)

    def add(self, events: Sequence[Event]) -> None:
        """Take the delay of events that are on disk now."""
        now = datetime.now(UTC)
        self.taken.extend(round((now - event.time).total_seconds() * 1e3, 3) for event in events)


def run_devices(line: Line, users: Mapping[str, str], folder: Path, load: Load, heard: Sequence[Body]) -> None:
    """Devices of one process: each says what was heard, again and again, and waits until all is stored."""
    stop = _stop()
    senders = [_sender(line, name, word, folder) for name, word in users.items()]
    for sender in senders:
        sender.start()
    _tell({"is_ready": True})
    begun = time.monotonic()
    said = {sender.device: _said_before(sender) for sender in senders}
    first = dict(said)
    while not stop.event.is_set() and any(count < load.results for count in said.values()):
        for sender in senders:
            due = load.results if not load.per_s else first[sender.device] + (time.monotonic() - begun) * load.per_s
            while said[sender.device] + load.together <= min(due, load.results) and not stop.event.is_set():
                said[sender.device] = _say(sender, load, said[sender.device], heard)
                if not load.per_s:
                    break
        time.sleep(0.002 if load.per_s else 0.0)
    _tell({"is_said": True, "seconds": time.monotonic() - begun})
    while not stop.event.is_set() and any(sender.outbox.level().rows for sender in senders):
        time.sleep(TICK_S)
    _tell({"is_done": not any(sender.outbox.level().rows for sender in senders), "seconds": time.monotonic() - begun})
    for sender in senders:
        sender.stop()


def _say(sender: Sender, load: Load, count: int, heard: Sequence[Body]) -> int:
    time.sleep(load.slow_s)
    now = datetime.fromtimestamp(time.time() + load.skew_s, UTC)
    rows = [
        Said("result", {**heard[(count + n) % len(heard)], "number": count + n + 1}, now) for n in range(load.together)
    ]
    sender.put(rows)
    return count + load.together


def _said_before(sender: Sender) -> int:
    """Results that earlier lives of this device put into its outbox."""
    return sender.outbox.said()


def _sender(line: Line, name: str, password: str, folder: Path) -> Sender:
    outbox = Outbox(folder / f"{name}.outbox", Bounds(rows=1_000_000, bytes=1 << 30))
    return Sender(outbox, line.broker, line.access(name, password), name, SIM_PACE)


def _stop() -> _Stop:
    found = _Stop()
    signal.signal(signal.SIGTERM, found)
    return found


def _tell(row: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run what the first argument names."""
    given = json.load(sys.stdin)
    line, folder = Line(**given["line"]), Path(given["folder"])
    if sys.argv[1] == "hub":
        run_hub(line, given["password"], folder)
    else:
        run_devices(line, given["users"], folder, Load(**given["load"]), given["heard"])


if __name__ == "__main__":
    main()
