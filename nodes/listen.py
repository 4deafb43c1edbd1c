"""Streaming evaluation: how often a model misses a word in a long recording, and how often it hears one that is not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from engine import AudioSet, Context, Deployment, Model, OssicleError, Params, Report, ReportMeta, Seconds, node
from engine.params import FilePath

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from nodes.application import Application
    from nodes.judge.events import Event, Match
    from nodes.judge.listening import Point, Stream
    from nodes.judge.stream import Rule

Json = dict[str, Any]
LONGEST_S = 4 * 3600.0


class ListenParams(Params):
    """What is heard, and when a word counts as heard."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Recording", ["recording", "labels", "foreign_labels"]],
                ["Made from clips", ["subset", "minutes", "gap_s", "snr_db", "keep_audio", "seed"]],
                ["Rule", ["hop_s", "smoothing", "refractory_s", "threshold"]],
                ["Judgement", ["budget_per_hour", "tolerance_s", "thresholds"]],
            ]
        }
    )

    recording: FilePath = ""
    """A long recording; empty makes one from the clips of the wired audio."""
    labels: FilePath = ""
    """Its events: a CSV file with the columns start, end (seconds) and label."""
    foreign_labels: Literal["error", "ignore"] = "error"
    """Events of classes the model does not know: an error (a slip is likely), or sounds to stay silent at."""
    subset: Literal["validation", "testing", "all"] = "testing"
    """Clips that a recording is made from."""
    minutes: Annotated[float, Field(gt=0, le=240, json_schema_extra={"unit": "min"})] = 10.0
    """Length of the recording that is made."""
    gap_s: Annotated[Seconds, Field(ge=0.3, le=600)] = 3.0
    """Mean pause between two clips."""
    snr_db: Annotated[float, Field(ge=-20, le=80, json_schema_extra={"unit": "dB"})] = 15.0
    """Level of the clips above the background."""
    keep_audio: bool = False
    """Keep the recording that was made, as scene.wav."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Order, pauses and background of the recording that is made."""
    hop_s: Annotated[Seconds, Field(gt=0, le=60)] = 0.25
    """Step between windows."""
    smoothing: Annotated[int, Field(ge=1, le=1000)] = 3
    """Windows over which scores are averaged: the present one and those before it."""
    refractory_s: Annotated[Seconds, Field(ge=0, le=600)] = 1.0
    """Nothing is told for so long after a detection."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Score a word must reach; empty takes the threshold with the fewest misses within the budget."""
    budget_per_hour: Annotated[float, Field(ge=0)] = 1.0
    """False alarms allowed per hour."""
    tolerance_s: Annotated[Seconds, Field(ge=0, le=60)] = 1.0
    """How long after a word's end a detection still belongs to it; a window holds it for about one clip's length."""
    thresholds: Annotated[int, Field(ge=2, le=1000)] = 60
    """Thresholds tried for the curves."""


def _fingerprint(params: ListenParams, base: Path) -> Json | None:
    """Sizes and times of the files that are read."""
    given = {"recording": params.recording, "labels": params.labels}
    paths = {name: base / Path(path).expanduser() for name, path in given.items() if path}
    found = {name: path.stat() for name, path in paths.items() if path.is_file()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in found.items()} or None


@dataclass(frozen=True)
class _Recording:
    """What is heard: int16 samples at the model's rate and the events in them."""

    name: str
    samples: NDArray[np.int16]
    events: list[Event]
    is_made: bool
    ignored: int = 0
    """Labelled events that are no words of the model."""


