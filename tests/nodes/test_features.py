"""The nodes mfcc and log_mel on audio sets written for the test from real recordings."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pydantic import ValidationError

from engine import AudioMeta, AudioSet, Cancelled, Context, FeatureSet, OssicleError
from engine.audio import AudioWriter, Clip, read_features, read_table
from engine.event import Event
from engine.params import schema
from nodes import features
from nodes.dsp.frontend import PRESETS, FrontEnd, compute, fit
from nodes.features import LogMelParams, MfccParams, log_mel, mfcc

RATE_HZ = 8_000


@pytest.fixture(scope="module")
def digits(recordings: Path) -> list[NDArray[np.int16]]:
    """Spoken digits at 8 kHz, 0.1 to 2.3 seconds long."""
    names = sorted((recordings / "fsdd" / "recordings").glob("*.wav"))[::100]
    return [soundfile.read(name, dtype="int16")[0] for name in names]


def audio_set(folder: Path, clips: list[NDArray[np.int16]], rate_hz: int = RATE_HZ, background: int = 0) -> AudioSet:
    folder.mkdir()
    subsets = ["background"] * background + ["training", "testing"] * len(clips)
    with AudioWriter(folder) as writer:
        for i, samples in enumerate(clips):
            writer.add(Clip(f"clip {i}", f"digit {i % 10}", subset=subsets[i]), samples)
    return AudioSet(folder, AudioMeta(rate_hz=rate_hz, classes=tuple(f"digit {i}" for i in range(10))))


def floats(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / 32768.0


def expected(front_end: FrontEnd, clips: list[NDArray[np.int16]]) -> NDArray[np.float32]:
    return compute(front_end, np.stack([fit(front_end, floats(clip), RATE_HZ) for clip in clips]))


NODES: list[tuple[Any, Any, str]] = [
    (mfcc, MfccParams, name) if front_end.n_mfcc else (log_mel, LogMelParams, name)
    for name, front_end in PRESETS.items()
]


@pytest.mark.parametrize(("node", "params", "preset"), NODES, ids=[name for _, _, name in NODES])
def test_every_preset(node: Any, params: Any, preset: str, tmp_path: Path, digits: list[NDArray[np.int16]]) -> None:
    audio = audio_set(tmp_path / "audio", digits[:10])
    made: FeatureSet = node(audio, params(preset=preset), Context.for_test(tmp_path))
    front_end = PRESETS[preset]
    assert FrontEnd(**made.meta.front_end) == front_end and made.meta.front_end == asdict(front_end)
    assert made.meta.shape == front_end.shape and made.meta.layout == front_end.layout
    assert made.meta.classes == audio.meta.classes
    assert made.meta.counts == {"clips": 10, "training": 5, "testing": 5}
    values = read_features(made)
    assert values.dtype == np.float32 and values.shape == (10, *front_end.shape)
    np.testing.assert_allclose(values, expected(front_end, digits[:10]), atol=1e-5 * np.ptp(values))


def test_presets_of_the_forms_are_all_presets() -> None:
    names = [schema(params)["properties"]["preset"] for params in (MfccParams, LogMelParams)]
    choices = [choice for name in names for choice in name["enum"]]
    assert sorted(choices) == sorted(PRESETS)


def test_background_tracks_have_no_features(tmp_path: Path, digits: list[NDArray[np.int16]]) -> None:
    audio = audio_set(tmp_path / "audio", digits[:6], background=2)
    made = mfcc(audio, MfccParams(), Context.for_test(tmp_path))
    table = read_table(made.file("features.h5"))
    assert table.clip_id.tolist() == ["clip 2", "clip 3", "clip 4", "clip 5"]
    assert len(read_features(made)) == 4 and made.meta.counts["clips"] == 4


def test_values_override_the_preset_one_by_one() -> None:
    params = MfccParams(preset="dscnn-10x49", n_mfcc=13, window_ms=25, hop_ms=10, n_mels=32, f_min_hz=20, clip_s=2)
    front_end = params.front_end()
    assert (front_end.window_samples, front_end.hop_samples, front_end.clip_samples) == (400, 160, 32_000)
    assert (front_end.n_mfcc, front_end.n_mels, front_end.f_min_hz) == (13, 32, 20.0)
    assert (front_end.fft_samples, front_end.f_max_hz) == (1024, 7600.0)


def test_another_rate_keeps_the_times() -> None:
    front_end = MfccParams(rate_hz=8_000).front_end()
    assert (front_end.window_samples, front_end.hop_samples, front_end.clip_samples) == (240, 80, 8_000)
    assert front_end.f_max_hz == 4_000.0 and front_end.shape == (40, 98)


def test_a_longer_window_gets_a_longer_fft_unless_told() -> None:
    assert MfccParams(window_ms=40).front_end().fft_samples == 1024
    with pytest.raises(ValidationError, match="window_samples is 640. Expected: at most fft_samples"):
        MfccParams(window_ms=40, fft_samples=512)


def test_contradictions_are_found_before_the_run_and_all_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        MfccParams(n_mfcc=65, f_max_hz=9_000)
    assert "n_mfcc is 65" in str(caught.value) and "f_max_hz is 9000" in str(caught.value)


def test_log_mel_without_patches(tmp_path: Path, digits: list[NDArray[np.int16]]) -> None:
    params = LogMelParams(patch_frames=0, clip_s=1.0)
    made = log_mel(audio_set(tmp_path / "audio", digits[:3]), params, Context.for_test(tmp_path))
    assert made.meta.layout == "mels,frames" and read_features(made).shape == (3, 64, 100)


def test_equal_inputs_give_equal_bytes(tmp_path: Path, digits: list[NDArray[np.int16]]) -> None:
    audio = audio_set(tmp_path / "audio", digits)
    first = mfcc(audio, MfccParams(), Context.for_test(tmp_path / "one", threads=1))
    second = mfcc(audio, MfccParams(), Context.for_test(tmp_path / "two", threads=2))
    assert first.file("features.h5").read_bytes() == second.file("features.h5").read_bytes()


def test_blocks_bound_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip length of an hour must not ask for 512 hours of samples at once."""
    sizes: list[int] = []

    def recorded(front_end: FrontEnd, waveforms: NDArray[np.float32], threads: int) -> NDArray[np.float32]:
        sizes.append(waveforms.nbytes)
        return compute(front_end, waveforms, threads)

    monkeypatch.setattr("nodes.dsp.frontend.compute", recorded)
    monkeypatch.setattr(features, "BLOCK_SAMPLES", 1 << 15)
    audio = audio_set(tmp_path / "audio", [np.full(9, i, np.int16) for i in range(9)])
    made = mfcc(audio, MfccParams(), Context.for_test(tmp_path))
    assert len(sizes) == 5 and max(sizes) <= 4 << 15
    assert np.isfinite(read_features(made)).all()


