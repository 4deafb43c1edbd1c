"""Features of real speech against librosa, preset by preset and parameter by parameter."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import scipy.fft
import soundfile
import soxr
from numpy.typing import NDArray

from nodes.dsp.frontend import PRESETS, FrontEnd, FrontEndError, compute, fit
from nodes.dsp.mel import mel_matrix

Floats = NDArray[np.float32]
CLIPS = 24


@pytest.fixture(scope="module")
def speech(recordings: Path) -> list[Floats]:
    """Real clips of about a second at 16 kHz."""
    clips: list[Floats] = []
    with tarfile.open(recordings / "speech_commands_subset.tar.gz") as archive:
        for member in archive:
            if "_nohash_" in member.name and (file := archive.extractfile(member)) is not None:
                clips.append(soundfile.read(io.BytesIO(file.read()), dtype="float32")[0])
            if len(clips) == CLIPS:
                return clips
    raise AssertionError("the archive holds too few clips")


def batch(front_end: FrontEnd, clips: list[Floats]) -> Floats:
    times = -(-front_end.clip_samples // front_end.rate_hz)
    return np.stack([fit(front_end, np.tile(clip, times), 16_000) for clip in clips])


def reference(front_end: FrontEnd, waveform: Floats) -> NDArray[np.float64]:
    """librosa's STFT in double precision, its (or the printed) mel bands, logarithm and DCT."""
    f = front_end
    signal = np.pad(waveform, (0, f.append_samples)).astype(np.float64)
    # librosa's uncentred frames span the FFT, ours the window: move its window onto ours.
    signal = signal if f.centred else np.pad(signal, (f.fft_samples - f.window_samples) // 2)
    spectrum = librosa.stft(
        signal,
        n_fft=f.fft_samples,
        win_length=f.window_samples,
        hop_length=f.hop_samples,
        center=f.centred,
        pad_mode={"zeros": "constant", "reflect": "reflect"}[f.padding],
    )
    mels = reference_bands(f) @ np.abs(spectrum) ** f.power
    decibels = librosa.power_to_db(mels, amin=f.db_floor, top_db=f.db_range)
    logs = np.log(mels + f.log_offset) if f.log == "ln" else decibels
    if not f.n_mfcc:
        return patches(f, logs)
    mfcc = scipy.fft.dct(logs, axis=0, norm="ortho")[: f.n_mfcc]
    mfcc[0] *= np.sqrt(2.0) if f.dct == "uniform" else 1.0
    return patches(f, mfcc)


def reference_bands(f: FrontEnd) -> NDArray[np.float64]:
    if f.mel_triangles == "mel":
        return mel_matrix(f)  # librosa has no triangles over mel; test_mel.py holds these to the printed formula
    bands: NDArray[np.float64] = librosa.filters.mel(
        sr=f.rate_hz,
        n_fft=f.fft_samples,
        n_mels=f.n_mels,
        fmin=f.f_min_hz,
        fmax=f.f_max_hz,
        htk=f.mel_scale == "htk",
        norm="slaney" if f.area_normalised else None,
        dtype=np.float64,
    )
    return bands


def patches(f: FrontEnd, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    if not f.patch_frames:
        return matrix
    size = f.patch_frames
    return np.stack([matrix[:, i * size : (i + 1) * size] for i in range(matrix.shape[1] // size)])


VARIATIONS: dict[str, dict[str, Any]] = {
    "as is": {},
    "triangles over Hz": {"mel_triangles": "hz"},
    "reflected": {"centred": True, "padding": "reflect"},
    "centred": {"centred": True, "padding": "zeros"},
    "uncentred": {"centred": False},
    "magnitude": {"power": 1, "log": "ln", "log_offset": 0.01},
    "decibels": {"log": "db", "dct": "orthonormal"},
    "logarithm": {"log": "ln", "log_offset": 1e-6, "dct": "uniform"},
    "one band": {"n_mels": 1, "n_mfcc": 0},
}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("variation", VARIATIONS)
def test_equal_to_librosa_within_1e4_of_its_range(name: str, variation: str, speech: list[Floats]) -> None:
    front_end = replace(PRESETS[name], **VARIATIONS[variation])
    clips = batch(front_end, speech[:6])
    expected = np.stack([reference(front_end, clip) for clip in clips])
    got = compute(front_end, clips)
    assert got.dtype == np.float32 and got.shape == (len(clips), *front_end.shape) == expected.shape
    assert np.abs(got - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.parametrize(("name", "options"), [("s4-40x32", {"n_mels": 40}), ("s0-40x44", {})])
def test_librosa_presets_are_its_own_mfcc(name: str, options: dict[str, int], speech: list[Floats]) -> None:
    front_end = PRESETS[name]
    clips = batch(front_end, speech)
    mfcc = librosa.feature.mfcc
    expected = np.stack([mfcc(y=clip, sr=front_end.rate_hz, n_mfcc=40, **options) for clip in clips])
    assert np.abs(compute(front_end, clips) - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.mark.parametrize("name", PRESETS)
def test_silence_and_full_scale_are_finite(name: str) -> None:
    front_end = PRESETS[name]
    extremes = np.zeros((3, front_end.clip_samples), np.float32)
    extremes[1] = -1.0
    extremes[2, ::2] = 1.0
    features = compute(front_end, extremes)
    expected = np.stack([reference(front_end, clip) for clip in extremes])
    assert np.isfinite(features).all()
    if (
        front_end.log == "db" and front_end.db_range > 100
    ):  # further below a clip's maximum, single precision holds rounding noise alone
        features, expected = (np.maximum(a, a.max((1, 2), keepdims=True) - 100.0) for a in (features, expected))
    assert np.abs(features - expected).max() <= 1e-3 * np.ptp(expected)


@pytest.mark.parametrize("name", ["s1-40x98", "s4-40x32", "s3-96x64"])
def test_threads_and_batch_size_change_no_bit(name: str, speech: list[Floats]) -> None:
    front_end = PRESETS[name]
    clips = batch(front_end, speech)
    once = compute(front_end, clips)
    np.testing.assert_array_equal(once, compute(front_end, clips, threads=2))
    np.testing.assert_array_equal(once, compute(front_end, clips, threads=64))
    # Other blocks may round differently in the last bit, no more.
    single = np.concatenate([compute(front_end, clip[None]) for clip in clips])
    np.testing.assert_allclose(once, single, atol=1e-5 * np.ptp(once))


def test_input_stays_as_it_was(speech: list[Floats]) -> None:
    clips = batch(FrontEnd(), speech)
    before = clips.copy()
    compute(FrontEnd(), clips)
    np.testing.assert_array_equal(clips, before)


def test_strided_and_wider_waveforms_are_taken(speech: list[Floats]) -> None:
    clips = batch(FrontEnd(), speech)
    wide = np.repeat(clips, 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(compute(FrontEnd(), wide), compute(FrontEnd(), clips))


def test_empty_batch() -> None:
    assert compute(FrontEnd(), np.zeros((0, 16_000), np.float32), threads=2).shape == (0, 40, 98)


@pytest.mark.parametrize("shape", [(16_000,), (2, 15_999), (1, 1, 16_000)])
def test_wrong_shapes_are_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(FrontEndError, match="Expected: clips x 16000 samples"):
        compute(FrontEnd(), np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["s1-40x98", "s4-40x32", "s3-96x64"])
def test_a_clip_that_is_not_finite_is_named(name: str, value: float) -> None:
    front_end = PRESETS[name]
    clips = np.zeros((5, front_end.clip_samples), np.float32)
    clips[3, 9_000] = value
    with pytest.raises(FrontEndError, match="1 waveforms hold NaN or infinite samples, the first at row 3"):
        compute(front_end, clips)


def test_fit_resamples_cuts_and_pads(speech: list[Floats]) -> None:
    front_end = PRESETS["s0-40x44"]
    clip = speech[0][:12_000]
    fitted = fit(front_end, clip, 16_000)
    assert fitted.shape == (22_050,) and fitted.dtype == np.float32
    assert not fitted[round(12_000 * 22_050 / 16_000) + 1 :].any()
    back = fit(replace(front_end, rate_hz=16_000, f_max_hz=8_000.0, clip_samples=12_000), fitted, 22_050)
    inner = slice(None, -500)  # the cut at the end is a step, which resampling smears
    assert np.abs(back - clip)[inner].max() < 0.02 * np.abs(clip).max()
    assert fit(FrontEnd(), np.ones(20_000, np.float32), 16_000).shape == (16_000,)
    assert not fit(FrontEnd(), np.zeros(0, np.float32), 16_000).any()


def test_fit_of_a_long_recording_is_that_of_its_beginning(speech: list[Floats]) -> None:
    long = np.tile(np.concatenate(speech), 3)
    whole = soxr.resample(long, 16_000, 22_050)[:22_050]
    np.testing.assert_allclose(fit(PRESETS["s0-40x44"], long, 16_000), whole, atol=1e-5)
