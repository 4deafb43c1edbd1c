"""What is said about a runner's end."""

from __future__ import annotations

import signal

import pytest

from studio.run.death import Death, notice_of_death
from studio.run.memory import limit_bytes, oom_kills

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("death", "words"),
    [
        (
            Death(signal.SIGKILL, True, peak_bytes=int(20 * GB), limit_bytes=24 * GB, was_busy=True),
            "The runner was killed, probably because memory ran out (it used 20.0 GB of 24.0 GB)",
        ),
        (
            Death(signal.SIGKILL, True, peak_bytes=int(11.2 * GB), limit_bytes=24 * GB, oom_kills=1),
            "The runner was killed, because memory ran out (it used 11.2 GB of 24.0 GB)",
        ),
        (Death(signal.SIGKILL, True, peak_bytes=GB, limit_bytes=24 * GB, oom_kills=0), "from outside (SIGKILL)"),
        (Death(signal.SIGTERM, True), "from outside (SIGTERM)"),
        (Death(signal.SIGSEGV, True, words=("", "double free", "")), "crashed (SIGSEGV): double free"),
        (Death(3, False, was_ready=False, words=("no torch",)), "does not start (status 3): no torch"),
        (Death(0, False), "ended by itself (status 0)"),
        (Death(77, True), "ended from outside (signal 77)"),
    ],
)
def test_words(death: Death, words: str) -> None:
    notice = notice_of_death(death)
    assert notice is not None
    assert words in notice.what
    assert notice.remedy
    assert ("run again" in notice.remedy) == (death.was_busy)


def test_an_end_that_was_asked_for_is_no_news() -> None:
    assert notice_of_death(Death(signal.SIGKILL, True, is_ours=True)) is None


def test_memory_of_this_machine() -> None:
    assert 100_000_000 < limit_bytes() < 100_000 * GB
    kills = oom_kills()
    assert kills is None or kills >= 0
