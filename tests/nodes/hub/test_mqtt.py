"""Delivery to a real mosquitto, and every way in which it can fail."""

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from nodes.hub import Broker, HubError, Item, Message, make_messages
from nodes.hub.access import Access, Version
from nodes.hub.mqtt import Patience, deliver

QUICK = Patience(attempts=2, timeout_s=10.0, answer_s=0.3, pause_s=0.01)
STEADY = Patience(attempts=5, timeout_s=20.0, pause_s=0.01)


def _messages(count: int = 3, device: str = "device1", topic: str = "") -> tuple[Message, ...]:
    """Messages on topics of their own, retained so that the hub can read them afterwards."""
    kind = topic or uuid.uuid4().hex
    items = [Item(f"{kind}/{number}", {"number": number}, retain=True) for number in range(count)]
    return make_messages(items, prefix="evt", device=device)


def _access(mosquitto: Any, **changes: Any) -> Access:
    login = Access(user="device1", password=mosquitto.passwords["device1"], ca_file=mosquitto.ca_file)
    return replace(login, client_id=uuid.uuid4().hex, **changes)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_delivered_and_retained(mosquitto: Any, version: Version) -> None:
    """Over TLS with a password: all acknowledged, and the hub reads exactly what was sent."""
    messages = _messages(25)
    done = deliver(messages, Broker("localhost", mosquitto.tls_port, True), _access(mosquitto, version=version), STEADY)
    assert sorted(done) == sorted(message.id for message in messages)
    found = mosquitto.listen(f"{messages[0].topic.rsplit('/', 1)[0]}/#", want=25)
    received = {payload["id"]: payload for _, payload, retained in found if retained}
    assert received.keys() == set(done)
    for message in messages:
        assert {**message.content(), "time": received[message.id]["time"]} == received[message.id]


def test_a_broker_without_login(mosquitto: Any) -> None:
    """The open port takes messages of anybody, without TLS."""
    messages = _messages(2, device="anyone")
    assert len(deliver(messages, Broker("127.0.0.1", mosquitto.open_port, False), Access(), STEADY)) == 2


