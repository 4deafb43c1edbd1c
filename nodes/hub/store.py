"""The hub's memory: every event once, the newest result of every device, in one SQLite file.

What `commit` returned from is on disk (WAL, `synchronous=FULL`). An event's identity is (device, epoch, seq); sending
it again is harmless. Epochs are numbered per device in the order they are first seen, and (that number, seq) is the
order of a device's events: a clock is data, never an order.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from nodes.hub.errors import HubError
from nodes.hub.event import Event, Key, time_text

BUSY_S: Final = 30.0
RESULT: Final = "result"
NEWEST_FIRST: Final = "received DESC, device, number DESC, seq DESC"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS epochs (
  device TEXT NOT NULL, epoch TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (device, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  device TEXT NOT NULL, number INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, time TEXT NOT NULL,
  received TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (device, number, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_received ON events (received);
CREATE TABLE IF NOT EXISTS counts (device TEXT PRIMARY KEY, events INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latest (
  device TEXT PRIMARY KEY, number INTEGER NOT NULL, seq INTEGER NOT NULL, time TEXT NOT NULL, received TEXT NOT NULL,
  body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
  place INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, number INTEGER NOT NULL, seq INTEGER NOT NULL,
  UNIQUE (device, number, seq));
"""
_FOLLOW: Final = (
    "CREATE TRIGGER waits AFTER INSERT ON events BEGIN "
    "INSERT INTO waiting (device, number, seq) VALUES (new.device, new.number, new.seq); END",
    "INSERT INTO waiting (device, number, seq) SELECT device, number, seq FROM events ORDER BY received, number, seq",
)

_COUNT_OLDER: Final = (
    "INSERT INTO counts SELECT device, COUNT(*) FROM events WHERE NOT EXISTS (SELECT 1 FROM counts) GROUP BY device"
)
"""A store of an older hub has events and no counts."""


@dataclass(frozen=True)
class Row:
    """A stored event. `number` is that of its epoch."""

    device: str
    number: int
    seq: int
    kind: str
    time: str
    received: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Waiting:
    """An event that a follower has not passed on yet. `place` tells it from every other that waits or has waited."""

    place: int
    epoch: str
    row: Row


@dataclass(frozen=True)
class Question:
    """Which events; newest first. `before` continues behind the last row seen (received, device, number, seq)."""

    device: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""
    limit: int = 100

    def where(self, mark: str) -> tuple[str, tuple[str, ...]]:
        """Its condition in SQL and the values that travel apart; `mark` stands for a value."""
        given = (
            ("device =", self.device),
            ("kind =", self.kind),
            ("received >=", self.since),
            ("received <", self.until),
        )
        clauses = [f"{clause} {mark}" for clause, value in given if value]
        return " AND ".join(clauses) or "TRUE", tuple(value for _, value in given if value)


