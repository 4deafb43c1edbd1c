"""From the scores of one window after another to detections: the rule a device applies, one window at a time.

Standard library only and without hidden state, so that evaluation and a device's runtime share it: `hear` takes a state
and a window's scores and gives the next state. The rule is that of streaming keyword spotters (scores averaged over the
last windows, a threshold, a pause after each detection), and a word that goes on sounding is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

Scores = Sequence[float]


@dataclass(frozen=True)
class Rule:
    """When a word counts as heard.

    Attributes:
        words: places of the classes that are told; the others (silence, unknown) never are.
        threshold: the smoothed score that a word must reach, 0 to 1.
        smoothing: windows over which scores are averaged: the present one and those before it.
        refractory_s: nothing is told for so long after a detection.
    """

    words: tuple[int, ...]
    threshold: float
    smoothing: int = 3
    refractory_s: float = 1.0


@dataclass(frozen=True)
class Detection:
    """A word that was heard: the end of the window that decided it, its class, its smoothed score."""

    time_s: float
    word: int
    score: float


@dataclass(frozen=True)
class State:
    """What is remembered from window to window."""

    history: tuple[tuple[float, ...], ...] = ()
    """Scores of the last windows, at most `smoothing` of them."""
    told_s: float | None = None
    """When the last word was told."""
    sounding: int | None = None
    """The word told last, for as long as its score stays above the threshold."""


def hear(rule: Rule, state: State, scores: Scores, time_s: float) -> tuple[State, Detection | None]:
    """Take in one window.

    Args:
        scores: of every class, 0 to 1.
        time_s: the window's end, rising from call to call.
    """
    history = (*state.history, tuple(scores))[-rule.smoothing :]
    return decide(rule, replace(state, history=history), mean(history), time_s)


def mean(history: Sequence[Scores]) -> list[float]:
    """Mean score of every class over windows; of the first windows of a stream only those that exist count."""
    return [sum(values) / len(history) for values in zip(*history, strict=True)]


def decide(rule: Rule, state: State, smoothed: Scores, time_s: float) -> tuple[State, Detection | None]:
    """Decide on one window by its smoothed scores."""
    word = max(rule.words, key=lambda place: smoothed[place])
    score = smoothed[word]
    still = state.sounding is not None and smoothed[state.sounding] >= rule.threshold
    sounding = state.sounding if still else None
    rests = state.told_s is not None and time_s - state.told_s < rule.refractory_s
    if score < rule.threshold or word == sounding or rests:
        return replace(state, sounding=sounding), None
    return replace(state, told_s=time_s, sounding=word), Detection(time_s, word, score)


def detections(rule: Rule, windows: Iterable[tuple[float, Scores]]) -> Iterator[Detection]:
    """All detections in a stream of windows: (end in seconds, scores of every class)."""
    state = State()
    for time_s, scores in windows:
        state, found = hear(rule, state, scores, time_s)
        if found is not None:
            yield found
