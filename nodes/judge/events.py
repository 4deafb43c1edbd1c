"""Labelled events of a long recording: reading them, and which detection belongs to which."""

import csv
import io
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, takewhile
from typing import Final

from nodes.judge.errors import JudgeError

_COLUMNS: Final = ("start", "end", "label")


@dataclass(frozen=True)
class Event:
    """Something that sounds in a recording, in seconds from its start; `line` is where it stands in its file."""

    start_s: float
    end_s: float
    label: str
    line: int = 0


@dataclass(frozen=True)
class Heard:
    """A detection with its class by name."""

    time_s: float
    label: str
    score: float


# ---- reading


def read_events(text: str, name: str, length_s: float) -> list[Event]:
    """Events of a CSV text with the columns start, end (seconds) and label, in order of time.

    A file with its header alone is a recording without events.

    Raises:
        JudgeError: no header, a time that is none or lies outside the recording, or two events of one class at the same
            time (whether they are one or two cannot be told); names the line.
    """
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    columns = [column.strip().lower().removesuffix("_s") for column in rows.fieldnames or ()]
    if not set(_COLUMNS) <= set(columns):
        raise JudgeError(
            f"{name} has the columns {', '.join(columns)}" if columns else f"{name} is empty",
            "a first line start,end,label, then one line per event, times in seconds",
            "Write the header, even for a recording without events",
        )
    rows.fieldnames = columns
    found = sorted((_event(row, name, rows.line_num, length_s) for row in rows), key=lambda event: event.start_s)
    _check_overlaps(found, name)
    return found


def _event(row: Mapping[str, str | None], name: str, line: int, length_s: float) -> Event:
    start, end = (_number(row[column], name, line, column) for column in ("start", "end"))
    label = (row["label"] or "").strip()
    if not label:
        raise JudgeError(f"{name}, line {line} has no label", "the class that is heard", "Name it or delete the line")
    if not 0 <= start < end <= length_s + 0.5:
        raise JudgeError(
            f"{name}, line {line}: {label!r} lasts from {start:g} s to {end:g} s",
            f"a start before its end, both within the recording ({length_s:.1f} s)",
            "Correct the times; they are seconds from the recording's start",
        )
    return Event(start, end, label, line)


def _number(text: str | None, name: str, line: int, column: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise JudgeError(
            f"{name}, line {line}: {column} is {text!r}", "a number of seconds", "Correct it, with a point for decimals"
        )
    return value


def _check_overlaps(events: Sequence[Event], name: str) -> None:
    for label in {event.label for event in events}:
        same = [event for event in events if event.label == label]
        for one, other in pairwise(same):
            if other.start_s < one.end_s:
                raise JudgeError(
                    f"{name}, lines {one.line} and {other.line}: two {label!r} overlap"
                    f" ({one.start_s:g} to {one.end_s:g} s and {other.start_s:g} to {other.end_s:g} s)",
                    "events of one class one after another",
                    "Join them into one, or correct the times",
                )


def to_csv(events: Sequence[Event]) -> str:
    """Events as `read_events` reads them."""
    rows = [f"{_text(event.start_s)},{_text(event.end_s)},{event.label}" for event in events]
    return "\n".join([",".join(_COLUMNS), *rows]) + "\n"


def _text(time_s: float) -> str:
    """Exact to a sample of common rates (62.5 µs at 16 kHz)."""
    return f"{time_s:.7f}".rstrip("0").rstrip(".")


# ---- matching


@dataclass(frozen=True)
class Match:
    """What became of every detection and event.

    Attributes:
        found: events with the detection that found them.
        missed: events that nothing found.
        false_alarms: detections while nothing of their class sounded.
        repeats: further detections of an event that was found already; counted apart, neither hit nor false alarm.
    """

    found: tuple[tuple[Event, Heard], ...]
    missed: tuple[Event, ...]
    false_alarms: tuple[Heard, ...]
    repeats: tuple[Heard, ...]


def match(heard: Sequence[Heard], events: Sequence[Event], tolerance_s: float) -> Match:
    """Give every detection, in order of time, to the event of its class that ends first and is not found yet.

    A detection belongs to an event if it comes between the event's start and `tolerance_s` after its end. Each event is
    found once at most; taking the earliest deadline first finds as many as any assignment could. Events of one class
    must not overlap.
    """
    by_label: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda event: event.end_s):
        by_label.setdefault(event.label, []).append(event)
    found: dict[Event, Heard] = {}
    alarms: list[Heard] = []
    repeats: list[Heard] = []
    for detection in sorted(heard, key=lambda one: one.time_s):
        fitting = _fitting(detection.time_s, by_label.get(detection.label, []), tolerance_s)
        free = next((event for event in fitting if event not in found), None)
        if free is not None:
            found[free] = detection
        else:
            (repeats if fitting else alarms).append(detection)
    missed = tuple(event for event in events if event not in found)
    return Match(tuple(found.items()), missed, tuple(alarms), tuple(repeats))


def _fitting(time_s: float, events: Sequence[Event], tolerance_s: float) -> list[Event]:
    """Events in order of their ends that a detection may belong to."""
    first = bisect_left(events, time_s - tolerance_s, key=lambda event: event.end_s)
    return list(takewhile(lambda event: event.start_s <= time_s, islice(events, first, None)))
