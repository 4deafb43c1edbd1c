"""What a person reads in a terminal: aligned tables, three-part errors, live progress; plain lines in a pipe."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

from engine.errors import OssicleError, sentence
from engine.event import Event, Sink
from engine.theme import state

if TYPE_CHECKING:
    from engine.problem import Problem

ANSI: Final[Mapping[str, str]] = {
    "bold": "1",
    "red": "31",
    "green": "32",
    "amber-text": "33",
    "blue": "34",
    "teal": "36",
    "mute": "90",
    "faint": "90",
}
STATE_OF: Final[Mapping[str, str]] = {
    "started": "running",
    "finished": "done",
    "cached": "cached",
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
}


def is_colourful(stream: IO[str]) -> bool:
    """Whether colours make sense there: a terminal, and the user has not said NO_COLOR."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text: str, token: str, stream: IO[str]) -> str:
    """Text in a token's colour where the stream can show it."""
    return f"\033[{ANSI[token]}m{text}\033[0m" if token in ANSI and is_colourful(stream) else text


def say(text: str = "", *, error: bool = False) -> None:
    """One line on standard output, or on standard error."""
    stream = sys.stderr if error else sys.stdout
    stream.write(text + "\n")
    stream.flush()


def say_json(value: object, *, indent: int | None = 2) -> None:
    """One JSON document on standard output."""
    say(json.dumps(value, indent=indent, ensure_ascii=False))


def say_error(error: OssicleError) -> None:
    """An error on standard error in three parts; every problem of an invalid workflow."""
    from engine.problem import InvalidError

    if isinstance(error, InvalidError):
        for problem in error.problems:
            say(problem_text(problem, sys.stderr), error=True)
        return
    say(three_parts("error", error.what, error.expected, error.remedy, sys.stderr), error=True)


def problem_text(problem: Problem, stream: IO[str]) -> str:
    """One validation finding in three parts."""
    place = ".".join(part for part in (problem.node, problem.field) if part)
    what = f"{place}: {problem.what}" if place else problem.what
    return three_parts(problem.severity, what, problem.expected, problem.remedy, stream)


def three_parts(label: str, what: str, expected: str, remedy: str, stream: IO[str]) -> str:
    """Three lines: what is wrong, what was expected, what to do."""
    token = "amber-text" if label == "warning" else "red"
    lines = ((label, token, what), ("expected", "mute", expected), ("do", "mute", remedy))
    return "\n".join(f"{paint(f'{name}:'.ljust(10), colour, stream)}{sentence(text)}" for name, colour, text in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """Aligned columns; those named in `right` are flush right. The last column is never padded."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    flush = set(right)
    cells = [
        [cell.rjust(width) if column in flush else cell.ljust(width) for column, (cell, width) in enumerate(pairs)]
        for pairs in (zip(line, widths, strict=True) for line in lines)
    ]
    return "\n".join("  ".join(line).rstrip() for line in cells)


def duration(seconds: float) -> str:
    """A time a person reads: 0.4 ms, 3.1 s, 2 min 05 s, 1 h 12 min."""
    if seconds < 0.001:
        return "0.0 s" if seconds <= 0 else f"{seconds * 1e6:.0f} µs"
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return (
        f"{whole // 60} min {whole % 60:02d} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    )


def count(number: int, noun: str) -> str:
    """A number of things: "1 node", "2 nodes"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def size(size_bytes: float) -> str:
    """A size a person reads, in powers of 1000."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size_bytes >= limit:
            return f"{size_bytes / limit:.1f} {unit}"
    return f"{size_bytes:.0f} B"


@contextmanager
def clean_output() -> Iterator[IO[str]]:
    """Standard output for this program's own JSON only: what libraries print meanwhile goes to standard error."""
    stream = sys.stdout
    with redirect_stdout(sys.stderr):
        yield stream


def finished_line(event: Event, stream: IO[str]) -> str:
    """One line for a node that came to an end."""
    look = state(STATE_OF[event.kind])
    values = event.values
    seconds = values.get("seconds")
    took = duration(float(seconds)) if isinstance(seconds, (int, float)) else ""
    text = str(values.get("what") or values.get("about") or values.get("reason") or "")
    return f"{paint(f'{look.mark} {look.word:9}', look.token, stream)} {event.node:20} {took:>12}  {text}".rstrip()


def log_line(event: Event) -> str:
    """One line for something that a node, or the run itself, has to say."""
    return "  " + ": ".join(part for part in (event.node, str(event.values.get("text", ""))) if part)


@dataclass
class PlainProgress:
    """Lines for a pipe or a log file: starts, ends, warnings, and how far a long node is every ten seconds."""

    stream: IO[str]
    every_s: float = 10.0
    clock: Callable[[], float] = time.monotonic
    _last_s: dict[str, float] = field(default_factory=dict)

    def __call__(self, event: Event) -> None:
        """Write the event's line, if it has one."""
        text = self._text(event)
        if text:
            self.stream.write(text + "\n")
            self.stream.flush()

    def _text(self, event: Event) -> str:
        if event.kind in STATE_OF:
            self._last_s[event.node] = self.clock()
            return finished_line(event, self.stream)
        if event.kind == "log":
            return log_line(event)
        if event.kind == "progress" and self.clock() - self._last_s.get(event.node, 0.0) >= self.every_s:
            self._last_s[event.node] = self.clock()
            fraction = event.values.get("fraction")
            share = f"{100 * fraction:.0f} %" if isinstance(fraction, (int, float)) else ""
            return f"  {event.node}: {share} {event.values.get('text', '')}".rstrip()
        return ""


@dataclass
class LiveProgress:
    """Bars on a terminal: one per running node with its text and time left; finished nodes stay as lines above."""

    stream: IO[str]
    _tasks: dict[str, Any] = field(default_factory=dict)
    _bars: Any = None

    def __enter__(self) -> LiveProgress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.fields[mark]} {task.description:20}", style="blue", markup=False),
            BarColumn(24, complete_style="blue", finished_style="green"),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", style="bright_black", markup=False),
        )
        self._bars = Progress(*columns, console=Console(file=self.stream), transient=True, expand=False)
        self._bars.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Move the bars."""
        if event.kind == "started":
            self._tasks[event.node] = self._bars.add_task(event.node, total=1.0, text="", mark=state("running").mark)
        elif event.kind == "progress" and event.node in self._tasks:
            values = event.values
            self._bars.update(self._tasks[event.node], completed=values.get("fraction"), text=values.get("text", ""))
        elif event.kind in STATE_OF:
            self._end(event)
        elif event.kind == "log":
            self._bars.console.print(log_line(event), markup=False, highlight=False)

    def _end(self, event: Event) -> None:
        from rich.text import Text

        if event.node in self._tasks:
            self._bars.remove_task(self._tasks.pop(event.node))
        self._bars.console.print(Text.from_ansi(finished_line(event, self.stream)))


@contextmanager
def progress(stream: IO[str]) -> Iterator[Sink]:
    """A sink that shows a run on a stream: bars on a terminal, lines in a pipe."""
    if not is_colourful(stream):
        yield PlainProgress(stream)
        return
    with LiveProgress(stream) as live:
        yield live
