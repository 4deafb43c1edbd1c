"""The relay that partitions, severs, loses and counts; and what the transport makes of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hub_home import KINDS, QUICK, Home, home, until

from nodes.hub.broker import Kind
from nodes.hub.endpoint import Broker
from nodes.hub.faults import Proxy
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender


@contextmanager
def echo() -> Iterator[int]:
    """A server that says what it hears."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                heard, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(heard,), daemon=True).start()

    def answer(heard: socket.socket) -> None:
        with closing(heard):
            try:
                while data := heard.recv(65_536):
                    heard.sendall(data)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    with closing(server):
        yield int(server.getsockname()[1])


def said(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (data := client.recv(size - len(found))):
        found += data
    return found


def test_bytes_pass_and_are_counted() -> None:
    with (
        echo() as port,
        Proxy("127.0.0.1", port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.own_port)) as c,
    ):
        c.sendall(b"x" * 100_000)
        assert said(c, 100_000) == b"x" * 100_000
        assert until(lambda: proxy.traffic.received == 100_000)
        assert (proxy.traffic.sent, proxy.traffic.connections) == (100_000, 1)


def test_a_partition_holds_everything_and_lets_it_go() -> None:
    with (
        echo() as port,
        Proxy("127.0.0.1", port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.own_port)) as c,
    ):
        c.settimeout(0.3)
        c.sendall(b"a")
        assert said(c, 1) == b"a"
        proxy.cut()
        c.sendall(b"b")
        with pytest.raises(TimeoutError):
            c.recv(1)
        proxy.heal()
        c.settimeout(5)
        assert said(c, 1) == b"b"


def test_a_severed_connection_is_reset() -> None:
    with (
        echo() as port,
        Proxy("127.0.0.1", port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.own_port)) as c,
    ):
        c.sendall(b"a")
        assert said(c, 1) == b"a"
        proxy.sever()
        try:
            assert c.recv(1) == b""
        except ConnectionError:
            pass


def test_lost_segments_arrive_late() -> None:
    with (
        echo() as port,
        Proxy("127.0.0.1", port, loss=0.3) as proxy,
        socket.create_connection(("127.0.0.1", proxy.own_port)) as c,
    ):
        begun = time.monotonic()
        for _ in range(4):
            c.sendall(b"a")
            assert said(c, 1) == b"a"
        assert time.monotonic() - begun >= 0.2


def test_nobody_behind_it() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Proxy("127.0.0.1", port) as proxy, socket.create_connection(("127.0.0.1", proxy.own_port)) as c:
        try:
            assert c.recv(1) == b""
        except ConnectionError:
            pass


# ---- the transport behind it


@contextmanager
def far_device(house: Home, proxy: Proxy) -> Iterator[Sender]:
    """A device whose network is the proxy's."""
    outbox = Outbox(house.folder / "far.outbox")
    sender = Sender(outbox, Broker("127.0.0.1", proxy.own_port, tls=True), house.access("kitchen"), "kitchen", QUICK)
    sender.start()
    try:
        yield sender
    finally:
        sender.stop()
        outbox.close()


def rows(first: int, count: int, time: datetime | None = None) -> list[Said]:
    return [Said("result", {"number": number}, time) for number in range(first, first + count)]


def numbers(house: Home) -> list[int]:
    return [row.body["number"] for row in house.store.history("kitchen", limit=10_000)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severs", [False, True], ids=["held", "severed"])
def test_a_partition_loses_nothing(kind: Kind, severs: bool, tmp_path: Path) -> None:
    with home(kind, tmp_path) as house:
        house.receiver()
        address = house.broker.address
        with Proxy(address.host, address.port) as proxy, far_device(house, proxy) as sender:
            sender.put(rows(1, 50))
            assert until(lambda: house.store.counts().get("kitchen") == 50)
            proxy.cut()
            sender.put(rows(51, 50))
            time.sleep(1.0)  # some resends fall into it
            assert house.store.counts()["kitchen"] == 50
            if severs:
                proxy.sever()
            proxy.heal()
            assert sender.drain(20.0)
        assert numbers(house) == list(range(1, 101))


@pytest.mark.parametrize("kind", KINDS)
def test_a_hub_behind_a_lossy_line_stores_everything_in_order(kind: Kind, tmp_path: Path) -> None:
    with home(kind, tmp_path) as house:
        house.receiver()
        address = house.broker.address
        with Proxy(address.host, address.port, loss=0.1) as proxy, far_device(house, proxy) as sender:
            for first in range(1, 101, 10):
                sender.put(rows(first, 10))
            assert sender.drain(20.0)
        assert numbers(house) == list(range(1, 101))


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumps_changes_no_order(years: int, tmp_path: Path) -> None:
    with home("mosquitto", tmp_path) as house:
        house.receiver()
        sender, wrong = house.sender("kitchen"), datetime.now(UTC) + timedelta(days=365 * years)
        sender.put(rows(1, 5))
        sender.put(rows(6, 5, wrong))
        sender.put(rows(11, 5))
        assert sender.drain(20.0)
        found = house.store.history("kitchen")
        assert numbers(house) == list(range(1, 16))
        assert house.store.latest()[0].body["number"] == 15
        assert {row.received[:4] for row in found} == {str(datetime.now(UTC).year)}


def test_a_slow_disk_only_takes_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with home("mosquitto", tmp_path) as house:
        commit = house.store.commit

        def slow(*given: object) -> object:
            time.sleep(2 * QUICK.resend_s)  # longer than a device waits before it sends again
            return commit(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(house.store, "commit", slow)
        receiver = house.receiver()
        sender = house.sender("kitchen", replace(QUICK, rows=20, batch=5))
        sender.put(rows(1, 40))
        assert sender.drain(30.0)
        assert numbers(house) == list(range(1, 41))
        assert receiver.tally.repeated > 0
