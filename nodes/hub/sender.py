"""A device's side of the durable path: from its outbox to the broker, until the hub has acknowledged."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.event import Ack, Key, check_device, decode_ack, encode
from nodes.hub.link import Hears, Letter, Link
from nodes.hub.outbox import Outbox, Said
from nodes.hub.topics import ACK, EVENTS, ORDERS, PRESENCE, command_topic, event_topic
from nodes.hub.window import Pace, Window

TICK_S: Final = 0.25
STOP_S: Final = 10.0
GREETING: Final = b"hello"
"""Sent by a hub that has just come: everything unanswered is sent again at once."""


@dataclass(frozen=True)
class Condition:
    """How a sender fares."""

    is_connected: bool
    problem: str
    waiting: int
    in_flight: int
    sent: int
    acknowledged: int


class Sender:
    """Sends what is in an outbox, in a thread of its own. `put` may be called from any thread."""

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        access: Access,
        device: str,
        pace: Pace | None = None,
        ordered: Callable[[bytes], None] = lambda _order: None,
    ) -> None:
        """Nothing is sent before `start`.

        Args:
            ordered: called with every order of the hub.

        Raises:
            HubError: the device's name is none, or a certificate cannot be used.
        """
        self.device, self.outbox, self._window = check_device(device), outbox, Window(pace or Pace())
        self._ordered = ordered
        self._acks: list[Ack] = []
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._has_news = self._is_greeted = True
        self._sent = self._acknowledged = 0
        self._failure = ""
        hears = Hears(self._heard, self._up)
        topics = [command_topic(device, what) for what in (ACK, ORDERS)]
        self._link = Link(broker, access, topics, hears, self._presence("lost"), qos=0)
        self._thread = threading.Thread(target=self._run, name=f"sender {device}", daemon=True)

    def start(self) -> None:
        """Connect and send."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop sending; what waits stays in the outbox."""
        self._stopped.set()
        self._wake.set()
        self._thread.join(STOP_S)
        self._link.send(self._presence("away"))
        self._link.stop()

    def put(self, said: Sequence[Said]) -> tuple[Key, ...]:
        """Keep events for good and have them sent.

        Raises:
            HubError: the outbox is full.
        """
        keys = self.outbox.put(said)
        self._has_news = True
        self._wake.set()
        return keys

    def condition(self) -> Condition:
        """How it fares."""
        link, level = self._link, self.outbox.level()
        problem = self._failure or (str(link.problem) if link.problem is not None else "")
        return Condition(link.is_up, problem, level.rows, len(self._window), self._sent, self._acknowledged)

    @property
    def problem(self) -> HubError | None:
        """Why there is no connection, as far as known."""
        return None if self._link.is_up else self._link.problem

    def drain(self, timeout_s: float) -> bool:
        """Wait until the hub has acknowledged everything."""
        end = time.monotonic() + timeout_s
        while self.outbox.level().rows and time.monotonic() < end:
            time.sleep(0.02)
        return not self.outbox.level().rows

    # ---- in the link's thread

    def _up(self) -> None:
        self._link.send(self._presence("here"))
        self._is_greeted = True
        self._wake.set()

    def _heard(self, topic: str, payload: bytes) -> None:
        if topic == command_topic(self.device, ORDERS):
            self._ordered(payload)
        elif payload == GREETING:
            self._is_greeted = True
        else:
            try:
                self._acks.append(decode_ack(payload))
            except HubError as error:
                self._failure = str(error)
                return
        self._wake.set()

    def _presence(self, state: str) -> Letter:
        payload = json.dumps({"state": state, "epoch": self.outbox.epoch}).encode()
        return Letter(event_topic(self.device, PRESENCE), payload, retain=True)

    # ---- in the sender's thread

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(TICK_S)
            self._wake.clear()
            try:
                self._step(time.monotonic())
                self._failure = ""
            except HubError as error:  # a full disk passes; nothing is deleted before it does
                self._failure = str(error)

    def _step(self, now: float) -> None:
        self._settle()
        if not self._link.is_up:
            return
        if self._is_greeted:
            self._is_greeted = False
            self._window.hurry()
        for batch in self._window.again(now):
            self._send(encode(batch), len(batch))
        if self._has_news and self._window.room:
            self._has_news = False
            fresh = self.outbox.waiting(self._window.room, self._window.last)
            for batch in self._window.take(fresh, now):
                self._send(encode(batch), len(batch))
            self._has_news = self._has_news or not self._window.room

    def _settle(self) -> None:
        acks, self._acks = self._acks, []
        if acks:
            self._window.acknowledge(acks)
            self._acknowledged += self.outbox.settle(acks)
            self._has_news = True
        if hopeless := self._window.hopeless():
            self.outbox.bury(hopeless)
            self._window.land([refusal.key for refusal in hopeless])

    def _send(self, payload: bytes, count: int) -> None:
        if self._link.send(Letter(event_topic(self.device, EVENTS), payload)):
            self._sent += count
