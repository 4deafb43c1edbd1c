"""What devices tell a hub: numbered events in batches, and the hub's acknowledgement of them.

On the wire (JSON, UTF-8), from device to hub on `evt/DEVICE/events`:

    {"format": 1, "epoch": "9f2c…",
     "events": [[17, {"kind": "result", "time": "…Z", "label": "yes", "score": 0.97}], …]}

and back on `cmd/DEVICE/ack`, after the hub has committed:

    {"format": 1, "epoch": "9f2c…", "done": [[1, 17]], "refused": [[18, "why"]]}

Who speaks is said by the topic alone, because that is what a broker's access list guards. An event is known for good
by (device, epoch, seq): the epoch is born with the device's outbox, so a device that lost it is not taken for old.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nodes.hub.errors import HubError

FORMAT: Final = 1
LARGEST_BATCH_BYTES: Final = 256 * 1024
LARGEST_EVENT_BYTES: Final = 16 * 1024
MOST_EVENTS: Final = 1000
DEEPEST: Final = 8
LARGEST_SEQ: Final = (1 << 63) - 1
DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
EPOCH: Final = re.compile(r"[0-9a-f]{16}")
KIND: Final = re.compile(r"[a-z][a-z_]{0,31}")


@dataclass(frozen=True)
class Key:
    """Names an event for good; the device is known from where it came."""

    epoch: str
    seq: int


@dataclass(frozen=True)
class Entry:
    """An event as it lies in an outbox and travels: `text` is its body as JSON."""

    key: Key
    text: str


@dataclass(frozen=True)
class Event:
    """An event that a hub has understood.

    Attributes:
        kind: "result", "telemetry", "loss", …
        time: when the device says it happened; data, never an order.
        body: the rest of what it says.
    """

    device: str
    key: Key
    kind: str
    time: datetime
    body: dict[str, Any]

    @property
    def id(self) -> str:
        """DEVICE-EPOCH-SEQ."""
        return f"{self.device}-{self.key.epoch}-{self.key.seq}"


@dataclass(frozen=True)
class Refusal:
    """An event that will never be stored, and why."""

    key: Key
    reason: str


@dataclass(frozen=True)
class Ack:
    """What a hub has committed, or will never take, of one epoch; sequence numbers from first to last."""

    epoch: str
    done: tuple[tuple[int, int], ...] = ()
    refused: tuple[Refusal, ...] = ()


def check_device(name: str) -> str:
    """A device's name, if it is one.

    Raises:
        HubError: it cannot stand in a topic, a path and a subject alike.
    """
    if DEVICE.fullmatch(name) is None:
        raise HubError(
            f"{name!r} is no name of a device", "1 to 64 letters, digits, - and _, a letter or digit first", "Rename it"
        )
    return name


def body_text(kind: str, time: datetime, body: dict[str, Any]) -> str:
    """An event's body as JSON, for the outbox.

    Raises:
        HubError: it holds what JSON cannot say, or is too large.
    """
    if KIND.fullmatch(kind) is None:
        raise HubError(f"{kind!r} is no kind of event", "lower-case letters and _", "Rename it")
    try:
        said = {**body, "kind": kind, "time": time_text(time)}
        text = json.dumps(said, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise HubError(
            f"a {kind} cannot be written as JSON ({error})", "finite numbers and text", "Correct it"
        ) from error
    size = len(text.encode())
    if size > LARGEST_EVENT_BYTES:
        raise HubError(
            f"a {kind} has {size:,} bytes", f"at most {LARGEST_EVENT_BYTES:,}", "Send less; audio is streamed, not sent"
        )
    return text


def time_text(time: datetime) -> str:
    """ISO 8601 in UTC, to the microsecond."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def encode(entries: Sequence[Entry]) -> bytes:
    """A batch of one epoch as bytes; bodies are joined as they are."""
    rows = ",".join(f"[{entry.key.seq},{entry.text}]" for entry in entries)
    return f'{{"format":{FORMAT},"epoch":"{entries[0].key.epoch}","events":[{rows}]}}'.encode()


