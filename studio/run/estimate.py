"""How long a node will take: from earlier runs of the same type, and from its progress once it runs.

While it runs, the guess from progress takes over from the guess from earlier runs as the fraction grows.
"""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine.runs import RECORD, run_folders

RUNS: Final = 40
"""Newest runs looked at."""
OF_EACH: Final = 5
"""Newest equal cases of which the median is taken."""
LENGTHS: Final = ("epochs", "steps", "trials", "time_budget_s", "seconds")
"""Parameters to which the time is proportional, if they are numbers in both cases."""
SMALLEST_FRACTION: Final = 0.02
"""Progress below this says nothing yet about the time."""


@dataclass(frozen=True)
class Timing:
    """How long a node once took."""

    node: str
    type: str
    params: Mapping[str, Any]
    seconds: float


def timings(home: Path, limit: int = RUNS) -> tuple[Timing, ...]:
    """How long executed nodes of the newest runs took, the newest first."""
    found: list[Timing] = []
    for folder in run_folders(home)[:limit]:
        try:
            found += _timings(folder / RECORD, (folder / RECORD).stat().st_mtime_ns)
        except OSError:
            continue  # removed meanwhile
    return tuple(found)


@functools.lru_cache(maxsize=256)
def _timings(path: Path, _changed_ns: int) -> tuple[Timing, ...]:
    try:
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
        return tuple(
            Timing(name, raw["type"], raw["recipe"]["params"], raw["seconds"])
            for name, raw in nodes.items()
            if raw["state"] == "done" and raw["recipe"] and raw["seconds"] > 0
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()  # a torn record tells nothing


def expected_s(known: Iterable[Timing], type_id: str, node: str, params: Mapping[str, Any]) -> float | None:
    """Seconds that a node will probably take; None if its type was never executed.

    The most alike cases count: equal parameters first, then the same node, then the newest.
    """
    same = [timing for timing in known if timing.type == type_id]
    if not same:
        return None
    likeness = [(_likeness(timing.params, params), timing.node == node) for timing in same]
    best = max(likeness)
    chosen = [timing for timing, like in zip(same, likeness, strict=True) if like == best][:OF_EACH]
    times = [timing.seconds * _longer(timing.params, params) for timing in chosen]
    return statistics.median(times)


def _likeness(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    names = old.keys() | new.keys()
    return sum(bool(old.get(name) == new.get(name)) for name in names) / max(len(names), 1)


def _longer(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """How many times longer the new case is by its own parameters."""
    for name in LENGTHS:
        was, now = _number(old.get(name)), _number(new.get(name))
        if was > 0 and now > 0:
            return now / was
    return 1.0


def _number(value: object) -> float:
    """A number as it is, anything else as 0."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def left_s(elapsed_s: float, fraction: float, expected: float | None) -> float | None:
    """Seconds that a running node still needs; None if nothing is known.

    Both guesses are weighed by the progress: at the start the earlier runs count, at the end only the progress.
    """
    by_history = max(expected - elapsed_s, 0.0) if expected is not None else None
    if fraction < SMALLEST_FRACTION:
        return by_history
    by_progress = elapsed_s * (1 - fraction) / fraction
    if by_history is None:
        return by_progress
    weight = min(1.0, 2 * fraction)
    return weight * by_progress + (1 - weight) * by_history


def total_s(parts: Sequence[float | None]) -> float | None:
    """The sum of what is known; None if nothing is."""
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
