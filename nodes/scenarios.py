"""What the nodes of both scenarios share: the recording they play, and the report they write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from engine import AudioSet, Context, Deployment, OssicleError, Report, ReportMeta

if TYPE_CHECKING:
    from nodes.hub.scenario import Performance, Stage
    from nodes.judge.events import Event

Json = dict[str, Any]


class Recorded(Protocol):
    """Parameters that say how a recording is made."""

    @property
    def subset(self) -> Any: ...  # noqa: D102 - as the nodes' parameters say
    @property
    def recording_s(self) -> float: ...  # noqa: D102
    @property
    def gap_s(self) -> float: ...  # noqa: D102
    @property
    def snr_db(self) -> float: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Heard:
    """What is played, and what is in it. `words` are the classes that are told."""

    stage: Stage
    events: tuple[Event, ...]
    words: tuple[str, ...]
    name: str
    model: str


@contextmanager
def told_in_house() -> Iterator[None]:
    """Errors of the libraries as the engine tells them."""
    from nodes.hub.errors import HubError
    from nodes.judge.errors import JudgeError

    try:
        yield
    except (HubError, JudgeError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    except ModuleNotFoundError as error:
        raise OssicleError(
            f"{error.name} is not installed", "what the hub needs", "Run `pip install 'ossicle[iot,stream]'`"
        ) from error


def heard(deployment: Deployment, audio: AudioSet, params: Recorded) -> Heard:
    """The recording for a deployment.

    Raises:
        OssicleError: the deployment cannot run here, or no clip has a word of it.
    """
    from nodes.hub.device.ear import open_ear
    from nodes.hub.scenario import Stage
    from nodes.judge.scene import Layout
    from nodes.scenes import scene_of

    with told_in_house():
        facts = open_ear(deployment.path).facts
        layout = Layout(params.recording_s, params.gap_s, params.snr_db, params.seed)
        scene = scene_of(audio, params.subset, facts.rate_hz, layout)
    words = tuple(facts.labels[place] for place in facts.words)
    events = tuple(event for event in scene.events if event.label in words)
    if not events:
        raise OssicleError(
            f"no {params.subset} clip in {params.recording_s:g} s has a word of the deployment",
            f"clips of {', '.join(words[:5])}",
            "Wire the audio that the model was trained for, or lengthen the recording",
        )
    return Heard(Stage(deployment.path, scene.samples, facts.rate_hz), events, words, facts.name, facts.model)


def hears(ctx: Context, place: Heard) -> Callable[[float, float], None]:
    """Wait, tell the progress, and end with a cancelled run."""

    def pause(seconds: float, heard_s: float) -> None:
        ctx.check()
        if heard_s:
            total_s = place.stage.seconds
            ctx.progress(min(0.99, heard_s / total_s), f"{heard_s:.0f} of {total_s:.0f} s heard")
        time.sleep(seconds)

    return pause


def report_of(
    found: Performance, place: Heard, tolerance_s: float, ctx: Context, beside: Callable[[Json], Json] | None = None
) -> Report:
    """Write the report of a scenario.

    Args:
        beside: gives more of the report, from what it says so far; its "choice" is told first.
    """
    from nodes.hub.scenario_card import headline, matched_of, scenario_card

    matched = matched_of(found, place.events, tolerance_s)
    told = {**scenario_card(found, matched, place.words), "model": {"name": place.name, "sha256": place.model}}
    more = beside(told) if beside is not None else {}
    folder = ctx.folder("report")
    text = json.dumps({"kind": "scenario", **more, **told, **more}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    about = _about(headline(found, matched), found, more)
    ctx.log(about)
    title = f"{'On the device' if found.way == 'edge' else 'At the hub'}: {place.name}"
    return Report(folder, ReportMeta(about=about, title=title, metrics=headline(found, matched)))


def _about(shown: Mapping[str, float], found: Performance, more: Json) -> str:
    chosen = f"chosen: {more['choice'][0]['where']} · " if "choice" in more else ""
    delay = f" · {shown['delay_ms']:.0f} ms from a word's end to its row" if "delay_ms" in shown else ""
    traffic = f"{shown['bytes_per_hour'] / 1e6:.3g} MB per hour"
    return f"{chosen}{shown['recall']:.1%} of the words found{delay} · {traffic} · {found.cpu_percent:.2g} % CPU"
