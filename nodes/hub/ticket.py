"""What a device carries to connect to its hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes.hub.errors import HubError


@dataclass(frozen=True)
class Ticket:
    """What a device needs to connect; a secret as a whole."""

    device: str
    password: str
    host: str
    port: int
    ca: str
    """PEM text of the authority."""

    def document(self) -> dict[str, Any]:
        """As JSON, for a file with mode 0600."""
        return {"format": 1, **self.__dict__}


def read_ticket(path: Path) -> Ticket:
    """A ticket from its file.

    Raises:
        HubError: it is none.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"device": str, "password": str, "host": str, "port": int, "ca": str}
        if raw["format"] == 1 and all(type(raw[name]) is kind for name, kind in kinds.items()):
            return Ticket(**{name: raw[name] for name in kinds})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HubError(
            f"{path} is no ticket of a hub ({error})", "a file of `ossicle hub enrol`", "Enrol again"
        ) from error
    raise HubError(f"{path} is no ticket of a hub", "a file of `ossicle hub enrol`", "Enrol the device again")
