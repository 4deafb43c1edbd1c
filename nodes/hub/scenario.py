"""Both scenarios of the house, played with one deployment and one recording on this machine, and measured alike.

edge: a device hears by itself and tells a hub over MQTT and TLS what it heard. cloud: it streams its sound over WebRTC,
and the hub hears it. Device and hub are processes of their own (`nodes.hub.player`), so that each one's processor time
is its own; a delay ends when the hub's row is on disk.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from nodes.hub.broker import HUB_USER, Kind, Plan, Running, find, free_port, start
from nodes.hub.choice import CLOUD, EDGE, Figures
from nodes.hub.device.source import Samples
from nodes.hub.errors import HubError
from nodes.hub.faults import Proxy
from nodes.hub.simulate import Line

DEVICE: Final = "device"
TICK_S: Final = 0.05
START_S: Final = 60.0
SPARE_S: Final = 60.0
STOP_S: Final = 20.0
VERSIONS: Final[Mapping[Kind, str]] = {"mosquitto": "5", "nats": "3.1.1"}
WORDS: Final = {HUB_USER: "hub of a scenario", DEVICE: "device of a scenario"}
"""Passwords of a broker that lives as long as the scenario, on this machine alone."""
Pause = Callable[[float, float], None]
"""Wait (seconds), and tell how much of the recording has been heard (seconds); may raise to give up."""


@dataclass(frozen=True)
class Stage:
    """What is played: a deployment's folder, and sound (samples,) at its rate."""

    deployment: Path
    samples: Samples
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True)
class Hearing:
    """How a way listens; see `nodes.judge.stream.Rule`. `hop_s` is the step between decisions."""

    hop_s: float
    threshold: float
    smoothing: int
    refractory_s: float


@dataclass(frozen=True)
class Detection:
    """A word that was told: at `at_s` of the recording, stored `delay_ms` after that moment."""

    at_s: float
    label: str
    score: float
    delay_ms: float


@dataclass(frozen=True)
class Performance:
    """How a scenario went.

    Attributes:
        way: "edge" or "cloud".
        path: in words, how results travelled.
        answers_ms: from a window's last sample to the answer at the device, all answers; of the cloud only.
        setup_bytes: of `sent_bytes`, those that made the connection.
        device_cpu_s, hub_cpu_s: from the start of listening, imports not counted.
        stored: rows in the hub's store.
        lost_s: sound that never arrived.
    """

    way: str
    path: str
    heard_s: float
    seconds: float
    detections: tuple[Detection, ...]
    sent_bytes: int
    received_bytes: int
    device_cpu_s: float
    hub_cpu_s: float
    memory_bytes: int
    stored: int
    setup_bytes: int = 0
    answers_ms: tuple[float, ...] = ()
    lost_s: float = 0.0
    lines: int = 1

    @property
    def cpu_percent(self) -> float:
        """Of one core of the device, had it heard in real time."""
        return 100.0 * self.device_cpu_s / self.heard_s

    @property
    def hub_cpu_percent(self) -> float:
        """Of one core of the hub."""
        return 100.0 * self.hub_cpu_s / self.heard_s

    @property
    def bytes_per_hour(self) -> float:
        """Sent by the device, the connection's making not counted."""
        return (self.sent_bytes - self.setup_bytes) * 3600.0 / self.heard_s

    def figures(self, delays_ms: Sequence[float] = ()) -> Figures:
        """For the choice between both.

        Args:
            delays_ms: from words' ends to their rows, where the words are known; else it counts from the window that
                decided, or of a stream that told nothing, from every window's end.
        """
        delays = list(delays_ms) or [found.delay_ms for found in self.detections] or list(self.answers_ms)
        return Figures(percentile(delays, 95.0), self.bytes_per_hour, self.cpu_percent, self.way == CLOUD)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Linear between neighbours; None of nothing."""
    return float(np.percentile(values, share)) if len(values) else None


def play_edge(
    stage: Stage, hearing: Hearing, kind: Kind | None, speed: float, folder: Path, pause: Pause
) -> Performance:
    """Play the edge scenario.

    Args:
        kind: of the broker; None keeps everything in the outbox.
        speed: 1 is real time, 0 as fast as can be heard.

    Raises:
        HubError: a part did not start, or broke.
    """
    document = {**_of_both(stage, folder), "manner": asdict(hearing), "speed": speed}
    with ExitStack() as stack:
        hub, proxy, line = None, None, None
        if kind is not None:
            broker = stack.enter_context(_broker(kind, folder))
            proxy = stack.enter_context(Proxy(broker.address.host, broker.address.port))
            line = Line(broker.address.host, broker.address.port, str(broker.ca.cert_file.resolve()), VERSIONS[kind])
            words = {"line": asdict(line), "password": WORDS[HUB_USER], "folder": str(folder)}
            hub = stack.enter_context(_child(("nodes.hub.simulate", "hub"), words, folder))
            hub.await_row("is_ready", START_S, pause)
        theirs = None if line is None or proxy is None else {**asdict(line), "port": proxy.own_port}
        device = stack.enter_context(_child(("nodes.hub.player", EDGE), {**document, "line": theirs}, folder))
        device.await_row("is_ready", START_S, pause)
        setup = proxy.traffic.sent if proxy is not None else 0
        idle_s = hub.cpu_s() if hub is not None else 0.0
        told = device.await_row("rows", SPARE_S + stage.seconds * (2.0 if speed else 20.0), pause)
        hub_cpu_s = hub.cpu_s() - idle_s if hub is not None else 0.0
        delays = hub.stop("delays_ms")["delays_ms"] if hub is not None else []
        sent, received = (proxy.traffic.sent, proxy.traffic.received) if proxy else (int(told["waiting_bytes"]), 0)
    if kind is not None and (not told["is_told"] or len(delays) != len(told["rows"])):
        raise HubError(
            f"the hub stored {len(delays)} of {len(told['rows'])} results", "all of them", "Look at the disk's room"
        )
    return Performance(
        EDGE,
        f"{kind}, MQTT over TLS, stored by a hub" if kind else "no broker: events stay in the device's outbox",
        stage.seconds,
        told["seconds"],
        tuple(
            _joined(row, delay) for row, delay in zip(told["rows"], delays or [0.0] * len(told["rows"]), strict=True)
        ),
        sent,
        received,
        told["cpu_s"],
        hub_cpu_s,
        told["memory_bytes"],
        len(delays),
        setup,
    )


def _joined(row: Mapping[str, Any], stored_ms: float) -> Detection:
    """Deciding took the device its time, storing the hub's."""
    return Detection(row["at_s"], row["label"], row["score"], row["delay_ms"] + stored_ms)


