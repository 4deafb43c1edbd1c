"""From the hub's store to a context broker, losing nothing whoever is killed.

Events wait in the store itself, put there by the transaction that stored them, and leave only when the broker has
answered. What was sent but not answered is sent again: an event's entity has the event's key as its id, so it is there
once. A device's newest result is written by this one place alone, from behind the store's guard.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nodes.hub.errors import HubError
from nodes.hub.fiware.entities import DEVICE_TYPE, device_entity, device_id, event_entity, is_result, place_of
from nodes.hub.fiware.ngsi import ContextBroker, Entity
from nodes.hub.periodic import Background
from nodes.hub.store import RESULT, Store, Waiting

LARGEST_BATCH_BYTES: Final = 256 * 1024
"""Orion takes 1 MB."""
FIRST_PAUSE_S: Final = 0.2
LAST_PAUSE_S: Final = 30.0


@dataclass(frozen=True)
class Manner:
    """How events are passed on.

    Attributes:
        kinds: which; others are passed over.
        together: events of one request.
    """

    kinds: tuple[str, ...] = (RESULT,)
    together: int = 200
    poll_s: float = 0.1
    last_pause_s: float = LAST_PAUSE_S


@dataclass
class Tally:
    """What was passed on since the start."""

    sent: int = 0
    """Events the broker has; some may have been there before."""
    passed_over: int = 0
    refused: int = 0
    rounds_failed: int = 0
    newest: int = 0
    """Writes of a device's newest result."""
    complaint: str = ""


@dataclass
class Forwarder(Background):
    """Passes events on, what is stored already first; in a thread of its own or step by step.

    Attributes:
        refused: told of every event that the broker will never take, and why. They wait no more but stay in the store.
    """

    store: Store
    broker: ContextBroker
    manner: Manner = field(default_factory=Manner)
    refused: Callable[[Waiting, str], None] = lambda _waiting, _why: None
    tally: Tally = field(default_factory=Tally)
    problem: str = ""
    """Why nothing goes on at the moment; empty while all is well."""

    def __post_init__(self) -> None:
        super().__init__("fiware")
        self._is_unsure = True

    def step(self) -> int:
        """One batch; how many events wait no more.

        Raises:
            HubError: the broker or the store cannot be used now; everything still waits.
        """
        waiting = self.store.waiting(self.manner.together)
        wanted = [found for found in waiting if found.row.kind in self.manner.kinds]
        try:
            self._send(wanted)
            self._point({found.row.device for found in wanted if is_result(found.row)})
            if not waiting and self._is_unsure:
                self._settle()
        except HubError:
            self._is_unsure = True
            raise
        if waiting:
            self.store.passed_on([found.place for found in waiting])
        self.tally.passed_over += len(waiting) - len(wanted)
        return len(waiting)

    def drain(self) -> int:
        """Pass on everything that waits now; how many events.

        Raises:
            HubError: as `step`.
        """
        done = 0
        while found := self.step():
            done += found
        return done

    # ---- events

    def _send(self, wanted: Sequence[Waiting]) -> None:
        for batch in batches([(found, event_entity(found)) for found in wanted]):
            try:
                self.broker.update([entity for _, entity in batch])
                self.tally.sent += len(batch)
            except HubError as error:
                if not error.is_final:
                    raise
                self.broker.probe()
                self._send_each(batch)

    def _send_each(self, batch: Sequence[tuple[Waiting, Entity]]) -> None:
        """One by one, after the broker refused them together: 201 and 422 mean it is there."""
        for waiting, entity in batch:
            try:
                self.broker.create(entity)
                self.tally.sent += 1
            except HubError as error:
                if not error.is_final:
                    raise
                self.tally.refused += 1
                self.tally.complaint = error.what
                self.refused(waiting, error.what)

    # ---- the newest of every device

    def _point(self, devices: set[str]) -> None:
        """Write what the store's guard says is newest now, never what happened to be in the batch."""
        rows = [row for row in self.store.latest() if row.device in devices] if devices else []
        for batch in batches([(row, device_entity(row)) for row in rows]):
            entities = [entity for _, entity in batch]
            try:
                self.broker.update(entities)
                self.tally.newest += len(batch)
            except HubError as error:
                if not error.is_final:
                    raise
                self.broker.probe()
                self.tally.complaint = error.what

    def _settle(self) -> None:
        """After a failure a request given up may still have been done, late: read back, and mend what is not newest."""
        said = {entity.get("id"): place_of(entity) for entity in self.broker.entities(DEVICE_TYPE, _PLACE)}
        stale = {row.device for row in self.store.latest() if said.get(device_id(row.device)) != (row.number, row.seq)}
        if RESULT in self.manner.kinds:
            self._point(stale)
        self._is_unsure = False

    # ---- the thread

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._ends.is_set():
            try:
                done, self.problem, pause_s = self.step(), "", FIRST_PAUSE_S
                if not done:
                    self._ends.wait(self.manner.poll_s)
            except HubError as error:
                self.problem = str(error)
                self.tally.rounds_failed += 1
                self._ends.wait(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(2.0 * pause_s, self.manner.last_pause_s)


_PLACE: Final = ("epochNumber", "seq")


def batches(pairs: Sequence[tuple[Any, Entity]]) -> Iterator[list[tuple[Any, Entity]]]:
    """Pairs in groups that fit into one request, in the same order."""
    group: list[tuple[Any, Entity]] = []
    size = 0
    for pair in pairs:
        more = len(json.dumps(pair[1], ensure_ascii=False).encode())
        if group and size + more > LARGEST_BATCH_BYTES:
            yield group
            group, size = [], 0
        group.append(pair)
        size += more
    if group:
        yield group
