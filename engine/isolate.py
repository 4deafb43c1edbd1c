"""A node in a process of its own: a crash of its libraries costs that node only, and it can always be stopped.

The parent writes the job as one JSON line to the child's stdin and keeps it open: a line `cancel`, or its end (the
parent died), asks the child to stop. The child writes events as JSON lines to its standard output, the outcome last.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO

from engine.event import Event, Sink, to_stream
from engine.fault import Fault
from engine.job import Job, Outcome

CANCEL = "cancel"
GRACE_S = 5.0
ORPHAN_GRACE_S = 1.0
POLL_S = 0.05


def execute_apart(job: Job, sink: Sink, is_cancelled: Callable[[], bool], grace_s: float = GRACE_S) -> Outcome:
    """Execute a job in a child process; the events are the same as in this one.

    Args:
        grace_s: how long a child may take to stop after `cancel`, and again after SIGTERM, before it is killed.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.isolate"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        )
        with child:
            watch = threading.Thread(target=_stop_on_cancel, args=(child, is_cancelled, grace_s), daemon=True)
            outcome = _converse(child, job, sink, watch)
        watch.join()
        if outcome is not None:
            return outcome
        outcome = _lost(job, child.returncode, is_cancelled(), _tail(errors))
        sink(Event("cancelled" if outcome.state == "cancelled" else "failed", job.run, job.node, _values(outcome)))
        return outcome


def _converse(child: subprocess.Popen[str], job: Job, sink: Sink, watch: threading.Thread) -> Outcome | None:
    if child.stdin is None or child.stdout is None:
        return None
    _send(child.stdin, json.dumps(job.to_json()))
    watch.start()
    outcome = None
    for line in child.stdout:
        raw = json.loads(line)
        if "outcome" in raw:
            outcome = Outcome.from_json(raw["outcome"])
        else:
            sink(Event.from_line(line))
    return outcome


def _send(stream: IO[str], line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except (BrokenPipeError, ValueError):
        return  # the child is gone; its exit status tells the rest


def _stop_on_cancel(child: subprocess.Popen[str], is_cancelled: Callable[[], bool], grace_s: float) -> None:
    """Wait for the end; once cancelled: ask, then SIGTERM, then SIGKILL, each after the grace."""
    while child.poll() is None and not is_cancelled():
        time.sleep(POLL_S)
    asks: tuple[Callable[[], None], ...] = (lambda: _ask(child), child.terminate, child.kill)
    for ask in asks:
        if child.poll() is not None:
            return
        ask()
        _wait(child, grace_s)


def _ask(child: subprocess.Popen[str]) -> None:
    if child.stdin is not None:
        _send(child.stdin, CANCEL)


def _wait(child: subprocess.Popen[str], seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while child.poll() is None and time.monotonic() < end_s:
        time.sleep(POLL_S)


def _tail(errors: IO[str], lines: int = 20) -> str:
    errors.seek(0)
    return "".join(errors.readlines()[-lines:])


def _lost(job: Job, code: int, was_cancelled: bool, last_words: str) -> Outcome:
    if was_cancelled:
        return Outcome(job.node, "cancelled")
    cause = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    return Outcome(
        job.node,
        "failed",
        error=Fault(
            f"the process of {job.node} {cause}",
            "a result",
            "SIGKILL mostly means that memory ran out: use less data, or close other programs. "
            "What the process wrote last is in the run's log.txt",
            last_words or "(the process wrote nothing)",
        ),
    )


def _values(outcome: Outcome) -> dict[str, str]:
    return outcome.error.to_json() if outcome.error is not None else {}


def main() -> None:
    """The child: one job from stdin, events and the outcome on what was standard output."""
    from engine.execute import execute

    with os.fdopen(os.dup(1), "w", encoding="utf-8") as events:
        os.dup2(2, 1)  # a library that prints must not break the stream of events
        job = Job.from_json(json.loads(sys.stdin.readline()))
        cancelled = threading.Event()
        threading.Thread(target=_listen, args=(cancelled,), daemon=True).start()
        sink, guard = to_stream(events), threading.Lock()

        def tell(event: Event) -> None:
            with guard:
                sink(event)

        outcome = execute(job, tell, cancelled.is_set, apart=False)
        with guard:
            events.write(json.dumps({"outcome": outcome.to_json()}) + "\n")


def _listen(cancelled: threading.Event) -> None:
    """A line means stop; so does the end of stdin, and then nobody is left to insist, so this process ends itself."""
    is_orphan = not sys.stdin.readline()
    cancelled.set()
    if is_orphan:
        time.sleep(ORPHAN_GRACE_S)
        os._exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    main()
