"""Streaming evaluation: a model hears a long recording window by window; misses and false alarms over thresholds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nodes.application import Application, windows
from nodes.judge.events import Event, Heard, Match, match
from nodes.judge.stream import Rule, State, decide
from nodes.learn.metrics import Floats, Interval, softmax

BATCH_WINDOWS: Final = 256
LOWEST, HIGHEST = 0.05, 0.9999
"""Thresholds are tried between these, evenly spaced in the logit: dense where a sure model's scores lie."""


@dataclass(frozen=True)
class Stream:
    """What a model heard: smoothed scores (windows, classes) and the end of each window in seconds (windows,)."""

    times_s: Floats
    smoothed: Floats
    classes: tuple[str, ...]


def window_scores(
    application: Application, samples: NDArray[np.int16], hop_s: float, tell: Callable[[float], None]
) -> tuple[Floats, Floats]:
    """Ends (windows,) in seconds and probabilities (windows, classes) of windows of one clip's length every `hop_s`.

    Args:
        samples: at the front end's rate.
        tell: is told the share done, 0 to 1.
    """
    front_end = application.bundle.front_end
    hop = max(1, round(hop_s * front_end.rate_hz))
    firsts = windows.starts(len(samples), front_end.clip_samples, hop)
    found = np.empty((len(firsts), len(application.bundle.labels)))
    for first in range(0, len(firsts), BATCH_WINDOWS):
        rows = slice(first, min(first + BATCH_WINDOWS, len(firsts)))
        cut = windows.cut(samples, firsts[rows], front_end.clip_samples).astype(np.float32) / np.float32(32768)
        found[rows] = softmax(application.logits(cut))
        tell(rows.stop / len(firsts))
    return (firsts + front_end.clip_samples) / front_end.rate_hz, found


def smooth(scores: Floats, width: int) -> Floats:
    """Mean of each window's scores (windows, classes) with those before it, `width` windows in all; see `stream`."""
    total = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0)])
    last = np.arange(1, len(scores) + 1)
    first = np.maximum(last - width, 0)
    result: Floats = (total[last] - total[first]) / (last - first)[:, None]
    return result


def heard(stream: Stream, rule: Rule) -> list[Heard]:
    """All detections; the same as `stream.detections` gives, without the windows in which nothing can happen."""
    best = stream.smoothed[:, list(rule.words)].max(axis=1)
    loud = np.flatnonzero(best >= rule.threshold)
    rows = np.unique(np.concatenate([loud, loud + 1]))  # the quiet window after a loud one ends what sounded
    state, found = State(), []
    for row in rows[rows < len(best)].tolist():
        state, told = decide(rule, state, stream.smoothed[row].tolist(), float(stream.times_s[row]))
        if told is not None:
            found.append(Heard(told.time_s, stream.classes[told.word], told.score))
    return found


def thresholds(count: int) -> Floats:
    """Thresholds to try, from the loosest to the strictest."""
    low, high = (np.log(value / (1 - value)) for value in (LOWEST, HIGHEST))
    result: Floats = 1 / (1 + np.exp(-np.linspace(low, high, count)))
    return result


@dataclass(frozen=True)
class Point:
    """What one threshold does; the miss rate is None for a recording without events."""

    threshold: float
    found: int
    missed: int
    false_alarms: int
    repeats: int
    miss_rate: float | None
    false_alarms_per_hour: float


def point(threshold: float, matched: Match, hours: float) -> Point:
    """Count what became of detections and events."""
    events = len(matched.found) + len(matched.missed)
    return Point(
        threshold,
        len(matched.found),
        len(matched.missed),
        len(matched.false_alarms),
        len(matched.repeats),
        len(matched.missed) / events if events else None,
        len(matched.false_alarms) / hours,
    )


def sweep(
    stream: Stream, rule: Rule, events: Sequence[Event], tolerance_s: float, hours: float, count: int
) -> list[Point]:
    """Try thresholds; the rule's own does not count."""
    tried = [replace(rule, threshold=float(threshold)) for threshold in thresholds(count)]
    return [point(one.threshold, match(heard(stream, one), events, tolerance_s), hours) for one in tried]


def within_budget(points: Sequence[Point], per_hour: float) -> Point | None:
    """The point with the fewest misses that keeps to so many false alarms per hour; of equals the strictest.

    None if no threshold keeps to it.
    """
    allowed = [one for one in points if one.false_alarms_per_hour <= per_hour]
    return min(allowed, key=lambda one: (one.miss_rate or 0.0, -one.threshold), default=None)


def poisson(count: int, hours: float) -> Interval:
    """Events per hour with the exact 95 % interval of a Poisson count (F. Garwood, 1936)."""
    low = float(stats.chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    return Interval(count / hours, low / hours, float(stats.chi2.ppf(0.975, 2 * count + 2)) / 2 / hours)


@dataclass(frozen=True)
class Latency:
    """How long after an event's start, and after its end, it was told; in seconds. Before its end counts negative."""

    median_s: float
    p95_s: float
    median_after_end_s: float


def latency(matched: Match) -> Latency | None:
    """Latency of what was found; None if nothing was."""
    if not matched.found:
        return None
    from_start = np.array([heard.time_s - event.start_s for event, heard in matched.found])
    from_end = np.array([heard.time_s - event.end_s for event, heard in matched.found])
    return Latency(float(np.median(from_start)), float(np.percentile(from_start, 95)), float(np.median(from_end)))
