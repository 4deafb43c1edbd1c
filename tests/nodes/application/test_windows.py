"""Windows over longer recordings."""

import numpy as np
import pytest

from nodes.application.windows import best, cut, smooth, softmax, starts


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [(0, [0]), (5, [0]), (10, [0]), (11, [0, 1]), (14, [0, 4]), (15, [0, 4, 5]), (22, [0, 4, 8, 12])],
)
def test_starts(samples: int, wanted: list[int]) -> None:
    """One window for a short clip; else every hop, and one that ends with the recording."""
    assert starts(samples, window_samples=10, hop_samples=4).tolist() == wanted


@pytest.mark.parametrize("samples", [3, 10, 11, 37, 1000])
def test_every_sample_is_heard(samples: int) -> None:
    """No sample lies outside all windows."""
    heard = np.zeros(samples, bool)
    for first in starts(samples, 10, 4):
        heard[first : first + 10] = True
    assert heard.all()


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_cut(kind: type[np.int16] | type[np.float32]) -> None:
    """Windows keep the samples' type; a short clip is padded at its end."""
    wave = np.arange(1, 7).astype(kind)
    windows = cut(wave, np.array([0, 2]), 4)
    assert windows.dtype == kind
    assert windows.tolist() == [[1, 2, 3, 4], [3, 4, 5, 6]]
    assert cut(wave, np.array([0]), 8).tolist() == [[1, 2, 3, 4, 5, 6, 0, 0]]


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_smooth_is_a_mean_over_existing_neighbours(width: int, count: int) -> None:
    """Equal to the plain loop; rows still sum to one."""
    scores = softmax(np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32))
    found = smooth(scores, width)
    for row in range(count):
        low, high = max(0, row - (width - 1) // 2), min(count, row + width // 2 + 1)
        np.testing.assert_allclose(found[row], scores[low:high].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_best_prefers_a_word_to_silence() -> None:
    """A sure silence around a word must not hide it; without any word the surest window is taken."""
    labels = ("silence", "unknown", "yes")
    scores = np.array([[0.99, 0.0, 0.01], [0.2, 0.1, 0.7], [0.3, 0.1, 0.6], [0.0, 1.0, 0.0]], np.float32)
    assert best(scores, labels) == 1
    assert best(scores[[0, 3]], labels) == 1
    assert best(scores[[0]], labels) == 0
    assert best(scores, ("cat", "dog", "cow")) == 3


def test_softmax_of_large_logits() -> None:
    """No overflow."""
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0, -1000.0]], np.float32)), [[0.5, 0.5, 0.0]])
