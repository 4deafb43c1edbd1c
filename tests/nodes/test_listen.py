"""The listen node: a real network hears real digits in a recording made of them, and recordings of one's own."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from listening import WORDS, spoken, trained

from engine import AudioSet, Context, Deployment, Model, OssicleError, Report
from engine.audio import Clip, write_audio
from engine.context import Cancelled
from engine.evidence import figures_of
from nodes.deploy import DeployParams, deploy
from nodes.listen import ListenParams, listen


@pytest.fixture(scope="module")
def audio(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    """Digits that the network has not learnt from, for testing."""
    return spoken(recordings, tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module")
def listener(recordings: Path, digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A network that has learnt what words sound like in the middle of noise, and noise."""
    return trained(recordings, digit_model.meta, tmp_path_factory.mktemp("listener"))


def run(folder: Path, model: Model | Deployment | None, audio: AudioSet | None = None, **params: Any) -> Report:
    given = (None, model) if isinstance(model, Deployment) else (model, None)
    made: Report = listen(*given, audio, ListenParams(**params), Context.for_test(folder))
    return made


@pytest.fixture(scope="module")
def heard(listener: Model, audio: AudioSet, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Two minutes of digits."""
    folder = tmp_path_factory.mktemp("heard")
    return run(folder, listener, audio, minutes=2, budget_per_hour=60, snr_db=30, keep_audio=True)


def test_most_words_are_found_within_the_budget(heard: Report) -> None:
    found = heard.json("report.json")
    operating = found["operating"]
    assert operating["found"] + operating["missed"] == found["recording"]["events"] > 20
    assert operating["recall"]["value"] > 0.7, "a network that knows the digits finds many of them"
    assert operating["false_alarms_per_hour"]["value"] <= 60 and found["budget"]["is_kept"]
    assert operating["false_alarms"] == len(found["false_alarms"])
    assert found["recording"]["hours"] == pytest.approx(2 / 60)
    assert heard.meta.metrics["recall"] == operating["recall"]["value"]
    assert 0 < heard.meta.metrics["latency_s"] < 2.5
    assert [row["class"] for row in found["per_class"]] == list(WORDS)
    assert sum(row["support"] for row in found["per_class"]) == found["recording"]["events"]
    alarms = [row["false_alarms_per_hour"] for row in found["sweep"]]
    assert len(alarms) == 60 and alarms[0] > alarms[-1]


def test_the_report_is_drawn(heard: Report) -> None:
    drawn = figures_of(heard, "listen-1")
    assert not drawn.missing
    assert [figure.title.split(" · ")[0] for figure in drawn.figures] == [
        "Accuracy", "Misses and false alarms", "Misses over the threshold", "False alarms over the threshold",
    ]  # fmt: skip


def test_the_recording_that_was_made_gives_the_same_when_it_is_given(
    heard: Report, listener: Model, tmp_path: Path
) -> None:
    threshold = heard.json("report.json")["operating"]["threshold"]
    again = run(
        tmp_path, listener, recording=str(heard.file("scene.wav")), labels=str(heard.file("labels.csv")),
        budget_per_hour=60, threshold=threshold,
    )  # fmt: skip
    one, other = heard.json("report.json"), again.json("report.json")
    assert one["operating"] == other["operating"] and one["sweep"] == other["sweep"]
    assert other["recording"]["name"] == "scene.wav" and other["budget"]["threshold"] == "given"
    rows = list(csv.reader(heard.file("labels.csv").open()))
    assert rows[0] == ["start", "end", "label"] and len(rows) == 1 + one["recording"]["events"]


def test_a_deployment_hears_what_its_model_hears(listener: Model, audio: AudioSet, tmp_path: Path) -> None:
    context = Context.for_test(tmp_path / "deploy")
    packed = deploy(listener, None, None, None, DeployParams(runs=1, warmups=0, verify_clips=1), context)
    reports = [
        run(tmp_path / name, one, audio, minutes=0.5).json("report.json")
        for name, one in (("m", listener), ("d", packed))
    ]
    assert reports[0]["sweep"] == reports[1]["sweep"]


def test_the_same_seed_gives_the_same_bytes(listener: Model, audio: AudioSet, tmp_path: Path) -> None:
    made = [
        run(tmp_path / str(place), listener, audio, minutes=0.4, seed=seed).file("report.json").read_bytes()
        for place, seed in enumerate((1, 1, 2))
    ]
    assert made[0] == made[1] != made[2]


def test_a_recording_without_words_has_false_alarms_only(listener: Model, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=8000 * 20) * 0.05
    soundfile.write(tmp_path / "noise.wav", noise, 8000)
    (tmp_path / "labels.csv").write_text("start,end,label\n")
    report = run(tmp_path, listener, recording="noise.wav", labels="labels.csv", threshold=0.06)
    found = report.json("report.json")
    assert found["operating"]["recall"] is None and "recall" not in report.meta.metrics
    assert found["operating"]["false_alarms"] > 0, "at so low a threshold noise passes for a digit"
    assert "no words in it" in report.meta.about and not figures_of(report, "x").missing


def test_no_threshold_within_the_budget_is_warned_of(listener: Model, tmp_path: Path) -> None:
    rng, wave = np.random.default_rng(1), np.zeros(8000 * 10)
    wave[:] = np.sin(np.arange(len(wave)) * 0.3) * rng.uniform(0.2, 0.9, len(wave))
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    (tmp_path / "l.csv").write_text("start,end,label\n")
    events: list[Any] = []
    params = ListenParams(recording="a.wav", labels="l.csv", budget_per_hour=0.0, thresholds=2, smoothing=1)
    flat = listener.meta.model_copy(update={"architecture": "x"})
    report = listen(replace(listener, meta=flat), None, None, params, Context.for_test(tmp_path, sink=events.append))
    told = report.json("report.json")
    warned = [e for e in events if e.kind == "log" and e.values["level"] == "warning"]
    assert bool(warned) == (not told["budget"]["is_kept"])


# ---- bad input


def own(folder: Path, labels: str = "start,end,label\n0.5,1,one\n") -> dict[str, Any]:
    soundfile.write(folder / "a.wav", np.zeros(8000 * 4), 8000)
    (folder / "l.csv").write_text(labels)
    return {"recording": "a.wav", "labels": "l.csv"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("", "l.csv is empty"),
        ("start,end,label\n1,2,one\n1.5,3,one\n", "two 'one' overlap"),
        ("start,end,label\n1,2,eleven\n", "line 2: the model does not know 'eleven'"),
        ("start,end,label\n1,9,one\n", "lasts from 1 s to 9 s"),
    ],
)
def test_bad_labels_are_refused(labels: str, words: str, digit_model: Model, tmp_path: Path) -> None:
    with pytest.raises(OssicleError) as caught:
        run(tmp_path, digit_model, **own(tmp_path, labels))
    assert words in caught.value.what


def test_foreign_labels_may_be_ignored(digit_model: Model, tmp_path: Path) -> None:
    given = own(tmp_path, "start,end,label\n1,2,eleven\n2.5,3,one\n")
    found = run(tmp_path, digit_model, **given, foreign_labels="ignore").json("report.json")
    assert (found["recording"]["events"], found["recording"]["other_events"]) == (1, 1)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "there is nothing to hear"),
        ({"recording": "a.wav"}, "`labels` is empty"),
        ({"recording": "none.wav", "labels": "l.csv"}, "recording '"),
        ({"recording": "a.wav", "labels": "none.csv"}, "labels '"),
        ({"recording": "l.csv", "labels": "l.csv"}, "cannot be read"),
        ({"recording": "a.wav", "labels": "a.wav"}, "is no text"),
    ],
)
def test_missing_files_are_told(params: dict[str, Any], words: str, digit_model: Model, tmp_path: Path) -> None:
    own(tmp_path)
    (tmp_path / "a.wav").write_bytes((tmp_path / "a.wav").read_bytes() + b"\xff\xfe\xff")
    with pytest.raises(OssicleError) as caught:
        run(tmp_path, digit_model, **params)
    assert words in caught.value.what


def test_one_model_is_wired_not_none_or_two(digit_model: Model, audio: AudioSet, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="neither a model nor a deployment"):
        run(tmp_path, None, audio)
    two = Deployment(tmp_path, None)  # type: ignore[arg-type]
    with pytest.raises(OssicleError, match="a model and a deployment are wired"):
        listen(digit_model, two, audio, ListenParams(), Context.for_test(tmp_path))


def test_an_empty_subset_says_what_there_is(digit_model: Model, audio: AudioSet, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match="there are no validation clips") as caught:
        run(tmp_path, digit_model, audio, subset="validation")
    assert "testing 20" in caught.value.expected


def test_clips_of_other_classes_are_no_words(digit_model: Model, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    wave = (np.sin(np.arange(4000) * 0.5) * 9000).astype(np.int16)
    foreign = write_audio(tmp_path / "audio", [(Clip("a", "eleven", subset="testing"), wave)], 8000)
    with pytest.raises(OssicleError, match="no testing clip has a word of the model"):
        run(tmp_path, digit_model, foreign, minutes=0.5)


def test_a_model_of_silence_alone_is_refused(digit_model: Model, audio: AudioSet, tmp_path: Path) -> None:
    names = ("silence", "unknown", "background", "noise", "_silence_", "_unknown_")
    meta = digit_model.meta.model_copy(update={"classes": (*names, *names[:4])})
    with pytest.raises(OssicleError, match="knows only silence"):
        run(tmp_path, replace(digit_model, meta=meta), audio)


def test_stop_is_obeyed(digit_model: Model, audio: AudioSet, tmp_path: Path) -> None:
    context = Context.for_test(tmp_path, is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        listen(digit_model, None, audio, ListenParams(minutes=0.5), context)


def test_the_result_depends_on_the_files(tmp_path: Path) -> None:
    assert listen.fingerprint is not None
    params = ListenParams(**own(tmp_path))
    before = listen.fingerprint(params, tmp_path)
    (tmp_path / "l.csv").write_text("start,end,label\n0.5,1,two and more\n")
    assert listen.fingerprint(params, tmp_path) != before
    assert listen.fingerprint(ListenParams(), tmp_path) is None
