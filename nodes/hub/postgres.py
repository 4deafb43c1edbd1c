"""The hub's memory in PostgreSQL, for hubs that share a database with others. Same answers as `SqliteStore`.

A connection that broke is made again at the next call; a transaction it took with it was not acknowledged, so devices
send its events again.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TypeVar

import psycopg
from psycopg import sql

from nodes.hub.errors import HubError
from nodes.hub.event import Event, time_text
from nodes.hub.store import NEWEST_FIRST, RESULT, Question, Row, Waiting

T = TypeVar("T")
SCHEMA_VERSION: Final = 1
LOCK: Final = 0x0551C1E
"""Number of the advisory lock under which the tables are made."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS ossicle_epochs (
  device TEXT COLLATE "C" NOT NULL, epoch TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (device, epoch));
CREATE TABLE IF NOT EXISTS ossicle_events (
  device TEXT COLLATE "C" NOT NULL, number BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, time TEXT NOT NULL,
  received TEXT COLLATE "C" NOT NULL, body JSONB NOT NULL, PRIMARY KEY (device, number, seq));
CREATE TABLE IF NOT EXISTS ossicle_counts (device TEXT COLLATE "C" PRIMARY KEY, events BIGINT NOT NULL);
CREATE INDEX IF NOT EXISTS ossicle_events_received ON ossicle_events (received);
CREATE TABLE IF NOT EXISTS ossicle_latest (
  device TEXT COLLATE "C" PRIMARY KEY, number BIGINT NOT NULL, seq BIGINT NOT NULL, time TEXT NOT NULL,
  received TEXT COLLATE "C" NOT NULL,
  body JSONB NOT NULL);
CREATE TABLE IF NOT EXISTS ossicle_waiting (
  place BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, device TEXT COLLATE "C" NOT NULL, number BIGINT NOT NULL,
  seq BIGINT NOT NULL, UNIQUE (device, number, seq));
CREATE TABLE IF NOT EXISTS ossicle_schema (version BIGINT NOT NULL);
"""
_FOLLOW: Final = """
CREATE FUNCTION ossicle_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO ossicle_waiting (device, number, seq) VALUES (NEW.device, NEW.number, NEW.seq); RETURN NULL; END $$;
CREATE TRIGGER ossicle_waits AFTER INSERT ON ossicle_events FOR EACH ROW EXECUTE FUNCTION ossicle_wait();
INSERT INTO ossicle_waiting (device, number, seq)
  SELECT device, number, seq FROM ossicle_events ORDER BY received, device, number, seq;
