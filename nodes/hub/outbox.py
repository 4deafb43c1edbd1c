"""A device's outbox: events on disk until the hub says that it has stored them.

SQLite in WAL mode with `synchronous=FULL`: what `put` returned from survives a crash. Rows leave by `settle` alone,
which takes the hub's own acknowledgement, never a broker's. The outbox is bounded: when it is full, telemetry is
thinned first, then results are refused loudly; how much was lost is itself an event.
"""

from __future__ import annotations

import fcntl
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from nodes.hub.errors import HubError
from nodes.hub.event import Ack, Entry, Key, Refusal, body_text

THINNED_KIND: Final = "telemetry"
LOSS_KIND: Final = "loss"
BUSY_S: Final = 30.0
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
  epoch TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, bytes INTEGER NOT NULL,
  PRIMARY KEY (epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
  epoch TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL, time TEXT NOT NULL,
  PRIMARY KEY (epoch, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost (kind TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Bounds:
    """How much an outbox may hold."""

    rows: int = 100_000
    bytes: int = 64 << 20


@dataclass(frozen=True)
class Said:
    """An event before it has a number."""

    kind: str
    body: dict[str, Any]
    time: datetime | None = None
    """None stands for now."""


@dataclass(frozen=True)
class Level:
    """How full an outbox is; `dead` are events set aside, `lost` those dropped and not yet told."""

    rows: int
    bytes: int
    dead: int
    lost: int


class Outbox:
    """The outbox in one file. Usable from several threads; one process has it at a time."""

    def __init__(self, path: Path, bounds: Bounds | None = None, epoch: str = "") -> None:
        """Open or begin the outbox.

        A file that is damaged is set aside beside it and its readable rows are taken over.

        Args:
            epoch: of a new outbox whose content is known beforehand, so that sending it again from another one is
                harmless; by default it is drawn at random.

        Raises:
            HubError: another process has it, or it cannot be written.
        """
        self.path, self.bounds = path, bounds or Bounds()
        self._guard = threading.RLock()
        self._lock = _locked(path)
        try:
            self._db = _opened(path, epoch or secrets.token_hex(8))
        except BaseException:
            self._lock.close()
            raise
        self.epoch = self._fact("epoch")
        found = self._db.execute("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM waiting").fetchone()
        self._rows, self._bytes = int(found[0]), int(found[1])

    def close(self) -> None:
        """Let go of the file."""
        with self._guard:
            self._db.close()
            self._lock.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, said: Sequence[Said]) -> tuple[Key, ...]:
        """Keep events for good, all or none; their numbers grow in the order given.

        Raises:
            HubError: the outbox is full of what may not be dropped, or the disk is; nothing of it was kept, and the
                loss is counted.
        """
        texts = [(item.kind, body_text(item.kind, item.time or datetime.now(UTC), item.body)) for item in said]
        try:
            with self._writing():
                self._make_room(len(texts), sum(len(text.encode()) for _, text in texts))
                return self._insert(texts)
        except HubError:
            self._count_lost(said)
            raise

    def waiting(self, limit: int, after: Key | None = None) -> tuple[Entry, ...]:
        """The oldest events, those of earlier epochs first, behind `after` if given."""
        own = self.epoch
        place = (-1, "", 0) if after is None else (int(after.epoch == own), after.epoch, after.seq)
        query = (
            "SELECT epoch, seq, body FROM waiting WHERE (epoch = ?, epoch, seq) > (?, ?, ?) "
            "ORDER BY epoch = ?, epoch, seq LIMIT ?"
        )
        if after is not None and after.epoch == own:  # the usual case walks the primary key
            rows = self._read(
                "SELECT epoch, seq, body FROM waiting WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?",
                (own, after.seq, limit),
            )
        else:
            rows = self._read(query, (own, *place, own, limit))
        return tuple(Entry(Key(epoch, seq), body) for epoch, seq, body in rows)

    def settle(self, acks: Sequence[Ack]) -> int:
        """Delete what the hub has stored and set aside what it refuses; how many rows left."""
        gone = 0
        with self._writing():
            for ack in acks:
                for first, last in ack.done:
                    gone += self._forget("epoch = ? AND seq BETWEEN ? AND ?", (ack.epoch, first, last))
                gone += sum(self._bury(refusal) for refusal in ack.refused)
            self._tell_lost()
        return gone

    def bury(self, refusals: Sequence[Refusal]) -> None:
        """Set events aside that cannot be delivered, with the reason."""
        with self._writing():
            for refusal in refusals:
                self._bury(refusal)

    def dead(self) -> tuple[tuple[Entry, str], ...]:
        """Events that were set aside, and why."""
        rows = self._read("SELECT epoch, seq, body, reason FROM dead ORDER BY epoch, seq", ())
        return tuple((Entry(Key(epoch, seq), body), reason) for epoch, seq, body, reason in rows)

    def said(self) -> int:
        """Events of this epoch that were ever put."""
        return int(self._read("SELECT value FROM facts WHERE name = 'next_seq'", ())[0][0]) - 1

    def level(self) -> Level:
        """How full it is."""
        dead = self._read("SELECT COUNT(*) FROM dead", ())[0][0]
        lost = self._read("SELECT COALESCE(SUM(count), 0) FROM lost", ())[0][0]
        return Level(self._rows, self._bytes, dead, lost)

    # ---- inside a transaction

    def _insert(self, texts: Sequence[tuple[str, str]]) -> tuple[Key, ...]:
        first = int(self._fact("next_seq"))
        rows = [(self.epoch, first + index, kind, text, len(text.encode())) for index, (kind, text) in enumerate(texts)]
        self._db.executemany("INSERT INTO waiting VALUES (?, ?, ?, ?, ?)", rows)
        self._db.execute("UPDATE facts SET value = ? WHERE name = 'next_seq'", (str(first + len(rows)),))
        self._rows += len(rows)
        self._bytes += sum(row[4] for row in rows)
        return tuple(Key(self.epoch, row[1]) for row in rows)

    def _make_room(self, rows: int, size: int) -> None:
        while self._rows + rows > self.bounds.rows or self._bytes + size > self.bounds.bytes:
            if not self._thin():
                raise HubError(
                    f"the outbox {self.path} is full ({self._rows:,} events, {self._bytes:,} bytes)",
                    f"at most {self.bounds.rows:,} events and {self.bounds.bytes:,} bytes, acknowledged by a hub",
                    "Look whether the hub is reached, or raise the bounds",
                    is_final=False,
                )

    def _thin(self) -> bool:
        """Drop every second of the older telemetry; whether anything went."""
        before: int = self._rows
        query = "SELECT epoch, seq FROM waiting WHERE kind = ? ORDER BY epoch, seq LIMIT 1000"
        for place in self._db.execute(query, (THINNED_KIND,)).fetchall()[::2]:
            self._forget("epoch = ? AND seq = ?", tuple(place))
        self._add_lost(THINNED_KIND, before - self._rows)
        return self._rows < before

    def _forget(self, where: str, values: tuple[Any, ...]) -> int:
        found = self._db.execute(f"DELETE FROM waiting WHERE {where} RETURNING bytes", values).fetchall()
        self._rows -= len(found)
        self._bytes -= sum(row[0] for row in found)
        return len(found)

    def _bury(self, refusal: Refusal) -> int:
        key, now = refusal.key, datetime.now(UTC).isoformat()
        self._db.execute(
            "INSERT OR IGNORE INTO dead SELECT epoch, seq, body, ?, ? FROM waiting WHERE epoch = ? AND seq = ?",
            (refusal.reason, now, key.epoch, key.seq),
        )
        return self._forget("epoch = ? AND seq = ?", (key.epoch, key.seq))

    def _add_lost(self, kind: str, count: int) -> None:
        if count:
            self._db.execute(
                "INSERT INTO lost VALUES (?, ?) ON CONFLICT (kind) DO UPDATE SET count = count + excluded.count",
                (kind, count),
            )

    def _tell_lost(self) -> None:
        """Once there is room again, say how much was dropped."""
        lost = dict(self._db.execute("SELECT kind, count FROM lost").fetchall())
        if lost and self._rows < self.bounds.rows:
            self._insert([(LOSS_KIND, body_text(LOSS_KIND, datetime.now(UTC), {"dropped": lost}))])
            self._db.execute("DELETE FROM lost")

    # ---- access

    def _count_lost(self, said: Sequence[Said]) -> None:
        try:
            with self._writing():
                for item in said:
                    self._add_lost(item.kind, 1)
        except HubError:
            pass  # a full disk cannot even hold the count; the caller has the error that matters

    def _fact(self, name: str) -> str:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(found[0])

    def _read(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        with self._guard, _told(self.path):
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction on disk; counts go back with it if it fails."""
        with self._guard, _told(self.path):
            kept = self._rows, self._bytes
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._rows, self._bytes = kept
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise HubError(
            f"the outbox {path} cannot be used ({error})",
            "a file on a disk with room",
            "Free some space",
            is_final=False,
        ) from error


def _locked(path: Path) -> IO[bytes]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f"{path.name}.lock").open("a+b")
    except OSError as error:
        raise HubError(
            f"{path} cannot be written ({error.strerror})", "a folder you may write to", "Choose another"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise HubError(
            f"another process has the outbox {path}", "one device per outbox", "Stop it, or choose another file"
        ) from error
    return file


def _opened(path: Path, epoch: str) -> sqlite3.Connection:
    try:
        return _connected(path, epoch)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):  # damage is told by its parent class alone
            raise HubError(
                f"the outbox {path} cannot be opened ({error})", "a disk with room", "Free some space"
            ) from error
    aside = path.with_name(f"{path.name}.damaged-{secrets.token_hex(4)}")
    rows = _salvaged(path)
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    fresh = _connected(path, secrets.token_hex(8))
    fresh.execute("BEGIN IMMEDIATE")
    fresh.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?, ?)", rows)
    fresh.execute("INSERT INTO lost VALUES ('damaged_outbox', 1)")
    fresh.execute("COMMIT")
    return fresh


def _connected(path: Path, epoch: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("its pages do not agree")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute("INSERT OR IGNORE INTO facts VALUES ('epoch', ?), ('next_seq', '1')", (epoch,))
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _salvaged(path: Path) -> list[tuple[str, int, str, str, int]]:
    """Rows of a damaged file that can still be read."""
    rows: list[tuple[str, int, str, str, int]] = []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            for row in db.execute("SELECT epoch, seq, kind, body, bytes FROM waiting"):
                if _is_row(row):
                    rows.append(row)
    except sqlite3.Error:
        pass  # what was read so far is what there is
    return rows


def _is_row(row: tuple[Any, ...]) -> bool:
    return [type(value) for value in row] == [str, int, str, str, int]
