"""What is told while a search runs, and what the report keeps of it."""

from __future__ import annotations

from typing import Any

import pytest

from nodes.lne.search import Progress
from nodes.optimising.choose import follower, limits_of
from nodes.optimising.wish import Watch, Wish


class Told:
    """Keeps everything."""

    def __init__(self) -> None:
        self.progress: list[tuple[float, str]] = []
        self.points: list[tuple[int, float, float]] = []
        self.logs: list[str] = []

    @property
    def watch(self) -> Watch:
        return Watch(
            lambda fraction, text: self.progress.append((fraction, text)),
            lambda *point: self.points.append(point),
            self.logs.append,
        )


def test_a_search_is_told_as_it_goes() -> None:
    told = Told()
    follow = follower(told.watch)
    for done in range(1, 5):
        follow(Progress("measure", done, 4))
    times: list[float] = [9, 8, 8.5, 9, 9.5, 7, 9, 9, 9, 9, 9, 9]
    for number, us in enumerate(times, 1):
        follow(Progress("learn", number, len(times), us, min(times[:number]), {"conv1": "direct"}))
    follow(Progress("finals", 1, 2, 0.0, 6.9, {"a": "direct", "b": "direct", "c": "gemm"}))
    fractions = [fraction for fraction, _ in told.progress]
    assert fractions == sorted(fractions) and fractions[0] > 0.05 and fractions[-1] <= 0.8
    assert told.progress[0][1] == "1 of 4 networks measured"
    assert told.progress[9][1] == "episode 6 of 12, best 7.0 µs"
    assert [point[0] for point in told.points] == [1, 2, 5, 6, 10], "every fifth, and what is better than all before"
    assert [point[2] for point in told.points] == [9, 8, 8, 7, 7]
    assert told.logs == ["finals 1: 6.9 µs with 2 direct, 1 gemm"]


def test_the_words_are_those_the_live_curves_read() -> None:
    from studio.views.data.curves import progress_of

    told = Told()
    follower(told.watch)(Progress("learn", 120, 1000, 70.0, 61.25, {}))
    found: Any = progress_of(told.progress[0][1])
    assert (found.unit, found.done, found.total) == ("episode", 120.0, 1000.0)


def test_no_limit_is_none() -> None:
    assert not limits_of(Wish()).is_any
    found = limits_of(Wish(ram_bytes=100, flash_bytes=200))
    assert (found.ram_bytes, found.weight_bytes) == (100, 200)


def test_a_stop_reaches_the_search() -> None:
    def stop(_fraction: float, _text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follower(Watch(progress=stop))(Progress("measure", 1, 2))
