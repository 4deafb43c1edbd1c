"""`ossicle bench`: measured figures beside their aims, and beside other tools measured in the same run."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated

import typer

from engine.bench import Bench, BenchResult, Row
from engine.commands.common import JsonOption
from engine.console import clean_output, paint, say, say_json, table
from engine.errors import OssicleError

GROUP = "ossicle.benches"


def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; all are listed if not given.", show_default=False)] = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help="An option of the benchmark; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure something and set it beside its aim. Exit code 1 if an aim is not met.

    Examples:
    ossicle bench
    ossicle bench start --json
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if not name:
        say("\n".join(sorted(points)))
        return
    function = _load(points, name)
    with clean_output():
        result = function(_options(option or []))
    if as_json:
        say_json(result.to_json(), indent=None)
    else:
        _show(result)
    raise typer.Exit(1 if any(row.met is False for row in result.rows) else 0)


def _load(points: Mapping[str, EntryPoint], name: str) -> Bench:
    if name not in points:
        near = difflib.get_close_matches(name, points) or sorted(points)
        raise OssicleError(f"there is no benchmark {name!r}", f"one of {', '.join(near)}", "`ossicle bench` lists all")
    function: Bench = points[name].load()
    return function


def _options(texts: list[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise OssicleError(f"--option {text!r} has no value", "KEY=VALUE", "Write --option clips=3000")
    return {key: value for key, _, value in (text.partition("=") for text in texts)}


def _show(result: BenchResult) -> None:
    say(
        f"{paint(result.name, 'bold', sys.stdout)}  "
        + ", ".join(f"{key} {value}" for key, value in result.machine.items())
    )
    say(table(("figure", "value", "unit", "aim", "", "peers"), [_cells(row) for row in result.rows], right=(1,)))


def _cells(row: Row) -> tuple[str, ...]:
    met = {True: "met", False: "NOT MET", None: ""}[row.met]
    peers = ", ".join(f"{name} {value:.4g}" for name, value in row.peers.items())
    return row.name, f"{row.value:.4g}", row.unit, row.aim, met, peers
