"""The runner as a child process: started ahead of need, heard in small portions, stopped in stages, started anew."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Literal

from PySide6.QtCore import QObject, QProcess, QTimer, Signal

from studio.run import memory
from studio.run.death import Death
from studio.run.lines import Line, Lines

State = Literal["off", "starting", "warm", "busy", "not answering", "gone"]
PRELOAD: Final = "torch"
STDERR_LINES: Final = 200
BATCH: Final = 100
"""Lines parsed between two looks at the clock."""
BUDGET_S: Final = 0.008
"""Time for lines in one turn of the event loop: the window stays smooth however much a node has to say."""
MOST_DEATHS: Final = 3
DEATHS_WITHIN_S: Final = 60.0
FIRST_START_FACTOR: Final = 6
"""A runner that is starting may be silent this many times longer (a cold disk, an import that holds the lock)."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for the runner.

    Attributes:
        grace_s: after `cancel`, without an event of the run, until SIGTERM.
        longest_s: after `cancel` until SIGTERM, events or not.
        term_s: after SIGTERM until SIGKILL.
        silence: ticks without a line after which it counts as not answering.
        tick_s: one tick; a window that itself stood still sees one tick, not many.
        close_s: how long closing may take.
    """

    grace_s: float = 5.0
    longest_s: float = 20.0
    term_s: float = 2.0
    silence: int = 10
    tick_s: float = 1.0
    close_s: float = 3.0


def command(preload: str = PRELOAD) -> tuple[str, ...]:
    """The command line of the runner: what a headless user would type. Nothing is imported to find out about torch."""
    known = find_spec(preload) is not None if preload else False
    extra = ("--preload", preload) if known else ()
    return (sys.executable, "-P", "-m", "engine.cli", "runner", *extra)


class Child(QObject):
    """The runner process.

    Signals:
        heard(list[dict]): lines in order, a few at a time.
        state_changed(str): off, starting, warm, busy, not answering, gone.
        died(Death): it ended; every line it wrote has been heard.
    """

    heard = Signal(object)
    state_changed = Signal(str)
    died = Signal(object)

    def __init__(
        self, parent: QObject | None = None, *, program: Sequence[str] | None = None, patience: Patience | None = None
    ) -> None:
        super().__init__(parent)
        self.patience = patience or Patience()
        self.lines = Lines()
        self.words: deque[str] = deque(maxlen=STDERR_LINES)
        self.rss_bytes = self.peak_bytes = 0
        self.cpu_percent = 0.0
        self._program = tuple(program) if program is not None else ()
        self._process = QProcess(self)  # one for all runners, one after the other
        self._is_on = False
        self._state: State = "off"
        self._silent = 0
        self._order = ""
        self._is_ready = self._is_busy = self._is_ours = self._is_closing = self._restart = False
        self._death: Death | None = None
        self._deaths: deque[float] = deque(maxlen=MOST_DEATHS)
        self._oom_kills: int | None = None
        self._beat: tuple[float, float] | None = None
        self._cancelled_s = 0.0
        self._connect()
        self._pump = QTimer(self, singleShot=True, interval=0)
        self._pump.timeout.connect(self._hear)
        self._tick = QTimer(self, interval=round(self.patience.tick_s * 1000))
        self._tick.timeout.connect(self._count_silence)
        self._stage = QTimer(self, singleShot=True)
        self._stage.timeout.connect(self._next_stage)
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.start)

    def _connect(self) -> None:
        process = self._process
        process.started.connect(lambda: memory.offer_as_victim(self.pid))
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read_error)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._failed)

    # ---- what it is

    @property
    def state(self) -> State:
        """What it is doing."""
        return self._state

    @property
    def pid(self) -> int:
        """Its process id; 0 if there is none."""
        return int(self._process.processId()) if self._is_on else 0

    @property
    def silent_s(self) -> float:
        """How long nothing was heard."""
        return self._silent * self.patience.tick_s

    @property
    def is_busy(self) -> bool:
        """Whether an order has not been answered yet."""
        return self._is_busy

    def _become(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self.state_changed.emit(state)

    def _settle(self) -> None:
        self._become("busy" if self._is_busy else "warm" if self._is_ready else "starting")

    # ---- start and orders

    def start(self) -> None:
        """Start the process unless there is one; returns at once."""
        if self._is_on or self._is_closing:
            return
        self._program = self._program or command()
        self._is_ready = self._is_busy = self._is_ours = self._restart = False
        self._death, self._beat, self._silent, self.rss_bytes, self.peak_bytes = None, None, 0, 0, 0
        self.lines, self._oom_kills = Lines(), memory.oom_kills()
        self.words.clear()
        self._is_on = True
        self._become("starting")
        self._tick.start()
        self._process.start(self._program[0], list(self._program[1:]))

    def send(self, order: Mapping[str, Any]) -> None:
        """Hand over an order; a process that is not there yet is started and gets it when it is warm."""
        self.start()
        if self._is_on:
            self._is_busy, self._order = True, str(order.get("id", ""))
            self._write(json.dumps(dict(order)))
            if self._is_ready:
                self._become("busy")

    def _write(self, line: str) -> None:
        if self._is_on:
            self._process.write(line.encode() + b"\n")

    # ---- stop, in stages

    def cancel(self) -> None:
        """Ask the run to stop; a runner that does not is sent SIGTERM after the grace, then SIGKILL."""
        if self._is_on and not self._stage.isActive():
            self._write("cancel")
            self._cancelled_s = time.monotonic()
            self._wait(self.patience.grace_s)

    def kill(self) -> None:
        """End the process at once; a new one is started."""
        if self._is_on:
            self._is_ours = True
            self._process.kill()

    def restart(self) -> None:
        """A new process in place of this one."""
        self._deaths.clear()
        if not self._is_on:
            self.start()
        else:
            self._restart = True
            self.kill()

    def _wait(self, seconds: float) -> None:
        self._stage.start(round(seconds * 1000))

    def _next_stage(self) -> None:
        if not self._is_on:
            return
        if not self._is_ours:
            self._is_ours = True
            self._process.terminate()
            self._wait(self.patience.term_s)
        else:
            self._process.kill()

    def close(self) -> None:
        """End of the window: the runner's standard input is closed, it stops its run and ends."""
        self._is_closing = self._is_ours = True
        is_on, self._is_on = self._is_on, False
        for timer in (self._pump, self._tick, self._stage, self._later):
            timer.stop()
        process, limit_ms = self._process, round(self.patience.close_s * 1000)
        if is_on and process.state() != QProcess.ProcessState.NotRunning:
            process.closeWriteChannel()
            if not process.waitForFinished(limit_ms):
                process.terminate()
                if not process.waitForFinished(limit_ms // 3):
                    process.kill()
                    process.waitForFinished(limit_ms)
        self._become("off")

    # ---- hearing

    def _read(self) -> None:
        if self._is_on:
            self.lines.feed(bytes(self._process.readAllStandardOutput().data()))
            self._silent = 0
            if not self._pump.isActive():
                self._hear()

    def _hear(self) -> None:
        """Pass lines on until the time is up; the rest in the next turn."""
        end_s = time.perf_counter() + BUDGET_S
        while not self.lines.is_empty and time.perf_counter() < end_s:
            if batch := self.lines.take(BATCH):
                self._note(batch)
                self.heard.emit(batch)
        if not self.lines.is_empty:
            self._pump.start()
        elif self._death is not None:
            self._bury(self._death)

    def _note(self, batch: list[Line]) -> None:
        """What the lines say about the process itself."""
        for line in batch:
            match line["kind"]:
                case "ready":
                    self._is_ready = True
                case "alive":
                    self._note_beat(line)
                case "answered" if line.get("id", "") == self._order:
                    self._is_busy = False
                    self._stage.stop()
                case _ if self._stage.isActive() and not self._is_ours and line.get("run"):
                    self._be_patient()
        if self._is_on and self._death is None:
            self._settle()

    def _be_patient(self) -> None:
        """It still says something: the grace begins anew, within limits."""
        left_s = self.patience.longest_s - (time.monotonic() - self._cancelled_s)
        self._wait(max(0.0, min(self.patience.grace_s, left_s)))

    def _note_beat(self, line: Line) -> None:
        now_s = time.monotonic()
        with contextlib.suppress(KeyError, TypeError, ValueError):
            self.rss_bytes = int(line["rss_bytes"])
            self.peak_bytes = max(self.peak_bytes, int(line["peak_bytes"]))
            cpu_s = float(line["cpu_s"])
            if self._beat is not None and now_s > self._beat[0]:
                self.cpu_percent = max(0.0, 100 * (cpu_s - self._beat[1]) / (now_s - self._beat[0]))
            self._beat = (now_s, cpu_s)

    def _read_error(self) -> None:
        if self._is_on:
            text = bytes(self._process.readAllStandardError().data()).decode("utf-8", errors="replace")
            self.words.extend(text.splitlines())

    def _count_silence(self) -> None:
        """One tick without a line. Counted, not timed: a window that was itself held up must not blame the runner."""
        if not self._is_on or self._process.state() != QProcess.ProcessState.Running:
            return
        self._silent += 1
        limit = self.patience.silence * (1 if self._is_ready else FIRST_START_FACTOR)
        if self._silent >= limit:
            self._become("not answering")

    # ---- the end

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._is_on:
            self.words.append(self._process.errorString())
            # told within start(): the process must not be taken apart there
            QTimer.singleShot(0, self, lambda: self._finished(127, QProcess.ExitStatus.NormalExit))

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        if not self._is_on or self._death is not None:
            return
        self._read_error()
        self.lines.feed(bytes(self._process.readAllStandardOutput().data()))
        self.lines.end()
        self._tick.stop()
        self._stage.stop()
        before, now = self._oom_kills, memory.oom_kills()
        self._death = Death(
            code, status == QProcess.ExitStatus.CrashExit, self._is_ours, self._is_ready, self._is_busy,
            self.peak_bytes, memory.limit_bytes(), now - before if now is not None and before is not None else None,
            tuple(self.words),
        )  # fmt: skip
        if not self._pump.isActive():
            self._hear()

    def _bury(self, death: Death) -> None:
        self._is_on, self._death = False, None
        self._is_busy = self._is_ready = False
        self.rss_bytes, self.cpu_percent = 0, 0.0
        self._become("gone")
        self.died.emit(death)
        if not self._is_closing and self._may_restart(death):
            self._later.start()

    def _may_restart(self, death: Death) -> bool:
        """A runner that keeps dying is left alone until somebody asks for it."""
        if self._restart or death.is_ours:
            return True
        now_s = time.monotonic()
        self._deaths.append(now_s)
        is_often = len(self._deaths) == MOST_DEATHS and now_s - self._deaths[0] < DEATHS_WITHIN_S
        return death.was_ready and not is_often
