"""`ossicle sweep` and `ossicle sweeps`: a workflow once per combination of values, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import JsonValue

from engine.commands.common import (
    FileArgument,
    JsonOption,
    ProjectOption,
    SetOption,
    open_workflow,
)
from engine.commands.run import RunnerOption, event_sink, interrupts, write_run_report
from engine.console import clean_output, count, duration, paint, say, say_json, table, three_parts
from engine.errors import OssicleError
from engine.event import Event, Sink
from engine.plain import sweep_json, sweep_row_json
from engine.plan import forecast
from engine.runs import home_of
from engine.select import choose
from engine.sweep import SweepRequest, plan_sweep, run_sweep
from engine.sweep_record import REPORT, Point, SweepRecord, list_sweeps, points_of
from engine.sweep_text import read_list
from engine.theme import state

HERE = Path()
EXIT: Final = {"done": 0, "failed": 1, "cancelled": 130}


def sweep(
    file: FileArgument,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over",
            metavar="NAME=VALUES",
            help="A variable, or node.param, and its values: 1..15, or 1,2,3, or a JSON list. Repeatable: every "
            "combination. The file's own sweep if not given.",
            show_default=False,
        ),
    ] = None,
    values: SetOption = None,
    to: Annotated[str, typer.Option(metavar="NODE", help="Run only this node and what it needs.")] = "",
    runner: RunnerOption = "auto",
    address: Annotated[str, typer.Option(metavar="URL", help="A running dask or ray cluster.")] = "",
    parallel: Annotated[int, typer.Option(min=1, help="How many points run at once; they share the cores.")] = 1,
    keep_going: Annotated[
        bool, typer.Option("--keep-going/--fail-fast", help="Whether a failed point leaves the others alone.")
    ] = True,
    events: Annotated[str, typer.Option(metavar="FILE", help="Events as JSON lines to a file, - for stdout.")] = "",
    as_json: JsonOption = False,
    dry: Annotated[bool, typer.Option("--dry", help="List the points and what would run; run nothing.")] = False,
) -> None:
    """Run a workflow once per combination of values, and say what they have in common.

    Every point is an ordinary run on the same store: what points share, such as features, is computed once. Stopped or
    killed, the same command goes on where it was. Means, spreads and intervals go to `sweeps/` in the project's data.

    Examples:
    ossicle sweep demo --over seed=1..3
    ossicle sweep demo --over seed=1..3 --dry
    ossicle sweep demo --over seed=1,2 --over train-1.epochs=1,2 --to train-1 --runner local --json
    """
    opened = open_workflow(file, values)
    request = SweepRequest(
        opened.workflow, opened.base, read_over(over) if over else None, to or None, parallel, keep_going,
        after=(write_run_report,), finish=(_summarise,),
    )  # fmt: skip
    if dry:
        _dry_run(request, as_json)
        return
    chosen = choose(runner, address)
    with ExitStack() as stack:
        stdout = stack.enter_context(clean_output())
        stream = sys.stderr if as_json else stdout
        shown = partial(_with_points, stream=stream, is_parallel=parallel > 1)
        sink = stack.enter_context(event_sink(events, as_json, stdout, shown))
        record = run_sweep(request, chosen, sink, stack.enter_context(interrupts()))
    if as_json:
        say_json(sweep_json(record), indent=None)
    else:
        say_sweep(record, error=events == "-")
    raise typer.Exit(EXIT[record.state])


def _summarise(record: SweepRecord) -> None:
    from engine.sweep_summary import write_summary

    write_summary(record)


# ---- --over


def read_over(texts: Sequence[str]) -> dict[str, list[JsonValue]]:
    """The values of --over by name; the same name twice adds to its values.

    Raises:
        OssicleError: one has no "=", or a range that goes nowhere.
    """
    found: dict[str, list[JsonValue]] = {}
    for text in texts:
        name, mark, values = text.partition("=")
        if not mark or not name:
            raise OssicleError(
                f"--over {text!r} has no name or no values", "variable=values or node.param=values",
                "Write --over seed=1..15, or --over fold=1,2,3",
            )  # fmt: skip
        found.setdefault(name, []).extend(read_list(values))
    return found


# ---- while it runs


@dataclass(frozen=True)
class _Shown:
    """A person watches: a line per point; if several run at once, each node with its point."""

    sink: Sink
    stream: Any
    is_parallel: bool
    names: dict[str, str]

    def __call__(self, event: Event) -> None:
        if event.kind == "point_started":
            self.names[str(event.values.get("run"))] = str(event.values["name"])
        if event.kind in LINES:
            self.stream.write(LINES[event.kind](event) + "\n")
            self.stream.flush()
        elif self.is_parallel and event.node:
            name = f"{event.node} {self.names.get(event.run, '')}".strip()
            self.sink(Event(event.kind, event.run, name, event.values, event.time_s))
        else:
            self.sink(event)


def _with_points(sink: Sink, stream: Any, is_parallel: bool) -> Sink:
    return _Shown(sink, stream, is_parallel, {})


def _point_line(event: Event) -> str:
    values = event.values
    return f"point {values['point']} of {values['points']}: {values['name']}"


def _end_line(event: Event) -> str:
    look = state(str(event.values["state"]))
    nodes = event.values.get("nodes")
    told = ", ".join(f"{number} {name}" for name, number in nodes.items()) if isinstance(nodes, dict) else ""
    return f"{_point_line(event)}: {look.mark} {look.word}{f' ({told})' if told else ''}"


def _first_line(event: Event) -> str:
    return f"sweep {event.values['sweep']}: {event.values['points']} points"


LINES: Final = {"sweep_started": _first_line, "point_started": _point_line, "point_finished": _end_line}


# ---- afterwards


def say_sweep(record: SweepRecord, *, error: bool = False) -> None:
    """A sweep for a person: failed points, the figures, where the report is."""
    from engine.sweep_report import spread_cells
    from engine.sweep_summary import summarise

    for point in record.in_state("failed"):
        _say_failed(point)
    rows = [
        (result.name, name, *spread_cells(name, metric.spread)[:3], str(metric.spread.n))
        for result in summarise(record).results
        for name, metric in result.metrics.items()
    ]
    if rows:
        say(table(("output", "figure", "mean", "sd", "95 % of the mean", "n"), rows, right=(2, 3, 5)), error=error)
    look = state(record.state)
    head = paint(f"{look.mark} {look.word}", look.token, sys.stderr if error else sys.stdout)
    counts = count_states(record.points)
    say(f"{head} in {duration(record.seconds)}: {len(record.points)} points, {counts}", error=error)
    report = record.folder / REPORT
    say(f"  {report if report.exists() else record.folder}", error=error)


def count_states(points: Sequence[Point]) -> str:
    """How many points are in which state: "3 done, 1 failed"."""
    counts: dict[str, int] = {}
    for point in points:
        counts[point.state] = counts.get(point.state, 0) + 1
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _say_failed(point: Point) -> None:
    fault = point.error
    if fault is not None:
        what = ": ".join(part for part in (point.name, point.node, fault.what) if part)
        say(three_parts("error", what, fault.expected, fault.remedy, sys.stderr), error=True)


def _dry_run(request: SweepRequest, as_json: bool) -> None:
    """The points, and per point which nodes would run."""
    plan = plan_sweep(request)
    points = [(point, _waiting(request, plan.workflow(point.values))) for point in points_of(plan.over)]
    if as_json:
        told = [{"point": p.number, "name": p.name, "values": dict(p.values), "to_run": nodes} for p, nodes in points]
        say_json({"sweep": plan.id, "points": told}, indent=None)
        return
    rows = [(str(p.number), p.name, ", ".join(nodes) or "all done") for p, nodes in points]
    say(table(("point", "values", "to run"), rows, right=(0,)))
    say(f"{plan.id}: {sum(bool(nodes) for _, nodes in points)} of {count(len(points), 'point')} to run")


def _waiting(request: SweepRequest, workflow: Any) -> list[str]:
    from engine.execute import installed

    found = forecast(workflow, installed(), request.base.resolve(), home_of(request.base), request.to)
    return [name for name, item in found.items() if item.state != "cached"]


def sweeps(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the latest first.")] = 20,
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """List the sweeps of a project, the latest first; `ossicle show SWEEP` shows one.

    Examples:
    ossicle sweeps
    ossicle sweeps --json
    """
    found = list_sweeps(home_of(project), limit)
    if as_json:
        say_json([sweep_row_json(record) for record in found])
        return
    rows = [
        (r.id, f"{state(r.state).mark} {r.state}", f"{len(r.in_state('done'))} of {len(r.points)}", duration(r.seconds))
        for r in found
    ]
    say(table(("sweep", "state", "points done", "took"), rows, right=(2, 3)) if rows else "no sweeps yet")


def show_points(record: SweepRecord) -> None:
    """A sweep point by point, then its figures."""
    rows = [
        (str(p.number), p.name, f"{state(p.state).mark} {p.state}", duration(p.seconds), p.run) for p in record.points
    ]
    say(table(("point", "values", "state", "took", "run"), rows, right=(0, 3)))
    say_sweep(record)
