"""The processes of a scenario, each with a processor time of its own: `python -m nodes.hub.player edge|cloud|hub`.

Each reads one JSON document from standard input, so that no password stands in a process list, and tells how it fares
in JSON lines. `edge` is a device that hears by itself, `cloud` one that streams its sound, `hub` the one that hears it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from nodes.hub.device.ear import open_ear
from nodes.hub.device.runtime import Manner, Runtime, cpu_s, memory_bytes
from nodes.hub.device.source import Samples, cut
from nodes.hub.errors import HubError
from nodes.hub.event import Event
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.simulate import SIM_PACE, Line
from nodes.hub.store import SqliteStore, now

if TYPE_CHECKING:
    from nodes.hub.stream.client import Line as StreamLine

UP_S: Final = 20.0
DRAIN_S: Final = 30.0
TELL_EVERY_S: Final = 0.5
Given = Mapping[str, Any]


@dataclass
class Played:
    """Sound that is heard block by block; see `Source`.

    Attributes:
        speed: 1 is real time, 0 as fast as it is taken.
        handed: when the last block was handed over.
    """

    samples: Samples
    rate_hz: int
    speed: float
    handed: datetime = field(default_factory=lambda: datetime.now(UTC))

    def blocks(self, size: int) -> Iterator[Samples]:
        """See `Source`."""
        begun, told = time.monotonic(), time.monotonic()
        for number, block in enumerate(cut(self.samples, size), 1):
            if self.speed:
                time.sleep(max(0.0, begun + number * size / self.rate_hz / self.speed - time.monotonic()))
            if time.monotonic() - told > TELL_EVERY_S:
                told = time.monotonic()
                _tell({"heard_s": number * size / self.rate_hz})
            self.handed = datetime.now(UTC)
            yield block


def play_edge(given: Given) -> None:
    """A device that hears by itself, and tells a hub if there is one."""
    ear, folder = open_ear(Path(given["deployment"])), Path(given["folder"])
    source = Played(np.load(given["sound"]), ear.facts.rate_hz, float(given["speed"]))
    with Outbox(folder / "device.outbox") as outbox:
        sender = _sender(given, outbox)
        put: Callable[[Sequence[Said]], Any] = outbox.put if sender is None else sender.put
        runtime = Runtime(ear, Manner(**given["manner"], telemetry_s=0.0), put)
        _tell({"is_ready": True})
        begun, before = time.monotonic(), cpu_s()
        rows = [_heard(said, source) for said in runtime.run(source)]
        seconds = time.monotonic() - begun
        is_told = sender is not None and sender.drain(DRAIN_S)
        summary = {"cpu_s": cpu_s() - before, "seconds": seconds, "memory_bytes": memory_bytes(), "is_told": is_told}
        _tell({"rows": rows, "waiting_bytes": outbox.level().bytes, "refused": runtime.tally.refused, **summary})
        if sender is not None:
            sender.stop()


def _sender(given: Given, outbox: Outbox) -> Sender | None:
    if given["line"] is None:
        return None
    line, device = Line(**given["line"]), str(given["device"])
    sender = Sender(outbox, line.broker, line.access(device, str(given["password"])), device, SIM_PACE)
    sender.start()
    end = time.monotonic() + UP_S
    while not sender.condition().is_connected:
        if time.monotonic() > end:
            raise sender.problem or HubError("the broker cannot be reached", "a connection", "Try again")
        time.sleep(0.02)
    return sender


def _heard(said: Said, source: Played) -> dict[str, Any]:
    assert said.time is not None
    lag_ms = 1e3 * (said.time - source.handed).total_seconds()
    return {"label": said.body["label"], "score": said.body["score"], "at_s": said.body["at_s"], "delay_ms": lag_ms}


def play_cloud(given: Given) -> None:
    """A device that streams its sound to a hub, in real time."""
    from nodes.hub.stream.relay import Relay
    from nodes.hub.stream.signalling import http_offer
    from nodes.hub.stream.sound import frame_samples

    rate_hz, loss = int(given["rate_hz"]), float(given["loss"])
    relay = Relay(loss) if loss else None
    ask = http_offer(str(given["url"]), str(given["device"]), str(given["password"]))
    source = Played(np.load(given["sound"]), rate_hz, 0.0)
    _tell({"is_ready": True})
    begun, before = time.monotonic(), cpu_s()
    line = asyncio.run(_stream(source.blocks(frame_samples(rate_hz)), rate_hz, _through(relay, ask)))
    found = {**asdict(line), "cpu_s": cpu_s() - before, "seconds": time.monotonic() - begun}
    _tell({**found, "memory_bytes": memory_bytes(), "dropped": relay.dropped if relay is not None else 0})


async def _stream(blocks: Iterator[Samples], rate_hz: int, ask: Callable[[str], Awaitable[str]]) -> StreamLine:
    from nodes.hub.stream.client import stream

    return await stream(blocks, rate_hz, ask)


def _through(relay: Any, ask: Callable[[str], Awaitable[str]]) -> Callable[[str], Awaitable[str]]:
    """Signalling that puts a bad network between the two, if there is one."""
    if relay is None:
        return ask

    async def offer(sdp: str) -> str:
        return str(relay.answer(await ask(await relay.offer(sdp))))

    return offer


def play_hub(given: Given) -> None:
    """The hub of the cloud scenario: signalling over HTTP, a deployment that hears, results in a store."""
    import uvicorn
    from fastapi import FastAPI

    from nodes.hub.stream.router import router
    from nodes.hub.stream.server import Listener
    from nodes.hub.stream.server import Manner as Listening

    open_ear(Path(given["deployment"]))  # what is broken is told at once, not to a device that tries again
    delays: list[float] = []
    store = SqliteStore(Path(given["folder"]) / "hub.db")

    def keep(events: Sequence[Event]) -> None:
        moment = now()
        for event in store.commit(events, moment):
            delays.append(1e3 * (datetime.now(UTC) - event.time).total_seconds())

    listener = Listener(lambda: open_ear(Path(given["deployment"])), keep, Listening(**given["manner"]))
    users, app = {str(given["device"]): str(given["password"])}, FastAPI()
    app.include_router(router(listener, lambda: users))
    signal.signal(signal.SIGTERM, lambda *_: None)  # the server ends by it, then hands it on to this
    with socket.create_server(("127.0.0.1", 0)) as door:
        _tell({"is_ready": True, "url": f"http://127.0.0.1:{door.getsockname()[1]}"})
        before = cpu_s()
        uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=2)).run(sockets=[door])
    sessions = [_session(one) for one in listener.sessions.values()]
    _tell({"sessions": sessions, "stored_ms": delays, "cpu_s": cpu_s() - before, "memory_bytes": memory_bytes()})
    store.close()


def _session(found: Any) -> dict[str, Any]:
    names = ("heard_s", "answers", "results", "lost_s", "compute_s", "problem")
    return {name: getattr(found, name) for name in names}


def _tell(row: Given) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


_PARTS: Final[Mapping[str, Callable[[Given], None]]] = {"edge": play_edge, "cloud": play_cloud, "hub": play_hub}


def main() -> None:
    """Play the part that the first argument names; what goes wrong is told in three parts."""
    given = json.load(sys.stdin)
    try:
        _PARTS[sys.argv[1]](given)
    except HubError as error:
        _tell({"problem": [error.what, error.expected, error.remedy]})
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
