"""The hub's side of the durable path: from the broker into the store, and only then the acknowledgement."""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from nodes.hub.access import Access
from nodes.hub.endpoint import Broker
from nodes.hub.errors import HubError
from nodes.hub.event import DEVICE, Ack, Event, Refusal, decode, encode_ack, ranges
from nodes.hub.link import Hears, Letter, Link
from nodes.hub.quota import Quota
from nodes.hub.sender import GREETING
from nodes.hub.store import Store, now
from nodes.hub.topics import ACK, EVENTS, HUB_READS, ORDERS, PRESENCE, command_topic, speaker

MOST_WAITING: Final = 20_000
"""Messages kept in memory for the store; more are dropped, as devices send them again."""
MOST_TOGETHER: Final = 2000
"""Events of one transaction."""
PAUSE_S: Final = 0.5
"""After a store that failed."""
STOP_S: Final = 10.0


@dataclass
class Tally:
    """What a receiver has seen."""

    messages: int = 0
    stored: int = 0
    repeated: int = 0
    refused: int = 0
    malformed: int = 0
    dropped: int = 0
    failures: int = 0
    presence: dict[str, bytes] = field(default_factory=dict)
    complaints: dict[str, str] = field(default_factory=dict)
    """The last malformed message of each device, in words."""


@dataclass(frozen=True)
class Watchers:
    """Who is told of what: called in the receiver's thread, so be quick."""

    fresh: Callable[[Sequence[Event]], None] = lambda _events: None
    presence: Callable[[str, bytes], None] = lambda _device, _payload: None


@dataclass
class _Group:
    """Messages that are stored together."""

    events: list[Event] = field(default_factory=list)
    refused: list[tuple[str, Refusal]] = field(default_factory=list)


class Receiver:
    """Stores what devices send, in a thread of its own."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        access: Access,
        watchers: Watchers | None = None,
        quota: Quota | None = None,
    ) -> None:
        self.tally, self.quota = Tally(), quota or Quota()
        self._store, self._watchers = store, watchers or Watchers()
        self._queue: queue.Queue[tuple[str, bytes] | None] = queue.Queue(MOST_WAITING)
        self._link = Link(broker, access, [HUB_READS], Hears(self._heard, self._up))
        self._thread = threading.Thread(target=self._run, name="receiver", daemon=True)
        self._is_stopped = False

    @property
    def link(self) -> Link:
        """The connection to the broker."""
        return self._link

    def start(self) -> None:
        """Connect and store."""
        self._thread.start()
        self._link.start()

    def stop(self) -> None:
        """Store what has come, then end."""
        self._is_stopped = True
        self._link.stop()
        self._queue.put(None)
        self._thread.join(STOP_S)

    def order(self, device: str, payload: bytes) -> bool:
        """Tell a device something now; False where there is no connection."""
        return self._link.send(Letter(command_topic(device, ORDERS), payload))

    # ---- in the link's thread

    def _up(self) -> None:
        for device in self._known():
            self._link.send(Letter(command_topic(device, ACK), GREETING))

    def _known(self) -> Iterable[str]:
        try:
            return self._store.counts()
        except HubError:
            return ()

    def _heard(self, topic: str, payload: bytes) -> None:
        try:
            self._queue.put_nowait((topic, payload))
        except queue.Full:
            self.tally.dropped += 1

    # ---- in the receiver's thread

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = _Group()
            self._take(*first, group)
            ends = False
            while len(group.events) < MOST_TOGETHER and not ends:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                ends = following is None
                if following is not None:
                    self._take(*following, group)
            self._commit(group)
            if ends:
                return

    def _take(self, topic: str, payload: bytes, group: _Group) -> None:
        device, what = speaker(topic)
        if DEVICE.fullmatch(device) is None:
            self.tally.malformed += 1
        elif what == PRESENCE:
            self.tally.presence[device] = payload[:1024]
            self._watchers.presence(device, payload[:1024])
        elif what == EVENTS:
            self._understand(device, payload, group)

    def _understand(self, device: str, payload: bytes, group: _Group) -> None:
        self.tally.messages += 1
        try:
            events, refused = decode(device, payload)
        except HubError as error:
            self.tally.malformed += 1
            self.tally.complaints[device] = error.what
            return
        if not self.quota.admits(device, len(events)):
            return
        group.events.extend(events)
        group.refused.extend((device, refusal) for refusal in refused)

    def _commit(self, group: _Group) -> None:
        try:
            fresh = self._store.commit(group.events, now()) if group.events else ()
        except HubError:  # nothing is acknowledged, so everything will be sent again
            self.tally.failures += 1
            time.sleep(0.0 if self._is_stopped else PAUSE_S)
            return
        self.tally.stored += len(fresh)
        self.tally.repeated += len(group.events) - len(fresh)
        self.tally.refused += len(group.refused)
        for device, ack in acks_of(group.events, group.refused):
            self._link.send(Letter(command_topic(device, ACK), encode_ack(ack)))
        if fresh:
            self._watchers.fresh(fresh)


def acks_of(events: Sequence[Event], refused: Sequence[tuple[str, Refusal]]) -> list[tuple[str, Ack]]:
    """One acknowledgement per device and epoch."""
    done: dict[tuple[str, str], list[int]] = defaultdict(list)
    told: dict[tuple[str, str], list[Refusal]] = defaultdict(list)
    for event in events:
        done[(event.device, event.key.epoch)].append(event.key.seq)
    for device, refusal in refused:
        told[(device, refusal.key.epoch)].append(refusal)
    places = list(dict.fromkeys((*done, *told)))
    return [(device, Ack(epoch, ranges(done[device, epoch]), tuple(told[device, epoch]))) for device, epoch in places]
