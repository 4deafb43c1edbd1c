"""The store: every event once, the newest where it belongs, nothing half stored."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key
from nodes.hub.store import Question, SqliteStore

TIME = datetime(2026, 11, 21, tzinfo=UTC)
OLD, NEW = "a" * 16, "b" * 16


def event(seq: int, epoch: str = OLD, device: str = "kitchen", kind: str = "result", **body: object) -> Event:
    return Event(device, Key(epoch, seq), kind, TIME - timedelta(seconds=seq), {"seq": seq, **body})


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "hub.db")


def test_an_event_is_stored_once(store: SqliteStore) -> None:
    assert len(store.commit([event(1), event(2), event(1)], TIME)) == 2
    assert store.commit([event(2)], TIME) == ()
    assert store.counts() == {"kitchen": 2}


def test_the_newest_result_stays_the_newest(store: SqliteStore) -> None:
    store.commit([event(7), event(8, kind="telemetry")], TIME)
    store.commit([event(3)], TIME)
    assert [row.seq for row in store.latest()] == [7]
    store.commit([event(1, NEW)], TIME)
    store.commit([event(9)], TIME)
    assert [(row.number, row.seq) for row in store.latest()] == [(2, 1)]


def test_a_devices_history_is_in_its_own_order(store: SqliteStore) -> None:
    store.commit([event(3), event(1), event(1, NEW), event(2)], TIME)
    rows = store.history("kitchen")
    assert [(row.number, row.seq) for row in rows] == [(1, 1), (1, 2), (1, 3), (2, 1)]
    assert [(row.number, row.seq) for row in store.history("kitchen", (1, 2), 1)] == [(1, 3)]


def test_questions(store: SqliteStore) -> None:
    store.commit([event(1), event(2, kind="telemetry"), event(1, device="hall")], TIME)
    store.commit([event(3)], TIME + timedelta(hours=1))
    assert [row.seq for row in store.events(Question(device="kitchen"))] == [3, 2, 1]
    assert len(store.events(Question(kind="telemetry"))) == 1
    assert len(store.events(Question(since=(TIME + timedelta(minutes=1)).isoformat()))) == 1
    assert len(store.events(Question(limit=2))) == 2
    assert store.events(Question(device="x' OR '1'='1")) == ()


def test_what_is_old_is_forgotten(store: SqliteStore) -> None:
    store.commit([event(1)], TIME)
    store.commit([event(2)], TIME + timedelta(days=2))
    assert store.purge(TIME + timedelta(days=1)) == 1
    assert [row.seq for row in store.history("kitchen")] == [2]


def test_it_is_there_after_opening_it_again(store: SqliteStore) -> None:
    store.commit([event(1, OLD), event(1, NEW)], TIME)
    store.close()
    again = SqliteStore(store.path)
    assert again.commit([event(1, OLD), event(1, NEW)], TIME) == ()


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
