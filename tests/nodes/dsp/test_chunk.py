"""Windows slid over recordings."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.dsp.chunk import chunks, levelled


@pytest.mark.parametrize(
    ("samples", "size", "hop", "starts"),
    [
        (10, 4, 2, [0, 2, 4, 6]),
        (11, 4, 2, [0, 2, 4, 6]),
        (4, 4, 2, [0]),
        (9, 4, 9, [0]),
        (7, 3, 1, [0, 1, 2, 3, 4]),
    ],
)
def test_every_whole_window_and_no_other(samples: int, size: int, hop: int, starts: list[int]) -> None:
    wave = np.arange(samples, dtype=np.int16)
    found = list(chunks(wave, size, hop, fills=False))
    assert [first for first, _ in found] == starts
    assert all(part.tolist() == list(range(first, first + size)) for first, part in found)


@pytest.mark.parametrize("samples", [0, 1, 3])
def test_what_is_shorter_is_filled_up_or_left_out(samples: int) -> None:
    wave = np.ones(samples, np.int16)
    ((first, part),) = chunks(wave, 4, 2, fills=True)
    assert (first, part.tolist(), part.dtype) == (0, [1] * samples + [0] * (4 - samples), np.int16)
    assert list(chunks(wave, 4, 2, fills=False)) == []


@pytest.mark.parametrize("loudest", [1, 200, -32768])
def test_the_peak_is_what_was_asked(loudest: int) -> None:
    wave = np.array([0, loudest, loudest // 2], np.int16)
    found = levelled(wave, 0.7079)
    assert abs(int(np.abs(found).max()) - 0.7079 * 32767) <= 1
    assert np.sign(found[1]) == np.sign(loudest)


def test_silence_stays_silence() -> None:
    assert levelled(np.zeros(5, np.int16), 0.7).tolist() == [0] * 5
