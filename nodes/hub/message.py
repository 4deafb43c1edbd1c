"""What is sent: results and metadata, never audio."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from nodes.hub.errors import HubError

LARGEST_BYTES: Final = 256 * 1024
"""Far above any metadata, far below one second of audio at studio rates in JSON."""


@dataclass(frozen=True)
class Message:
    """One message. `id` names its content for good, so that sending it twice is harmless.

    Attributes:
        epoch: digest (16 hex digits) of everything that is sent together; see `nodes.hub.event`.
        body: JSON values; `id`, `seq`, `device` and `kind` are added.
        retain: a broker keeps it for those who subscribe later; a hub stores everything anyway.
    """

    epoch: str
    seq: int
    device: str
    kind: str
    topic: str
    body: Mapping[str, Any]
    retain: bool = False

    @property
    def id(self) -> str:
        """DEVICE-EPOCH-SEQ, the name under which a hub knows it, too."""
        return f"{self.device}-{self.epoch}-{self.seq}"

    def content(self) -> dict[str, Any]:
        """What identifies the message: everything on the wire but the time."""
        return {"id": self.id, "seq": self.seq, "device": self.device, "kind": self.kind, **self.body}

    def digest(self) -> str:
        """sha256 (hex) of the content as canonical JSON."""
        return hashlib.sha256(_canonical(self.content())).hexdigest()

    def payload(self, now: datetime) -> bytes:
        """The bytes on the wire: the content and the time of sending."""
        time = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return _canonical({**self.content(), "time": time})


@dataclass(frozen=True)
class Item:
    """What a message shall say, before it is numbered."""

    kind: str
    body: Mapping[str, Any]
    retain: bool = False


def make_messages(items: Iterable[Item], *, prefix: str, device: str) -> tuple[Message, ...]:
    """Number items 1, 2, ... and give them ids DEVICE-DIGEST-SEQ and topics PREFIX/DEVICE/KIND.

    The digest covers all items, so the same results have the same ids whenever they are sent: a hub that keeps one row
    per id stores them once.

    Raises:
        HubError: the prefix or device cannot stand in a topic, or a body is too large or not JSON.
    """
    kept = tuple(items)
    for name, value in (("topic_prefix", prefix), ("device", device)):
        _check_topic_part(name, value)
    if "/" in device:
        raise HubError(f"device {device!r} holds a slash", "one level of a topic", "Rename the device")
    epoch = hashlib.sha256(_canonical([[item.kind, item.body] for item in kept])).hexdigest()[:16]
    made = tuple(
        Message(epoch, seq, device, item.kind, f"{prefix}/{device}/{item.kind}", item.body, item.retain)
        for seq, item in enumerate(kept, 1)
    )
    for message in made:
        _check_size(message)
    return made


def _check_topic_part(name: str, value: str) -> None:
    if not value.strip("/") or set(value) & set("+#\0") or value.startswith(("$", "/")) or value.endswith("/"):
        raise HubError(
            f"{name} {value!r} cannot stand in an MQTT topic",
            "text without +, # and NUL that does not start with $ or start or end with a slash",
            f"Change {name}",
        )


def _check_size(message: Message) -> None:
    size = len(_canonical(message.content()))
    if size > LARGEST_BYTES:
        raise HubError(
            f"the {message.kind} message has {size:,} bytes",
            f"at most {LARGEST_BYTES:,} bytes of results and metadata",
            "Wire an artifact with fewer metrics",
        )


def _canonical(value: Any) -> bytes:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise HubError(
            f"a result cannot be written as JSON ({error})", "finite numbers and text", "Look at the report's metrics"
        ) from error
