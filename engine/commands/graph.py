"""`ossicle validate` and `ossicle export-python`: a workflow file without running it."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.common import FileArgument, JsonOption, SetOption, open_workflow
from engine.console import count, problem_text, say, say_json
from engine.library import with_subgraphs
from engine.registry import load_registry
from engine.subgraph import expand as draw_out
from engine.validate import check
from engine.workflow import write_atomic


def validate(file: FileArgument, values: SetOption = None, as_json: JsonOption = False) -> None:
    """Check a workflow and list every problem at once; runs nothing.

    Examples:
    ossicle validate demo
    ossicle validate demo --json
    """
    opened = open_workflow(file, values)
    checked = check(opened.workflow, with_subgraphs(load_registry(), opened.base))
    if as_json:
        problems = [asdict(problem) for problem in checked.problems]
        say_json({"file": str(opened.path), "valid": not checked.errors, "problems": problems})
    else:
        for problem in checked.problems:
            say(problem_text(problem, sys.stderr), error=True)
        warnings = len(checked.problems) - len(checked.errors)
        found = [count(len(checked.errors), "error") if checked.errors else "valid"]
        found += [count(warnings, "warning")] if warnings else []
        sizes = [count(len(opened.workflow.nodes), "node"), count(len(opened.workflow.links), "link")]
        say(f"{opened.path}: {', '.join([*sizes, *found])}")
    if checked.errors:
        raise typer.Exit(2)


def export_python(
    file: FileArgument,
    output: Annotated[str, typer.Option("-o", "--output", help="Where to write; standard output if not given.")] = "",
    expand: Annotated[bool, typer.Option("--expand", help="Write the nodes of sub-graphs in their place.")] = False,
) -> None:
    """Write a workflow as a readable Python script that builds and runs the same graph.

    `python SCRIPT` runs it; `python SCRIPT --save FILE` makes a workflow file of it again. Sub-graphs stay one call
    each and are read from `subgraphs/` of the folder where the script runs; with --expand it needs no other file.

    Examples:
    ossicle export-python demo
    ossicle export-python demo -o demo.py
    """
    from engine.export import to_python

    opened = open_workflow(file)
    text = to_python(
        draw_out(opened.workflow, with_subgraphs(load_registry(), opened.base)) if expand else opened.workflow
    )
    if output:
        write_atomic(Path(output), text)
        say(f"wrote {output}")
    else:
        say(text.rstrip("\n"))
