"""`ossicle diff`: what differs between two workflow files, or between two runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.common import JsonOption, ProjectOption, is_workflow, open_workflow
from engine.console import count, say, say_json
from engine.lineage import Change, compare_values, diff_runs
from engine.runs import find_run, home_of
from engine.workflow import Workflow, to_json

HERE = Path()


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A workflow file, or a run.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same kind of thing.", show_default=False)],
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Compare two workflow files or two runs. Exit code 1 if they differ.

    Moved boxes and notes do not count: they never change a result.

    Examples:
    ossicle diff demo demo.workflow.json
    """
    found = list(_changes(a, b, project))
    if as_json:
        say_json({"equal": not found, "differences": [asdict(change) for change in found]})
    else:
        for change in found:
            say(f"{change.where}: {change.before or '(none)'} -> {change.after or '(none)'}")
        say("equal" if not found else count(len(found), "difference"))
    raise typer.Exit(1 if found else 0)


def _changes(a: str, b: str, project: Path) -> Iterator[Change]:
    if is_workflow(a) and is_workflow(b):
        yield from diff_workflows(open_workflow(a).workflow, open_workflow(b).workflow)
    else:
        home = home_of(project)
        yield from diff_runs(find_run(home, a), find_run(home, b))


def diff_workflows(a: Workflow, b: Workflow) -> Iterator[Change]:
    """Every difference but that of the layout, one per value."""
    before, after = _values(a), _values(b)
    for name in sorted(before.keys() | after.keys()):
        yield from compare_values(name, before.get(name), after.get(name))


def _values(workflow: Workflow) -> dict[str, Any]:
    """Nodes by id at the top, each link a value of its own."""
    raw = to_json(workflow)
    raw.pop("layout")
    nodes, links = raw.pop("nodes"), raw.pop("links")
    return {**raw, **nodes, **{f"link {link}": "wired" for link in links}}
