"""The rule a device applies, window by window: by hand, and against the faster way of the evaluation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.judge.listening import Stream, heard, smooth
from nodes.judge.stream import Rule, State, detections, hear

YES, NO, SILENCE = 0, 1, 2


def stream_of(word: str) -> list[tuple[float, list[float]]]:
    """Windows every 0.5 s: y and n sure of a word, Y barely, . sure of none."""
    table = {"y": [0.9, 0.05, 0.05], "n": [0.05, 0.9, 0.05], "Y": [0.6, 0.2, 0.2], ".": [0.02, 0.03, 0.95]}
    return [(0.5 * (place + 1), table[letter]) for place, letter in enumerate(word)]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("...", []),
        (".y.", [(1.0, YES)]),
        (".yyyyyyyy.", [(1.0, YES)]),  # it goes on sounding: told once
        (".yy...yy.", [(1.0, YES), (3.5, YES)]),
        (".y.y.", [(1.0, YES), (2.0, YES)]),
        ("yn...", [(0.5, YES)]),  # within the pause of 1 s
        ("y.n..", [(0.5, YES), (1.5, NO)]),
        ("ynn..", [(0.5, YES), (1.5, NO)]),  # told when the pause is over, for it still sounds
        ("Y.Y..", []),  # below the threshold
    ],
)
def test_what_is_told_by_hand(word: str, told: list[tuple[float, int]]) -> None:
    rule = Rule((YES, NO), threshold=0.8, smoothing=1, refractory_s=1.0)
    assert [(one.time_s, one.word) for one in detections(rule, stream_of(word))] == told


def test_scores_are_averaged_over_the_windows_there_are() -> None:
    """0.9, 0.05, 0.9 over two windows: 0.9, 0.475, 0.475; one window alone is enough at the start."""
    rule = Rule((YES,), threshold=0.7, smoothing=2, refractory_s=0.0)
    state, first = hear(rule, State(), [0.9, 0.0, 0.1], 1.0)
    state, second = hear(rule, state, [0.05, 0.0, 0.95], 2.0)
    assert first is not None and first.score == pytest.approx(0.9) and second is None
    assert len(state.history) == 2
    state, third = hear(rule, state, [0.9, 0.0, 0.1], 3.0)
    assert third is None and len(state.history) == 2
    _, fourth = hear(rule, state, [0.9, 0.0, 0.1], 4.0)
    assert fourth is not None and fourth.score == pytest.approx(0.9)


def test_silence_is_never_told() -> None:
    assert list(detections(Rule((YES, NO), 0.5, 1, 0.0), [(1.0, [0.1, 0.1, 0.8])])) == []


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=40),
    st.floats(0.05, 0.95),
    st.integers(1, 5),
    st.floats(0, 3),
)
def test_the_evaluation_hears_what_the_device_hears(
    scores: list[list[float]], threshold: float, smoothing: int, refractory_s: float
) -> None:
    rule = Rule((YES, NO), threshold, smoothing, refractory_s)
    times = 0.25 * np.arange(1, len(scores) + 1)
    values = np.array(scores)
    one_by_one = list(detections(rule, zip(times.tolist(), scores, strict=True)))
    at_once = heard(Stream(times, smooth(values, smoothing), ("yes", "no", "silence")), rule)
    if np.abs(smooth(values, smoothing)[:, :2] - threshold).min() > 1e-9:  # rounding decides nothing
        names = ("yes", "no", "silence")
        assert [(one.time_s, one.label) for one in at_once] == [(one.time_s, names[one.word]) for one in one_by_one]
