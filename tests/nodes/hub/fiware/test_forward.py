"""Nothing is lost on the way to the context broker, whoever is killed, and the newest stays the newest."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fiware_home import Program, client, stub_program
from hub_home import until

from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key
from nodes.hub.fiware.entities import DEVICE_TYPE, device_id
from nodes.hub.fiware.forward import LARGEST_BATCH_BYTES, Forwarder, Manner, batches
from nodes.hub.fiware.ngsi import ContextBroker, Entity, Place
from nodes.hub.fiware.stub import served
from nodes.hub.store import SqliteStore, Waiting

TIME = datetime(2026, 11, 21, tzinfo=UTC)
EPOCH, LATER = "a" * 16, "b" * 16
RESULT_TYPE = "AudioResult"
EVENTS, KILLS = 1600, 2


def event(seq: int, device: str = "kitchen", kind: str = "result", epoch: str = EPOCH, **body: Any) -> Event:
    return Event(device, Key(epoch, seq), kind, TIME, {"label": "yes", "score": 0.5, **body})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "hub.db")
    made.follow()
    yield made
    made.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ContextBroker]:
    with served(tmp_path / "stub.db") as url:
        made = client(url)
        yield made
        made.close()


def numbers(broker: ContextBroker, device: str = "kitchen") -> list[int]:
    rows = broker.entities(RESULT_TYPE)
    return sorted(row["seq"] for row in rows if row["refDevice"] == device_id(device))


def newest(broker: ContextBroker, device: str = "kitchen") -> tuple[int, int]:
    found = broker.get(device_id(device), DEVICE_TYPE) or {}
    return found["epochNumber"], found["seq"]


def test_every_result_becomes_an_entity(store: SqliteStore, broker: ContextBroker) -> None:
    store.commit([event(seq) for seq in range(1, 501)] + [event(1, "hall"), event(2, "hall", "telemetry")], TIME)
    forwarder = Forwarder(store, broker)
    assert forwarder.drain() == 502
    assert numbers(broker) == list(range(1, 501)) and numbers(broker, "hall") == [1]
    assert (forwarder.tally.sent, forwarder.tally.passed_over) == (501, 1)
    assert newest(broker) == (1, 500) and store.waiting() == ()


def test_kinds_are_chosen(store: SqliteStore, broker: ContextBroker) -> None:
    store.commit([event(1), event(2, kind="telemetry", cpu_percent=1.5)], TIME)
    Forwarder(store, broker, Manner(("telemetry",))).drain()
    assert numbers(broker) == [] and broker.entities("AudioTelemetry")[0]["cpu_percent"] == 1.5
    assert broker.entities(DEVICE_TYPE) == ()


def test_the_newest_never_goes_back(store: SqliteStore, broker: ContextBroker) -> None:
    """Late events and those of an earlier life come after: each is stored, none becomes the newest."""
    forwarder = Forwarder(store, broker)
    for events in ([event(9)], [event(1, epoch=LATER)], [event(3)], [event(10)]):
        store.commit(events, TIME)
        forwarder.drain()
    assert newest(broker) == (2, 1)
    assert numbers(broker) == [1, 3, 9, 10]


def test_again_is_harmless(store: SqliteStore, broker: ContextBroker) -> None:
    """A forwarder that died before it noted what the broker had taken."""
    store.commit([event(seq) for seq in range(1, 11)], TIME)
    Forwarder(_Forgetful(store), broker).step()  # type: ignore[arg-type]
    assert len(store.waiting()) == 10
    Forwarder(store, broker).drain()
    assert numbers(broker) == list(range(1, 11))


class _Forgetful:
    """A store whose notes never reach the disk."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def passed_on(self, _places: object) -> None:
        """Nothing."""


def test_what_a_broker_refuses_is_set_aside(store: SqliteStore, broker: ContextBroker) -> None:
    """One event that it will never take stops none of the others."""
    store.commit([event(1), event(2, label="poison"), event(3)], TIME)
    told: list[tuple[int, str]] = []
    picky = _Picky(broker.place)
    forwarder = Forwarder(store, picky, refused=lambda found, why: told.append((found.row.seq, why)))
    forwarder.drain()
    picky.close()
    assert numbers(broker) == [1, 3]
    assert [seq for seq, _ in told] == [2] and "poison" in told[0][1]
    assert (forwarder.tally.sent, forwarder.tally.refused) == (2, 1)
    assert newest(broker) == (1, 3)


class _Picky(ContextBroker):
    """A broker that refuses one label, as one with rules of its own would."""

    def update(self, entities: Any, action: Any = "append") -> None:
        """400 for all of them."""
        for entity in entities:
            self._look(entity)
        super().update(entities, action)

    def create(self, entity: Entity) -> bool:
        """400 for the one."""
        self._look(entity)
        return super().create(entity)

    def _look(self, entity: Entity) -> None:
        if entity.get("label", {}).get("value") == "poison":
            raise HubError("poison", "something else", "Correct it")


