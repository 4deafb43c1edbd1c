"""The device's end: sound goes out over WebRTC, answers come back on a data channel. A broken line is made again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from nodes.hub.errors import HubError
from nodes.hub.stream.sound import Outgoing, Samples

OPEN_S: Final = 15.0
TAIL_S: Final = 2.0
TICK_S: Final = 0.5
SILENT_S: Final = 8.0
"""A hub that says nothing for so long is gone; WebRTC itself would notice after half a minute."""
PAUSES_S: Final = (0.5, 1.0, 2.0, 4.0)
Offer = Callable[[str], Awaitable[str]]
"""Takes an offer's SDP to the hub and brings back the answer's."""


@dataclass(frozen=True)
class Answer:
    """What the hub heard.

    Attributes:
        at_s: end of the window in the stream of this line.
        delay_ms: from the window's last sample to the answer's arrival.
    """

    at_s: float
    label: str
    score: float
    is_result: bool
    delay_ms: float


@dataclass
class Line:
    """How a stream went."""

    answers: list[Answer] = field(default_factory=list)
    sent_bytes: int = 0
    received_bytes: int = 0
    lines: int = 0


async def stream(
    blocks: Iterator[Samples], rate_hz: int, offer: Offer, told: Callable[[Answer], None] | None = None
) -> Line:
    """Stream until the sound ends.

    Args:
        blocks: of 20 ms each, as they are heard.
        told: called with every answer.

    Raises:
        HubError: no line could be made, several times in turn.
    """
    found, failures = Line(), 0
    while True:
        before = len(found.answers)
        try:
            if await _one_line(blocks, rate_hz, offer, found, told or (lambda _answer: None)):
                return found
        except HubError as error:
            if error.is_final or failures >= len(PAUSES_S):
                raise
        failures = 0 if len(found.answers) > before else failures + 1
        await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])


async def _one_line(
    blocks: Iterator[Samples], rate_hz: int, offer: Offer, found: Line, told: Callable[[Answer], None]
) -> bool:
    """One connection; whether the sound came to its end."""
    peer, track = RTCPeerConnection(RTCConfiguration(iceServers=[])), Outgoing(blocks, rate_hz)
    is_open, is_broken, is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    channel = peer.createDataChannel("answers", ordered=False, maxRetransmits=0)
    seen: set[int] = set()
    channel.on("open", is_open.set)
    channel.on("message", lambda text: _hear(text, track, seen, found, told))
    peer.on("connectionstatechange", lambda: is_broken.set() if peer.connectionState in ("failed", "closed") else None)
    track.on("ended", is_over.set)
    peer.addTrack(track)
    try:
        await peer.setLocalDescription(await peer.createOffer())
        sdp = await offer(str(peer.localDescription.sdp))
        await peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await _first(is_open, is_broken, OPEN_S)
        if not is_open.is_set():
            raise HubError("no line to the hub could be made", "a path for UDP", "Check the network", is_final=False)
        found.lines += 1
        await _until_over(is_over, is_broken, found)
        if is_over.is_set():
            await asyncio.sleep(TAIL_S)
        return is_over.is_set()
    finally:
        await _count(peer, found)
        await peer.close()


async def _until_over(is_over: asyncio.Event, is_broken: asyncio.Event, found: Line) -> None:
    """Wait for the end of the sound, of the line, or of the hub's patience to answer."""
    heard, since = len(found.answers), time.monotonic()
    while not (is_over.is_set() or is_broken.is_set()):
        await _first(is_over, is_broken, TICK_S)
        if len(found.answers) > heard:
            heard, since = len(found.answers), time.monotonic()
        elif time.monotonic() - since > SILENT_S:
            return


async def _first(one: asyncio.Event, two: asyncio.Event, timeout_s: float | None) -> None:
    tasks = [asyncio.ensure_future(event.wait()) for event in (one, two)]
    await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _hear(text: Any, track: Outgoing, seen: set[int], found: Line, told: Callable[[Answer], None]) -> None:
    """New answers of a message; each comes several times."""
    now = time.monotonic() - (track.begun or 0.0)
    try:
        rows = [(int(n), float(at_s), str(label), float(score), bool(r)) for n, at_s, label, score, r in _rows(text)]
    except (ValueError, TypeError, KeyError):
        return  # a hub that says what nobody understands says nothing
    for number, at_s, label, score, is_result in rows:
        if number not in seen:
            seen.add(number)
            answer = Answer(at_s, label, score, is_result, round(1e3 * (now - at_s), 3))
            found.answers.append(answer)
            told(answer)


def _rows(text: Any) -> list[Any]:
    return list(json.loads(text)["answers"])


async def _count(peer: RTCPeerConnection, found: Line) -> None:
    """Bytes of the line's transport, both ways."""
    for row in (await peer.getStats()).values():
        if row.type == "transport":
            found.sent_bytes += row.bytesSent
            found.received_bytes += row.bytesReceived
