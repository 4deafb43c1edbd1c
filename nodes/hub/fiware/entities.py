"""Events of a hub as NGSI-v2 entities. Pure.

One entity per event, never changed (its id is the event's key, so sending it again is harmless), and one entity per
device with its newest result. A broker takes not every name and character, so:

    names    letters, digits, _ - . : stay, all else is ~XX (UTF-8 in hex); names of our own are said_NAME
    text     < > " ' = ; ( ) and % are %XX, as in an address; `unquote` gives it back
    numbers  whole ones beyond 2^53 are text: a broker keeps doubles
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from nodes.hub.store import RESULT, Row, Waiting

DEVICE_TYPE: Final = "AudioDevice"
EXACT: Final = 1 << 53
LONGEST_NAME: Final = 256
_OWN: Final = frozenset({"refDevice", "seq", "epoch", "epochNumber", "observedAt", "receivedAt"})
_TAKEN: Final = frozenset({"id", "type", "dateCreated", "dateModified", "dateExpires", "geo:distance", "TimeInstant"})
_ESCAPED: Final = MappingProxyType({ord(char): f"%{ord(char):02X}" for char in "%<>\"'=;()"})
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.:-]")
Attribute = Mapping[str, Any]


def event_type(kind: str) -> str:
    """Type of the entities of a kind of event: AudioResult, AudioTelemetry, …"""
    return "Audio" + "".join(part.capitalize() for part in kind.split("_"))


def device_id(device: str) -> str:
    """Entity of a device."""
    return f"urn:ngsi-ld:{DEVICE_TYPE}:{device}"


def event_entity(waiting: Waiting) -> dict[str, Any]:
    """An event's own entity."""
    row, type_ = waiting.row, event_type(waiting.row.kind)
    return {
        "id": f"urn:ngsi-ld:{type_}:{row.device}-{waiting.epoch}-{row.seq}",
        "type": type_,
        "refDevice": {"type": "Relationship", "value": device_id(row.device)},
        "epoch": {"type": "Text", "value": waiting.epoch},
        **_common(row),
    }


def device_entity(row: Row) -> dict[str, Any]:
    """The newest result of a device; attributes of older results that it lacks stay at the broker."""
    return {"id": device_id(row.device), "type": DEVICE_TYPE, "epochNumber": _value(row.number), **_common(row)}


def place_of(entity: Mapping[str, Any]) -> tuple[int, int]:
    """(epoch number, seq) of a device's entity as name to value; (0, 0) where it says none."""
    number, seq = entity.get("epochNumber"), entity.get("seq")
    return (_whole(number), _whole(seq))


def is_result(row: Row) -> bool:
    """Whether it can be a device's newest."""
    return row.kind == RESULT


def name_of(said: str) -> str:
    """Name of the attribute that carries what a device calls so."""
    if said in _OWN | _TAKEN or said.startswith("said_") or not said:
        said = f"said_{said}"
    name = _UNFIT.sub(_hex, said)
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[:200]}~{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def plain(value: Any) -> Any:
    """A value at the broker as the device said it."""
    match value:
        case str():
            return unquote(value)
        case list():
            return [plain(part) for part in value]
        case dict():
            return {unquote(key): plain(part) for key, part in value.items()}
    return value


def _common(row: Row) -> dict[str, Attribute]:
    body = {name_of(name): _value(value) for name, value in row.body.items()}
    return {
        **body,
        "seq": _value(row.seq),
        "observedAt": _moment(row.time),
        "receivedAt": _moment(row.received),
    }


def _value(value: Any) -> Attribute:
    kind, written = next(made(value) for fits, made in _KINDS if fits(value))
    return {"type": kind, "value": written}


def _moment(text: str) -> Attribute:
    """A time; one that no broker counts with (a clock far off) stays text."""
    is_usual = re.match(r"(19[7-9]|2\d\d)\d-", text) is not None
    return {"type": "DateTime", "value": f"{text[:23]}Z"} if is_usual else {"type": "Text", "value": text}


def _written(value: Any) -> Any:
    match value:
        case str():
            return value.translate(_ESCAPED)
        case bool() | None:
            return value
        case int() if abs(value) > EXACT:
            return str(value)
        case list():
            return [_written(part) for part in value]
        case dict():
            return {key.translate(_ESCAPED): _written(part) for key, part in value.items()}
    return value


_KINDS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], tuple[str, Any]]], ...]] = (
    (lambda value: value is None, lambda value: ("None", None)),
    (lambda value: isinstance(value, bool), lambda value: ("Boolean", value)),
    (lambda value: isinstance(value, int) and abs(value) > EXACT, lambda value: ("Text", str(value))),
    (lambda value: isinstance(value, int | float), lambda value: ("Number", value)),
    (lambda value: isinstance(value, str), lambda value: ("Text", _written(value))),
    (lambda value: True, lambda value: ("StructuredValue", _written(value))),
)


def _hex(found: re.Match[str]) -> str:
    return "".join(f"~{byte:02X}" for byte in found[0].encode())


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