def test_clips_without_samples_are_silence(tmp_path: Path) -> None:
    audio = audio_set(tmp_path / "audio", [np.zeros(0, np.int16), np.zeros(5_000, np.int16)])
    values = read_features(mfcc(audio, MfccParams(), Context.for_test(tmp_path)))
    np.testing.assert_allclose(values[0], values[1], atol=1e-4)  # a matrix product may round by a row's place


@pytest.mark.parametrize("background", [0, 3])
def test_a_set_without_clips_is_refused(background: int, tmp_path: Path) -> None:
    audio = audio_set(tmp_path / "audio", [np.ones(100, np.int16)] * background, background=background)
    with pytest.raises(OssicleError, match="has no clips with a class") as caught:
        mfcc(audio, MfccParams(), Context.for_test(tmp_path))
    assert caught.value.expected and caught.value.remedy


def test_progress_is_told_and_stops_a_cancelled_run(tmp_path: Path, digits: list[NDArray[np.int16]]) -> None:
    audio = audio_set(tmp_path / "audio", digits[:4])
    events: list[Event] = []
    mfcc(audio, MfccParams(), Context.for_test(tmp_path, sink=events.append))
    fractions = [event.values["fraction"] for event in events if event.kind == "progress"]
    assert fractions[-1] == 1.0
    assert any("padded" in str(event.values.get("text")) for event in events if event.kind == "log")
    with pytest.raises(Cancelled):
        mfcc(audio, MfccParams(), Context.for_test(tmp_path / "again", is_cancelled=lambda: True))


@pytest.mark.parametrize("params", [MfccParams, LogMelParams])
def test_every_parameter_has_help(params: Any) -> None:
    for name, entry in schema(params)["properties"].items():
        assert entry["description"], name


def test_partitions_of_the_same_clips_share_their_features(tmp_path: Path, digits: list[NDArray[np.int16]]) -> None:
    """Subsets and labels are no part of the features: another front end or other clips are."""
    places = iter(range(100))

    def made(audio: AudioSet, **params: Any) -> Path:
        ctx = replace(Context.for_test(tmp_path / "store"), work=tmp_path / "work" / str(next(places)))
        return mfcc(audio, MfccParams(**params), ctx).file("frames.h5")

    first = audio_set(tmp_path / "a", digits[:6])
    other = audio_set(tmp_path / "b", digits[:6])
    swapped = [Clip(f"other {i}", "x", subset="validation") for i in range(6)]
    (tmp_path / "c").mkdir()
    with AudioWriter(tmp_path / "c") as writer:
        for clip, samples in zip(swapped, digits[:6], strict=True):
            writer.add(clip, samples)
    third = AudioSet(tmp_path / "c", AudioMeta(rate_hz=RATE_HZ, classes=("x",)))
    same = {made(audio).stat().st_ino for audio in (first, other, third)}
    assert len(same) == 1
    few, turned = audio_set(tmp_path / "d", digits[:5]), audio_set(tmp_path / "e", digits[:6][::-1])
    different = {made(first, n_mfcc=13).stat().st_ino, made(few).stat().st_ino, made(turned).stat().st_ino}
    assert len(different | same) == 4