"""
_UNFOLLOW: Final = """
DROP TRIGGER IF EXISTS ossicle_waits ON ossicle_events;
DROP FUNCTION IF EXISTS ossicle_wait();
DELETE FROM ossicle_waiting;
"""
_COUNT_OLDER: Final = (
    "INSERT INTO ossicle_counts SELECT device, COUNT(*) FROM ossicle_events "
    "WHERE NOT EXISTS (SELECT 1 FROM ossicle_counts) GROUP BY device"
)
_COLUMNS: Final = "device, number, seq, kind, time, received, body"


class PostgresStore:
    """See `nodes.hub.store.Store`."""

    def __init__(self, url: str) -> None:
        """Connect, and make the tables if there are none.

        Args:
            url: as libpq takes it ("postgresql://…", or "host=… dbname=…"). It may hold a password: it is never told.

        Raises:
            HubError: no connection, or the tables are of a newer hub.
        """
        self._url, self._guard = url, threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        self._run(_prepare)

    def commit(self, events: Sequence[Event], received: datetime) -> tuple[Event, ...]:
        """See `Store.commit`."""
        at = time_text(received)

        def work(db: psycopg.Connection[Any]) -> tuple[Event, ...]:
            numbers = _numbers(db, events)
            fresh = _insert(db, events, numbers, at)
            newest: dict[str, Event] = {}
            for event in sorted(fresh, key=lambda found: (numbers[found.device, found.key.epoch], found.key.seq)):
                if event.kind == RESULT:
                    newest[event.device] = event
            for event in newest.values():
                _point(db, event, numbers[event.device, event.key.epoch], at)
            _count(db, Counter(event.device for event in fresh))
            return fresh

        return self._run(work)

    def events(self, question: Question) -> tuple[Row, ...]:
        """See `Store.events`."""
        where, values = question.where("%s")
        query = f"SELECT {_COLUMNS} FROM ossicle_events WHERE {where} ORDER BY {NEWEST_FIRST} LIMIT %s"
        return self._rows(query, (*values, question.limit))

    def history(self, device: str, after: tuple[int, int] = (0, 0), limit: int = 1000) -> tuple[Row, ...]:
        """See `Store.history`."""
        where = "device = %s AND (number, seq) > (%s, %s) ORDER BY number, seq LIMIT %s"
        return self._rows(f"SELECT {_COLUMNS} FROM ossicle_events WHERE {where}", (device, *after, limit))

    def latest(self) -> tuple[Row, ...]:
        """See `Store.latest`."""
        query = "SELECT device, number, seq, %s, time, received, body FROM ossicle_latest ORDER BY device"
        return self._rows(query, (RESULT,))

    def counts(self) -> Mapping[str, int]:
        """See `Store.counts`."""
        query = sql.SQL("SELECT device, events FROM ossicle_counts WHERE events > 0")
        return self._run(lambda db: {str(device): int(count) for device, count in db.execute(query)})

    def purge(self, before: datetime) -> int:
        """See `Store.purge`."""
        query = sql.SQL(
            "DELETE FROM ossicle_events AS old WHERE received < %s AND NOT EXISTS (SELECT 1 FROM ossicle_waiting AS w "
            "WHERE w.device = old.device AND w.number = old.number AND w.seq = old.seq) RETURNING device"
        )

        def work(db: psycopg.Connection[Any]) -> int:
            gone = Counter(str(row[0]) for row in db.execute(query, (time_text(before),)))
            _count(db, {device: -count for device, count in gone.items()})
            return gone.total()

        return self._run(work)

    def follow(self) -> None:
        """See `Store.follow`. Making the trigger waits for transactions that write, so none slips past it."""

        def work(db: psycopg.Connection[Any]) -> None:
            db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            if db.execute("SELECT 1 FROM pg_trigger WHERE tgname = 'ossicle_waits'").fetchone() is None:
                db.execute(_FOLLOW)

        self._run(work)

    def unfollow(self) -> None:
        """See `Store.unfollow`."""
        self._run(lambda db: db.execute(_UNFOLLOW))

    def waiting(self, limit: int = 1000) -> tuple[Waiting, ...]:
        """See `Store.waiting`."""
        columns = ", ".join(f"e.{name}" for name in _COLUMNS.split(", "))
        query = sql.SQL(
            f"SELECT w.place, p.epoch, {columns} FROM ossicle_waiting w "
            "JOIN ossicle_events e USING (device, number, seq) JOIN ossicle_epochs p USING (device, number) "
            "ORDER BY w.place LIMIT %s"
        )
        return self._run(
            lambda db: tuple(Waiting(place, epoch, Row(*row)) for place, epoch, *row in db.execute(query, (limit,)))
        )

    def passed_on(self, places: Sequence[int]) -> None:
        """See `Store.passed_on`."""
        self._run(lambda db: db.execute("DELETE FROM ossicle_waiting WHERE place = ANY(%s)", (list(places),)))

    def close(self) -> None:
        """See `Store.close`."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _rows(self, query: str, values: tuple[Any, ...]) -> tuple[Row, ...]:
        text = sql.SQL(query)  # made of constants alone; values travel apart
        return self._run(lambda db: tuple(Row(*row) for row in db.execute(text, values)))

    def _run(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """One transaction; a connection that turns out broken is made again once, before anything was done with it."""
        with self._guard, _told():
            db = self._connect()
            try:
                with db.transaction():
                    return work(db)
            except psycopg.OperationalError:
                self.close()
                raise

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.execute("SELECT 1")
            except psycopg.OperationalError:
                self.close()
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
        return self._connection


def _prepare(db: psycopg.Connection[Any]) -> None:
    db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    db.execute(_TABLES)
    db.execute(_COUNT_OLDER)
    found = db.execute("SELECT version FROM ossicle_schema").fetchone()
    if found is None:
        db.execute("INSERT INTO ossicle_schema VALUES (%s)", (SCHEMA_VERSION,))
    elif found[0] > SCHEMA_VERSION:
        raise HubError(
            f"the database is of a newer hub (version {found[0]})",
            f"at most version {SCHEMA_VERSION}",
            "Update Ossicle",
        )


def _numbers(db: psycopg.Connection[Any], events: Sequence[Event]) -> dict[tuple[str, str], int]:
    """Number of every epoch in the batch; new ones are counted on, one device at a time."""
    found: dict[tuple[str, str], int] = {}
    for device, epoch in dict.fromkeys((event.device, event.key.epoch) for event in events):
        query = "SELECT number FROM ossicle_epochs WHERE device = %s AND epoch = %s"
        row = db.execute(query, (device, epoch)).fetchone()
        if row is None:
            db.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (device,))
            row = db.execute(
                "INSERT INTO ossicle_epochs SELECT %s, %s, COALESCE(MAX(number), 0) + 1 FROM ossicle_epochs "
                "WHERE device = %s ON CONFLICT (device, epoch) DO UPDATE SET device = excluded.device RETURNING number",
                (device, epoch, device),
            ).fetchone()
        assert row is not None
        found[device, epoch] = int(row[0])
    return found


