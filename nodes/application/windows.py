"""Longer recordings: where windows lie, how their scores are smoothed, which one is reported."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Waveform = NDArray[np.float32] | NDArray[np.int16]

NOTHING_HEARD: Final = frozenset({"silence", "unknown", "_silence_", "_unknown_", "background", "noise"})
"""Classes that say "none of the words": a window with a word in it is preferred to them."""


def starts(samples: int, window_samples: int, hop_samples: int) -> NDArray[np.int64]:
    """First sample of each window: one for a short clip, else every hop and one that ends with the recording."""
    last = max(samples - window_samples, 0)
    return np.unique(np.append(np.arange(0, last + 1, hop_samples, dtype=np.int64), last))


def cut(waveform: Waveform, firsts: NDArray[np.int64], window_samples: int) -> Waveform:
    """Windows (windows, window_samples) of a waveform (samples,); a short clip is zero-padded at its end."""
    windows: Waveform = np.zeros((len(firsts), window_samples), waveform.dtype)
    for row, first in enumerate(firsts.tolist()):
        piece = waveform[first : first + window_samples]
        windows[row, : len(piece)] = piece
    return windows


def smooth(scores: Floats, width: int) -> Floats:
    """Mean of each window's scores (windows, classes) with those of its neighbours, `width` windows in all.

    At the ends only the windows that exist count.
    """
    if width <= 1 or len(scores) <= 1:
        return scores
    before, after = (width - 1) // 2, width // 2
    total = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0, dtype=np.float64)])
    index = np.arange(len(scores))
    low, high = np.maximum(index - before, 0), np.minimum(index + after + 1, len(scores))
    mean: Floats = ((total[high] - total[low]) / (high - low)[:, None]).astype(np.float32)
    return mean


def best(scores: Floats, labels: Sequence[str]) -> int:
    """Row of the window to report: the surest one whose top class is a word; where there is none, the surest one."""
    top = scores.argmax(axis=1)
    sure = scores[np.arange(len(scores)), top]
    is_word = np.array([label not in NOTHING_HEARD for label in labels])[top]
    return int(np.where(is_word, sure, -1.0).argmax() if is_word.any() else sure.argmax())


def softmax(logits: Floats) -> Floats:
    """Scores (batch, classes) that sum to one."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return scores
