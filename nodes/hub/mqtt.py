"""Delivery to an MQTT broker at QoS 1: every message is answered by a PUBACK, or an error says why not."""

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.message import Message

Version = Literal["5", "3.1.1"]
Pause = Callable[[float], None]

_VERSIONS: Final = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_TICK_S: Final = 0.05
_LOGIN_REFUSED: Final = ("Bad user name or password", "Not authorized", "Bad authentication method", "Banned")
_PASSING: Final = ("Server unavailable", "Server busy", "Quota exceeded", "Connection rate exceeded")


@dataclass(frozen=True)
class Access:
    """How to log in. Without a CA file the system's certificate authorities count."""

    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    client_id: str = "ossicle"
    version: Version = "5"


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
            raise _unreachable(error, self.broker, self.access) from error
        self._await(lambda: self.connack is not None, "answered the login")
        if self.connack is not None and self.connack.is_failure:
            raise _refused(self.connack, self.broker, self.access)

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
                    raise _topic_refused(self.pubacks[mid], message, self.broker, self.access)
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
                raise _cut_off(self.broker, wanted, self.farewell)
            if time.monotonic() >= end:
                raise _silent(self.broker, wanted, self.patience.answer_s)


@contextmanager
def _connection(
    broker: Broker, access: Access, patience: Patience, deadline: float, pause: Pause
) -> Iterator[_Session]:
    client = paho.Client(
        CallbackAPIVersion.VERSION2, access.client_id, protocol=_VERSIONS[access.version], reconnect_on_failure=False
    )
    if access.user or access.password:
        client.username_pw_set(access.user, access.password or None)
    if broker.tls:
        client.tls_set_context(_tls_context(access.ca_file))
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


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise HubError(
            f"the CA file {ca_file} cannot be used ({error})",
            "a file with PEM certificates",
            "Correct ca_file, or leave it empty to trust the system's authorities",
        ) from error


# ---- what went wrong, in three parts


def _unreachable(error: OSError | ValueError, broker: Broker, access: Access) -> HubError:
    match error:
        case ssl.SSLCertVerificationError():
            trusted = f"signed by {access.ca_file}" if access.ca_file else "signed by an authority of this system"
            return HubError(
                f"the certificate of {broker} is not trusted ({error.verify_message})",
                f"a valid certificate for {broker.host}, {trusted}",
                "Set ca_file to the CA of this broker, or use the host name its certificate carries",
            )
        case ssl.SSLError():
            return HubError(
                f"{broker} does not speak TLS on this port ({error.reason or error})",
                "a TLS listener (usually port 8883)",
                "Correct the port, or write mqtt:// to send without encryption",
            )
        case ConnectionResetError():
            return _cut_off(broker, "took the connection", None)
        case socket.gaierror():
            return HubError(
                f"the host {broker.host} is not known ({error.strerror})",
                "a host name or address on your network",
                "Correct the address, or check the network",
                is_final=False,
            )
        case TimeoutError():
            return HubError(
                f"{broker} did not answer in time",
                "a broker that accepts connections",
                "Check host, port and firewall, or raise timeout_s",
                is_final=False,
            )
    return HubError(
        f"{broker} refused the connection ({error})",
        "a running MQTT broker at this address",
        "Start the broker or correct the address; an empty address writes to a local file instead",
        is_final=False,
    )


def _refused(reason: ReasonCode, broker: Broker, access: Access) -> HubError:
    name = reason.getName()
    if name in _LOGIN_REFUSED:
        who = f"user {access.user}" if access.user else "a client without a user"
        return HubError(
            f"{broker} refused {who} ({name})",
            "a user and password that the broker knows",
            "Correct user, and the secret that password names",
        )
    if name == "Unsupported protocol version":
        return HubError(
            f"{broker} does not speak MQTT {access.version}", "a broker of that version", "Set mqtt_version to 3.1.1"
        )
    return HubError(
        f"{broker} refused the connection ({name})",
        "an accepted connection",
        "Look at the broker's log",
        is_final=name not in _PASSING,
    )


def _topic_refused(reason: ReasonCode, message: Message, broker: Broker, access: Access) -> HubError:
    name = reason.getName()
    return HubError(
        f"{broker} refused a message on {message.topic} ({name})",
        f"the right of user {access.user or '(none)'} to write to that topic",
        "Allow it in the broker's access list, or change topic_prefix or device",
        is_final=name not in _PASSING,
    )


def _cut_off(broker: Broker, wanted: str, farewell: ReasonCode | None) -> HubError:
    hint = f"write {'mqtt://' if broker.tls else 'mqtts://'} if this port speaks {'no ' if broker.tls else ''}TLS"
    return HubError(
        f"{broker} closed the connection before it {wanted} ({farewell.getName() if farewell else 'no reason given'})",
        "an MQTT broker that answers",
        f"Look at the broker's log; {hint}",
        is_final=False,
    )


def _silent(broker: Broker, wanted: str, answer_s: float) -> HubError:
    return HubError(
        f"{broker} has not {wanted} within {answer_s:g} s",
        "an MQTT broker that answers",
        "Check the address and the broker, or raise timeout_s",
        is_final=False,
    )
