"""How the runner ended, and what to say about it. Pure."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from engine.console import size
from studio.run.notice import Notice

Cause = Literal["asked", "memory", "crash", "killed", "start", "ended"]
MUCH: Final = 0.6
"""A runner that held more than this share of the memory was probably ended for it."""
CRASHES: Final = frozenset(
    {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
)
WORDS_SHOWN: Final = 3


@dataclass(frozen=True)
class Death:
    """The end of a runner process.

    Attributes:
        code: its exit status, or the number of the signal that ended it.
        by_signal: whether a signal ended it.
        is_ours: whether we ended it ourselves.
        was_ready: whether it had ever become warm.
        was_busy: whether a run was going on.
        peak_bytes: the most memory it told of.
        limit_bytes: the memory there is.
        oom_kills: processes that the kernel ended for want of memory meanwhile; None if it does not say.
        words: the last lines it wrote to standard error.
    """

    code: int
    by_signal: bool
    is_ours: bool = False
    was_ready: bool = True
    was_busy: bool = False
    peak_bytes: int = 0
    limit_bytes: int = 0
    oom_kills: int | None = None
    words: tuple[str, ...] = ()

    @property
    def cause(self) -> Cause:
        """Why it ended, as far as that can be known."""
        if self.is_ours:
            return "asked"
        if self.by_signal and self.code == signal.SIGKILL:
            return "memory" if self._is_memory else "killed"
        if self.by_signal:
            return "crash" if self.code in CRASHES else "killed"
        return "ended" if self.was_ready else "start"

    @property
    def _is_memory(self) -> bool:
        if self.oom_kills is not None and self.oom_kills > 0:
            return True
        return self.limit_bytes > 0 and self.peak_bytes > MUCH * self.limit_bytes

    @property
    def signal_name(self) -> str:
        """ "SIGSEGV", or the number if it has no name."""
        try:
            return signal.Signals(self.code).name
        except ValueError:
            return f"signal {self.code}"


def notice_of_death(death: Death) -> Notice | None:
    """What to tell; None if it was asked for."""
    kept = "Finished nodes are kept. A new runner is starting: run again" if death.was_busy else "A new one is starting"
    last = _last_words(death.words)
    match death.cause:
        case "asked":
            return None
        case "memory":
            sure = "because" if death.oom_kills else "probably because"
            used = f" (it used {size(death.peak_bytes)} of {size(death.limit_bytes)})" if death.peak_bytes else ""
            what = f"The runner was killed, {sure} memory ran out{used}"
            remedy = f"Use less data, a smaller batch or fewer nodes at once, or close other programs. {kept}"
            return Notice("error", what, "memory for the data and the model", remedy)
        case "crash":
            what = f"The runner crashed ({death.signal_name}){last}"
            remedy = f"A library failed; if it happens again, report it with the log. {kept}"
            return Notice("error", what, "a run to its end", remedy)
        case "killed":
            what = f"The runner was ended from outside ({death.signal_name})"
            return Notice("error" if death.was_busy else "warning", what, "a runner that stays", kept)
        case "start":
            what = f"The runner does not start (status {death.code}){last}"
            remedy = "`ossicle run` in a terminal shows the whole error; then choose Run › Restart the runner"
            return Notice("error", what, "a Python with Ossicle's packages", remedy)
        case "ended":
            what = f"The runner ended by itself (status {death.code}){last}"
            return Notice("error" if death.was_busy else "warning", what, "a runner that stays", kept)


def notice_of_stop() -> Notice:
    """The runner had to be ended to stop its run."""
    remedy = "Finished nodes are kept; a new runner is starting"
    return Notice("info", "The run was ended together with its runner", "", remedy)


def notice_of_silence(seconds: float, stop: Callable[[], object]) -> Notice:
    """The runner gives no sign of life."""
    what = f"The runner has not answered for {seconds:.0f} s"
    remedy = "It may be busy in a library that cannot be interrupted: wait, or stop it; finished nodes are kept"
    return Notice("warning", what, "a sign of life every second", remedy, actions=(("Stop the runner", stop),))


def _last_words(words: tuple[str, ...]) -> str:
    told = [line.strip() for line in words if line.strip()][-WORDS_SHOWN:]
    return f": {' · '.join(told)}" if told else ""