Case = tuple[Callable[[Any], tuple[Broker, dict[str, Any]]], str]
REFUSED: dict[str, Case] = {
    "wrong password": (
        lambda m: (Broker("localhost", m.tls_port, True), {"password": "guess"}),
        "refused user device1",
    ),
    "no password": (lambda m: (Broker("localhost", m.tls_port, True), {"user": "", "password": ""}), "without a user"),
    "another authority": (
        lambda m: (Broker("localhost", m.tls_port, True), {"ca_file": m.foreign_ca_file}),
        "certificate of mqtts://localhost:.* is not trusted",
    ),
    "the system's authorities": (
        lambda m: (Broker("localhost", m.tls_port, True), {"ca_file": None}),
        "signed by an authority of this system",
    ),
    "another host name": (lambda m: (Broker("127.0.0.1", m.tls_port, True), {}), "IP address mismatch"),
    "a CA file that is none": (
        lambda m: (Broker("localhost", m.tls_port, True), {"ca_file": m.folder / "rights"}),
        "CA file .* cannot be used",
    ),
    "a CA file that is missing": (
        lambda m: (Broker("localhost", m.tls_port, True), {"ca_file": m.folder / "missing"}),
        "CA file .* cannot be used",
    ),
    "TLS to the open port": (lambda m: (Broker("localhost", m.open_port, True), {}), "does not speak TLS|closed"),
    "no TLS to the TLS port": (lambda m: (Broker("localhost", m.tls_port, False), {}), "write mqtts://"),
    "an unknown host": (lambda m: (Broker("no-such-host.invalid", 1883, False), {}), "is not known"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_refused(mosquitto: Any, case: str, version: Version) -> None:
    """Each way to be refused has its own three-part message."""
    make, told = REFUSED[case]
    broker, changes = make(mosquitto)
    with pytest.raises(HubError, match=told) as caught:
        deliver(_messages(1), broker, _access(mosquitto, version=version, **changes), replace(QUICK, answer_s=3.0))
    assert caught.value.expected and caught.value.remedy
    assert mosquitto.passwords["device1"] not in str(caught.value)


def test_login_errors_are_not_tried_again(mosquitto: Any) -> None:
    """A wrong password is final: another try would only trip a lock."""
    pauses: list[float] = []
    with pytest.raises(HubError):
        deliver(
            _messages(1), Broker("localhost", mosquitto.tls_port, True), _access(mosquitto, password="guess"), STEADY,
            lambda seconds: pauses.append(seconds) if seconds else None,
        )  # fmt: skip
    assert not pauses


def test_a_topic_of_another_device(mosquitto: Any) -> None:
    """With MQTT 5 the broker says no, and nothing arrives; the PUBACK of 3.1.1 would say yes."""
    messages = _messages(1, device="device2")
    with pytest.raises(HubError, match=r"refused a message on evt/device2/.* \(Not authorized\)"):
        deliver(messages, Broker("localhost", mosquitto.tls_port, True), _access(mosquitto), QUICK)


def test_nobody_there_then_a_broker(mosquitto: Any) -> None:
    """A refused connection is tried again after a pause; then everything is delivered."""
    with _gate(mosquitto.open_port) as (port, open_gate):
        waited: list[float] = []

        def pause(seconds: float) -> None:
            if seconds:
                waited.append(seconds)
                open_gate()

        done = deliver(_messages(3), Broker("127.0.0.1", port, False), Access(), STEADY, pause)
    assert len(done) == 3 and len(waited) == 1


def test_nobody_there() -> None:
    """A port that stays closed: as many tries as wanted, with growing pauses, then the reason."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pauses: list[float] = []
    with pytest.raises(HubError, match="refused the connection") as caught:
        deliver(
            _messages(1), Broker("127.0.0.1", port, False), Access(), Patience(attempts=4, pause_s=1.0),
            lambda seconds: pauses.append(seconds) if seconds else None,
        )  # fmt: skip
    assert "local file" in caught.value.remedy
    assert len(pauses) == 3
    assert pauses[0] < pauses[1] < pauses[2]


def test_a_silent_server() -> None:
    """A server that takes the connection and says nothing does not hold the node for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(HubError, match="has not answered the login"):
        deliver(_messages(1), Broker("127.0.0.1", server.getsockname()[1], False), Access(), QUICK)


@pytest.mark.parametrize("cut_after_bytes", [0, 10, 400, 1500])
def test_a_connection_cut_midway(mosquitto: Any, cut_after_bytes: int) -> None:
    """What has no PUBACK when the line breaks is sent again; in the end all is there."""
    messages = _messages(30, device="anyone")
    with _cutting_proxy(mosquitto.open_port, cut_after_bytes) as port:
        done = deliver(messages, Broker("127.0.0.1", port, False), Access(client_id=uuid.uuid4().hex), STEADY)
    assert sorted(done) == sorted(message.id for message in messages)
    found = mosquitto.listen(f"{messages[0].topic.rsplit('/', 1)[0]}/#", want=30)
    assert {payload["id"] for _, payload, _ in found} == set(done)


def test_cancelled_while_waiting() -> None:
    """Whatever `pause` raises ends the delivery."""

    def pause(_seconds: float) -> None:
        raise InterruptedError

    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(InterruptedError):
        deliver(_messages(1), Broker("127.0.0.1", server.getsockname()[1], False), Access(), STEADY, pause)


@contextmanager
def _gate(target: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """A port that refuses until it is opened, then leads to `target`."""
    stop = threading.Event()
    server = socket.socket()
    server.bind(("127.0.0.1", 0))

    def open_gate() -> None:
        server.listen()
        threading.Thread(target=_serve, args=(server, target, [], stop), daemon=True).start()

    try:
        yield server.getsockname()[1], open_gate
    finally:
        stop.set()
        server.close()


@contextmanager
def _cutting_proxy(target: int, cut_after_bytes: int) -> Iterator[int]:
    """A port that leads to `target` and cuts its first connection after some bytes from the client."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        worker = threading.Thread(target=_serve, args=(server, target, [cut_after_bytes], stop), daemon=True)
        worker.start()
        yield server.getsockname()[1]
        stop.set()


def _serve(server: socket.socket, target: int, cuts: list[int], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            client, _ = server.accept()
        except OSError:
            return
        limit = cuts.pop(0) if cuts else None
        broker = socket.create_connection(("127.0.0.1", target))
        threading.Thread(target=_pump, args=(broker, client, None), daemon=True).start()
        threading.Thread(target=_pump, args=(client, broker, limit), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    left = limit
    try:
        while left is None or left > 0:
            data = source.recv(65536 if left is None else left)
            if not data:
                break
            sink.sendall(data)
            left = None if left is None else left - len(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()