class Store(Protocol):
    """What a hub asks of its memory. Safe to use from several threads."""

    def commit(self, events: Sequence[Event], received: datetime) -> tuple[Event, ...]:
        """Store events for good; those that were new, in the order given.

        Raises:
            HubError: nothing of it was stored.
        """
        ...

    def events(self, question: Question) -> tuple[Row, ...]:
        """Stored events, the newest first."""
        ...

    def history(self, device: str, after: tuple[int, int] = (0, 0), limit: int = 1000) -> tuple[Row, ...]:
        """Events of a device in its own order, behind (epoch number, seq)."""
        ...

    def latest(self) -> tuple[Row, ...]:
        """The newest result of every device."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Stored events by device."""
        ...

    def purge(self, before: datetime) -> int:
        """Forget events received before a time; how many. Their numbers stay known to nobody: devices never resend
        what was acknowledged. What waits for a follower stays."""
        ...

    def follow(self) -> None:
        """From now on every event also waits to be passed on, from the same transaction on that stores it; those
        already stored wait first. Neither a clock that jumps nor an event that comes late can be missed so.
        Doing it again changes nothing."""
        ...

    def unfollow(self) -> None:
        """Nothing waits any more."""
        ...

    def waiting(self, limit: int = 1000) -> tuple[Waiting, ...]:
        """Events that wait, in the order in which they were stored."""
        ...

    def passed_on(self, places: Sequence[int]) -> None:
        """These wait no more."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SqliteStore:
    """The store in one file: no other server is needed."""

    def __init__(self, path: Path) -> None:
        """Open or begin the store.

        Raises:
            HubError: it cannot be opened, or is no such file.
        """
        self.path, self._guard = path, threading.RLock()
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            for statement in _SCHEMA.split(";\n"):
                self._db.execute(statement)
            self._db.execute(_COUNT_OLDER)
            self._numbers = self._known()

    def commit(self, events: Sequence[Event], received: datetime) -> tuple[Event, ...]:
        """See `Store.commit`."""
        at = time_text(received)
        with self._writing():
            fresh = tuple(event for event in events if self._insert(event, at))
            newest = {event.device: event for event in sorted(fresh, key=self._place) if event.kind == RESULT}
            for event in newest.values():
                self._point(event, at)
            self._db.executemany(
                "INSERT INTO counts VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET events = events + excluded.events",
                Counter(event.device for event in fresh).items(),
            )
        return fresh

    def _insert(self, event: Event, received: str) -> bool:
        done = self._db.execute(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                event.device,
                self._number(event.device, event.key),
                event.key.seq,
                event.kind,
                time_text(event.time),
                received,
                _json(event.body),
            ),
        )
        return done.rowcount == 1

    def _place(self, event: Event) -> tuple[int, int]:
        return self._number(event.device, event.key), event.key.seq

    def _number(self, device: str, key: Key) -> int:
        found = self._numbers.get((device, key.epoch))
        if found is None:
            query = "SELECT COALESCE(MAX(number), 0) + 1 FROM epochs WHERE device = ?"
            found = int(self._db.execute(query, (device,)).fetchone()[0])
            self._db.execute("INSERT INTO epochs VALUES (?, ?, ?)", (device, key.epoch, found))
            self._numbers[(device, key.epoch)] = found
        return found

    def _point(self, event: Event, received: str) -> None:
        number, seq = self._place(event)
        self._db.execute(
            "INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (device) DO UPDATE SET number = excluded.number, "
            "seq = excluded.seq, time = excluded.time, received = excluded.received, body = excluded.body "
            "WHERE (excluded.number, excluded.seq) > (latest.number, latest.seq)",
            (event.device, number, seq, time_text(event.time), received, _json(event.body)),
        )

    def events(self, question: Question) -> tuple[Row, ...]:
        """See `Store.events`."""
        where, values = question.where("?")
        query = f"SELECT * FROM events WHERE {where} ORDER BY {NEWEST_FIRST} LIMIT ?"
        return tuple(map(_row, self._read(query, (*values, question.limit))))

    def history(self, device: str, after: tuple[int, int] = (0, 0), limit: int = 1000) -> tuple[Row, ...]:
        """See `Store.history`."""
        query = "SELECT * FROM events WHERE device = ? AND (number, seq) > (?, ?) ORDER BY number, seq LIMIT ?"
        return tuple(map(_row, self._read(query, (device, *after, limit))))

    def latest(self) -> tuple[Row, ...]:
        """See `Store.latest`."""
        query = f"SELECT device, number, seq, '{RESULT}', time, received, body FROM latest ORDER BY device"
        return tuple(map(_row, self._read(query, ())))

    def counts(self) -> Mapping[str, int]:
        """See `Store.counts`."""
        return dict(self._read("SELECT device, events FROM counts WHERE events > 0", ()))

    def purge(self, before: datetime) -> int:
        """See `Store.purge`."""
        with self._writing():
            gone = self._db.execute(
                "DELETE FROM events WHERE received < ? AND NOT EXISTS (SELECT 1 FROM waiting WHERE "
                "waiting.device = events.device AND waiting.number = events.number AND waiting.seq = events.seq)",
                (time_text(before),),
            ).rowcount
            if gone:
                self._db.execute(
                    "UPDATE counts SET events = (SELECT COUNT(*) FROM events WHERE device = counts.device)"
                )
            return gone

    def follow(self) -> None:
        """See `Store.follow`."""
        with self._writing():
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND name = 'waits'").fetchall():
                for statement in _FOLLOW:
                    self._db.execute(statement)

    def unfollow(self) -> None:
        """See `Store.unfollow`."""
        with self._writing():
            self._db.execute("DROP TRIGGER IF EXISTS waits")
            self._db.execute("DELETE FROM waiting")

    def waiting(self, limit: int = 1000) -> tuple[Waiting, ...]:
        """See `Store.waiting`."""
        query = (
            "SELECT place, epoch, events.* FROM waiting JOIN events USING (device, number, seq) "
            "JOIN epochs USING (device, number) ORDER BY place LIMIT ?"
        )
        return tuple(Waiting(place, epoch, _row(row)) for place, epoch, *row in self._read(query, (limit,)))

    def passed_on(self, places: Sequence[int]) -> None:
        """See `Store.passed_on`."""
        with self._writing():
            self._db.executemany("DELETE FROM waiting WHERE place = ?", [(place,) for place in places])

    def close(self) -> None:
        """See `Store.close`."""
        with self._guard:
            self._db.close()

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        with self._guard, _told(self.path):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guard, _told(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._numbers = self._known()
                raise

    def _known(self) -> dict[tuple[str, str], int]:
        rows = self._db.execute("SELECT device, epoch, number FROM epochs").fetchall()
        return {(device, epoch): number for device, epoch, number in rows}


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _row(found: Sequence[Any]) -> Row:
    device, number, seq, kind, time, received, body = found
    return Row(device, number, seq, kind, time, received, json.loads(body))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise HubError(
            f"the store {path} cannot be used ({error})",
            "a store of this hub on a disk with room",
            "Free some space; devices keep what was not acknowledged",
            is_final=False,
        ) from error


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)
