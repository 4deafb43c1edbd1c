"""`ossicle new-plugin` and `ossicle check-plugin`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.commands.common import JsonOption
from engine.console import paint, problem_text, say, say_json
from engine.errors import OssicleError

HERE = Path()


def new_plugin(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and _.", show_default=False)],
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where to put it.", show_default="this folder")] = HERE,
) -> None:
    """Write a plugin that works: a node, its tests and metadata, ready to be changed.

    Examples:
    ossicle new-plugin my_filter
    """
    from engine.plugin import new_plugin as write_plugin

    path = write_plugin(name, folder)
    say(f"wrote {path}")
    say(f"next: pip install -e {path} && ossicle describe {path.name}.fade && ossicle check-plugin {path}")


def check_plugin(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The plugin's folder.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Check a plugin: metadata, import, declarations, schema, older parameters, tests. Exit code 1 if it is not good.

    The plugin runs in processes of its own and need not be installed.

    Examples:
    ossicle check-plugin my_filter
    ossicle check-plugin my_filter --json
    """
    from engine.plugin import check_plugin as examine
    from engine.plugin import report_json

    if not path.is_dir():
        raise OssicleError(f"{path} is not a folder", "a plugin's folder with pyproject.toml", "Check the path")
    report = examine(path.resolve())
    if as_json:
        say_json(report_json(report))
    else:
        for problem in report.problems:
            say(problem_text(problem, sys.stdout))
        verdict = paint("✓ good", "green", sys.stdout) if report.is_good else paint("✕ not good", "red", sys.stdout)
        say(f"{verdict}: {', '.join(report.nodes) or 'no nodes'} (checked: {', '.join(report.checks)})")
    raise typer.Exit(0 if report.is_good else 1)
