"""Terminal words: numbers people read, tables, live bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import sys
import time
from pathlib import Path

import pytest

from engine.console import (
    LiveProgress,
    PlainProgress,
    clean_output,
    count,
    duration,
    finished_line,
    is_colourful,
    paint,
    progress,
    say,
    say_error,
    size,
    table,
)
from engine.errors import OssicleError
from engine.event import Event
from engine.problem import InvalidError, Problem


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (2e-5, "20 µs"),
        (0.0123, "12.3 ms"),
        (0.5, "0.5 s"),
        (61, "1 min 01 s"),
        (3725, "1 h 02 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("size_bytes", "words"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e9, "2.5 GB")])
def test_sizes(size_bytes: float, words: str) -> None:
    assert size(size_bytes) == words


def test_counts() -> None:
    assert [count(n, "node") for n in (0, 1, 1234)] == ["0 nodes", "1 node", "1,234 nodes"]


def test_table_aligns_columns_and_pads_no_line_end() -> None:
    assert table(("a", "n"), [("long", "1"), ("x", "22")], right=(1,)).splitlines() == [
        "a      n",
        "long   1",
        "x     22",
    ]


def event(kind: str, node: str = "train-1", **values: object) -> Event:
    return Event(kind, "run", node, values)  # type: ignore[arg-type]


def test_a_pipe_gets_one_line_per_thing_that_matters() -> None:
    stream, now = io.StringIO(), [0.0]
    sink = PlainProgress(stream, clock=lambda: now[0])
    sink(event("started"))
    for second in range(30):
        now[0] = second
        sink(event("progress", fraction=second / 30, text=f"epoch {second}"))
        sink(event("metric", step=second, loss=1.0))
    sink(event("log", text="careful"))
    sink(event("log", node="", text="about the run"))
    sink(event("finished", seconds=12.5))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "◑ running   train-1"
    assert lines[1:3] == ["  train-1: 33 % epoch 10", "  train-1: 67 % epoch 20"]
    assert lines[3:5] == ["  train-1: careful", "  about the run"]
    assert re.fullmatch(r"✓ done +train-1 +12.5 s", lines[5]) and len(lines) == 6
    assert "\033" not in stream.getvalue()


@pytest.mark.parametrize("kind", ["finished", "cached", "failed", "skipped", "cancelled"])
def test_every_end_has_a_mark_and_a_word(kind: str) -> None:
    line = finished_line(event(kind, what="loss is nan", seconds=1.0), io.StringIO())
    assert re.match(r"^\S \w+ +train-1", line) and "loss is nan" in line


def _read_until(reader: int, text: str) -> str:
    """What a terminal shows until it shows this text; fails after 20 s."""
    shown, end_s = "", time.monotonic() + 20
    while text not in shown:
        assert select.select([reader], [], [], end_s - time.monotonic())[0], shown
        shown += os.read(reader, 100_000).decode()
    return shown


def test_a_terminal_gets_bars_that_go_away() -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w", encoding="utf-8") as terminal:
        assert is_colourful(terminal)
        with progress(terminal) as sink:
            assert isinstance(sink, LiveProgress)
            sink(event("started"))
            sink(event("progress", fraction=0.5, text="epoch [bold]5"))
            shown = _read_until(reader, "50%")  # bars are drawn ten times a second
            sink(event("log", text="careful [red]now"))
            sink(event("finished", seconds=1.0))
            sink(event("cached", node="mfcc-1"))
        terminal.flush()
        shown += os.read(reader, 100_000).decode()
    os.close(reader)
    for part in ("careful [red]now", "✓ done", "⟲ cached", "epoch [bold]5", "50%"):
        assert part in shown


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert paint("x", "red", Terminal()) == "\033[31mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "red", Terminal()) == "x"


def test_errors_have_three_lines_and_invalid_workflows_all_problems(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(OssicleError("n is 50", "at most 40", "Lower n"))
    assert capsys.readouterr().err.splitlines() == ["error:    n is 50.", "expected: at most 40.", "do:       Lower n."]
    problems = [Problem("x", f"a-{i}", "n", "it is bad", "good", "Make it good") for i in range(30)]
    say_error(InvalidError(problems))
    assert capsys.readouterr().err.count("error:") == 30


def test_what_libraries_print_does_not_reach_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    with clean_output() as stream:
        sys.stdout.write("chatter\n")
        stream.write("{}\n")
    say("end")
    captured = capsys.readouterr()
    assert captured.out == "{}\nend\n" and captured.err == "chatter\n"


def test_console_imports_no_rich_until_it_is_needed() -> None:
    source = Path(sys.modules["engine.console"].__file__ or "").read_text(encoding="utf-8")
    assert not re.search(r"^(from|import) rich", source, re.MULTILINE)
