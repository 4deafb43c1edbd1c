"""`ossicle diff`: what differs between two workflow files, or between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.common import JsonOption, open_workflow
from engine.console import say, say_json
from engine.key import changes
from engine.record import RunRecord
from engine.runs import WORKFLOW, find_run, home_of
from engine.workflow import SUFFIX, Workflow, load

Change = dict[str, Any]


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A workflow file, or a run.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The same kind of thing.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Compare two workflow files or two runs. Exit code 1 if they differ.

    Moved boxes and notes are not counted: they never change a result.

    Examples:
    ossicle diff demo demo.workflow.json
    """
    found = list(_differences(a, b))
    if as_json:
        say_json({"equal": not found, "differences": found})
    for change in () if as_json else found:
        say(f"{change['place']}: {_short(change['a'])} -> {_short(change['b'])}")
    if not as_json:
        say("equal" if not found else f"{len(found)} difference{'s' * (len(found) != 1)}")
    raise typer.Exit(1 if found else 0)


def _short(value: object) -> str:
    return "(none)" if value is None else f"{value}"


def _differences(a: str, b: str) -> Iterator[Change]:
    if _is_workflow(a) and _is_workflow(b):
        yield from compare_workflows(open_workflow(a).workflow, open_workflow(b).workflow)
        return
    home = home_of(Path())
    first, second = find_run(home, a), find_run(home, b)
    yield from compare_workflows(load(first.folder / WORKFLOW), load(second.folder / WORKFLOW))
    yield from compare_runs(first, second)


def _is_workflow(name: str) -> bool:
    return Path(name).is_file() or name.endswith(SUFFIX) or _opens(name)


def _opens(name: str) -> bool:
    from engine.resource import projects

    return Path(name + SUFFIX).is_file() or name in projects()


def compare_workflows(a: Workflow, b: Workflow) -> Iterator[Change]:
    """Differences that can change a result, and names and words; never the layout."""
    for field in ("name", "about"):
        if getattr(a, field) != getattr(b, field):
            yield {"place": field, "a": getattr(a, field), "b": getattr(b, field)}
    yield from _mappings("variables", a.variables, b.variables)
    yield from _mappings("requires", a.requires, b.requires)
    for name in sorted(a.nodes.keys() | b.nodes.keys()):
        yield from _nodes(name, a, b)
    for link in sorted({*a.links} ^ {*b.links}):
        here = str(link) if link in a.links else None
        yield {"place": "links", "a": here, "b": None if here else str(link)}


def _nodes(name: str, a: Workflow, b: Workflow) -> Iterator[Change]:
    first, second = a.nodes.get(name), b.nodes.get(name)
    if first is None or second is None:
        yield {"place": name, "a": first and first.type, "b": second and second.type}
        return
    for field in ("type", "version", "mode"):
        if getattr(first, field) != getattr(second, field):
            yield {"place": f"{name} {field}", "a": getattr(first, field), "b": getattr(second, field)}
    yield from _mappings(name, first.params, second.params)


def _mappings(place: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key) or (key in a) != (key in b):
            yield {"place": f"{place}.{key}", "a": a.get(key), "b": b.get(key)}


def compare_runs(a: RunRecord, b: RunRecord) -> Iterator[Change]:
    """Per node: its state, and each output that is not the same, with what changed before it."""
    for name in sorted(a.nodes.keys() & b.nodes.keys()):
        first, second = a.nodes[name], b.nodes[name]
        done = ("done", "cached")
        if first.state != second.state and not {first.state, second.state} <= set(done):
            yield {"place": f"{name} state", "a": first.state, "b": second.state}
        for port in sorted(first.outputs.keys() | second.outputs.keys()):
            keys = [node.outputs.get(port) for node in (first, second)]
            if keys[0] != keys[1]:
                why = "; ".join(changes(first.recipe, second.recipe)) if first.recipe and second.recipe else ""
                yield {
                    "place": f"{name}.{port}",
                    "a": keys[0] and keys[0][:12],
                    "b": keys[1] and keys[1][:12],
                    "why": why,
                }