def _insert(
    db: psycopg.Connection[Any], events: Sequence[Event], numbers: Mapping[tuple[str, str], int], at: str
) -> tuple[Event, ...]:
    rows = [
        (e.device, numbers[e.device, e.key.epoch], e.key.seq, e.kind, time_text(e.time), at, json.dumps(e.body))
        for e in events
    ]
    if not rows:
        return ()
    columns = tuple(list(column) for column in zip(*rows, strict=True))
    done = db.execute(
        "INSERT INTO ossicle_events SELECT d, n, s, k, t, r, b::jsonb FROM unnest(%s::text[], %s::bigint[], "
        "%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[]) AS given (d, n, s, k, t, r, b) "
        "ON CONFLICT DO NOTHING RETURNING device, number, seq",
        columns,
    )
    stored = {tuple(row) for row in done}
    fresh = []
    for event in events:
        place = (event.device, numbers[event.device, event.key.epoch], event.key.seq)
        if place in stored:
            stored.discard(place)
            fresh.append(event)
    return tuple(fresh)


def _count(db: psycopg.Connection[Any], changes: Mapping[str, int]) -> None:
    """Change the counts of devices, in one order, so that several hubs do not wait for each other in a circle."""
    for device, change in sorted(changes.items()):
        db.execute(
            "INSERT INTO ossicle_counts AS c VALUES (%s, %s) ON CONFLICT (device) DO UPDATE SET "
            "events = c.events + excluded.events",
            (device, change),
        )


def _point(db: psycopg.Connection[Any], event: Event, number: int, at: str) -> None:
    db.execute(
        "INSERT INTO ossicle_latest VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (device) DO UPDATE SET "
        "number = excluded.number, seq = excluded.seq, time = excluded.time, received = excluded.received, "
        "body = excluded.body WHERE (excluded.number, excluded.seq) > (ossicle_latest.number, ossicle_latest.seq)",
        (event.device, number, event.key.seq, time_text(event.time), at, json.dumps(event.body)),
    )


@contextmanager
def _told() -> Iterator[None]:
    """Errors of the database in three parts, without the address: it may hold a password."""
    try:
        yield
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise HubError(
            f"the database cannot be used ({reason})",
            "a PostgreSQL server that answers, and the right to make tables",
            "Look at the server; devices keep what was not acknowledged",
            is_final=False,
        ) from error
