"""A job in another process of a cluster: what the worker does, and where its events go."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.event import to_stream
from engine.execute import execute
from engine.job import Job, cancel_file

CANCEL_POLL_S = 0.2


def run_remote(raw: dict[str, Any]) -> dict[str, Any]:
    """What a worker of a cluster does: execute a job from the shared store, its events going to a file of the run."""
    job = Job.from_json(raw)
    asked = FileCheck(cancel_file(Path(job.folder)))
    with event_file(job).open("a", encoding="utf-8") as file:
        return execute(job, to_stream(file), asked).to_json()


def event_file(job: Job) -> Path:
    """Where the events of a job in another process go, and are read from."""
    folder = Path(job.folder) / "remote"
    folder.mkdir(exist_ok=True)
    return folder / f"{job.node}.jsonl"


@dataclass
class FileCheck:
    """Whether a file exists, looked up a few times a second."""

    path: Path
    asked_s: float = 0.0
    answer: bool = False

    def __call__(self) -> bool:
        if not self.answer and time.monotonic() - self.asked_s > CANCEL_POLL_S:
            self.asked_s, self.answer = time.monotonic(), self.path.exists()
        return self.answer
