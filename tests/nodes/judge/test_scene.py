"""Recordings made from clips: everything at its place, the level as asked, the same bytes from the same seed."""

import numpy as np
import pytest

from nodes.judge.errors import JudgeError
from nodes.judge.scene import MIN_GAP_S, Layout, active, compose

RATE = 8000


def tone(seconds: float, level: float = 0.3, before_s: float = 0.0, after_s: float = 0.0) -> np.ndarray:
    """A tone between two stretches of silence."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = level * np.sin(2 * np.pi * 440 * time)
    return np.concatenate([np.zeros(round(before_s * RATE)), wave, np.zeros(round(after_s * RATE))]).astype(np.float32)


NOISE = np.random.default_rng(0).normal(size=RATE * 7).astype(np.float32) * 0.05
CLIPS = [("yes", tone(0.4, before_s=0.2, after_s=0.4)), ("no", tone(0.5, before_s=0.1, after_s=0.4))]


def scene(**changes: float) -> Layout:
    return Layout(**{"length_s": 60.0, "gap_s": 2.0, "snr_db": 20.0, "seed": 3, **changes})  # type: ignore[arg-type]


def test_the_active_part_is_the_tone() -> None:
    assert active(CLIPS[0][1], RATE) == (round(0.2 * RATE), round(0.6 * RATE))
    assert active(np.zeros(800, np.float32), RATE) is None
    assert active(np.zeros(0, np.float32), RATE) is None


def test_events_lie_where_the_tones_sound() -> None:
    made = compose(CLIPS, [NOISE], RATE, scene(snr_db=40.0))
    assert len(made.samples) == 60 * RATE and made.samples.dtype == np.int16
    loud = np.abs(made.samples.astype(float)) > 3000
    inside = np.zeros(len(loud), bool)
    for event in made.events:
        inside[round(event.start_s * RATE) : round(event.end_s * RATE)] = True
    assert loud[inside].mean() > 0.5 and loud[~inside].sum() == 0
    assert {event.label for event in made.events} == {"yes", "no"}
    lengths = {"yes": 0.4, "no": 0.5}
    assert all(event.end_s - event.start_s == pytest.approx(lengths[event.label]) for event in made.events)


def test_pauses_are_as_long_as_asked_on_average_and_never_shorter_than_the_least() -> None:
    made = compose(CLIPS, [NOISE], RATE, scene(length_s=1500.0, gap_s=2.0))
    ends = np.array([event.end_s for event in made.events[:-1]]) + 0.4  # the silence behind a tone
    starts = np.array([e.start_s - {"yes": 0.2, "no": 0.1}[e.label] for e in made.events[1:]])
    gaps = starts - ends
    assert gaps.min() >= MIN_GAP_S - 1e-3 and gaps.mean() == pytest.approx(2.0, abs=0.25)


def test_each_clip_is_used_once_before_any_is_used_again() -> None:
    labels = [event.label for event in compose(CLIPS, [NOISE], RATE, scene(length_s=300.0)).events]
    assert all(set(labels[k : k + 2]) == {"yes", "no"} for k in range(0, len(labels) - 1, 2))


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_the_level_is_as_asked(snr_db: float) -> None:
    made = compose(CLIPS, [NOISE, NOISE[: RATE // 2]], RATE, scene(snr_db=snr_db))
    quiet = np.ones(len(made.samples), bool)
    for event in made.events:
        quiet[round((event.start_s - 0.3) * RATE) : round((event.end_s + 0.5) * RATE)] = False
    noise = np.sqrt(np.mean((made.samples[quiet] / 32768.0) ** 2))
    assert 20 * np.log10(0.3 / np.sqrt(2) / noise) == pytest.approx(snr_db, abs=0.7)


def test_the_seed_decides_everything() -> None:
    one, same, other = (compose(CLIPS, [NOISE], RATE, scene(seed=seed)) for seed in (1, 1, 2))
    assert (one.samples == same.samples).all() and one.events == same.events
    assert one.events != other.events


@pytest.mark.parametrize(
    ("clips", "length_s", "words"),
    [([("yes", np.zeros(800, np.float32))], 60.0, "has a sound"), (CLIPS, 0.5, "no clip fits into 0.5 s")],
)
def test_what_cannot_be_made_is_refused(clips: list, length_s: float, words: str) -> None:
    with pytest.raises(JudgeError) as caught:
        compose(clips, [NOISE], RATE, scene(length_s=length_s))
    assert words in caught.value.what