@node("ossicle.listen", version=1, category="Evaluate", fingerprint=_fingerprint)
def listen(
    model: Model | None,
    deployment: Deployment | None,
    audio: AudioSet | None,
    params: ListenParams,
    ctx: Context,
) -> Report:
    """Let a model or deployment hear a long recording with known events.

    Windows slide over the recording, scores are averaged over a few of them, a word is told when its score reaches the
    threshold and not again while it goes on. Miss rate and false alarms per hour over all thresholds, the operating
    point within the budget, latency. The recording is yours (`recording`, `labels`) or made from the wired audio's
    clips over its background tracks, placed by the seed. The report (kind "listen") holds `operating`, `sweep`,
    `per_class`, `events`, `false_alarms` and `plots`; `labels.csv` beside it tells what was placed where.
    """
    from nodes.application import ApplicationError
    from nodes.dsp.errors import SourceError
    from nodes.judge.errors import JudgeError

    try:
        application = _application(model, deployment, ctx)
        recording = _recording(application, audio, params, ctx)
        return _judged(application, recording, params, ctx)
    except (ApplicationError, JudgeError, SourceError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _application(model: Model | None, deployment: Deployment | None, ctx: Context) -> Application:
    from nodes.application import load_bundle, open_application
    from nodes.application.bundle import bundle_of

    if (model is None) == (deployment is None):
        raise OssicleError(
            "neither a model nor a deployment is wired" if model is None else "a model and a deployment are wired",
            "one of the two",
            "Wire the train node's model, or the deploy node's deployment",
        )
    if deployment is not None:
        return open_application(load_bundle(deployment.path), ctx.threads)
    assert model is not None
    bundle = bundle_of(model.path, model.meta.model_dump(mode="json"), f"model {model.path.name}")
    return open_application(bundle, ctx.threads)


# ---- what is heard


def _recording(application: Application, audio: AudioSet | None, params: ListenParams, ctx: Context) -> _Recording:
    if params.recording:
        return _own_recording(application, params, ctx)
    if audio is None:
        raise OssicleError(
            "there is nothing to hear: `recording` is empty and no audio is wired",
            "a long recording, or an audio set to make one from",
            "Set `recording` and `labels`, or wire the node that makes the audio",
        )
    from nodes.judge.scene import Layout
    from nodes.scenes import scene_of

    layout = Layout(60 * params.minutes, params.gap_s, params.snr_db, params.seed)
    scene = scene_of(audio, params.subset, application.bundle.front_end.rate_hz, layout)
    words = _words(application)
    events = [event for event in scene.events if event.label in words]
    if not events:
        raise OssicleError(
            f"no {params.subset} clip has a word of the model",
            f"clips of {', '.join(words[:5])}",
            "Wire the audio that the model was trained for, or choose another subset",
        )
    name = f"{params.minutes:g} min made from {params.subset} clips, seed {params.seed}"
    return _Recording(name, scene.samples, events, True, len(scene.events) - len(events))


def _words(application: Application) -> list[str]:
    """The classes that are told.

    Raises:
        OssicleError: there are none.
    """
    from nodes.judge.roc import NOT_WORDS

    found = [label for label in application.bundle.labels if label not in NOT_WORDS]
    if not found:
        raise OssicleError(
            f"the model knows only {', '.join(application.bundle.labels)}", "a class to listen for", "Use another model"
        )
    return found


def _own_recording(application: Application, params: ListenParams, ctx: Context) -> _Recording:
    from nodes.dsp.decode import decode
    from nodes.judge.events import read_events

    path = ctx.resolve(params.recording)
    if not params.labels:
        raise OssicleError(
            "`labels` is empty", "the events of the recording", "Name a CSV file with the columns start, end and label"
        )
    rate_hz = application.bundle.front_end.rate_hz
    samples = decode(_existing(path, "recording"), rate_hz, LONGEST_S)
    table = _existing(ctx.resolve(params.labels), "labels")
    events = read_events(_text(table), table.name, len(samples) / rate_hz)
    kept = _known(events, application, params, table.name)
    return _Recording(path.name, samples, kept, False, len(events) - len(kept))


def _existing(path: Path, name: str) -> Path:
    if not path.is_file():
        raise OssicleError(
            f"{name} {str(path)!r} does not exist",
            "a file",
            f"Correct `{name}`; a relative path starts at the workflow file",
        )
    return path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OssicleError(
            f"{path.name} is no text ({error.reason})", "a CSV file in UTF-8", "Export it again"
        ) from error


def _known(events: list[Event], application: Application, params: ListenParams, name: str) -> list[Event]:
    """Events of the model's words; those of other classes are an error unless they may be ignored."""
    labels, words = application.bundle.labels, _words(application)
    foreign = next((event for event in events if event.label not in labels), None)
    if foreign is not None and params.foreign_labels == "error":
        raise OssicleError(
            f"{name}, line {foreign.line}: the model does not know {foreign.label!r}",
            f"one of {', '.join(labels)}",
            "Correct the label, or set foreign_labels to ignore",
        )
    return [event for event in events if event.label in words]


# ---- judging


def _judged(application: Application, recording: _Recording, params: ListenParams, ctx: Context) -> Report:
    from nodes.judge.listening import Stream, smooth, sweep, window_scores
    from nodes.judge.stream import Rule

    labels, rate_hz = application.bundle.labels, application.bundle.front_end.rate_hz
    hours = len(recording.samples) / rate_hz / 3600
    words = tuple(labels.index(name) for name in _words(application))

    def tell(share: float) -> None:
        ctx.progress(0.9 * share, f"{60 * hours * share:.1f} of {60 * hours:.1f} min heard")

    times_s, scores = window_scores(application, recording.samples, params.hop_s, tell)
    stream = Stream(times_s, smooth(scores, params.smoothing), labels)
    rule = Rule(words, params.threshold or 0.5, params.smoothing, params.refractory_s)
    points = sweep(stream, rule, recording.events, params.tolerance_s, hours, params.thresholds)
    chosen = _chosen(points, params, ctx)
    told = _report(application, recording, params, points, (stream, replace(rule, threshold=chosen)), hours)
    folder = ctx.folder("report")
    _write(folder, told, recording, params, rate_hz)
    ctx.progress(1.0, "done")
    title = f"Listening of {application.bundle.name}"
    return Report(folder, ReportMeta(about=_about(told), title=title, metrics=_headline(told)))


def _chosen(points: Sequence[Point], params: ListenParams, ctx: Context) -> float:
    """The threshold asked for, else the best within the budget, else the strictest that was tried."""
    from nodes.judge.listening import within_budget

    if params.threshold is not None:
        return params.threshold
    found = within_budget(points, params.budget_per_hour)
    if found is None:
        ctx.log(
            f"No threshold keeps to {params.budget_per_hour:g} false alarms per hour; the strictest, "
            f"{points[-1].threshold:.4f}, has {points[-1].false_alarms_per_hour:.1f}.",
            "warning",
        )
        return points[-1].threshold
    return found.threshold


def _report(
    application: Application,
    recording: _Recording,
    params: ListenParams,
    points: Sequence[Point],
    judged: tuple[Stream, Rule],
    hours: float,
) -> Json:
    from nodes.judge.events import match
    from nodes.judge.listening import heard
    from nodes.judge.listening_card import class_rows, event_rows, listening_plots, operating_card

    stream, rule = judged
    matched: Match = match(heard(stream, rule), recording.events, params.tolerance_s)
    operating = operating_card(rule.threshold, matched, hours)
    words = [stream.classes[place] for place in rule.words]
    return {
        "kind": "listen",
        "model": {"architecture": application.bundle.name, "precision": application.bundle.precision},
        "recording": {
            "name": recording.name,
            "hours": hours,
            "events": len(recording.events),
            "other_events": recording.ignored,
            "windows": len(stream.times_s),
        },
        "rule": {**asdict(rule), "words": words, "hop_s": params.hop_s, "tolerance_s": params.tolerance_s},
        "budget": {
            "false_alarms_per_hour": params.budget_per_hour,
            "is_kept": operating["false_alarms_per_hour"]["value"] <= params.budget_per_hour,
            "threshold": "chosen on this recording" if params.threshold is None else "given",
        },
        "operating": operating,
        "per_class": class_rows(matched, words, hours),
        "sweep": [asdict(one) for one in points],
        "plots": listening_plots(points, operating),
        "events": event_rows(matched),
        "false_alarms": [asdict(one) for one in matched.false_alarms],
    }


def _write(folder: Path, told: Json, recording: _Recording, params: ListenParams, rate_hz: int) -> None:
    from nodes.judge.events import to_csv

    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "labels.csv").write_text(to_csv(recording.events), encoding="utf-8")
    if recording.is_made and params.keep_audio:
        import soundfile

        soundfile.write(folder / "scene.wav", recording.samples, rate_hz)


def _headline(told: Json) -> dict[str, float]:
    operating = told["operating"]
    alarms, recall = operating["false_alarms_per_hour"], operating["recall"]
    found = {"false_alarms_per_hour": alarms["value"], "threshold": operating["threshold"]}
    found |= {"hours": told["recording"]["hours"], "events": float(told["recording"]["events"])}
    if recall is not None:
        found |= {"recall": recall["value"], "recall_low": recall["low"], "recall_high": recall["high"]}
        found["miss_rate"] = 1.0 - recall["value"]
    if operating["latency"] is not None:
        found["latency_s"] = operating["latency"]["median_s"]
    return found


def _about(told: Json) -> str:
    operating, recording = told["operating"], told["recording"]
    recall = operating["recall"]
    found = f"{recall['value']:.1%} of {recording['events']:,} words found" if recall else "no words in it"
    alarms = f"{operating['false_alarms_per_hour']['value']:.1f} false alarms per hour"
    return f"{found} · {alarms} · {60 * recording['hours']:.1f} min"
