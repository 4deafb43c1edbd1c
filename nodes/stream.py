"""Node `ossicle.stream`: sound goes from a device to the hub, the hub hears it; and which way is the better one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from engine import AudioSet, Context, Deployment, OssicleError, Params, Report, Seconds, node
from nodes.scenarios import heard, hears, report_of, told_in_house

Json = dict[str, Any]


class StreamParams(Params):
    """What is heard, when a word counts as heard, the line, and what is wished of a way."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Recording", ["subset", "recording_s", "gap_s", "snr_db", "seed"]],
                ["Rule", ["every_s", "threshold", "smoothing", "refractory_s", "tolerance_s"]],
                ["Line", ["loss_percent"]],
                ["Wishes", ["most_delay_ms", "most_bytes_per_hour", "most_cpu_percent", "keeps_sound_private"]],
            ]
        }
    )

    subset: Literal["validation", "testing", "all"] = "testing"
    """Clips that the recording is made from."""
    recording_s: Annotated[Seconds, Field(ge=5, le=3600)] = 60.0
    """Length of the recording; it is streamed in real time."""
    gap_s: Annotated[Seconds, Field(ge=0.3, le=600)] = 3.0
    """Mean pause between two clips."""
    snr_db: Annotated[float, Field(ge=-20, le=80, json_schema_extra={"unit": "dB"})] = 15.0
    """Level of the clips above the background."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Order, pauses and background; the device node's makes the same recording."""
    every_s: Annotated[Seconds, Field(ge=0.1, le=10)] = 1.0
    """The hub decides after so much sound."""
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Smoothed score a word must reach."""
    smoothing: Annotated[int, Field(ge=1, le=1000)] = 1
    """Windows over which scores are averaged."""
    refractory_s: Annotated[Seconds, Field(ge=0, le=600)] = 1.0
    """Nothing is told for so long after a detection."""
    tolerance_s: Annotated[Seconds, Field(ge=0, le=60)] = 1.0
    """How long after a word's end a detection still belongs to it."""
    loss_percent: Annotated[float, Field(ge=0, le=50, json_schema_extra={"unit": "%"})] = 0.0
    """Packets that are lost between device and hub, both ways."""
    most_delay_ms: Annotated[float, Field(gt=0, json_schema_extra={"unit": "ms"})] | None = None
    """Wish: 95 of 100 words are stored so soon after their end. Empty does not matter."""
    most_bytes_per_hour: Annotated[float, Field(gt=0)] | None = None
    """Wish: the device sends no more."""
    most_cpu_percent: Annotated[float, Field(gt=0, json_schema_extra={"unit": "%"})] | None = None
    """Wish: the device needs no more of one core."""
    keeps_sound_private: bool = False
    """Wish: no sound leaves the device."""


@node("ossicle.stream", version=1, category="Evaluate", needs=("network",))
def stream(deployment: Deployment, audio: AudioSet, edge: Report | None, params: StreamParams, ctx: Context) -> Report:
    """Stream sound over WebRTC to a hub that runs the deployment on it (cloud processing).

    A recording made of the audio's clips goes out as Opus in frames of 20 ms; the hub decides, stores what it heard and
    answers on a data channel. Device and hub are processes of their own on this machine. The report (kind "scenario")
    tells misses, false alarms, delays, bytes, processor time of both ends, and sound that was lost. With the device
    node's report wired to `edge` it compares both ways and chooses one by the wishes.
    """
    from nodes.hub.scenario import Hearing, play_cloud

    compare = _comparison(edge, deployment, params) if edge is not None else None
    place = heard(deployment, audio, params)
    rule = Hearing(params.every_s, params.threshold, params.smoothing, params.refractory_s)
    with told_in_house(), tempfile.TemporaryDirectory(prefix="ossicle-stream-") as folder:
        found = play_cloud(place.stage, rule, params.loss_percent / 100.0, Path(folder), hears(ctx, place))
    if found.lines > 1:
        ctx.log(f"The line broke {found.lines - 1} times; delays after that are not those of the recording.", "warning")
    return report_of(found, place, params.tolerance_s, ctx, compare)


def _comparison(edge: Report, deployment: Deployment, params: StreamParams) -> Callable[[Json], Json]:
    """What compares a scenario's report with the device's, read beforehand so that a wrong wire costs no time."""
    from nodes.hub.choice import Wishes, choose
    from nodes.hub.device.ear import open_ear
    from nodes.hub.scenario_card import comparison, figures_from

    wishes = Wishes(
        params.most_delay_ms, params.most_bytes_per_hour, params.most_cpu_percent, params.keeps_sound_private
    )
    theirs = edge.json("report.json")
    with told_in_house():
        figures, model = figures_from(theirs), open_ear(deployment.path).facts.model
    if theirs["way"] != "edge" or theirs["model"]["sha256"] != model:
        raise OssicleError(
            f"the report {edge.meta.title!r} is none of this deployment on a device",
            "the device node's, with the same deployment",
            "Wire the same deployment to both",
        )

    def compare(ours: Json) -> Json:
        return comparison(theirs, ours, choose(figures, figures_from(ours), wishes))

    return compare
