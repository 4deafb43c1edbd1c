"""What a node under test told and made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine import Model
from engine.event import Event


@dataclass
class Told:
    """Events of a node, as a sink."""

    events: list[Event]

    def __call__(self, event: Event) -> None:
        """Take one."""
        self.events.append(event)

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """Values of all events of a kind."""
        return (dict(event.values) for event in self.events if event.kind == kind)


def content(model: Model) -> dict[str, bytes]:
    """Bytes of every file of a model."""
    return {path.name: path.read_bytes() for path in sorted(model.path.iterdir())}
