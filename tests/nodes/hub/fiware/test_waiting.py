"""What waits for a follower: everything, once, whatever clocks do and however late it comes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from postgres_server import Postgres

from nodes.hub.event import Event, Key
from nodes.hub.postgres import PostgresStore
from nodes.hub.store import SqliteStore, Store

TIME = datetime(2026, 11, 21, tzinfo=UTC)
EPOCH = "a" * 16


def event(seq: int, device: str = "kitchen", kind: str = "result") -> Event:
    return Event(device, Key(EPOCH, seq), kind, TIME, {"label": "yes", "n": seq})


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Iterator[Store]:
    made = SqliteStore(tmp_path / "hub.db") if request.param == "sqlite" else PostgresStore(postgres.database())
    yield made
    made.close()


def seqs(store: Store) -> list[int]:
    return [found.row.seq for found in store.waiting()]


def test_nothing_waits_for_nobody(store: Store) -> None:
    store.commit([event(1)], TIME)
    assert store.waiting() == ()


def test_what_was_stored_before_waits_too(store: Store) -> None:
    store.commit([event(1)], TIME)
    store.follow()
    store.follow()
    store.commit([event(2), event(2), event(1)], TIME)
    found = store.waiting()
    assert [one.row.seq for one in found] == [1, 2]
    assert found[0].epoch == EPOCH and found[0].row.body == {"label": "yes", "n": 1}


def test_late_events_and_a_clock_that_jumps_back_miss_nothing(store: Store) -> None:
    store.follow()
    store.commit([event(7)], TIME)
    store.passed_on([found.place for found in store.waiting()])
    store.commit([event(3)], TIME)
    store.commit([event(8)], TIME - timedelta(days=400))
    assert seqs(store) == [3, 8]
    assert [found.row.seq for found in store.waiting(1)] == [3]


def test_what_waits_is_not_purged(store: Store) -> None:
    store.follow()
    store.commit([event(1), event(2)], TIME)
    store.passed_on([store.waiting()[0].place])
    assert store.purge(TIME + timedelta(days=1)) == 1
    assert seqs(store) == [2]


def test_places_are_never_given_twice(store: Store) -> None:
    store.follow()
    store.commit([event(1)], TIME)
    first = store.waiting()[0].place
    store.passed_on([first])
    store.commit([event(2)], TIME)
    assert store.waiting()[0].place > first


def test_nobody_follows_any_more(store: Store) -> None:
    store.follow()
    store.commit([event(1)], TIME)
    store.unfollow()
    store.commit([event(2)], TIME)
    assert store.waiting() == ()


def test_another_connection_sees_the_follower(store: Store, postgres: Postgres) -> None:
    """The hub and the follower are two processes."""
    second: Store = SqliteStore(store.path) if isinstance(store, SqliteStore) else PostgresStore(postgres.last)
    store.commit([event(1)], TIME)
    second.follow()
    store.commit([event(2)], TIME)
    assert seqs(second) == [1, 2]
    second.close()
