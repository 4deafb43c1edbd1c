"""A fleet under faults: processes are killed at random moments, and afterwards every result is counted."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from nodes.hub.broker import HUB_USER, Kind, Plan, Running, free_port, start
from nodes.hub.faults import Proxy
from nodes.hub.outbox import Outbox
from nodes.hub.simulate import Body, Line, Load
from nodes.hub.store import SqliteStore

VERSIONS: Final[Mapping[Kind, str]] = {"mosquitto": "5", "nats": "3.1.1"}
RESTART_S: Final = 0.2
STOP_S: Final = 60.0
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Faults:
    """How often each part is killed without warning, and how far apart at most; what the devices' network does.

    Attributes:
        cuts: partitions between devices and broker, of `cut_s` at most; every second one ends with a reset.
        loss: share of segments lost between devices and broker.
    """

    kills: int = 0
    apart_s: float = 1.5
    seed: int = 1
    cuts: int = 0
    cut_s: float = 2.0
    loss: float = 0.0

    @property
    def is_network(self) -> bool:
        """Whether the devices' network is other than good."""
        return bool(self.cuts or self.loss)


@dataclass(frozen=True)
class Outcome:
    """What was found afterwards.

    Attributes:
        missing: results that were said and are not stored.
        unordered: devices whose stored numbers do not rise with their place.
        doubled: results stored more than once.
        set_aside: events that devices gave up and kept aside.
        delays_ms: from saying to the row on disk.
    """

    said: int
    stored: int
    missing: int
    doubled: int
    unordered: int
    set_aside: int
    seconds: float
    kills: Mapping[str, int]
    delays_ms: tuple[float, ...] = ()

    @property
    def per_s(self) -> float:
        """Results stored per second."""
        return self.stored / self.seconds


