"""What happens at the hub, told to everybody who listens: new events and who comes and goes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from nodes.hub.event import Event, time_text

MOST_WAITING: Final = 1000
"""Lines kept for one listener; a slow one is told how many it missed."""
ALIVE_S: Final = 15.0
MOST_LISTENERS: Final = 64


class Feed:
    """The feed. `tell` may be called from any thread; listeners live in asyncio loops."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._listeners: dict[int, _Listener] = {}
        self._next = 0

    def events(self, events: Sequence[Event]) -> None:
        """New events; nothing is written where nobody listens."""
        for event in events if self._listeners else ():
            self.tell("event", event_json(event))

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """One line for every listener."""
        text = f"event: {kind}\ndata: {json.dumps(data, separators=(',', ':'), ensure_ascii=False)}\n\n"
        with self._guard:
            listeners = tuple(self._listeners.values())
        for listener in listeners:
            listener.give(text)

    def close(self) -> None:
        """Send every listener home."""
        with self._guard:
            listeners = tuple(self._listeners.values())
        for listener in listeners:
            listener.end()

    async def listen(self) -> AsyncIterator[str]:
        """Server-sent events from now on; a comment now and then shows that the line stands."""
        listener = _Listener(asyncio.get_running_loop())
        with self._guard:
            number, self._next = self._next, self._next + 1
            self._listeners[number] = listener
        try:
            yield ": here\n\n"
            while (text := await listener.take()) is not None:
                yield text
        finally:
            with self._guard:
                del self._listeners[number]

    @property
    def is_crowded(self) -> bool:
        """Whether nobody else may listen."""
        return len(self._listeners) >= MOST_LISTENERS


class _Listener:
    """What waits for one listener."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._queue = loop, asyncio.Queue[str | None]()
        self._missed = 0

    def give(self, text: str) -> None:
        self._call(self._put, text)

    def end(self) -> None:
        self._call(self._queue.put_nowait, None)

    def _call(self, what: Any, text: str | None) -> None:
        try:
            self._loop.call_soon_threadsafe(what, text)
        except RuntimeError:
            pass  # its loop has ended with the server

    def _put(self, text: str) -> None:
        if self._queue.qsize() >= MOST_WAITING:
            self._missed += 1
            return
        if self._missed:
            self._queue.put_nowait(f'event: missed\ndata: {{"count":{self._missed}}}\n\n')
            self._missed = 0
        self._queue.put_nowait(text)

    async def take(self) -> str | None:
        try:
            return await asyncio.wait_for(self._queue.get(), ALIVE_S)
        except TimeoutError:
            return ": still here\n\n"


def event_json(event: Event) -> dict[str, Any]:
    """An event as the API shows it."""
    return {
        "id": event.id,
        "device": event.device,
        "epoch": event.key.epoch,
        "seq": event.key.seq,
        "kind": event.kind,
        "time": time_text(event.time),
        "body": event.body,
    }
