"""From real recordings to labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from engine import FeatureSet
from engine.audio import read_features, table_of
from nodes.application import Application, ApplicationError, Listening, load, open_application
from nodes.application.bundle import Bundle


@pytest.fixture(scope="module")
def application(digit_bundle: Bundle) -> Application:
    """The digits application, opened."""
    return open_application(digit_bundle)


def _wave(recordings: Path, name: str) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = soundfile.read(recordings / "fsdd" / "recordings" / f"{name}.wav", dtype="int16")[0]
    return samples


def test_waveform_in_label_out(application: Application, digit_features: FeatureSet, recordings: Path) -> None:
    """Clips of at most a second give the label that stored features give, through the same network."""
    table = table_of(digit_features)
    rows = np.flatnonzero(table.subset == "testing")[::4]
    stored = application.engine.logits(read_features(digit_features, rows))
    hits = 0
    for row, logits in zip(rows.tolist(), stored, strict=True):
        wave = _wave(recordings, str(table.clip_id[row]))
        if len(wave) > 8000:
            continue
        found = application.predict(wave, 8000)
        assert found.label == application.bundle.labels[int(logits.argmax())]
        assert found.windows == 1
        assert sum(found.scores.values()) == pytest.approx(1, abs=1e-5)
        assert found.score == max(found.scores.values()) == found.scores[found.label]
        hits += found.label == table.label[row]
    assert hits >= 0.7 * len(rows)


def test_int16_and_float_are_the_same(application: Application, recordings: Path) -> None:
    """The scale of int16 is 1 / 32768."""
    wave = _wave(recordings, "3_theo_0")
    one, two = application.predict(wave, 8000), application.predict(wave.astype(np.float32) / 32768, 8000)
    assert one == two


@pytest.mark.parametrize("rate_hz", [11_025, 16_000, 44_100, 48_000])
def test_any_rate(application: Application, recordings: Path, rate_hz: int) -> None:
    """A resampled recording has the same label and nearly the same score."""
    wave = _wave(recordings, "6_jackson_1").astype(np.float32) / 32768
    wanted = application.predict(wave, 8000)
    found = application.predict(soxr.resample(wave, 8000, rate_hz), rate_hz)
    assert found.label == wanted.label
    assert found.score == pytest.approx(wanted.score, abs=0.1)


@pytest.mark.parametrize("smoothing", [1, 4])
def test_a_long_recording_is_a_plain_loop_over_windows(
    application: Application, recordings: Path, smoothing: int
) -> None:
    """Sixty words in a row: label, scores and place are those of the best window of a loop, one window at a time."""
    names = [f"{digit}_theo_{take}" for take in range(6) for digit in range(10)]
    long = np.concatenate([_wave(recordings, name) for name in names])
    listening = Listening(hop_s=0.1, smoothing=smoothing)
    found = open_application(replace(application.bundle, listening=listening)).predict(long, 8000)
    firsts = [*range(0, len(long) - 8000, 800), len(long) - 8000]
    one_by_one = [application.predict(long[first : first + 8000], 8000).scores for first in firsts]
    alone = np.array([list(scores.values()) for scores in one_by_one])
    rows = range(len(alone))
    mean = np.array([alone[max(0, r - (smoothing - 1) // 2) : r + smoothing // 2 + 1].mean(axis=0) for r in rows])
    row = int(mean.max(axis=1).argmax())
    assert found.windows == len(firsts) > 64
    assert found.start_s == firsts[row] / 8000
    np.testing.assert_allclose(list(found.scores.values()), mean[row], atol=1e-5)
    assert found.label == application.bundle.labels[int(mean[row].argmax())]


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.array([np.nan], np.float32), np.array([np.inf], "f")])
def test_unusable_samples(application: Application, wave: NDArray[np.float32]) -> None:
    """Nothing, NaN and infinity are told in words."""
    with pytest.raises(ApplicationError):
        application.predict(wave, 8000)


@pytest.mark.parametrize("wave", [np.zeros(1, np.int16), np.zeros(8000, np.int16), np.full(9000, -32768, np.int16)])
def test_digital_silence_and_full_scale(application: Application, wave: NDArray[np.int16]) -> None:
    """Nothing to hear still gives finite scores."""
    assert np.isfinite(list(application.predict(wave, 8000).scores.values())).all()


def test_labels_that_do_not_fit(digit_bundle: Bundle) -> None:
    """A network of ten classes with nine labels is refused when it is opened, not when it is used."""
    with pytest.raises(ApplicationError, match="output shape"):
        open_application(replace(digit_bundle, labels=digit_bundle.labels[:9]))


def test_a_front_end_that_does_not_fit(digit_bundle: Bundle) -> None:
    """Features of another shape than the network's are refused."""
    with pytest.raises(ApplicationError, match="input shape"):
        open_application(replace(digit_bundle, front_end=replace(digit_bundle.front_end, n_mfcc=13)))
    shorter = replace(digit_bundle.front_end, n_mfcc=13)
    with pytest.raises(ApplicationError, match="does not take"):
        open_application(replace(digit_bundle, front_end=shorter, input_shape=shorter.shape))


def test_loaded_from_its_folder(digit_folder: Path, application: Application, recordings: Path) -> None:
    """A folder on disk is the same application."""
    wave = _wave(recordings, "0_lucas_0")
    assert load(digit_folder).predict(wave, 8000) == application.predict(wave, 8000)
