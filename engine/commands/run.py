"""`ossicle run`: a workflow on any runner; Ctrl+C stops at the next progress call, twice at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from engine.commands.common import FileArgument, JsonOption, Opened, SetOption, open_workflow
from engine.console import clean_output, duration, paint, progress, say, say_json, table, three_parts
from engine.event import Sink, to_all, to_stream
from engine.execute import installed
from engine.plain import run_json
from engine.plan import forecast
from engine.record import RunRecord
from engine.runner import Request
from engine.runs import home_of
from engine.select import Choice, choose
from engine.theme import state

EXIT = {"done": 0, "failed": 1, "cancelled": 130}
RunnerOption = Annotated[
    Choice,
    typer.Option(
        "--runner",
        envvar="OSSICLE_RUNNER",
        help="auto: Prefect if its server is up, else local now while the server starts for the next time.",
    ),
]


def run(
    file: FileArgument,
    values: SetOption = None,
    to: Annotated[str, typer.Option(metavar="NODE", help="Run only this node and what it needs.")] = "",
    force: Annotated[
        list[str] | None, typer.Option(metavar="NODE", help="Run this node even if its result is known; repeatable.")
    ] = None,
    runner: RunnerOption = "auto",
    address: Annotated[str, typer.Option(metavar="URL", help="A running dask or ray cluster.")] = "",
    events: Annotated[str, typer.Option(metavar="FILE", help="Events as JSON lines to a file, - for stdout.")] = "",
    as_json: JsonOption = False,
    dry: Annotated[bool, typer.Option("--dry", help="Say what would run and why; run nothing.")] = False,
) -> None:
    """Run a workflow: what is not done yet, nothing else.

    Results, the report and the log go to `.ossicle/` beside the workflow file (OSSICLE_HOME overrides). With --json
    the last line is one object: run, state, and per node its state, seconds and artifact folder per output port.

    Examples:
    ossicle run demo
    ossicle run demo --dry
    ossicle run demo --set seed=3 --to train-1
    ossicle run demo --force train-1 --runner local
    ossicle run demo --json
    ossicle run demo --events -
    """
    opened = open_workflow(file, values)
    if dry:
        _dry_run(opened, to or None, frozenset(force or ()), as_json)
        return
    request = Request(
        opened.workflow, opened.base, to=to or None, force=frozenset(force or ()), after=(write_run_report,)
    )
    chosen = choose(runner, address)
    with ExitStack() as stack:
        stdout = stack.enter_context(clean_output())
        sink = stack.enter_context(event_sink(events, as_json, stdout))
        record = chosen.run(request, sink, stack.enter_context(interrupts()))
    if as_json:
        say_json(run_json(record), indent=None)
    else:
        _summary(record, error=events == "-")
    raise typer.Exit(EXIT[record.state])


def write_run_report(record: RunRecord) -> None:
    """The report of a run, imported when there is one to write."""
    from engine.report import write_report

    write_report(record)


@contextmanager
def event_sink(
    events: str, as_json: bool, stdout: Any, around: Callable[[Sink], Sink] = lambda shown: shown
) -> Iterator[Sink]:
    """Events to a stream of JSON lines if asked for; a person watches on what is left of the two outputs.

    Args:
        around: made of the sink that a person watches; the stream of JSON lines gets every event as it is.
    """
    with ExitStack() as stack:
        if events == "-":
            yield to_stream(stdout)
            return
        shown = around(stack.enter_context(progress(sys.stderr if as_json else stdout)))
        if events:
            yield to_all(to_stream(stack.enter_context(Path(events).open("w", encoding="utf-8"))), shown)
        else:
            yield shown


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl+C and SIGTERM set; the second one ends the process at once."""
    cancel = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        if cancel.is_set():
            os._exit(EXIT["cancelled"])
        cancel.set()
        say("stopping; press Ctrl+C again to stop at once", error=True)

    if threading.current_thread() is not threading.main_thread():
        yield cancel
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(record: RunRecord, *, error: bool) -> None:
    for node in record.nodes.values():
        if node.error is not None:
            what = f"{node.node}: {node.error.what}"
            say(three_parts("error", what, node.error.expected, node.error.remedy, sys.stderr), error=True)
    counts: dict[str, int] = {}
    for node in record.nodes.values():
        counts[node.state] = counts.get(node.state, 0) + 1
    told = ", ".join(f"{count} {name}" for name, count in counts.items())
    look = state(record.state)
    head = paint(f"{look.mark} {look.word}", look.token, sys.stderr if error else sys.stdout)
    say(f"{head} in {duration(record.seconds)}: {told or 'nothing to run'}", error=error)
    report = record.folder / "report.html"
    say(f"  {report if report.exists() else record.folder}", error=error)


def _dry_run(opened: Opened, to: str | None, force: frozenset[str], as_json: bool) -> None:
    found = forecast(opened.workflow, installed(), opened.base, home_of(opened.base), to, force)
    if as_json:
        say_json({"nodes": {name: {"state": item.state, "why": item.why} for name, item in found.items()}}, indent=None)
        return
    say(table(("node", "state", "why"), [(name, item.state, item.why) for name, item in found.items()]))
    waiting = sum(item.state != "cached" for item in found.values())
    say(f"{waiting} of {len(found)} nodes to run")


def runner(
    preload: Annotated[list[str] | None, typer.Option(metavar="MODULE", help="Import this too; repeatable.")] = None,
) -> None:
    """Wait for workflows on standard input and tell events on standard output (used by the studio)."""
    from engine.warm import serve

    with os.fdopen(os.dup(1), "w", encoding="utf-8") as events:
        os.dup2(2, 1)  # a library that prints, even from C, must not break the stream of events
        raise typer.Exit(serve(sys.stdin, events, tuple(preload or ())))
