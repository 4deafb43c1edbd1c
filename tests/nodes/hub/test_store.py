"""The store: every event once, the newest where it belongs, nothing half stored."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from postgres_server import Postgres

from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key
from nodes.hub.postgres import PostgresStore
from nodes.hub.store import Question, SqliteStore, Store

TIME = datetime(2026, 11, 21, tzinfo=UTC)
OLD, NEW = "a" * 16, "b" * 16


def event(seq: int, epoch: str = OLD, device: str = "kitchen", kind: str = "result", **body: object) -> Event:
    return Event(device, Key(epoch, seq), kind, TIME - timedelta(seconds=seq), {"seq": seq, **body})


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Iterator[Store]:
    made = SqliteStore(tmp_path / "hub.db") if request.param == "sqlite" else PostgresStore(postgres.database())
    yield made
    made.close()


def test_an_event_is_stored_once(store: Store) -> None:
    assert len(store.commit([event(1), event(2), event(1)], TIME)) == 2
    assert store.commit([event(2)], TIME) == ()
    assert store.counts() == {"kitchen": 2}


def test_the_events_of_an_older_hub_are_counted(tmp_path: Path, postgres: Postgres) -> None:
    url, path = postgres.database(), tmp_path / "hub.db"
    for made in (SqliteStore(path), PostgresStore(url)):
        made.commit([event(1), event(2), event(1, device="hall")], TIME)
        made.close()
    with sqlite3.connect(path) as small, psycopg.connect(url) as large:
        small.execute("DROP TABLE counts")
        large.execute("DROP TABLE ossicle_counts")
    small.close()
    for again in (SqliteStore(path), PostgresStore(url)):
        assert again.counts() == {"kitchen": 2, "hall": 1}
        again.commit([event(3)], TIME)
        assert again.counts() == {"kitchen": 3, "hall": 1}
        again.close()


def test_the_newest_result_stays_the_newest(store: Store) -> None:
    store.commit([event(7), event(8, kind="telemetry")], TIME)
    store.commit([event(3)], TIME)
    assert [row.seq for row in store.latest()] == [7]
    store.commit([event(1, NEW)], TIME)
    store.commit([event(9)], TIME)
    assert [(row.number, row.seq) for row in store.latest()] == [(2, 1)]


def test_a_devices_history_is_in_its_own_order(store: Store) -> None:
    store.commit([event(3), event(1), event(1, NEW), event(2)], TIME)
    rows = store.history("kitchen")
    assert [(row.number, row.seq) for row in rows] == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert [(row.number, row.seq) for row in store.history("kitchen", (1, 2), 1)] == [(1, 3)]


def test_questions(store: Store) -> None:
    store.commit([event(1), event(2, kind="telemetry"), event(1, device="hall")], TIME)
    store.commit([event(3)], TIME + timedelta(hours=1))
    assert [row.seq for row in store.events(Question(device="kitchen"))] == [3, 2, 1]
    assert len(store.events(Question(kind="telemetry"))) == 1
    assert len(store.events(Question(since=(TIME + timedelta(minutes=1)).isoformat()))) == 1
    assert len(store.events(Question(limit=2))) == 2
    assert store.events(Question(device="x' OR '1'='1")) == ()


def test_what_is_old_is_forgotten(store: Store) -> None:
    store.commit([event(1)], TIME)
    store.commit([event(2)], TIME + timedelta(days=2))
    assert store.purge(TIME + timedelta(days=1)) == 1
    assert [row.seq for row in store.history("kitchen")] == [2]


def test_it_is_there_after_opening_it_again(store: Store, postgres: Postgres) -> None:
    store.commit([event(1, OLD), event(1, NEW)], TIME)
    store.close()
    again = SqliteStore(store.path) if isinstance(store, SqliteStore) else PostgresStore(postgres.last)
    assert again.commit([event(1, OLD), event(1, NEW)], TIME) == ()
    again.close()


def test_a_body_is_kept_as_it_was_said(store: Store) -> None:
    body = {"text": 'quote " \\ ünï 🎧', "deep": {"list": [1, 2.5, None, True]}, "large": (1 << 62)}
    store.commit([Event("kitchen", Key(OLD, 1), "result", TIME, body)], TIME)
    assert dict(store.history("kitchen")[0].body) == body


def test_two_hubs_in_one_database_store_once(postgres: Postgres) -> None:
    url = postgres.database()
    stores = [PostgresStore(url) for _ in range(4)]
    events = [event(seq, epoch, f"d{seq % 3}") for seq in range(1, 60) for epoch in (OLD, NEW)]
    with ThreadPoolExecutor(4) as pool:
        fresh = list(pool.map(lambda store: len(store.commit(events, TIME)), stores))
    assert sum(fresh) == len(events)
    for made in stores:
        made.close()


def test_a_database_server_that_was_killed_comes_back(postgres: Postgres) -> None:
    store = PostgresStore(postgres.database())
    store.commit([event(1)], TIME)
    postgres.kill()
    with pytest.raises(HubError, match="cannot be used"):
        store.commit([event(2)], TIME)
    postgres.start()
    assert len(store.commit([event(1), event(2)], TIME)) == 1
    assert [row.seq for row in store.history("kitchen")] == [1, 2]
    store.close()


def test_no_password_is_told() -> None:
    with pytest.raises(HubError) as caught:
        PostgresStore("postgresql://user:topsecret@127.0.0.1:1/db")
    assert "topsecret" not in str(caught.value)


def test_a_database_of_a_newer_hub_is_left_alone(postgres: Postgres) -> None:
    url = postgres.database()
    PostgresStore(url).close()
    with psycopg.connect(url) as db:
        db.execute("UPDATE ossicle_schema SET version = 99")
    with pytest.raises(HubError, match="newer hub"):
        PostgresStore(url)


def test_what_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "hub.db").write_bytes(b"no database" * 1000)
    with pytest.raises(HubError, match="cannot be used"):
        SqliteStore(tmp_path / "hub.db")


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key
from nodes.hub.store import SqliteStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store, time, stored = SqliteStore(Path(sys.argv[1])), datetime.now(UTC), 0
def events(first):
    return [Event(f"d{first}", Key("a" * 16, first + n), "result", time, {"x": "y" * 1000}) for n in range(20)]
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while True:
        stored += len(store.commit(events(stored + 1), time))
except HubError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(stored, sum(store.counts().values()), len(store.commit(events(stored + 1), time)))
"""


def test_a_full_disk_stores_all_or_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "hub.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    message, figures = done.stdout.strip().splitlines()
    stored, counted, after = map(int, figures.split())
    assert "cannot be used" in message
    assert (stored, after) == (counted, 20)
