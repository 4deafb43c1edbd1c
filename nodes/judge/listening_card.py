"""The figures of a streaming evaluation as plain values for its report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nodes.judge.events import Match
from nodes.judge.listening import Point, latency, poisson
from nodes.judge.plots import axis, line, plot
from nodes.judge.plots import point as mark
from nodes.learn.metrics import wilson

Json = dict[str, Any]


def operating_card(threshold: float, matched: Match, hours: float) -> Json:
    """What one threshold does, with intervals: Wilson's of the recall, Poisson's of the false alarms, 95 %."""
    events = len(matched.found) + len(matched.missed)
    delay = latency(matched)
    return {
        "threshold": threshold,
        "found": len(matched.found),
        "missed": len(matched.missed),
        "repeats": len(matched.repeats),
        "recall": asdict(wilson(len(matched.found), events)) if events else None,
        "false_alarms": len(matched.false_alarms),
        "false_alarms_per_hour": asdict(poisson(len(matched.false_alarms), hours)),
        "latency": None if delay is None else asdict(delay),
    }


def class_rows(matched: Match, words: Sequence[str], hours: float) -> list[Json]:
    """Recall and false alarms of every word; recall is null for a word that does not occur."""
    found = Counter(event.label for event, _ in matched.found)
    missed = Counter(event.label for event in matched.missed)
    alarms = Counter(one.label for one in matched.false_alarms)
    return [
        {
            "class": word,
            "recall": found[word] / (found[word] + missed[word]) if found[word] + missed[word] else None,
            "support": found[word] + missed[word],
            "false_alarms": alarms[word],
            "false_alarms_per_hour": alarms[word] / hours,
        }
        for word in words
    ]


def event_rows(matched: Match) -> list[Json]:
    """Every event in order of time; when it was told and how surely, null if it was missed."""
    told = [(event, heard.time_s, heard.score) for event, heard in matched.found]
    silent = [(event, None, None) for event in matched.missed]
    return [
        {"start_s": event.start_s, "end_s": event.end_s, "label": event.label, "told_s": time_s, "score": score}
        for event, time_s, score in sorted([*told, *silent], key=lambda row: row[0].start_s)
    ]


def listening_plots(points: Sequence[Point], operating: Json) -> list[Json]:
    """Misses over false alarms, and both over the threshold."""
    alarms = np.array([one.false_alarms_per_hour for one in points])
    levels = np.array([one.threshold for one in points])
    rate = axis("false alarms per hour", "log")
    by_threshold = plot(
        "False alarms over the threshold", axis("threshold", "normal"), rate, [line("all words", levels, alarms)]
    )
    if any(one.miss_rate is None for one in points):
        return [by_threshold]
    misses = np.array([one.miss_rate for one in points], np.float64)
    here = mark("operating point", operating["false_alarms_per_hour"]["value"], 1 - operating["recall"]["value"])
    caption = "over all thresholds; what lies at no false alarm at all is not drawn"
    trade = plot(
        "Misses and false alarms", rate, axis("miss rate"), [line("all words", alarms, misses)], [here], caption
    )
    curve = plot(
        "Misses over the threshold", axis("threshold", "normal"), axis("miss rate"), [line("all words", levels, misses)]
    )
    return [trade, curve, by_threshold]
