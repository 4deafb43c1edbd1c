"""A stream through a bad network, measured: both ends in one process, the network between them is a relay."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodes.hub.device.ear import open_ear
from nodes.hub.device.source import cut, read
from nodes.hub.stream.client import Line, stream
from nodes.hub.stream.relay import Relay
from nodes.hub.stream.server import Listener, Session
from nodes.hub.stream.sound import Samples, frame_samples

DEVICE = "device"


@dataclass(frozen=True)
class Measured:
    """How a stream went.

    Attributes:
        p95_ms, median_ms: from the last sample of a window to its answer.
        compute_s: CPU of the hub's front end and network.
    """

    answers: int
    heard_s: float
    lost_s: float
    p95_ms: float
    median_ms: float
    sent_bytes: int
    received_bytes: int
    compute_s: float
    lines: int
    results: int


def measure(
    deployment: Path, sound: Path, *, loss: float = 0.0, delay_s: float = 0.0, jitter_s: float = 0.0
) -> Measured:
    """Stream a recording in real time to a hub that runs the deployment.

    Raises:
        HubError: the deployment or the recording cannot be used, or no line could be made.
    """
    rate_hz = open_ear(deployment).facts.rate_hz
    blocks = cut(read(sound, rate_hz), frame_samples(rate_hz))
    line, session = asyncio.run(_stream(deployment, blocks, rate_hz, Relay(loss, delay_s, jitter_s)))
    delays = sorted(answer.delay_ms for answer in line.answers) or [float("inf")]
    return Measured(
        len(line.answers),
        session.heard_s,
        session.lost_s,
        round(delays[min(len(delays) - 1, int(0.95 * len(delays)))], 1),
        round(statistics.median(delays), 1),
        line.sent_bytes,
        line.received_bytes,
        session.compute_s,
        line.lines,
        session.results,
    )


async def _stream(deployment: Path, blocks: Iterator[Samples], rate_hz: int, relay: Relay) -> tuple[Line, Session]:
    listener = Listener(lambda: open_ear(deployment))

    async def offer(sdp: str) -> str:
        return relay.answer(await listener.answer(DEVICE, await relay.offer(sdp)))

    try:
        return await stream(blocks, rate_hz, offer), listener.sessions[DEVICE]
    finally:
        await listener.close()
        relay.close()
