"""Figures of a hub in the text format that Prometheus reads.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

HELP: Final[Mapping[str, str]] = {
    "messages": "Messages of devices.",
    "stored": "Events stored.",
    "repeated": "Events that had been stored before.",
    "refused": "Events that cannot be stored.",
    "malformed": "Messages that are no events.",
    "dropped": "Messages that were not read in time; devices send them again.",
    "failures": "Transactions that failed; devices send their events again.",
}


def exposition(status: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> str:
    """All figures as one text."""
    return "".join(_lines(status, devices))


def _lines(status: Mapping[str, Any], devices: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for name, about in HELP.items():
        yield from _family(f"ossicle_hub_{name}_total", "counter", about, {"": status["tally"][name]})
    yield from _family("ossicle_hub_connected", "gauge", "1 with a broker.", {"": int(status["is_connected"])})
    yield from _family(
        "ossicle_hub_broker_restarts_total", "counter", "Times the broker died.", {"": status["broker_restarts"]}
    )
    events = {f'{{device="{row["device"]}"}}': row["events"] for row in devices}
    here = {f'{{device="{row["device"]}"}}': int(row["state"] == "here") for row in devices}
    yield from _family("ossicle_hub_device_events", "gauge", "Events stored of a device.", events)
    yield from _family("ossicle_hub_device_here", "gauge", "1 while a device is connected.", here)


def _family(name: str, kind: str, about: str, values: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {about}\n# TYPE {name} {kind}\n"
    for labels, value in values.items():
        yield f"{name}{labels} {value}\n"
