"""A scenario's figures as plain values for its report, and both scenarios side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from nodes.hub.choice import CLOUD, EDGE, Choice, Figures
from nodes.hub.errors import HubError
from nodes.hub.scenario import Performance, percentile
from nodes.judge.events import Event, Heard, Match, match
from nodes.judge.listening import poisson
from nodes.judge.listening_card import class_rows, event_rows
from nodes.judge.plots import axis, line, plot
from nodes.learn.metrics import wilson

Json = dict[str, Any]
HOUR_S: Final = 3600.0
LEAVES: Final[Mapping[str, Mapping[str, str]]] = {
    "sound": {EDGE: "never", CLOUD: "all of it: Opus, encrypted (DTLS-SRTP)"},
    "label and score of what was heard": {EDGE: "yes, over TLS", CLOUD: "made at the hub"},
    "time in the recording, digest of the model": {EDGE: "yes, over TLS", CLOUD: "made at the hub"},
    "presence, address, volume of traffic": {EDGE: "yes", CLOUD: "yes"},
}
"""What leaves the device: body of `nodes.hub.device.runtime` results, track of `nodes.hub.stream`."""


def matched_of(found: Performance, events: Sequence[Event], tolerance_s: float) -> Match:
    """Which detection belongs to which word."""
    heard = [Heard(one.at_s, one.label, one.score) for one in found.detections]
    return match(heard, events, tolerance_s)


def scenario_card(found: Performance, matched: Match, words: Sequence[str]) -> Json:
    """A scenario's report: misses, false alarms, delays, traffic, processor, what leaves the device."""
    events, hours = len(matched.found) + len(matched.missed), found.heard_s / HOUR_S
    delays = word_delays_ms(found, matched)
    return {
        "kind": "scenario",
        "way": found.way,
        "path": found.path,
        "recording": {"seconds": found.heard_s, "words": events},
        "measured": asdict(found.figures(delays)),
        "detections": {
            "found": len(matched.found),
            "missed": len(matched.missed),
            "repeats": len(matched.repeats),
            "false_alarms": len(matched.false_alarms),
            "false_alarms_per_hour": asdict(poisson(len(matched.false_alarms), hours)),
            "recall": asdict(wilson(len(matched.found), events)) if events else None,
            "stored": found.stored,
        },
        "delays": [
            _delay_row("from a word's end to its stored row", delays),
            _delay_row("from the deciding window to the stored row", [one.delay_ms for one in found.detections]),
            *([_delay_row("from a window's end to its answer", found.answers_ms)] if found.way == CLOUD else []),
        ],
        "costs": cost_rows(found),
        "leaves": [{"what": what, "leaves_the_device": ways[found.way]} for what, ways in LEAVES.items()],
        "plots": [delay_plot(found.way, delays)] if delays else [],
        "per_class": class_rows(matched, words, hours),
        "events": event_rows(matched),
        "false_alarms": [asdict(one) for one in matched.false_alarms],
    }


def word_delays_ms(found: Performance, matched: Match) -> list[float]:
    """From the end of every word that was found to its stored row; a word may be told before it ends."""
    stored = {(one.at_s, one.label): one.delay_ms for one in found.detections}
    return [1e3 * (heard.time_s - event.end_s) + stored[heard.time_s, heard.label] for event, heard in matched.found]


def delay_plot(way: str, delays_ms: Sequence[float]) -> Json:
    """How many words had been stored so long after their end."""
    ordered = np.sort(np.array(delays_ms, np.float64))
    shares = np.arange(1, len(ordered) + 1) / len(ordered)
    across, up = axis("ms from a word's end to its stored row"), axis("share of the words found")
    return plot("Delay", across, up, [line(way, ordered, shares)])


def _delay_row(what: str, values_ms: Sequence[float]) -> Json:
    found = {name: percentile(values_ms, share) for name, share in (("median_ms", 50.0), ("p95_ms", 95.0))}
    return {"what": what, "count": len(values_ms), **found, "most_ms": max(values_ms, default=None)}


def cost_rows(found: Performance) -> list[Json]:
    """What the way costs device, line and hub."""
    rows = (
        ("sent by the device", found.bytes_per_hour, "bytes per hour"),
        ("sent to make the connection", found.setup_bytes, "bytes"),
        ("received by the device", found.received_bytes, "bytes"),
        ("CPU of the device", found.cpu_percent, "% of a core"),
        ("CPU of the hub", found.hub_cpu_percent, "% of a core"),
        ("memory of the device", found.memory_bytes, "bytes"),
        ("sound lost", found.lost_s, "s"),
        ("connections", found.lines, ""),
    )
    return [{"what": what, "value": value, "unit": unit} for what, value, unit in rows]


def headline(found: Performance, matched: Match) -> dict[str, float]:
    """The figures a report shows first."""
    events, delays = len(matched.found) + len(matched.missed), word_delays_ms(found, matched)
    shown = {
        "recall": len(matched.found) / events if events else None,
        "false_alarms_per_hour": len(matched.false_alarms) * HOUR_S / found.heard_s,
        "delay_ms": percentile(delays, 50.0),
        "delay_p95_ms": percentile(delays, 95.0),
        "answer_ms": percentile(found.answers_ms, 50.0),
        "answer_p95_ms": percentile(found.answers_ms, 95.0),
        "bytes_per_hour": found.bytes_per_hour,
        "cpu_percent": found.cpu_percent,
        "hub_cpu_percent": found.hub_cpu_percent,
        "lost_s": found.lost_s if found.way == CLOUD else None,
        "detections": float(len(found.detections)),
    }
    return {name: float(value) for name, value in shown.items() if value is not None}


def figures_from(raw: Mapping[str, Any]) -> Figures:
    """What a scenario's report says it measured.

    Raises:
        HubError: it is another report.
    """
    try:
        if raw["kind"] == "scenario":
            return Figures(**raw["measured"])
    except (KeyError, TypeError):
        pass
    raise HubError("the report is none of a scenario", "that of the device node", "Wire that one, or none")


def comparison(edge: Mapping[str, Any], cloud: Mapping[str, Any], choice: Choice) -> Json:
    """Both reports side by side, and the way that was chosen."""
    ways = {EDGE: edge, CLOUD: cloud}
    rows = [
        _row("words found", {name: _share(raw) for name, raw in ways.items()}),
        _row(
            "false alarms per hour", {n: raw["detections"]["false_alarms_per_hour"]["value"] for n, raw in ways.items()}
        ),
        _row("delay from a word's end, median ms", {name: raw["delays"][0]["median_ms"] for name, raw in ways.items()}),
        _row("delay from a word's end, p95 ms", {name: raw["delays"][0]["p95_ms"] for name, raw in ways.items()}),
    ]
    for place, cost in enumerate(cloud["costs"]):
        named = f"{cost['what']}, {cost['unit']}".removesuffix(", ")
        rows.append(_row(named, {name: raw["costs"][place]["value"] for name, raw in ways.items()}))
    rows += [{"what": f"{what} leaves the device", **told} for what, told in LEAVES.items()]
    plots = [raw["plots"] for raw in ways.values() if raw["plots"]]
    both = [{**plots[0][0], "lines": [one for found in plots for one in found[0]["lines"]]}] if plots else []
    told = {"where": choice.where, "closest": choice.lesser, "reasons": "; ".join(choice.reasons)}
    return {"choice": [told], "comparison": rows, "plots": both}


def _row(what: str, values: Mapping[str, Any]) -> Json:
    return {"what": what, **values}


def _share(raw: Mapping[str, Any]) -> float | None:
    return raw["detections"]["recall"]["value"] if raw["detections"]["recall"] else None
