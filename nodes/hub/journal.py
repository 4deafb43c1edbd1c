"""A local file of JSON lines that stands in where there is no broker."""

import fcntl
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from nodes.hub.errors import HubError
from nodes.hub.message import Message


def append(messages: Sequence[Message], path: Path) -> int:
    """Add messages to a file, each id once for all time; tells how many were new.

    A line holds `topic`, `retain` and `payload`. The file is locked meanwhile and on disk when this returns; a line
    that a crash cut off is closed first.

    Raises:
        HubError: the file cannot be written, or is no such file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return _append(messages, file)
    except OSError as error:
        raise HubError(
            f"{path} cannot be written ({error.strerror or error})",
            "a file in a folder you may write to",
            "Choose another broker address, or correct the folder's rights",
        ) from error


def _append(messages: Sequence[Message], file: IO[bytes]) -> int:
    file.seek(0)
    known, ends_well = set(), True
    for line in file:
        ends_well = line.endswith(b"\n")
        known.add(_id_of(line))
    fresh = [message for message in messages if message.id not in known]
    lines = b"".join(_line(message) for message in fresh)
    file.write(lines if ends_well else b"\n" + lines)
    file.flush()
    os.fsync(file.fileno())
    return len(fresh)


def _id_of(line: bytes) -> str:
    """The id in a line; "" where the line is damaged, as after a crash."""
    try:
        return str(json.loads(line)["payload"]["id"])
    except (ValueError, KeyError, TypeError):
        return ""


def _line(message: Message) -> bytes:
    payload = json.loads(message.payload(datetime.now(UTC)))
    return (
        json.dumps({"topic": message.topic, "retain": message.retain, "payload": payload}, ensure_ascii=False).encode()
        + b"\n"
    )