def test_a_wrong_service_refuses_nothing_for_good(store: SqliteStore, tmp_path: Path) -> None:
    """A broker that would refuse everything is not taken for events that are wrong."""
    store.commit([event(1)], TIME)
    with served(tmp_path / "stub.db") as url:
        forwarder = Forwarder(store, _Closed(Place(url)))
        with pytest.raises(HubError) as caught:
            forwarder.step()
    assert not caught.value.is_final and len(store.waiting()) == 1 and forwarder.tally.refused == 0


class _Closed(ContextBroker):
    """Refuses all that is sent, and the question whether it is there as well."""

    def update(self, entities: Any, action: Any = "append") -> None:
        """400."""
        raise HubError("refused", "", "")

    def probe(self) -> None:
        """Not so either."""
        raise HubError("refused", "", "", is_final=False)


def test_a_write_that_was_done_late_is_mended(store: SqliteStore, broker: ContextBroker) -> None:
    """After a failure what the broker holds is compared, and what a late request left behind is put right."""
    store.commit([event(1)], TIME)
    forwarder = Forwarder(store, broker)
    forwarder.drain()
    store.commit([event(2)], TIME)
    forwarder.drain()
    broker.update([{"id": device_id("kitchen"), "type": DEVICE_TYPE, "seq": {"type": "Number", "value": 1}}])
    assert newest(broker) == (1, 1)
    again = Forwarder(store, broker)
    again.drain()
    assert newest(broker) == (1, 2)


def test_batches_fit() -> None:
    pairs = [(number, {"id": "x", "text": "y" * 10_000}) for number in range(100)]
    groups = list(batches(pairs))
    assert [number for group in groups for number, _ in group] == list(range(100))
    assert len(groups) == -(-100 // (LARGEST_BATCH_BYTES // 10_030))
    assert list(batches([])) == []


def test_a_broker_that_comes_back_gets_everything(store: SqliteStore, tmp_path: Path) -> None:
    stub = stub_program(tmp_path)
    broker = client(stub.url)
    forwarder = Forwarder(store, broker, Manner(last_pause_s=0.5))
    forwarder.start()
    store.commit([event(seq) for seq in range(1, 11)], TIME)
    assert until(lambda: "cannot be reached" in forwarder.problem)
    stub.start()
    try:
        assert until(lambda: not store.waiting() and not forwarder.problem)
        assert numbers(broker) == list(range(1, 11))
    finally:
        forwarder.stop()
        broker.close()
        stub.kill()


FORWARD = """
import sys
from pathlib import Path
from nodes.hub.fiware.forward import Forwarder, Manner
from nodes.hub.fiware.ngsi import ContextBroker, Place
from nodes.hub.store import SqliteStore
made = Forwarder(SqliteStore(Path(sys.argv[1])), ContextBroker(Place(sys.argv[2], "lab", "/audio"), 2.0),
                 Manner(together=20, last_pause_s=0.3))
made._run()
"""


def test_nothing_is_lost_through_kills_of_broker_and_forwarder(store: SqliteStore, tmp_path: Path) -> None:
    """Both are SIGKILLed in the midst of passing on, while the hub stores more; late and early events mixed."""
    stub, draw = stub_program(tmp_path), random.Random(7)
    order = sorted(range(1, EVENTS + 1), key=lambda seq: seq + draw.uniform(0, 40))
    parts = [order[first :: 2 * KILLS] for first in range(2 * KILLS)]
    forwarder = _forwarder(store, stub)
    stub.start()
    try:
        for number, part in enumerate(parts):
            store.commit([event(seq) for seq in part], TIME + timedelta(seconds=draw.uniform(-99, 99)))
            begin = _next_place(store)
            assert until(lambda begin=begin: begin < _next_place(store) < sys.maxsize), "nothing is under way"  # type: ignore[misc]
            time.sleep(draw.uniform(0.0, 0.02))
            if number % 2:
                stub.kill()
                stub.start()
            else:
                forwarder.kill()
                forwarder.wait()
                forwarder = _forwarder(store, stub)
        assert until(lambda: not store.waiting(1), 40.0)
        broker = client(stub.url)
        assert numbers(broker) == list(range(1, EVENTS + 1))
        assert newest(broker) == (1, EVENTS)
        broker.close()
    finally:
        forwarder.kill()
        forwarder.wait()
        stub.kill()


def _next_place(store: SqliteStore) -> int:
    """Place of the event that goes next; beyond all where none waits."""
    return next((found.place for found in store.waiting(1)), sys.maxsize)


def _forwarder(store: SqliteStore, stub: Program) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FORWARD, str(store.path), stub.url])


def test_how_fast(store: SqliteStore, broker: ContextBroker) -> None:
    """Well above what devices of a house say; the stub is the slower half."""
    store.commit([event(seq) for seq in range(1, 2001)], TIME)
    begun = time.perf_counter()
    Forwarder(store, broker).drain()
    assert 2000 / (time.perf_counter() - begun) > 300


def test_waiting_events_carry_their_epoch(store: SqliteStore) -> None:
    store.commit([event(1, epoch=LATER)], TIME)
    found = store.waiting()[0]
    assert found == replace(found, epoch=LATER) and isinstance(found, Waiting)
