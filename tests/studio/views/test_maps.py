"""Clips as pictures: spectrograms against a sine, features in their place in time, limits, marks, damaged files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.artifact import Artifact, AudioSet, FeatureMeta, FeatureSet
from engine.audio import read_features, table_of, waveforms
from engine.errors import OssicleError
from studio.views.data import maps

RATE = 16_000
FRONT = {
    "rate_hz": RATE, "clip_samples": RATE, "window_samples": 480, "hop_samples": 160, "n_mels": 64, "f_min_hz": 80.0,
    "f_max_hz": 7600.0, "mel_scale": "htk", "n_mfcc": 0, "centred": False,
}  # fmt: skip


def sine(hz: float, seconds: float = 1.0, level: float = 1.0) -> Any:
    time = np.arange(int(seconds * RATE)) / RATE
    return (level * 32767 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def meta(layout: str = "mels,frames", **front: Any) -> FeatureMeta:
    return FeatureMeta(front_end={**FRONT, **front}, layout=layout, shape=(64, 98), classes=("a",))


# ---- spectrograms


@pytest.mark.parametrize("hz", [200.0, 1000.0, 5000.0])
def test_a_sine_lights_up_its_own_row(hz: float) -> None:
    linear = maps.spectrogram(sine(hz), RATE, "linear")
    assert linear.row_hz is not None
    row = int(linear.values[:, 50].argmax())
    assert abs(float(linear.row_hz[row]) - hz) <= RATE / 512 / 2 + 1e-9
    assert linear.values[row, 50] == pytest.approx(0.0, abs=1.5), "full scale is 0 dB, less what falls between two bins"
    mel = maps.spectrogram(sine(hz), RATE)
    assert mel.row_hz is not None and mel.rows == maps.BANDS
    nearest = int(np.abs(mel.row_hz - hz).argmin())
    assert abs(int(mel.values[:, 50].argmax()) - nearest) <= 1


def test_half_the_level_is_six_decibel_less() -> None:
    loud, soft = (maps.spectrogram(sine(1000, level=level), RATE, "linear").values.max() for level in (0.8, 0.4))
    assert loud - soft == pytest.approx(20 * np.log10(2), abs=0.05)


def test_frames_stand_where_their_windows_are() -> None:
    click = np.zeros(RATE, np.int16)
    click[8000] = 30000
    found = maps.spectrogram(click, RATE)
    loudest = int(found.values.sum(axis=0).argmax())
    assert found.middle_s(loudest) == pytest.approx(0.5, abs=found.hop_s)
    assert found.frame_at(found.middle_s(loudest)) == loudest
    assert found.frame_at(-1.0) == found.frame_at(99.0) == -1


@pytest.mark.parametrize("samples", [0, 1, 7, 399, 400, 401])
def test_any_length_has_a_spectrogram(samples: int) -> None:
    found = maps.spectrogram(np.ones(samples, np.int16), RATE)
    assert found.frames >= 1 and found.broken == 0 and found.pixels.dtype == np.uint8


def test_a_long_recording_has_few_frames() -> None:
    found = maps.spectrogram(np.zeros(60 * RATE, np.int16), RATE)
    assert found.frames <= maps.MOST_FRAMES + 1
    assert found.end_s == pytest.approx(60.0, abs=0.1)


@pytest.mark.parametrize("rate", [2_000, 8_000, 48_000])
def test_no_band_is_empty_at_any_rate(rate: int) -> None:
    weights, hz = maps.mel_bands(rate, 1 << (int(0.025 * rate) - 1).bit_length())
    assert weights.sum(axis=1) == pytest.approx(np.ones(maps.BANDS))
    assert (np.diff(hz) > 0).all() and hz[-1] < rate / 2


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scales_are_undone_by_their_inverse(scale: str) -> None:
    to_mel, to_hz = maps.SCALES[scale]
    hz = np.array([0.0, 100.0, 999.0, 1000.0, 1001.0, 7900.0])
    assert to_hz(to_mel(hz)) == pytest.approx(hz)
    assert (np.diff(to_mel(hz)) > 0).all()
    assert maps.htk(np.array([1000.0]))[0] == pytest.approx(1000.0, abs=0.5)
    assert maps.slaney(np.array([1000.0]))[0] == pytest.approx(15.0)


# ---- features


def test_features_stand_where_their_windows_are() -> None:
    found = maps.feature_map(np.zeros((64, 98)), meta())
    assert found.middle_s(0) == pytest.approx(0.015), "the middle of the first window of 30 ms"
    assert maps.feature_map(np.zeros((64, 101)), meta(centred=True)).middle_s(0) == pytest.approx(0.0)
    assert (found.unit, found.rows_name, found.is_timed) == ("ln", "band", True)


def test_a_front_end_that_tells_nothing_counts_frames() -> None:
    bare = FeatureMeta(front_end={}, layout="things,frames", shape=(3, 4), classes=())
    found = maps.feature_map(np.arange(12.0).reshape(3, 4), bare)
    assert (found.is_timed, found.hop_s, found.end_s, found.row_hz) == (False, 1.0, 4.0, None)
    assert maps.clip_seconds({}) == 0.0
    assert maps.title_of({}, "things,frames") == "Features"


@pytest.mark.parametrize(
    ("shape", "expected"), [((5,), (5, 1)), ((5, 7), (5, 7)), ((3, 5, 7), (5, 21)), ((2, 3, 5, 7), (5, 42))]
)
def test_any_shape_becomes_rows_and_frames(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert maps.as_matrix(np.zeros((1, *shape)))[0].shape == expected


def test_patches_follow_each_other_in_time() -> None:
    patches = np.stack([np.full((4, 6), 1.0), np.full((4, 6), 2.0)])
    found = maps.feature_map(patches, meta("patches,mels,frames", n_mels=4))
    assert found.values[0].tolist() == [1.0] * 6 + [2.0] * 6


def test_titles_follow_the_front_end(artifacts: dict[str, Any]) -> None:
    made = artifacts["mfcc-1.features"].meta
    assert maps.title_of(made.front_end, made.layout) == "MFCC"
    assert maps.title_of({"n_mels": 64, "n_mfcc": 0}) == "Log-mel"


def test_band_centres_are_between_the_edges() -> None:
    hz = maps.band_centres(FRONT, 64)
    assert hz is not None and len(hz) == 64 and 80 < hz[0] < hz[-1] < 7600
    assert maps.band_centres(FRONT, 40) is None, "40 rows are not these 64 bands"
    assert maps.band_centres({}, 64) is None


# ---- pixels and marks


def test_nan_is_dark_counted_and_does_not_spoil_the_rest() -> None:
    values = np.linspace(0, 1, 200).reshape(10, 20).copy()
    values[3, 4], values[5, 6] = np.nan, np.inf
    found = maps.feature_map(values, FeatureMeta(front_end={}, layout="x,frames", shape=(10, 20), classes=()))
    assert found.broken == 2
    assert found.pixels[3, 4] == 0 and found.pixels[5, 6] == 255
    assert 0.0 <= found.low < found.high <= 1.0


@pytest.mark.parametrize("value", [0.0, -3.5, np.nan])
def test_values_that_are_all_alike_have_limits(value: float) -> None:
    low, high = maps.limits(np.full((4, 4), value))
    assert low < high
    assert maps.steps(np.full((4, 4), value), low, high).shape == (4, 4)


def test_the_first_coefficient_does_not_decide_the_colours() -> None:
    values = np.random.default_rng(1).normal(size=(13, 50))
    values[0] = -900.0
    found = maps.feature_map(values, meta("coefficients,frames", n_mfcc=13))
    assert found.low > -10


@pytest.mark.parametrize("rows", [1, 5, 13, 40, 513, 5000])
def test_marks_are_few_and_in_the_middle_of_their_rows(rows: int) -> None:
    marks = maps.row_ticks(rows)
    assert 1 <= len(marks) <= 6
    assert all(place == int(text) + 0.5 < rows + 0.5 for place, text in marks)


def test_frequencies_are_marked_at_octaves() -> None:
    hz = maps.band_centres(FRONT, 64)
    assert hz is not None
    marks = {text: place for place, text in maps.hz_ticks(hz)}
    assert {"1k", "2k", "4k"} <= marks.keys()
    assert np.interp(marks["1k"] - 0.5, np.arange(64), hz) == pytest.approx(1000.0)
    assert maps.hz_ticks(np.array([20.0, 40.0])) == ()


@pytest.mark.parametrize(("value", "text"), [(440.0, "440 Hz"), (1000.0, "1 kHz"), (1234.0, "1.23 kHz")])
def test_frequencies_in_words(value: float, text: str) -> None:
    assert maps.hertz(value) == text


# ---- files


def test_samples_and_features_are_those_of_the_files(artifacts: dict[str, Any]) -> None:
    audio, features = artifacts["partition-1.audio"], artifacts["mfcc-1.features"]
    table = table_of(audio)
    sound = maps.read_sound(audio, table, 7)
    expected = list(waveforms(audio, table))[7]
    assert sound.clip.clip_id == table.clip_id[7]
    assert (
        sound.samples.tolist() == expected.tolist()
        and sound.seconds == sound.whole_s == len(expected) / audio.meta.rate_hz
    )
    assert maps.read_map(features, 3).values == pytest.approx(maps.as_matrix(read_features(features)[3:4])[0])


def test_mean_and_deviation_are_those_of_all_values(artifacts: dict[str, Any]) -> None:
    features = artifacts["mfcc-1.features"]
    values = maps.as_matrix(read_features(features))
    found = maps.read_spread(features)
    assert found.clips == found.total == len(values)
    assert found.mean == pytest.approx(values.mean(axis=(0, 2)), abs=1e-4)
    assert found.deviation == pytest.approx(values.std(axis=(0, 2)), abs=1e-4)


def test_only_some_clips_of_a_large_set_are_averaged(artifacts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "SAMPLED_CLIPS", 7)
    found = maps.read_spread(artifacts["mfcc-1.features"])
    assert 1 < found.clips <= 7 < found.total


def test_a_file_that_ends_too_early_is_told(artifacts: dict[str, Any], copy_of: Callable[[Artifact], Artifact]) -> None:
    audio = copy_of(artifacts["partition-1.audio"])
    assert isinstance(audio, AudioSet)
    table = table_of(audio)
    late = replace(table, offset=table.offset + 10**9)
    with pytest.raises(OssicleError, match="ends before clip"):
        maps.read_sound(audio, late, 0)
    (audio.path / "waveforms.h5").write_bytes(b"no HDF5")
    with pytest.raises(OssicleError, match="cannot be opened"):
        maps.read_sound(audio, table, 0)


def test_a_missing_features_file_is_told(artifacts: Any, copy_of: Callable[[Artifact], Artifact]) -> None:
    features = copy_of(artifacts["mfcc-1.features"])
    assert isinstance(features, FeatureSet)
    (features.path / "features.h5").unlink()
    with pytest.raises(OssicleError, match="has no file"):
        maps.read_map(features, 0)
