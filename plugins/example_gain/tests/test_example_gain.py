"""The gain node on small sets made here: level, clipping, what stays, and its limits."""

from pathlib import Path

import numpy as np
import pytest
from example_gain import GainParams, gain
from pydantic import ValidationError

from engine import AudioSet, Context
from engine.audio import Clip, table_of, waveforms, write_audio

RATE_HZ = 16_000


def tone(amplitude: float, samples: int = 1600) -> np.ndarray:
    """A 440 Hz tone as int16."""
    wave = np.sin(2 * np.pi * 440 * np.arange(samples) / RATE_HZ)
    return np.rint(amplitude * 32767 * wave).astype(np.int16)


@pytest.fixture
def audio(tmp_path: Path) -> AudioSet:
    """Two words and a noise track of different lengths."""
    clips = [
        (Clip("a", "yes", speaker="s1", subset="training"), tone(0.1)),
        (Clip("b", "no", speaker="s2", subset="testing"), tone(0.4, 800)),
        (Clip("n", "noise", subset="background"), tone(0.01, 3200)),
    ]
    folder = tmp_path / "audio"
    folder.mkdir()
    return write_audio(folder, clips, RATE_HZ)


@pytest.mark.parametrize("gain_db", [-20.0, -6.0, 0.0, 6.0])
def test_level_changes_by_the_gain(audio: AudioSet, tmp_path: Path, gain_db: float) -> None:
    louder = gain(audio, GainParams(gain_db=gain_db), Context.for_test(tmp_path))
    for before, after in zip(waveforms(audio), waveforms(louder), strict=True):
        expected = before.astype(float) * 10 ** (gain_db / 20)
        assert np.abs(after - expected).max() <= 0.5 + 1e-3


def test_full_scale_is_clipped_and_never_wraps(audio: AudioSet, tmp_path: Path) -> None:
    loudest = list(waveforms(gain(audio, GainParams(gain_db=40.0), Context.for_test(tmp_path))))
    assert loudest[1].max() == 32767 and loudest[1].min() == -32768
    assert np.sign(loudest[1][100:110]).tolist() == np.sign(tone(0.4, 800)[100:110]).tolist()


def test_table_stays_and_the_node_says_what_it_did(audio: AudioSet, tmp_path: Path) -> None:
    louder = gain(audio, GainParams(gain_db=3.0), Context.for_test(tmp_path))
    before, after = table_of(audio), table_of(louder)
    for column in ("clip_id", "label", "speaker", "subset", "samples", "offset"):
        assert getattr(before, column).tolist() == getattr(after, column).tolist()
    assert before.sha256.tolist() != after.sha256.tolist()
    assert louder.meta.about == "+3 dB" and louder.meta.classes == ("yes", "no")


def test_gain_has_limits() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 60"):
        GainParams(gain_db=100)
