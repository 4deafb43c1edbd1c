"""Trials in processes of their own: `Worker` in the search, `main` in the process.

One JSON object per line. The search sends what all trials need, then orders; the process sends points, waits for a
verdict on each (`{"go_on": true}`), and sends the outcome. `{"cancel": true}` asks for a checkpoint and the end. When
its standard input ends, the search is dead: the process leaves at once, so a search that is taken up again never meets
an old one at work.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

from engine import Cancelled
from nodes.searching.trial import GoOn, Inputs, Order, Outcome, Point, run_trial

Json = dict[str, Any]
GRACE_S: Final = 10.0
_ONE_THREAD: Final[Mapping[str, str]] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


class Here:
    """Trains trials in this process."""

    def __init__(self, inputs: Inputs, is_cancelled: Callable[[], bool]) -> None:
        self.inputs, self.is_cancelled = inputs, is_cancelled

    def train(self, order: Order, go_on: GoOn) -> Outcome:
        """Train one trial; Cancelled passes through."""
        return run_trial(order, self.inputs, self.is_cancelled, go_on)

    def cancel(self) -> None:
        """Nothing to do: the trial asks by itself."""

    def close(self) -> None:
        """Nothing to do."""


class Worker:
    """Trains trials in a process of its own; a process that dies costs its trial, the next one gets a new process."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._errors: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - close()
        self._process: subprocess.Popen[str] | None = None
        self._is_cancelled = False

    def train(self, order: Order, go_on: GoOn) -> Outcome:
        """Train one trial.

        Raises:
            Cancelled: `cancel` was called.
        """
        process = self._started()
        _send(process, {"order": order.to_json()})
        outcome = self._listen(process, order, go_on)
        if self._is_cancelled:
            raise Cancelled(f"trial-{order.number}")
        return outcome or self._lost(process)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "nodes.searching.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
                env={**os.environ, **_ONE_THREAD},
            )
            _send(self._process, {"inputs": self._inputs.to_json()})
        return self._process

    def _listen(self, process: subprocess.Popen[str], order: Order, go_on: GoOn) -> Outcome | None:
        for line in process.stdout or ():
            raw = json.loads(line)
            if "outcome" in raw:
                return Outcome.from_json(raw["outcome"]) if raw["outcome"] else None
            points = tuple((float(done), float(accuracy)) for done, accuracy in raw["points"])
            _send(process, {"go_on": go_on(points)})
        return None

    def _lost(self, process: subprocess.Popen[str]) -> Outcome:
        code = process.wait()
        cause = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        self._errors.seek(0)
        last = self._errors.readlines()[-1:] or ["it said nothing"]
        return Outcome("failed", error=f"the process of the trial {cause} ({last[0].strip()})")

    def cancel(self) -> None:
        """Ask the trial under way to leave a checkpoint and stop."""
        self._is_cancelled = True
        if self._process is not None:
            _send(self._process, {"cancel": True})

    def close(self) -> None:
        """End the process: by itself, and if it does not in time, by force."""
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._errors.close()


def _send(process: subprocess.Popen[str], message: Json) -> None:
    try:
        if process.stdin is not None:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
    except (BrokenPipeError, ValueError):
        return  # the process is gone; the end of its answers tells the rest


# ---- in the process


class _Post:
    """What the search sends: orders and verdicts in queues; cancel at once."""

    def __init__(self) -> None:
        self.orders: queue.Queue[Json] = queue.Queue()
        self.verdicts: queue.Queue[bool] = queue.Queue()
        self.is_cancelled = False

    def listen(self, lines: IO[str]) -> None:
        """Read until the end, then leave the process."""
        for line in lines:
            message = json.loads(line)
            if "go_on" in message:
                self.verdicts.put(bool(message["go_on"]))
            elif "cancel" in message:
                self.is_cancelled = True
            else:
                self.orders.put(message)
        os._exit(0)


def main() -> None:
    """Train what is ordered until standard input ends."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # a library that prints must not break the stream of answers
        post = _Post()
        threading.Thread(target=post.listen, args=(sys.stdin,), daemon=True).start()
        inputs = Inputs.from_json(post.orders.get()["inputs"])
        while True:
            _answer(answers, {"outcome": _trained(post, inputs, answers)})


def _trained(post: _Post, inputs: Inputs, answers: IO[str]) -> Json | None:
    """The outcome of the next order; None if it was cancelled."""
    order = Order.from_json(post.orders.get()["order"])

    def go_on(points: tuple[Point, ...]) -> bool:
        _answer(answers, {"points": [list(point) for point in points]})
        return post.verdicts.get()

    try:
        return run_trial(order, inputs, lambda: post.is_cancelled, go_on).to_json()
    except Cancelled:
        return None


def _answer(answers: IO[str], message: Json) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
