"""The durable path through real brokers: nothing is lost, nothing is stored twice, nobody gets in who may not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_home import KINDS, Home, home, until

from nodes.hub.access import Access
from nodes.hub.broker import Kind
from nodes.hub.certificates import authority, issue
from nodes.hub.event import LARGEST_BATCH_BYTES, Entry, Event, Key, body_text, encode
from nodes.hub.link import Hears, Letter, Link
from nodes.hub.outbox import Said
from nodes.hub.receiver import Receiver, Watchers
from nodes.hub.store import now
from nodes.hub.topics import EVENTS, event_topic

WORD = [Said("result", {"label": "yes", "score": 0.9})]


@pytest.fixture(params=KINDS)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Home]:
    with home(request.param, tmp_path) as found:
        yield found


def stored(house: Home, device: str = "kitchen") -> list[int]:
    return [row.seq for row in house.store.history(device, limit=100_000)]


def test_a_result_is_stored_then_acknowledged_then_forgotten(house: Home) -> None:
    seen: list[Event] = []
    house.receiver(Watchers(fresh=seen.extend))
    sender = house.sender("kitchen")
    sender.put(WORD)
    assert sender.drain(20.0), sender.condition()
    assert stored(house) == [1]
    assert [(event.device, event.body["label"]) for event in seen] == [("kitchen", "yes")]
    assert sender.condition().acknowledged == 1


def test_what_was_said_without_a_hub_comes_when_there_is_one(house: Home) -> None:
    sender = house.sender("kitchen")
    for _ in range(30):
        sender.put(WORD * 10)
    assert until(lambda: sender.condition().sent >= 300)
    assert sender.condition().waiting == 300
    house.receiver()
    assert sender.drain(20.0), sender.condition()
    assert stored(house) == list(range(1, 301))


def test_a_killed_broker_loses_nothing(house: Home) -> None:
    receiver = house.receiver()
    sender = house.sender("kitchen")
    for turn in range(60):
        sender.put(WORD * 10)
        if turn in (10, 40):
            house.broker.kill()
            sender.put(WORD)
            house.restart_broker()
    assert sender.drain(60.0), (sender.condition(), receiver.tally)
    assert stored(house) == list(range(1, 603))


DEVICE = """
import sys
from pathlib import Path
from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.window import Pace
folder, port, ca, version, password = sys.argv[1:]
sender = Sender(Outbox(Path(folder) / "device.db"), Broker("127.0.0.1", int(port), True),
                Access("kitchen", password, Path(ca), client_id="kitchen", version=version), "kitchen",
                Pace(resend_s=0.3))
sender.start()
while True:
    print(sender.put([Said("result", {"label": "yes"})] * 5)[-1].seq, flush=True)