@dataclass
class _Part:
    """A process that can be killed and started again."""

    name: str
    words: Sequence[str]
    document: Mapping[str, Any]
    process: subprocess.Popen[str] | None = None
    told: list[dict[str, Any]] = field(default_factory=list)

    def start(self) -> None:
        """Start it, or start it again."""
        command = [sys.executable, "-m", "nodes.hub.simulate", *self.words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        json.dump(self.document, self.process.stdin)
        self.process.stdin.close()

    def kill(self) -> None:
        """End it without warning."""
        assert self.process is not None
        self.process.kill()
        self._drop()

    def stop(self) -> list[dict[str, Any]]:
        """Ask it to end; what it told."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> list[dict[str, Any]]:
        """Wait for its end; what it told."""
        assert self.process is not None and self.process.stdout is not None
        rows = [json.loads(line) for line in self.process.stdout]
        self.process.wait(STOP_S)
        self._drop()
        return rows

    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.process is None or self.process.poll() is not None

    def _drop(self) -> None:
        assert self.process is not None
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass(frozen=True)
class Trial:
    """A fleet to try: devices are spread over `processes`; each process tells its share of `heard`."""

    kind: Kind
    devices: int
    processes: int
    load: Load
    heard: Sequence[Body]
    faults: Faults = Faults()


def run_trial(trial: Trial, folder: Path, limit_s: float = 1800.0, tell: Tell = lambda _text: None) -> Outcome:
    """Run a fleet to its end and count."""
    users = {f"device{number}": f"word{number}" for number in range(trial.devices)}
    with _broker(trial.kind, folder, {HUB_USER: "hub word", **users}) as broker, _network(trial, broker) as network:
        line = asdict(_line(broker[0]))
        theirs = {**line, "port": network.own_port} if trial.faults.is_network else line
        hub = _Part("hub", ["hub"], {"line": line, "password": "hub word", "folder": str(folder)})
        fleet = [
            _Part(
                f"devices{index}",
                ["devices"],
                {
                    "line": theirs,
                    "users": own,
                    "folder": str(folder),
                    "load": asdict(trial.load),
                    "heard": trial.heard[index :: trial.processes] or trial.heard,
                },
            )
            for index, own in enumerate(_spread(users, trial.processes))
        ]
        begun = time.monotonic()
        for part in (hub, *fleet):
            part.start()
        kills = _harm(trial.faults, broker, hub, fleet, tell)
        if trial.faults.cuts:
            kills["network"] = _part(trial.faults, network, fleet, tell)
        for part in fleet:
            while not part.is_over():
                if time.monotonic() - begun > limit_s:
                    part.kill()
                time.sleep(0.05)
        seconds = time.monotonic() - begun
        told = hub.stop()
    delays: list[float] = next((row["delays_ms"] for row in told if "delays_ms" in row), [])
    return _count(folder, users, trial.load.results, seconds, kills, tuple(delays))


def _harm(faults: Faults, broker: list[Running], hub: _Part, fleet: Sequence[_Part], tell: Tell) -> dict[str, int]:
    """Kill broker, hub and devices in turn at random moments; a part that has ended is left alone."""
    chance, kills = random.Random(faults.seed), {"broker": 0, "hub": 0, "devices": 0}
    for turn in range(3 * faults.kills):
        time.sleep(chance.uniform(0.2, 1.0) * faults.apart_s)
        which = ("broker", "hub", "devices")[turn % 3]
        alive = [part for part in fleet if not part.is_over()]
        if not alive:
            break
        if which == "broker":
            broker[0].kill()
            time.sleep(RESTART_S)
            broker[0] = start(broker[0].plan)
        else:
            part = hub if which == "hub" else chance.choice(alive)
            part.kill()
            time.sleep(RESTART_S)
            part.start()
        kills[which] += 1
        tell(f"killed {which} ({kills[which]})")
    return kills


def _part(faults: Faults, network: Proxy, fleet: Sequence[_Part], tell: Tell) -> int:
    """Partitions between devices and broker, as long as any device lives; how many."""
    chance = random.Random(faults.seed)
    for turn in range(faults.cuts):
        time.sleep(chance.uniform(0.2, 1.0) * faults.apart_s)
        if all(part.is_over() for part in fleet):
            return turn
        network.cut()
        time.sleep(chance.uniform(0.2, 1.0) * faults.cut_s)
        if turn % 2:
            network.sever()
        network.heal()
        tell(f"partition {turn + 1} is over")
    return faults.cuts


def _network(trial: Trial, broker: list[Running]) -> Proxy:
    """What may lie between devices and broker."""
    address = broker[0].address
    return Proxy(address.host, address.port, trial.faults.loss, trial.faults.seed)


@contextmanager
def _broker(kind: Kind, folder: Path, users: Mapping[str, str]) -> Iterator[list[Running]]:
    """A broker in a list, as it is another one after a kill."""
    held = [start(Plan(kind, folder / "broker", free_port(), users))]
    try:
        yield held
    finally:
        held[0].stop()


def _line(broker: Running) -> Line:
    address = broker.address
    return Line(address.host, address.port, str(broker.ca.cert_file.resolve()), VERSIONS[broker.plan.kind])


def _spread(users: Mapping[str, str], processes: int) -> list[dict[str, str]]:
    names = list(users)
    return [{name: users[name] for name in names[index::processes]} for index in range(processes)]


def _count(
    folder: Path,
    users: Mapping[str, str],
    results: int,
    seconds: float,
    kills: Mapping[str, int],
    delays: tuple[float, ...],
) -> Outcome:
    """Look at every row: each device's results are numbered by what they say, apart from the transport's numbers."""
    store = SqliteStore(folder / "hub.db")
    stored = missing = doubled = unordered = 0
    for device in users:
        rows = [row for row in store.history(device, limit=10 * results + 1000) if row.kind == "result"]
        numbers = [int(row.body["number"]) for row in rows]
        stored += len(numbers)
        missing += results - len(set(numbers) & set(range(1, results + 1)))
        doubled += len(numbers) - len(set(numbers))
        unordered += numbers != sorted(numbers)
    store.close()
    aside = sum(_set_aside(folder / f"{device}.outbox") for device in users)
    return Outcome(len(users) * results, stored, missing, doubled, unordered, aside, seconds, kills, delays)


def _set_aside(path: Path) -> int:
    with Outbox(path) as outbox:
        return outbox.level().dead
