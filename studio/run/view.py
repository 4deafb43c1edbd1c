"""The run as a whole, as the top bar and the status strip show it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from engine.console import count, duration

Phase = Literal["idle", "queued", "running", "stopping"]
SERVER_WORDS: Final = {"healthy": "ready", "starting": "starting", "stopped": "off", "off": "off"}


@dataclass(frozen=True)
class RunView:
    """The present run, or the last one.

    Attributes:
        state: what goes on now.
        run_id: name of the run's folder; "" before the first run.
        result: how it ended: done, failed, cancelled, interrupted; "" before that.
        started_s: when it began, seconds since the epoch.
        seconds: time taken, or so far.
        left_s: estimated time left; None if unknown or over.
        done: nodes that have ended one way or another.
        total: nodes of the run.
        runner_state: off, starting, warm, busy, not answering, gone.
        server_state: Prefect's server: ready, starting, off.
        rss_bytes: memory of the runner.
        cpu_percent: processor use of the runner; 100 is one core.
        point: which point of a sweep this is, and of how many; zeros outside a sweep.
    """

    state: Phase = "idle"
    run_id: str = ""
    result: str = ""
    started_s: float = 0.0
    seconds: float = 0.0
    left_s: float | None = None
    done: int = 0
    total: int = 0
    runner_state: str = "off"
    server_state: str = "off"
    rss_bytes: int = 0
    cpu_percent: float = 0.0
    folder: Path | None = None
    point: tuple[int, int] = (0, 0)


def words_of(view: RunView, plan: str) -> str:
    """What the top bar says: what a run would do, or how far it is."""
    if view.state == "stopping":
        return "stopping …"
    if view.state == "queued":
        return "the runner is starting …" if view.runner_state == "starting" else "starting …"
    if view.state == "running":
        left = f" · {about(view.left_s)} left" if view.left_s is not None else ""
        if view.point[0]:
            return f"{point_words(view)} · {view.done} of {count(view.total, 'node')} done{left}"
        return f"{view.done} of {count(view.total, 'node')} done{left}"
    return plan


def point_words(view: RunView) -> str:
    """ "point 3 of 15"."""
    return f"point {view.point[0]} of {view.point[1]}"


def about(seconds: float, *, is_all: bool = True) -> str:
    """A guessed time: "about 3 min 40 s", "less than 1 s"; "at least" if parts of it are unknown."""
    if seconds < 1 and is_all:
        return "less than 1 s"
    whole = f"{seconds:.0f} s" if seconds < 60 else duration(seconds)
    return f"{'about' if is_all else 'at least'} {whole}"