"""


def test_a_killed_device_loses_nothing_it_has_kept(house: Home) -> None:
    house.receiver()
    access, port, told = house.access("kitchen"), house.broker.address.port, 0
    for _ in range(3):
        arguments = [str(house.folder), str(port), str(access.ca_file), access.version, access.password]
        child = subprocess.Popen([sys.executable, "-c", DEVICE, *arguments], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.3)
        os.kill(child.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in child.stdout.read().split()[:-1])])
        child.wait()
    (house.folder / "device.db").rename(house.folder / "kitchen.db")
    for suffix in ("-wal", "-shm"):
        if (house.folder / f"device.db{suffix}").exists():
            (house.folder / f"device.db{suffix}").rename(house.folder / f"kitchen.db{suffix}")
    sender = house.sender("kitchen")
    assert sender.drain(30.0), sender.condition()
    found = stored(house)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= told > 0


class FailingStore:
    """A store whose disk is full for a while."""

    def __init__(self, store: object, failures: int) -> None:
        self.store, self.failures = store, failures

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def commit(self, events: object, received: object) -> object:
        if self.failures:
            self.failures -= 1
            from nodes.hub.errors import HubError

            raise HubError("the disk is full", "room", "Free some", is_final=False)
        return self.store.commit(events, received)  # type: ignore[attr-defined]


def test_a_hub_with_a_full_disk_acknowledges_nothing_and_recovers(house: Home) -> None:
    failing = FailingStore(house.store, 3)
    receiver = Receiver(failing, house.broker.address, house.access("hub"))  # type: ignore[arg-type]
    receiver.start()
    house.running.append(receiver)
    sender = house.sender("kitchen")
    sender.put(WORD * 200)
    assert sender.drain(30.0), sender.condition()
    assert receiver.tally.failures == 3
    assert stored(house) == list(range(1, 201))


def test_messages_that_are_no_events_are_counted_and_harm_nobody(house: Home) -> None:
    receiver = house.receiver()
    link = Link(house.broker.address, house.access("hall"), [], Hears(lambda _topic, _payload: None))
    link.start()
    assert link.wait_up(15.0)
    for payload in (b"", b"{}", b"\xff" * 1000, b"[" * 100_000):
        link.send(Letter(event_topic("hall", EVENTS), payload))
    sender = house.sender("kitchen")
    sender.put(WORD)
    assert sender.drain(20.0)
    assert until(lambda: receiver.tally.malformed == 4)
    link.stop()


def test_an_oversized_message_is_not_taken_and_what_comes_again_is_stored_once(house: Home) -> None:
    receiver = house.receiver()
    link = Link(house.broker.address, house.access("hall"), [], Hears(lambda _topic, _payload: None))
    link.start()
    assert link.wait_up(15.0)
    row = encode([Entry(Key("a" * 16, seq), body_text("result", now(), {"label": "yes"})) for seq in (1, 2, 3)])
    link.send(Letter(event_topic("hall", EVENTS), b" " * (LARGEST_BATCH_BYTES + 1)))
    for _ in range(3):
        link.send(Letter(event_topic("hall", EVENTS), row))
    assert until(lambda: receiver.tally.repeated == 6)
    assert receiver.tally.malformed == 1
    assert stored(house, "hall") == [1, 2, 3]
    link.stop()


def test_a_refused_event_is_set_aside_with_the_reason(house: Home) -> None:
    house.receiver()
    outbox_row = '{"kind":"result","time":"no time"}'
    sender = house.sender("kitchen")
    sender.put(WORD)
    sender.outbox._insert([("result", outbox_row)])  # what a device of another version may say
    sender.put(WORD)
    assert sender.drain(20.0), sender.condition()
    assert [reason for _, reason in sender.outbox.dead()] == ["it has no time in ISO 8601 with a zone"]
    assert stored(house) == [1, 3]


def test_an_order_reaches_its_device_alone(house: Home) -> None:
    receiver, heard, other = house.receiver(), list[bytes](), list[bytes]()
    kitchen, hall = house.sender("kitchen", ordered=heard.append), house.sender("hall", ordered=other.append)
    assert until(lambda: kitchen.condition().is_connected and hall.condition().is_connected)
    assert receiver.order("kitchen", b"update")
    assert until(lambda: heard == [b"update"])
    assert other == []


# ---- nobody gets in: proven by what is delivered, as brokers grant what they do not give


def refused_link(house: Home, access: Access, tls: bool = True) -> str:
    link = Link(replace(house.broker.address, tls=tls), access, [], Hears(lambda _topic, _payload: None))
    link.start()
    try:
        assert until(lambda: link.problem is not None), "it was let in"
        assert not link.is_up
        return str(link.problem)
    finally:
        link.stop()


def test_a_wrong_password_is_refused(house: Home) -> None:
    assert "refused user kitchen" in refused_link(house, house.access("kitchen", "wrong"))


def test_a_foreign_authority_is_refused_by_the_client(house: Home, tmp_path: Path) -> None:
    foreign = authority(tmp_path / "foreign", "somebody else")
    access = replace(house.access("kitchen"), ca_file=foreign.cert_file)
    assert "is not trusted" in refused_link(house, access)


def test_a_plain_connection_is_refused(house: Home) -> None:
    assert "closed the connection" in refused_link(house, house.access("kitchen"), tls=False)


def test_a_device_can_neither_speak_nor_read_for_another(house: Home) -> None:
    house.receiver()
    overheard: list[tuple[str, bytes]] = []
    spy = Link(house.broker.address, house.access("hall"), ["cmd/#", "cmd/kitchen/#", "evt/#", "#"],
               Hears(lambda topic, payload: overheard.append((topic, payload))))  # fmt: skip
    spy.start()
    assert spy.wait_up(15.0)
    forged = encode([Entry(Key("a" * 16, 1), body_text("result", now(), {"label": "forged"}))])
    spy.send(Letter(event_topic("kitchen", EVENTS), forged))
    time.sleep(0.5)
    sender = house.sender("kitchen")
    sender.put(WORD)
    assert sender.drain(20.0)
    spy.stop()
    assert stored(house) == [1]
    assert [row.body["label"] for row in house.store.latest()] == ["yes"]
    assert [topic for topic, _ in overheard if not topic.startswith("cmd/hall/")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_certificate_is_refused(kind: Kind, tmp_path: Path) -> None:
    with home(kind, tmp_path, certificate_days=-1) as house:
        assert "is not trusted" in refused_link(house, house.access("kitchen"))


def test_with_client_certificates_a_name_is_what_is_signed(tmp_path: Path) -> None:
    with home("mosquitto", tmp_path, wants_certificates=True) as house:
        pair = issue(house.broker.ca, tmp_path / "own", "kitchen")
        address, ca = house.broker.address, house.broker.ca.cert_file
        own = Access(ca_file=ca, cert_file=pair.cert_file, key_file=pair.key_file, client_id="k")
        hub = issue(house.broker.ca, tmp_path / "own", "hub")
        receiver = Receiver(house.store, address, Access(ca_file=ca, cert_file=hub.cert_file, key_file=hub.key_file))
        receiver.start()
        house.running.append(receiver)
        link = Link(address, own, [], Hears(lambda _topic, _payload: None))
        link.start()
        assert link.wait_up(15.0), link.problem
        assert receiver.link.wait_up(15.0), receiver.link.problem
        row = encode([Entry(Key("a" * 16, 1), body_text("result", now(), {"label": "yes"}))])
        link.send(Letter(event_topic("kitchen", EVENTS), row))
        assert until(lambda: stored(house) == [1])
        link.stop()
        foreign = issue(authority(tmp_path / "foreign"), tmp_path / "foreign", "kitchen")
        assert refused_link(house, replace(own, cert_file=foreign.cert_file, key_file=foreign.key_file))
        assert refused_link(house, replace(own, cert_file=None, key_file=None))
