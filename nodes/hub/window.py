"""Which events of an outbox to send now: a pure state machine, no clock and no network of its own.

A window of the oldest rows is in flight. What is not acknowledged is sent again, later and later, up to `slowest_s`;
any acknowledgement, or the hub's greeting, brings the pace back. A broker keeps order: a message that stays unanswered
although one that was sent later has been acknowledged was not understood, or died with the broker. Its events travel
alone from then on, so that one bad event does not hold up its batch, and are given up if that goes on and on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from nodes.hub.event import LARGEST_BATCH_BYTES, Ack, Entry, Key, Refusal

ENVELOPE_BYTES: Final = 256


@dataclass(frozen=True)
class Pace:
    """How much travels at once, and how long to wait for an answer.

    Attributes:
        rows: in flight at most; of these `batch` per message.
        resend_s: until an unanswered batch is sent again, doubled up to `slowest_s`.
        alone_after: times an event was overtaken until it travels alone; at `give_up_after` it is set aside.
    """

    rows: int = 1000
    batch: int = 50
    resend_s: float = 2.0
    slowest_s: float = 15.0
    alone_after: int = 2
    give_up_after: int = 12


@dataclass
class _Flight:
    entry: Entry
    sent: float
    message: int
    """Number of the message that it was last sent in."""
    times: int = 1
    overtaken: int = 0
    """Times that it was unanswered although a message sent no earlier had been acknowledged."""


@dataclass
class Window:
    """Events in flight."""

    pace: Pace = field(default_factory=Pace)
    _flying: dict[Key, _Flight] = field(default_factory=dict)
    _messages: int = 0
    _answered: int = 0
    """Latest message of which anything was acknowledged."""
    _wait_s: float = 0.0
    _last: Key | None = None

    @property
    def room(self) -> int:
        """Rows that may be sent in addition."""
        return max(0, self.pace.rows - len(self._flying))

    @property
    def last(self) -> Key | None:
        """The youngest row that was ever sent; what comes behind it is new."""
        return self._last

    def __len__(self) -> int:
        return len(self._flying)

    def take(self, entries: Sequence[Entry], now: float) -> Iterator[tuple[Entry, ...]]:
        """Batches of fresh rows, which are in flight from now on."""
        for batch in batches(entries, self.pace.batch):
            self._messages += 1
            for entry in batch:
                self._flying[entry.key] = _Flight(entry, now, self._messages)
                self._last = entry.key
            yield batch

    def again(self, now: float) -> Iterator[tuple[Entry, ...]]:
        """Batches whose answer is overdue, as they are sent again."""
        wait_s = max(self._wait_s, self.pace.resend_s)
        due = [flight for flight in self._flying.values() if now - flight.sent >= wait_s]
        if not due:
            return
        self._wait_s = min(2 * wait_s, self.pace.slowest_s)
        for flight in due:
            flight.overtaken += flight.message <= self._answered
        alone = [flight.entry for flight in due if flight.overtaken >= self.pace.alone_after]
        together = [flight.entry for flight in due if flight.overtaken < self.pace.alone_after]
        for batch in (*batches(together, self.pace.batch), *batches(alone, 1)):
            self._messages += 1
            for entry in batch:
                flight = self._flying[entry.key]
                flight.sent, flight.message, flight.times = now, self._messages, flight.times + 1
            yield batch

    def hopeless(self) -> tuple[Refusal, ...]:
        """Events to set aside: sent alone again and again while younger ones were stored."""
        return tuple(
            Refusal(key, f"sent {flight.times} times without an answer, while what was sent later was stored")
            for key, flight in self._flying.items()
            if flight.overtaken >= self.pace.give_up_after
        )

    def acknowledge(self, acks: Sequence[Ack]) -> None:
        """Land what was answered."""
        for ack in acks:
            for first, last in ack.done:
                if last - first < len(self._flying):
                    self.land(Key(ack.epoch, seq) for seq in range(first, last + 1))
                else:
                    self.land([k for k in self._flying if k.epoch == ack.epoch and first <= k.seq <= last])
            self.land(refusal.key for refusal in ack.refused)
        self._wait_s = 0.0

    def land(self, keys: Iterator[Key] | Sequence[Key]) -> None:
        """These are in flight no more."""
        for key in list(keys):
            if (flight := self._flying.pop(key, None)) is not None:
                self._answered = max(self._answered, flight.message)

    def hurry(self) -> None:
        """The hub or the connection is new: everything in flight is due at once."""
        self._wait_s = 0.0
        for flight in self._flying.values():
            flight.sent = float("-inf")


def batches(entries: Sequence[Entry], most: int) -> Iterator[tuple[Entry, ...]]:
    """Entries in order, cut where the epoch changes, a batch is full, or its message would be too large."""
    held: list[Entry] = []
    size = ENVELOPE_BYTES
    for entry in entries:
        own = len(entry.text.encode()) + 24
        if held and (len(held) >= most or held[0].key.epoch != entry.key.epoch or size + own > LARGEST_BATCH_BYTES):
            yield tuple(held)
            held, size = [], ENVELOPE_BYTES
        held.append(entry)
        size += own
    if held:
        yield tuple(held)
