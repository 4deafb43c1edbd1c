"""Delivery to an MQTT broker at QoS 1: every message is answered by a PUBACK, or an error says why not."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from nodes.hub.access import Access, make_client
from nodes.hub.complaints import cut_off, refused, silent, topic_refused, unreachable
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.message import Message

Pause = Callable[[float], None]

_TICK_S: Final = 0.05


@dataclass(frozen=True)
class Patience:
    """How long and how often to try; pauses double from `pause_s` to `longest_pause_s`, give or take a quarter."""

    attempts: int = 5
    timeout_s: float = 30.0
    answer_s: float = 5.0
    pause_s: float = 0.5
    longest_pause_s: float = 8.0


def deliver(
    messages: Sequence[Message], broker: Broker, access: Access, patience: Patience, pause: Pause = time.sleep
) -> tuple[str, ...]:
    """Publish all messages; returns the ids in the order they were acknowledged.

    A lost connection is made again and only what has no PUBACK is sent again. A PUBACK says that the broker has the
    message, not that anybody read it. `pause` waits; it may raise to give up.

    Raises:
        HubError: login, certificate or topic refused; or nothing worked within `patience`.
    """
    deadline = time.monotonic() + patience.timeout_s
    pending = {message.id: message for message in messages}
    done: list[str] = []
    problem = HubError("nothing was tried", "at least one attempt", "Raise attempts", is_final=True)
    for attempt in range(max(patience.attempts, 1)):
        if attempt:
            pause(max(0.0, min(_pause_s(attempt, patience), deadline - time.monotonic())))
        try:
            with _connection(broker, access, patience, deadline, pause) as session:
                for message_id in session.publish(tuple(pending.values())):
                    done.append(message_id)
                    del pending[message_id]
            return tuple(done)
        except HubError as error:
            problem = error
        if not pending:
            return tuple(done)
        if problem.is_final or time.monotonic() >= deadline:
            break
    raise problem


def _pause_s(attempt: int, patience: Patience) -> float:
    return min(patience.pause_s * 2.0 ** (attempt - 1), patience.longest_pause_s) * random.uniform(0.75, 1.25)


@dataclass
class _Session:
    """One connection and what the broker said on it."""

    client: paho.Client
    broker: Broker
    access: Access
    patience: Patience
    deadline: float
    pause: Pause
    connack: ReasonCode | None = None
    pubacks: dict[int, ReasonCode] = field(default_factory=dict)
    farewell: ReasonCode | None = None

    def __post_init__(self) -> None:
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_disconnect = self._on_disconnect

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self.connack = reason

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _props: Any) -> None:
        self.pubacks[mid] = reason

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        self.farewell = reason

    def open(self) -> None:
        """Connect and wait for the broker's answer.

        Raises:
            HubError: no connection, or the broker said no.
        """
        self.client.connect_timeout = max(0.1, min(self.patience.answer_s, self.deadline - time.monotonic()))
        try:
            self.client.connect(self.broker.host, self.broker.port)
        except (OSError, ValueError) as error:
            raise unreachable(error, self.broker, self.access) from error
        self._await(lambda: self.connack is not None, "answered the login")
        if self.connack is not None and self.connack.is_failure:
            raise refused(self.connack, self.broker, self.access)

    def publish(self, messages: Sequence[Message]) -> Iterator[str]:
        """Send messages and yield the id of each as its PUBACK comes.

        Raises:
            HubError: a topic was refused, or no PUBACK came in time.
        """
        waiting = {self._send(message): message for message in messages}
        while waiting:
            self._await(lambda: not waiting.keys().isdisjoint(self.pubacks), "acknowledged the messages")
            for mid in [mid for mid in waiting if mid in self.pubacks]:
                message = waiting.pop(mid)
                if self.pubacks[mid].is_failure:
                    raise topic_refused(self.pubacks[mid], message, self.broker, self.access)
                yield message.id

    def _send(self, message: Message) -> int:
        sent = self.client.publish(message.topic, message.payload(datetime.now(UTC)), qos=1, retain=message.retain)
        return sent.mid

    def _await(self, is_done: Callable[[], bool], wanted: str) -> None:
        end = min(self.deadline, time.monotonic() + self.patience.answer_s)
        while not is_done():
            state = self.client.loop(_TICK_S)
            self.pause(0.0)
            if is_done():
                return
            if state is not MQTTErrorCode.MQTT_ERR_SUCCESS or self.farewell is not None:
                raise cut_off(self.broker, wanted, self.farewell)
            if time.monotonic() >= end:
                raise silent(self.broker, wanted, self.patience.answer_s)


@contextmanager
def _connection(
    broker: Broker, access: Access, patience: Patience, deadline: float, pause: Pause
) -> Iterator[_Session]:
    client = make_client(broker, access)
    session = _Session(client, broker, access, patience, deadline, pause)
    try:
        session.open()
        yield session
    finally:
        client.disconnect()
        client.loop(_TICK_S)  # writes the DISCONNECT, so that the broker need not wait for the keep-alive
        _close(client)


def _close(client: paho.Client) -> None:
    stream = client.socket()
    if stream is not None:
        stream.close()
