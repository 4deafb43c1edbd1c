"""`ossicle nodes` and `ossicle describe`: what can be placed in a workflow."""

from __future__ import annotations

import difflib
import itertools
import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.commands.common import JsonOption, ProjectOption
from engine.console import paint, say, say_json, table
from engine.errors import OssicleError
from engine.node import NodeSpec, Port
from engine.params import schema
from engine.plain import spec_details, spec_json
from engine.registry import LoadError, Registry, load_registry
from engine.resource import subgraph_folders

CATEGORIES = ("Data", "Features", "Train", "Evaluate", "Compress", "Deployment")
HERE = Path()


def _known(project: Path) -> Registry:
    """Installed node types and the project's sub-graphs; where there are none, what reads them is not loaded."""
    registry = load_registry()
    if not any(folder.is_dir() for folder in subgraph_folders(project)):
        return registry
    from engine.library import with_subgraphs

    return with_subgraphs(registry, project)


def nodes(project: ProjectOption = HERE, as_json: JsonOption = False) -> None:
    """List the node types, by stage, the project's sub-graphs, and what could not be loaded.

    Examples:
    ossicle nodes
    ossicle nodes --json
    """
    registry = _known(project)
    if as_json:
        errors = [{"name": e.name, "error": e.error, "remedy": e.remedy} for e in registry.errors]
        say_json({"nodes": [spec_json(spec) for spec in by_category(registry)], "errors": errors})
        return
    for category, specs in itertools.groupby(by_category(registry), key=lambda spec: spec.category):
        say(paint(category, "bold", sys.stdout))
        rows = [
            (f"  {s.id}", f"v{s.version}", ports_text(s.inputs), "->", ports_text(s.outputs), s.title) for s in specs
        ]
        say(table(("", "", "", "", "", ""), rows).lstrip("\n"))
    for error in registry.errors:
        say(error_row(error))


def error_row(error: LoadError) -> str:
    """A plugin that gave no nodes, in two lines."""
    return f"{paint('✕ ' + error.name, 'red', sys.stdout)}  {error.error}\n  do: {error.remedy}"


def by_category(registry: Registry) -> list[NodeSpec]:
    """Node types sorted by category in the order of a pipeline, then by id."""
    rank = {name: index for index, name in enumerate(CATEGORIES)}
    return sorted(registry.specs.values(), key=lambda spec: (rank.get(spec.category, 99), spec.category, spec.id))


def ports_text(ports: Iterable[Port]) -> str:
    """Ports as "audio, [report...]"; brackets for optional, dots for many."""
    return ", ".join(f"[{p.name}{'...' * p.many}]" if p.optional else p.name for p in ports) or "-"


def describe(
    node: Annotated[
        str, typer.Argument(metavar="NODE", help="A node type: ossicle.mfcc, or mfcc.", show_default=False)
    ],
    project: ProjectOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Explain a node type: ports, parameters with range and unit, what it does.

    Examples:
    ossicle describe mfcc
    ossicle describe ossicle.train --json
    """
    spec = find_spec(_known(project), node)
    if as_json:
        say_json(spec_details(spec))
        return
    say(f"{paint(spec.title, 'bold', sys.stdout)}  {spec.id}  version {spec.version}  ({spec.category})")
    say(f"\n{spec.about}\n")
    for word, ports in (("input", spec.inputs), ("output", spec.outputs)):
        for port in ports:
            extra = " (optional)" * port.optional + " (many wires)" * port.many
            say(f"  {word:7} {port.name}: {port.type.kind()}{extra}")
    if spec.needs:
        say(f"  needs   {', '.join(spec.needs)}")
    rows = list(parameters(schema(spec.params)))
    for row in rows:
        say(row.text())
    if rows:
        say(f"\n  ossicle run FILE --set {spec.slug}-1.{rows[0].name}=VALUE")


def find_spec(registry: Registry, name: str) -> NodeSpec:
    """A node type by id or by the last part of its id.

    Raises:
        OssicleError: there is none, or several; names near ones.
    """
    found = registry.find(name)
    if found is not None:
        return found
    fitting = [spec for spec in registry.specs.values() if name in (spec.slug, spec.id.rsplit(".", 1)[-1])]
    if len(fitting) == 1:
        return fitting[0]
    slugs = {spec.slug: spec.id for spec in registry.specs.values()}
    near = [s.id for s in fitting] or [
        slugs.get(n, n) for n in difflib.get_close_matches(name, [*slugs, *registry.specs])
    ]
    raise OssicleError(
        f"there is no node type {name!r}" if not fitting else f"{name!r} fits several node types",
        f"one of {', '.join(near or sorted(registry.specs)[:5]) or '(none is installed)'}",
        "`ossicle nodes` lists all",
    )


@dataclass(frozen=True)
class Parameter:
    """What a person reads about one parameter."""

    name: str
    default: str
    type: str
    unit: str
    help: str

    def text(self) -> str:
        """Name, default, type and range on one line, the help below."""
        width = max(40, min(100, shutil.get_terminal_size().columns - 8))
        head = f"\n  {paint(self.name, 'bold', sys.stdout)} = {self.default}"
        lines = textwrap.wrap(self.help, width)
        return "\n".join(
            [f"{head}   ({' '.join(filter(None, (self.type, self.unit)))})", *(f"      {x}" for x in lines)]
        )


def parameters(raw: Mapping[str, Any]) -> Iterator[Parameter]:
    """Every parameter of a JSON schema, in the order of its declaration."""
    required = set(raw.get("required", ()))
    for name, entry in raw.get("properties", {}).items():
        default = "(required)" if name in required else json.dumps(entry.get("default"), ensure_ascii=False)
        text = " ".join(str(entry.get("description", "")).split())
        yield Parameter(name, default, type_text(entry, raw.get("$defs", {})), _unit(entry), text)


def _unit(entry: Mapping[str, Any]) -> str:
    units = [option.get("unit", "") for option in (entry, *entry.get("anyOf", ()))]
    return next(filter(None, units), "")


def type_text(entry: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A schema's type in words: "integer 1..128", "mfcc|log_mel", "list of number"."""
    if "$ref" in entry:
        return type_text(definitions.get(entry["$ref"].rsplit("/", 1)[-1], {}), definitions)
    if "enum" in entry or "const" in entry:
        return "|".join(str(value) for value in entry.get("enum", [entry.get("const")]))
    options = entry.get("anyOf") or entry.get("allOf")
    if options:
        words = [type_text(option, definitions) for option in options]
        return " or ".join(word for word in words if word != "null")
    if entry.get("type") == "array":
        return f"list of {type_text(entry.get('items', {}), definitions)}".strip()
    return f"{entry.get('type', 'any')} {_range(entry)}".strip()


def _range(entry: Mapping[str, Any]) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    above, below = entry.get("exclusiveMinimum"), entry.get("exclusiveMaximum")
    left = f"{low}" if low is not None else f">{above}" if above is not None else ""
    right = f"{high}" if high is not None else f"<{below}" if below is not None else ""
    return f"{left}..{right}" if left or right else ""
