"""The hub's end: takes sound over WebRTC, runs a deployment on it, answers on a data channel, and stores results."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame

from nodes.hub.device.ear import Ear
from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key
from nodes.hub.stream.jitter import use_sound_buffer
from nodes.hub.stream.sound import Incoming
from nodes.judge.stream import Rule, State, hear

FULL_SCALE: Final = np.float32(32768)
MOST_SESSIONS: Final = 32
ANSWERS: Final = "answers"
RESULT: Final = "result"
EVERY_S: Final = 1.0
RECENT: Final = 8
REPEATS_S: Final = (0.0, 0.03, 0.06)
"""The channel sends nothing again by itself, which would take a second: every message goes out three times and holds
the last answers, so that one comes through at once and none is missed."""
Keep = Callable[[Sequence[Event]], None]


@dataclass(frozen=True)
class Manner:
    """How the hub listens: a decision after every `every_s` of sound."""

    every_s: float = EVERY_S
    threshold: float = 0.5
    smoothing: int = 1
    refractory_s: float = 1.0


@dataclass
class Session:
    """One device that streams.

    Attributes:
        compute_s: time the network and its front end took.
    """

    device: str
    ear: Ear
    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    heard_s: float = 0.0
    answers: int = 0
    results: int = 0
    lost_s: float = 0.0
    compute_s: float = 0.0
    recent: list[list[Any]] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    problem: str = ""
    guard: threading.Lock = field(default_factory=threading.Lock, repr=False)


class Listener:
    """Sessions of all devices. Lives in one asyncio loop; networks run in threads."""

    def __init__(
        self, open_ear: Callable[[], Ear], keep: Keep = lambda _events: None, manner: Manner | None = None
    ) -> None:
        """
        Args:
            open_ear: a new ear for every session.
            keep: stores results; raises HubError when it cannot.
        """
        self.sessions: dict[str, Session] = {}
        self._open_ear, self._keep, self._manner = open_ear, keep, manner or Manner()
        self._peers: dict[str, RTCPeerConnection] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(2, "listener")

    async def answer(self, device: str, sdp: str) -> str:
        """Take up a device's offer; a session it had is ended.

        Raises:
            HubError: too many stream already, or the offer cannot be read.
        """
        if len(self._peers) >= MOST_SESSIONS and device not in self._peers:
            raise HubError("too many devices stream already", f"at most {MOST_SESSIONS}", "Try later", is_final=False)
        await self.end(device)
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        session = Session(device, await self._in_thread(self._open_ear))
        self._peers[device], self.sessions[device] = peer, session
        channels: asyncio.Queue[RTCDataChannel] = asyncio.Queue()
        peer.on("datachannel", channels.put_nowait)

        def heard(track: MediaStreamTrack) -> None:
            for receiver in peer.getReceivers():
                use_sound_buffer(receiver)
            self._begin(self._listen(session, track, channels))

        peer.on("track", heard)
        try:
            await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            if not peer.getReceivers() or peer.sctp is None:
                raise ValueError("it holds no sound, or no channel for answers")
            await peer.setLocalDescription(await peer.createAnswer())
        except (ValueError, AttributeError, IndexError, AssertionError, KeyError) as error:
            await self.end(device)
            raise HubError(
                f"the offer cannot be read ({error})", "SDP of WebRTC with one sound track", "Update the device"
            ) from error
        return str(peer.localDescription.sdp)

    async def end(self, device: str) -> None:
        """End a device's session, if it has one."""
        peer = self._peers.pop(device, None)
        if peer is not None:
            await peer.close()

    async def close(self) -> None:
        """End all sessions."""
        for device in list(self._peers):
            await self.end(device)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5.0)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, session: Session, track: MediaStreamTrack, channels: asyncio.Queue[RTCDataChannel]) -> None:
        facts, manner = session.ear.facts, self._manner
        rule = Rule(facts.words, manner.threshold, manner.smoothing, manner.refractory_s)
        state, incoming, waiting = State(), Incoming(facts.rate_hz), np.zeros(0, np.int16)
        every, channel = round(manner.every_s * facts.rate_hz), None
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                waiting = np.concatenate([waiting, incoming.take(frame)])
                session.lost_s = incoming.lost_s
                while len(waiting) >= every:
                    block, waiting = waiting[:every], waiting[every:]
                    scores = await self._in_thread(self._scores, session, block)
                    session.heard_s += every / facts.rate_hz
                    if scores is None:
                        continue
                    state, found = hear(rule, state, scores, session.heard_s)
                    channel = channel or await channels.get()
                    self._tell(session, channel, scores, found is not None)
        except (MediaStreamError, asyncio.CancelledError):
            return

    def _scores(self, session: Session, block: np.ndarray[Any, np.dtype[np.int16]]) -> list[float] | None:
        begun = time.thread_time()
        scores = session.ear.push(block.astype(np.float32) / FULL_SCALE, is_wanted=True)
        session.compute_s += time.thread_time() - begun
        return None if scores is None else [float(score) for score in scores]

    def _tell(self, session: Session, channel: RTCDataChannel, scores: list[float], is_result: bool) -> None:
        session.answers += 1
        best = max(range(len(scores)), key=scores.__getitem__)
        labels = session.ear.facts.labels
        if is_result:
            session.results += 1
            self._store(session, labels[best], scores[best])
        row = [session.answers, round(session.heard_s, 6), labels[best], round(scores[best], 6), is_result]
        session.recent = [*session.recent, row][-RECENT:]
        text = json.dumps({"answers": session.recent})
        for pause_s in REPEATS_S:
            asyncio.get_running_loop().call_later(pause_s, _send, channel, text)

    def _store(self, session: Session, label: str, score: float) -> None:
        body = {"label": label, "score": round(score, 6), "at_s": session.heard_s, "model": session.ear.facts.model}
        key = Key(session.epoch, session.results)
        session.waiting.append(Event(session.device, key, RESULT, datetime.now(UTC), {**body, "by": "cloud"}))
        self._begin(self._in_thread(self._commit, session))

    def _commit(self, session: Session) -> None:
        """Store what waits; what cannot be stored now waits for the next result."""
        with session.guard:
            try:
                self._keep(tuple(session.waiting))
                session.waiting.clear()
            except HubError as error:
                session.problem = str(error)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _send(channel: RTCDataChannel, text: str) -> None:
    if channel.readyState == "open":
        channel.send(text)
