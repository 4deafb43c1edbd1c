"""The speak node: words in, a data set out, the same bytes for the same seed, speakers that can be told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from engine import AudioSet, Cancelled, Context, Event, OssicleError
from engine.audio import table_of, waveforms
from nodes.partition import PartitionParams, partition
from nodes.speak import SpeakParams, speak

SMALL: dict[str, Any] = {"words": ("yes", "no"), "clips_per_word": 24, "voices": 12, "background_s": 2}


def run(folder: Path, **params: Any) -> AudioSet:
    place = folder / f"run {len(list(folder.glob('run *')))}"
    return speak(SpeakParams(**{**SMALL, **params}), Context.for_test(place))


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    return run(tmp_path_factory.mktemp("spoken"))


def test_the_data_set(spoken: AudioSet) -> None:
    table = table_of(spoken)
    clips = table.clips()
    assert spoken.meta.classes == ("yes", "no", "unknown", "silence")
    counts = {name: int((clips.label == name).sum()) for name in spoken.meta.classes}
    assert counts == {"yes": 24, "no": 24, "unknown": 5, "silence": 5}
    assert (clips.samples == 16_000).all() and len(set(clips.sha256.tolist())) == len(clips)
    voices = set(clips.speaker[clips.label == "yes"].tolist())
    assert len(voices) == 12 and voices == set(clips.speaker[clips.label == "no"].tolist())
    assert set(clips.speaker[clips.label == "silence"].tolist()) == {""}
    noise = table.take(table.subset == "background")
    assert len(noise) == 5 and (noise.samples == 4 * 16_000).all()


def test_clips_are_loud_enough_and_not_clipped(spoken: AudioSet) -> None:
    table = table_of(spoken)
    for label, wave in zip(table.label.tolist(), waveforms(spoken), strict=True):
        peak = np.abs(wave.astype(int)).max()
        assert peak < 32_767
        assert peak <= 0.1 * 32_768 if label == "silence" else peak >= 0.14 * 32_768


def test_the_same_seed_gives_the_same_bytes(spoken: AudioSet, tmp_path: Path) -> None:
    again, other = run(tmp_path), run(tmp_path, seed=1)
    for name in ("dataset.h5", "waveforms.h5"):
        assert spoken.file(name).read_bytes() == again.file(name).read_bytes()
    assert spoken.meta == again.meta
    assert set(table_of(other).sha256.tolist()).isdisjoint(table_of(spoken).sha256.tolist())


def spectrum(wave: np.ndarray) -> np.ndarray:
    """Log power of a clip's loudest quarter second in 40 bands."""
    frames = np.lib.stride_tricks.sliding_window_view(wave / 32_768, 4000)[::200]
    frame = frames[np.argmax(np.square(frames).sum(axis=1))]
    power = np.square(np.abs(np.fft.rfft(frame * np.hanning(4000))))
    return np.log(np.add.reduceat(power, np.unique(np.geomspace(20, 1900, 40).astype(int))) + 1e-9)


def test_words_differ_and_can_be_learnt_across_voices(tmp_path: Path) -> None:
    """Nearest neighbour on a crude spectrum, voices of training and test apart: far better than guessing."""
    audio = run(tmp_path, words=("see", "four"), clips_per_word=60, voices=20, unknown_percent=0, silence_percent=0)
    parted = partition(audio, PartitionParams(rule="speaker", testing_percent=30), Context.for_test(tmp_path / "part"))
    table = table_of(parted)
    points = np.array([spectrum(wave) for wave in waveforms(parted)])
    points = (points - points.mean(axis=1, keepdims=True)) / points.std(axis=1, keepdims=True)
    train, test = table.subset == "training", table.subset == "testing"
    assert not set(table.speaker[train].tolist()) & set(table.speaker[test].tolist())
    nearest = (points[test] @ points[train].T).argmax(axis=1)
    assert (table.label[train][nearest] == table.label[test]).mean() >= 0.8


def test_languages_rates_and_no_extras(tmp_path: Path) -> None:
    audio = run(
        tmp_path,
        words=("größer", "kleiner"),
        languages=("de", "fr"),
        clips_per_word=6,
        rate_hz=8000,
        clip_s=1.5,
        unknown_percent=0,
        silence_percent=0,
        background_s=0,
        room_percent=100,
        noise_percent=0,
    )
    table = table_of(audio)
    assert audio.meta.classes == ("größer", "kleiner") and len(table) == 12 and (table.samples == 12_000).all()


def test_more_clips_keep_those_already_made(spoken: AudioSet, tmp_path: Path) -> None:
    more = run(tmp_path, clips_per_word=30)
    assert {name for name in table_of(spoken).clip_id.tolist() if name.startswith("yes/")} < set(
        table_of(more).clip_id.tolist()
    )


def test_progress_and_cancel(tmp_path: Path) -> None:
    told: list[Event] = []
    ctx = Context.for_test(tmp_path, sink=told.append, is_cancelled=lambda: len(told) >= 1)
    with pytest.raises(Cancelled):
        speak(SpeakParams(words=("a", "b"), clips_per_word=100), ctx)
    assert told[0].kind == "progress"


@pytest.mark.parametrize(
    ("params", "what"),
    [({"languages": ("xx",)}, "language 'xx' is unknown"), ({"words": ("yes", "...")}, "says nothing for '...'")],
)
def test_what_cannot_be_spoken(params: dict[str, Any], what: str, tmp_path: Path) -> None:
    with pytest.raises(OssicleError, match=what) as caught:
        run(tmp_path, **params)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"words": ()},
        {"words": ("a", "a")},
        {"words": ("silence",)},
        {"words": (" ",)},
        {"min_snr_db": 40},
        {"voices": 0},
    ],
)
def test_parameters_that_make_no_sense(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SpeakParams(**change)
