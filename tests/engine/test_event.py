"""Events survive a trip through a line of JSON, and a killed run's half line does no harm."""

from __future__ import annotations

import io
from pathlib import Path

from engine.event import Event, read_events, to_all, to_stream

EVENTS = [
    Event("started", "r", "mfcc-1", {}, 1.0),
    Event("metric", "r", "train-1", {"step": 3.0, "loss": 0.25}, 2.0),
    Event("log", "r", "ä-1", {"text": "line\nbreak", "level": "info"}, 3.0),
]


def test_lines_read_back_equal() -> None:
    stream = io.StringIO()
    seen: list[Event] = []
    sink = to_all(to_stream(stream), seen.append)
    for event in EVENTS:
        sink(event)
    lines = stream.getvalue().splitlines()
    assert [Event.from_line(line) for line in lines] == EVENTS == seen


def test_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("".join(event.to_line() + "\n" for event in EVENTS) + '{"kind": "fin', encoding="utf-8")
    assert read_events(path) == EVENTS
    assert read_events(tmp_path / "none") == []
