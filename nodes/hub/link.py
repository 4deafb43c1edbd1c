"""A lasting connection to a broker: made again whenever it breaks, and able to say why it is down."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paho.mqtt import client as paho
from paho.mqtt.reasoncodes import ReasonCode

from nodes.hub.access import Access, make_client
from nodes.hub.complaints import cut_off, refused, unreachable
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError

FIRST_PAUSE_S: Final = (0.2, 0.6)
"""Pauses before a new attempt double from the first to the last; the spread keeps a fleet from returning as one."""
LAST_PAUSE_S: Final = (6.0, 12.0)
KEEP_ALIVE_S: Final = 15
PATIENCE_S: Final = 5.0


@dataclass(frozen=True)
class Letter:
    """A message for the broker to keep and send if this client vanishes, or one that is sent."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True)
class Hears:
    """What a link tells; called in its own thread, so be quick."""

    message: Callable[[str, bytes], None]
    up: Callable[[], None] = lambda: None
    down: Callable[[HubError], None] = lambda _error: None


class Link:
    """The connection. Subscriptions are made again with every new one; there is no session at the broker."""

    def __init__(
        self,
        broker: Broker,
        access: Access,
        topics: Sequence[str],
        hears: Hears,
        will: Letter | None = None,
        qos: int = 1,
    ) -> None:
        """
        Args:
            qos: of the subscriptions; 0 where a lost message is asked for again, which spares a broker that keeps
                messages on disk the work of doing so.
        """
        self.broker, self.access, self.topics, self.hears, self.qos = broker, access, tuple(topics), hears, qos
        self.problem: HubError | None = None
        self._up = threading.Event()
        client = self._client = make_client(broker, access, reconnects=True)
        client.connect_timeout = PATIENCE_S
        client.reconnect_delay_set(*(_seconds(random.uniform(*span)) for span in (FIRST_PAUSE_S, LAST_PAUSE_S)))
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_fail
        client.on_disconnect, client.on_message = self._on_disconnect, self._on_message
        client.on_subscribe = self._on_subscribe

    def start(self) -> None:
        """Connect, and stay connected, in a thread of its own."""
        self._client.connect_async(self.broker.host, self.broker.port, KEEP_ALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()
        self._up.clear()

    @property
    def is_up(self) -> bool:
        """Whether messages can be sent now."""
        return self._up.is_set()

    def wait_up(self, timeout_s: float) -> bool:
        """Wait until the connection stands."""
        return self._up.wait(timeout_s)

    def send(self, letter: Letter, qos: int = 1) -> bool:
        """Hand a message to the broker; False where there is no connection. Nothing is queued for later."""
        if not self._up.is_set():
            return False
        return self._client.publish(letter.topic, letter.payload, qos, letter.retain).rc == paho.MQTT_ERR_SUCCESS

    # ---- called by the client, in its thread

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        if reason.is_failure:
            self._fail(refused(reason, self.broker, self.access))
            return
        self.problem = None
        if self.topics:
            client.subscribe([(topic, self.qos) for topic in self.topics])
        else:
            self._rise()

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, _reasons: Any, _props: Any) -> None:
        self._rise()

    def _rise(self) -> None:
        self._up.set()
        self.hears.up()

    def _on_fail(self, _client: paho.Client, _data: Any) -> None:
        error = sys.exc_info()[1]  # the client calls this while it handles the exception
        known = error if isinstance(error, OSError | ValueError) else OSError("no connection")
        self._fail(unreachable(known, self.broker, self.access))

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any) -> None:
        was_up = self._up.is_set()
        self._up.clear()
        if reason.is_failure and (was_up or self.problem is None):
            self._fail(cut_off(self.broker, "was told goodbye", reason))

    def _fail(self, problem: HubError) -> None:
        self._up.clear()
        self.problem = problem
        self.hears.down(problem)

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.hears.message(message.topic, bytes(message.payload))


def _seconds(value: float) -> int:
    """The client types its pauses as whole seconds but takes any."""
    return value  # type: ignore[return-value]
