"""What happens during a run: frozen events and where they go."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

Kind = Literal[
    "run_started",
    "queued",
    "started",
    "progress",
    "metric",
    "log",
    "cached",
    "finished",
    "failed",
    "skipped",
    "cancelled",
    "run_finished",
    "sweep_started",
    "point_started",
    "point_finished",
    "sweep_finished",
]
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True)
class Event:
    """One thing that happened; `node` is empty for events of the run itself, `run` too for events of a sweep.

    A sweep's events carry its id in `values`; `point_started` names the run whose events follow.
    """

    kind: Kind
    run: str
    node: str = ""
    values: Mapping[str, Json] = field(default_factory=dict)
    time_s: float = field(default_factory=time.time)

    def to_line(self) -> str:
        """One JSON object on one line, without the line end."""
        return json.dumps(
            {"kind": self.kind, "run": self.run, "node": self.node, "values": dict(self.values), "time_s": self.time_s},
            ensure_ascii=False,
        )

    @staticmethod
    def from_line(line: str) -> Event:
        """Read back what `to_line` wrote."""
        raw = json.loads(line)
        return Event(raw["kind"], raw["run"], raw["node"], raw["values"], raw["time_s"])


Sink = Callable[[Event], None]


def to_stream(stream: IO[str]) -> Sink:
    """A sink that writes JSON lines to an open text stream."""

    def write(event: Event) -> None:
        stream.write(event.to_line() + "\n")
        stream.flush()

    return write


def to_all(*sinks: Sink) -> Sink:
    """A sink that hands each event to every one of `sinks`, in order."""

    def write(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return write


def read_events(path: Path) -> list[Event]:
    """Events of a JSON-lines file; a half-written last line (a killed run) is left out."""
    return read_lines(path, 0)[0]


def read_lines(path: Path, position: int) -> tuple[list[Event], int]:
    """Events from a place in a growing file on, and the place after the last whole line."""
    if not path.exists():
        return [], position
    with path.open("rb") as file:
        file.seek(position)
        whole, end, _half = file.read().rpartition(b"\n")
    return [Event.from_line(line.decode()) for line in whole.split(b"\n") if line], position + len(whole) + len(end)
