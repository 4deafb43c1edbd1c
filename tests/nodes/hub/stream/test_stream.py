"""Sound over WebRTC: the hub hears what the device's own deployment hears, on good networks and bad ones."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray
from release_home import deployment

from nodes.hub.device.ear import Ear, open_ear
from nodes.hub.errors import HubError
from nodes.hub.event import Event
from nodes.hub.stream.client import Answer, Line, stream
from nodes.hub.stream.jitter import SoundBuffer
from nodes.hub.stream.relay import Relay
from nodes.hub.stream.server import Listener
from nodes.hub.stream.sound import frame_samples

RATE_HZ = 8000
Samples = NDArray[np.int16]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return deployment(tmp_path_factory.mktemp("stream") / "deployment", bias=0.5)


def tone(seconds: float) -> Samples:
    """A sound that Opus keeps well: chirps."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    made: Samples = np.round(8000 * np.sin(2 * np.pi * (300 * time + 200 * np.sin(2 * np.pi * 0.7 * time)))).astype(
        np.int16
    )
    return made


def frames(samples: Samples) -> Iterator[Samples]:
    size = frame_samples(RATE_HZ)
    return iter(samples[: len(samples) // size * size].reshape(-1, size))


class Wrapped:
    """An ear that remembers what it was given."""

    def __init__(self, ear: Ear) -> None:
        self.facts, self.ear, self.heard = ear.facts, ear, list[NDArray[np.float32]]()

    def push(self, samples: NDArray[np.float32], *, is_wanted: bool) -> NDArray[np.float32] | None:
        self.heard.append(samples)
        return self.ear.push(samples, is_wanted=is_wanted)


def streamed(
    made: Path, samples: Samples, relay: Relay | None = None, during: Callable[[Relay], Awaitable[None]] | None = None
) -> tuple[Line, Listener, list[Event], Wrapped]:
    kept: list[Event] = []
    ears: list[Wrapped] = []

    def ear() -> Ear:
        ears.append(Wrapped(open_ear(made)))
        return ears[-1]

    async def work() -> tuple[Line, Listener]:
        listener = Listener(ear, kept.extend)

        async def offer(sdp: str) -> str:
            if relay is None:
                return await listener.answer("kitchen", sdp)
            return relay.answer(await listener.answer("kitchen", await relay.offer(sdp)))

        meddling = asyncio.ensure_future(during(relay)) if during is not None and relay is not None else None
        line = await asyncio.wait_for(stream(frames(samples), RATE_HZ, offer), 90.0)
        if meddling is not None:
            await meddling
        await listener.close()
        if relay is not None:
            relay.close()
        return line, listener

    line, listener = asyncio.run(work())
    return line, listener, kept, ears[-1]


def likeness(heard: NDArray[np.float32], sent: NDArray[np.float32]) -> float:
    """Best correlation of two seconds of what was heard with what was sent, up to half a second later."""
    part, reach = sent[RATE_HZ : 3 * RATE_HZ], RATE_HZ // 2
    windows = (heard[RATE_HZ + shift : 3 * RATE_HZ + shift] for shift in range(-reach, reach))
    return max(float(np.corrcoef(window, part)[0, 1]) for window in windows if len(window) == len(part))


def test_the_hub_hears_what_was_sent(made: Path) -> None:
    samples = tone(5.0)
    line, listener, kept, ear = streamed(made, samples)
    session = listener.sessions["kitchen"]
    assert len(line.answers) >= 4
    assert [answer.at_s for answer in line.answers] == [float(n) for n in range(1, len(line.answers) + 1)]
    heard = np.concatenate(ear.heard)
    assert likeness(heard, samples.astype(np.float32) / 32768) > 0.9
    assert len(kept) == session.results >= 1
    assert [event.key.seq for event in kept] == list(range(1, len(kept) + 1))
    assert {(event.device, event.body["by"]) for event in kept} == {("kitchen", "cloud")}
    assert session.lost_s == 0.0
    assert line.sent_bytes > 10_000


def test_lost_packets_cost_themselves_alone(made: Path) -> None:
    relay = Relay(loss=0.05, delay_s=0.01, jitter_s=0.008)
    line, listener, _, _ = streamed(made, tone(10.0), relay)
    session = listener.sessions["kitchen"]
    assert relay.dropped > 10
    assert len(line.answers) >= 9
    assert session.heard_s >= 9.0
    assert session.lost_s < 0.2 * session.heard_s
    assert statistics.median(answer.delay_ms for answer in line.answers) < 1000.0


def test_a_line_that_breaks_is_made_again(made: Path) -> None:
    async def cut(relay: Relay) -> None:
        await asyncio.sleep(3.0)
        relay.is_cut = True
        await asyncio.sleep(9.5)
        relay.is_cut = False

    line, _, _, _ = streamed(made, tone(20.0), Relay(), cut)
    assert line.lines >= 2
    assert line.answers[-1].at_s >= 1.0


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.mark.parametrize("sdp", ["", "v=0", "nonsense\r\n" * 50, "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"])
def test_offers_that_are_none_are_told(made: Path, sdp: str) -> None:
    async def work() -> None:
        listener = Listener(lambda: open_ear(made))
        try:
            await listener.answer("kitchen", sdp)
        finally:
            await listener.close()

    with pytest.raises(HubError, match="offer cannot be read"):
        run(work())


def test_a_hub_that_never_answers_is_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nodes.hub.stream.client.PAUSES_S", (0.0,))

    async def offer(_sdp: str) -> str:
        raise HubError("nobody is there", "a hub", "start it", is_final=False)

    with pytest.raises(HubError, match="nobody is there"):
        run(stream(frames(tone(1.0)), RATE_HZ, offer))


def test_foolish_answers_are_left_alone() -> None:
    from nodes.hub.stream.client import _hear
    from nodes.hub.stream.sound import Outgoing

    async def work() -> list[Answer]:
        line, track = Line(), Outgoing(frames(tone(0.1)), RATE_HZ)
        for text in (
            "",
            "[]",
            "{}",
            '{"answers": 3}',
            '{"answers": [[1]]}',
            b"\xff",
            '{"answers": [[1,1,"a",0.5,true]]}',
        ):
            _hear(text, track, seen := {7}, line, lambda _answer: None)
        assert seen == {1, 7}
        return line.answers

    assert len(run(work())) == 1


# ---- packets in order


def packet(number: int) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 65536, timestamp=number * 960)
    made._data = number.to_bytes(4, "big")  # type: ignore[attr-defined]
    return made


def played(buffer: SoundBuffer, *numbers: int) -> list[int]:
    found = [buffer.add(packet(number))[1] for number in numbers]
    return [int.from_bytes(frame.data, "big") for frame in found if frame is not None]


def test_packets_are_put_in_order_and_holes_are_skipped() -> None:
    assert played(SoundBuffer(), 1, 2, 3) == [1, 2, 3]
    assert played(SoundBuffer(), 1, 3, 2, 4, 5) == [1, 2, 3, 4]
    assert played(SoundBuffer(), 1, 3, 4, 5, 6, 7, 8) == [1, 3, 4, 5]
    assert played(SoundBuffer(), 1, 2, 2, 1, 3) == [1, 2, 3]
    assert played(SoundBuffer(), 65534, 65535, 65536, 65537) == [65534, 65535, 65536, 65537]
    assert played(SoundBuffer(), 5, 500, 501) == [5, 500, 501]