def play_cloud(stage: Stage, hearing: Hearing, loss: float, folder: Path, pause: Pause) -> Performance:
    """Play the cloud scenario, in real time.

    Args:
        loss: share of datagrams lost, both ways.

    Raises:
        HubError: a part did not start, or broke.
    """
    manner = {**asdict(hearing), "every_s": hearing.hop_s}
    manner.pop("hop_s")
    login = {"device": DEVICE, "password": WORDS[DEVICE]}
    with ExitStack() as stack:
        document = {**_of_both(stage, folder), "manner": manner, "loss": loss, "rate_hz": stage.rate_hz}
        hub = stack.enter_context(_child(("nodes.hub.player", "hub"), document, folder))
        url = hub.await_row("is_ready", START_S, pause)["url"]
        device = stack.enter_context(_child(("nodes.hub.player", CLOUD), {**document, **login, "url": url}, folder))
        told = device.await_row("answers", SPARE_S + 2.0 * stage.seconds, pause)
        heard = hub.stop("sessions")
    results = [row for row in told["answers"] if row["is_result"]]
    stored = len(heard["stored_ms"])
    return Performance(
        CLOUD,
        "WebRTC on this machine" + (f", {100 * loss:g} % of datagrams lost" if loss else ""),
        stage.seconds,
        told["seconds"],
        tuple(Detection(row["at_s"], row["label"], row["score"], row["delay_ms"]) for row in results),
        told["sent_bytes"],
        told["received_bytes"],
        told["cpu_s"],
        heard["cpu_s"],
        told["memory_bytes"],
        stored,
        answers_ms=tuple(row["delay_ms"] for row in told["answers"]),
        lost_s=sum(one["lost_s"] for one in heard["sessions"]),
        lines=told["lines"],
    )


def installed(kind: Kind | None = None) -> Kind | None:
    """A broker of this machine; None where there is none."""
    try:
        return find(kind)
    except HubError:
        return None


def _of_both(stage: Stage, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    sound = folder / "sound.npy"
    np.save(sound, stage.samples)
    place = {"deployment": str(stage.deployment.resolve()), "sound": str(sound), "folder": str(folder)}
    return {**place, "device": DEVICE, "password": WORDS[DEVICE]}


@contextmanager
def _broker(kind: Kind, folder: Path) -> Iterator[Running]:
    made = start(Plan(kind, folder / "broker", free_port(), WORDS))
    try:
        yield made
    finally:
        made.stop()


# ---- processes


@dataclass
class _Child:
    """A process that tells how it fares in lines of JSON, kept in a file."""

    name: str
    process: subprocess.Popen[bytes]
    told: Path
    complaints: Path

    def rows(self) -> list[dict[str, Any]]:
        """What it has told so far."""
        lines = self.told.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def await_row(self, key: str, limit_s: float, pause: Pause) -> dict[str, Any]:
        """The row that holds a key.

        Raises:
            HubError: the process ended without it, or takes too long.
        """
        end = time.monotonic() + limit_s
        while True:
            is_over, rows = self.process.poll() is not None, self.rows()
            if found := next((row for row in rows if key in row), None):
                return found
            if problem := next((row["problem"] for row in rows if "problem" in row), None):
                raise HubError(*problem)
            if is_over or time.monotonic() > end:
                raise self._silent("ended" if is_over else f"said nothing for {limit_s:g} s")
            pause(TICK_S, next((row["heard_s"] for row in reversed(rows) if "heard_s" in row), 0.0))

    def cpu_s(self) -> float:
        """Processor time so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self, key: str) -> dict[str, Any]:
        """Ask it to end; the row it then tells."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.await_row(key, 0.0, lambda *_: None)

    def _silent(self, how: str) -> HubError:
        said = self.complaints.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
        return HubError(f"the {self.name} {how} ({' '.join(said) or 'without a word'})", "its figures", "Try it again")


@contextmanager
def _child(words: tuple[str, str], document: Mapping[str, Any], folder: Path) -> Iterator[_Child]:
    module, part = words
    told, complaints = folder / f"{part}.told", folder / f"{part}.complaints"
    with told.open("wb") as out, complaints.open("wb") as err:
        command = [sys.executable, "-m", module, part]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=err)
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(document).encode())
        process.stdin.close()
        yield _Child(f"{part} of the scenario", process, told, complaints)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
