"""Node `ossicle.device`: a deployment listens as a device would, and tells a hub what it hears."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from engine import AudioSet, Context, Deployment, Params, Report, Seconds, node
from nodes.scenarios import heard, hears, report_of, told_in_house

if TYPE_CHECKING:
    from nodes.hub.broker import Kind


class DeviceParams(Params):
    """What is heard, when a word counts as heard, and how it travels."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Recording", ["subset", "recording_s", "gap_s", "snr_db", "seed"]],
                ["Rule", ["hop_s", "threshold", "smoothing", "refractory_s", "tolerance_s"]],
                ["Hub", ["hub", "pace"]],
            ]
        }
    )

    subset: Literal["validation", "testing", "all"] = "testing"
    """Clips that the recording is made from."""
    recording_s: Annotated[Seconds, Field(ge=5, le=4 * 3600)] = 60.0
    """Length of the recording."""
    gap_s: Annotated[Seconds, Field(ge=0.3, le=600)] = 3.0
    """Mean pause between two clips."""
    snr_db: Annotated[float, Field(ge=-20, le=80, json_schema_extra={"unit": "dB"})] = 15.0
    """Level of the clips above the background."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Order, pauses and background."""
    hop_s: Annotated[Seconds, Field(ge=0.01, le=60)] = 0.25
    """Step between windows."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Smoothed score a word must reach."""
    smoothing: Annotated[int, Field(ge=1, le=1000)] = 3
    """Windows over which scores are averaged."""
    refractory_s: Annotated[Seconds, Field(ge=0, le=600)] = 1.0
    """Nothing is told for so long after a detection."""
    tolerance_s: Annotated[Seconds, Field(ge=0, le=60)] = 1.0
    """How long after a word's end a detection still belongs to it."""
    hub: Literal["installed", "mosquitto", "nats", "none"] = "installed"
    """Broker of a hub that is started for the run: one that is installed, if any; none keeps events in the outbox."""
    pace: Literal["real", "fast"] = "real"
    """Hear in real time, or as fast as possible: the same detections and processor time, but results travel in groups
    and a connection that is not idle needs no signs of life."""


@node("ossicle.device", version=1, category="Evaluate", needs=("network",))
def device(deployment: Deployment, audio: AudioSet, params: DeviceParams, ctx: Context) -> Report:
    """Run a deployment as a device does: sound in, detections out to a hub (edge processing).

    The device's runtime hears a recording made of the audio's clips, window by window; what it tells goes through its
    outbox and a broker with TLS into a hub's store. Device and hub are processes of their own. The report (kind
    "scenario") tells misses, false alarms per hour, the delay from a word's end to its stored row, bytes on the wire,
    processor time, and what leaves the device.
    """
    from nodes.hub.scenario import Hearing, play_edge

    place = heard(deployment, audio, params)
    rule = Hearing(params.hop_s, params.threshold, params.smoothing, params.refractory_s)
    with told_in_house(), tempfile.TemporaryDirectory(prefix="ossicle-device-") as folder:
        kind, speed = _broker(params, ctx), 1.0 if params.pace == "real" else 0.0
        found = play_edge(place.stage, rule, kind, speed, Path(folder), hears(ctx, place))
    return report_of(found, place, params.tolerance_s, ctx)


def _broker(params: DeviceParams, ctx: Context) -> Kind | None:
    from nodes.hub.broker import find
    from nodes.hub.scenario import installed

    if params.hub == "none":
        return None
    if params.hub != "installed":
        return find(params.hub)
    found = installed()
    if found is None:
        ctx.log("No broker is installed (apt install mosquitto): events stay in the outbox.", "warning")
    return found