def decode(device: str, payload: bytes) -> tuple[tuple[Event, ...], tuple[Refusal, ...]]:
    """Events of a batch, and those that cannot be taken.

    Raises:
        HubError: it is no batch at all, or too large; nothing of it can be acknowledged.
    """
    raw = _document(payload, LARGEST_BATCH_BYTES)
    epoch, rows = raw.get("epoch"), raw.get("events")
    if not isinstance(epoch, str) or EPOCH.fullmatch(epoch) is None or not isinstance(rows, list):
        raise _no_batch("epoch and events are missing or of another type")
    if len(rows) > MOST_EVENTS:
        raise _no_batch(f"{len(rows)} events in one batch, at most {MOST_EVENTS}")
    events: list[Event] = []
    refused: list[Refusal] = []
    for row in rows:
        match row:
            case [int(seq), body] if not isinstance(seq, bool) and 0 < seq <= LARGEST_SEQ:
                key = Key(epoch, seq)
                found = _event(device, key, body)
                (events if isinstance(found, Event) else refused).append(found)  # type: ignore[arg-type]
            case _:
                raise _no_batch("an event has no number")
    return tuple(events), tuple(refused)


def encode_ack(ack: Ack) -> bytes:
    """An acknowledgement as bytes."""
    refused = [[item.key.seq, item.reason] for item in ack.refused]
    raw = {"format": FORMAT, "epoch": ack.epoch, "done": [list(pair) for pair in ack.done], "refused": refused}
    return json.dumps(raw, separators=(",", ":"), ensure_ascii=False).encode()


def decode_ack(payload: bytes) -> Ack:
    """An acknowledgement.

    Raises:
        HubError: it is none.
    """
    raw = _document(payload, LARGEST_BATCH_BYTES)
    match raw:
        case {"epoch": str(epoch), "done": list(done), "refused": list(refused)}:
            pairs = tuple(pair for item in done if (pair := _pair(item)) is not None)
            told = tuple(Refusal(Key(epoch, item[0]), str(item[1])) for item in refused if _is_refusal(item))
            if len(pairs) == len(done) and len(told) == len(refused):
                return Ack(epoch, pairs, told)
    raise HubError("an acknowledgement cannot be read", "epoch, done and refused", "Update the hub")


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Sorted numbers as (first, last) of every unbroken run."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return tuple((first, last) for first, last in found)


def _document(payload: bytes, most_bytes: int) -> dict[str, Any]:
    if len(payload) > most_bytes:
        raise _no_batch(f"{len(payload):,} bytes, at most {most_bytes:,}")
    try:
        raw = json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _no_batch(f"no JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise _no_batch("of another format")
    return raw


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _event(device: str, key: Key, body: Any) -> Event | Refusal:
    if not isinstance(body, dict):
        return Refusal(key, "its body is no object")
    kind, time = body.get("kind"), _time(body.get("time"))
    if not isinstance(kind, str) or KIND.fullmatch(kind) is None:
        return Refusal(key, "it has no kind")
    if time is None:
        return Refusal(key, "it has no time in ISO 8601 with a zone")
    rest = {name: value for name, value in body.items() if name not in ("kind", "time")}
    if (why := _unfit(rest)) != "":
        return Refusal(key, why)
    return Event(device, key, kind, time, rest)


def _time(text: Any) -> datetime | None:
    """A time with a zone; None for anything else, and for years that UTC cannot say."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _unfit(value: Any, depth: int = 0) -> str:
    """Why a value cannot be stored in every store we have; empty if it can."""
    if depth > DEEPEST:
        return "it is nested too deeply"
    match value:
        case str():
            return "it holds NUL or half a character" if "\0" in value or not _is_text(value) else ""
        case float():
            return "" if math.isfinite(value) else "it holds a number that is not finite"
        case int() if not isinstance(value, bool):
            return "" if abs(value) <= LARGEST_SEQ else "it holds a number of more than 64 bits"
        case dict():
            return next((why for pair in value.items() for part in pair if (why := _unfit(part, depth + 1))), "")
        case list():
            return next((why for part in value if (why := _unfit(part, depth + 1))), "")
    return ""


def _is_text(value: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in value)


def _pair(item: Any) -> tuple[int, int] | None:
    match item:
        case [int(first), int(last)] if 0 < first <= last <= LARGEST_SEQ:
            return first, last
    return None


def _is_refusal(item: Any) -> bool:
    match item:
        case [int(seq), str()]:
            return 0 < seq <= LARGEST_SEQ
    return False


def _no_batch(why: str) -> HubError:
    return HubError(
        f"a message is no batch of events ({why})", f"format {FORMAT} of nodes/hub/event.py", "Update the device"
    )
