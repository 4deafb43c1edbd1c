"""`ossicle claims`: what the papers print, held against what we get."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from engine.claim import LOOKS, Verdict, ours_text, remark, row_json, summary
from engine.claim_source import measured_nodes, verdicts
from engine.commands.common import JsonOption, Opened, ProjectOption, SetOption, open_workflow, read_values
from engine.commands.run import event_sink, interrupts, write_run_report
from engine.console import clean_output, count, is_colourful, paint, say, say_error, say_json
from engine.errors import OssicleError
from engine.execute import installed
from engine.library import with_subgraphs
from engine.resource import PAPERS, papers
from engine.resource import project as project_file
from engine.runs import home_of
from engine.workflow import Workflow, with_values

HERE = Path()
SLIPS = f"{PAPERS}/SLIPS.md"
Shown = Literal["all", "reproduced", "off", "unchecked"]


@dataclass(frozen=True)
class Judged:
    """A workflow and its verdicts."""

    workflow: Workflow
    verdicts: Sequence[Verdict]


def claims(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]...", help="Workflow files or shipped projects; all papers without."),
    ] = None,
    only: Annotated[Shown, typer.Option("--only", help="Show these alone.")] = "all",
    run: Annotated[bool, typer.Option("--run", help="First run what has to be measured and is not done yet.")] = False,
    values: SetOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if a number is off without a known slip of the paper.")
    ] = False,
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Hold the numbers that papers print against ours: reproduced, off (by how much), or cannot be checked here (why).

    What follows from definitions (parameters, operations, bytes, shapes, ratios) is computed now, without data. What
    was measured is taken from the finished runs of the project; with --run they are made first (--set as in
    `ossicle run`).

    Examples:
    ossicle claims
    ossicle claims s1-table1 --only off
    ossicle claims s4-table5 --json
    """
    found = []
    code = 0
    for name in files or papers():
        opened = _opened(name, project)
        registry = with_subgraphs(installed(), opened.base)
        if run and measured_nodes(opened.workflow, registry):
            code = max(code, _run(with_values(opened.workflow, read_values(values)), opened.base))
        found.append(Judged(opened.workflow, verdicts(opened.workflow, registry, home_of(opened.base))))
    if as_json:
        say_json([row_json(each.workflow.name, verdict) for each in found for verdict in _chosen(each, only)])
    else:
        _say(found, only)
    surprises = sum(verdict.is_surprise for each in found for verdict in each.verdicts)
    raise typer.Exit(max(code, int(strict and surprises > 0)))


def _opened(name: str, project: Path) -> Opened:
    """The workflow; a shipped one belongs to the project's folder."""
    opened = open_workflow(name)
    return Opened(opened.workflow, opened.path, project.resolve()) if opened.base == Path.cwd() else opened


def _chosen(judged: Judged, only: Shown) -> list[Verdict]:
    return [verdict for verdict in judged.verdicts if only in ("all", verdict.state)]


def _run(workflow: Workflow, base: Path) -> int:
    """Run a workflow, or its sweep; 0 if all went well. What goes wrong is told, and the other files go on."""
    from engine.runner import Request
    from engine.select import choose
    from engine.sweep import SweepRequest, run_sweep
    from engine.sweep_summary import write_summary

    after = (write_run_report,)
    with clean_output(), event_sink("", True, sys.stdout) as sink, interrupts() as cancel:
        try:
            runner = choose("auto", "")
            if workflow.sweep:
                request = SweepRequest(workflow, base, after=after, finish=(write_summary,))
                return int(run_sweep(request, runner, sink, cancel).state != "done")
            return int(runner.run(Request(workflow, base, after=after), sink, cancel).state != "done")
        except OssicleError as error:
            say_error(error)
            return 1


# ---- for people


def _say(found: Sequence[Judged], only: Shown) -> None:
    say_table = _rich_table if is_colourful(sys.stdout) else _plain_lines
    for each in found:
        chosen = _chosen(each, only)
        if chosen:
            say_table(each.workflow.name, each.workflow.about, chosen)
    if any(verdict.claim.slips for each in found for verdict in _chosen(each, only)):
        say(f"slips by number: {project_file(SLIPS)}")
    every = [verdict for each in found for verdict in each.verdicts]
    say(f"{count(len(every), 'claim')}: {summary(every)}")


def _plain_lines(name: str, about: str, chosen: Sequence[Verdict]) -> None:
    say(f"{name}: {about}")
    for verdict in chosen:
        look, claim = LOOKS[verdict.state], verdict.claim
        cells = (f"  {look.mark} {look.word}", claim.source, claim.what, claim.printed, ours_text(verdict))
        say("  ".join(filter(None, (*cells, remark(verdict)))))


def _rich_table(name: str, about: str, chosen: Sequence[Verdict]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text.assemble((name, "bold"), f"  {about}"), title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("claim", ratio=3)
    table.add_column("printed", justify="right", no_wrap=True)
    table.add_column("ours", justify="right", ratio=1)
    table.add_column("", ratio=3, style="bright_black")
    for verdict in chosen:
        look, claim = LOOKS[verdict.state], verdict.claim
        mark = Text.from_ansi(paint(f"{look.mark} {verdict.state}", look.token, sys.stdout))
        table.add_row(
            mark, Text(f"{claim.source}: {claim.what}"), claim.printed, Text(ours_text(verdict)), Text(remark(verdict))
        )
    Console(file=sys.stdout).print(table)
