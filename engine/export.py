"""A workflow as a readable Python script, and the builder that such a script calls.

`to_python` writes the script. Running it runs the graph; running it with `--save FILE` writes the workflow file again,
equal to the one it came from. In between a person may turn it into loops and functions as they like.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from engine.errors import OssicleError
from engine.workflow import Link, Mode, Workflow, order, parse, save

if TYPE_CHECKING:
    from engine.record import RunRecord

WIDTH = 100
VALUES = ("about", "variables", "requires", "sweep", "claims")
NODE_KEYS = ("type", "version", "params", "mode")


@dataclass(frozen=True)
class Output:
    """One output port of a placed node: what `node["features"]` gives, to be wired into another node."""

    node: str
    port: str


@dataclass(frozen=True)
class Placed:
    """A node in a graph under construction."""

    name: str

    def __getitem__(self, port: str) -> Output:
        return Output(self.name, port)


@dataclass
class Graph:
    """A workflow under construction.

    Attributes:
        variables: values used in parameters as "{name}".
        requires: plugin distributions and their versions.
        sweep: values that variables take one after the other (`ossicle sweep` runs them all).
        claims: printed numbers that this graph checks, as the file has them.
    """

    name: str
    about: str = ""
    variables: Mapping[str, JsonValue] = field(default_factory=dict)
    requires: Mapping[str, str] = field(default_factory=dict)
    sweep: Mapping[str, Sequence[JsonValue]] = field(default_factory=dict)
    claims: Sequence[Mapping[str, JsonValue]] = ()
    layout: Mapping[str, JsonValue] = field(default_factory=dict)
    _nodes: dict[str, dict[str, JsonValue]] = field(default_factory=dict)
    _links: list[Link] = field(default_factory=list)

    def add(
        self,
        name: str,
        type: str,
        params: Mapping[str, JsonValue] | None = None,
        /,
        *,
        version: int = 1,
        mode: Mode = "active",
        extra: Mapping[str, JsonValue] | None = None,
        **wires: Output | Sequence[Output],
    ) -> Placed:
        """Place a node and wire its inputs.

        Args:
            name: its id in the file, such as "mfcc-1".
            type: its node type, such as "ossicle.mfcc".
            extra: keys of the file that this version of Ossicle does not know.
            wires: per input port the output (or outputs) that feed it.

        Raises:
            OssicleError: there is a node of that name already.
        """
        if name in self._nodes:
            raise OssicleError(f"there are two nodes {name!r}", "each id once", "Give the second one another id")
        shown: dict[str, JsonValue] = {"mode": mode} if mode != "active" else {}
        self._nodes[name] = {"type": type, "version": version, "params": dict(params or {}), **shown, **(extra or {})}
        for port, sources in wires.items():
            for source in [sources] if isinstance(sources, Output) else sources:
                self.link(source, name, port)
        return Placed(name)

    def link(self, source: Output, target: str, input: str) -> None:
        """Add one wire; `add` does it for nodes placed before."""
        self._links.append(Link(source.node, source.port, target, input))

    def workflow(self) -> Workflow:
        """The finished graph, links in the file's order.

        Raises:
            OssicleError: it is not a valid workflow.
        """
        named = {key: getattr(self, key) for key in ("name", *VALUES, "layout")}
        return parse({"nodes": self._nodes, "links": [str(link) for link in sorted(self._links, key=str)], **named})

    def run(self, base: Path | None = None, to: str | None = None) -> RunRecord:
        """Run it here and show progress on standard output.

        Args:
            base: where relative paths start and `.ossicle/` lies; the current folder unless given.
            to: run only this node and what it needs.

        Raises:
            OssicleError: the graph has problems (all are named), or the data folder cannot be written.
        """
        from engine.console import progress
        from engine.report import write_report
        from engine.runner import LocalRunner, Request

        request = Request(self.workflow(), base or Path.cwd(), to=to, after=(write_report,))
        with progress(sys.stdout) as sink:
            return LocalRunner().run(request, sink, threading.Event())

    def main(self, arguments: Sequence[str] | None = None) -> None:
        """The command line of an exported script: run the graph, or with --save write it as a workflow file."""
        from engine.console import say, say_error

        parser = argparse.ArgumentParser(description=self.about or self.name)
        parser.add_argument("--save", type=Path, metavar="FILE", help="write a workflow file and run nothing")
        parser.add_argument("--to", metavar="NODE", help="run only this node and what it needs")
        given = parser.parse_args(arguments)
        try:
            if given.save is not None:
                save(self.workflow(), given.save)
                return
            record = self.run(to=given.to)
        except OssicleError as error:
            say_error(error)
            raise SystemExit(2) from error
        say(f"{record.state}: {record.folder}")
        raise SystemExit(0 if record.state == "done" else 1)


@dataclass(frozen=True)
class Wiring:
    """Wires by target and input as Python expressions, and those that no call can hold (cycles, odd port names)."""

    inside: Mapping[str, Mapping[str, Sequence[str]]]
    after: Sequence[Link]


def to_python(workflow: Workflow) -> str:
    """The script: one call per node in running order, wires as arguments."""
    names, sequence = identifiers(workflow), _sequence(workflow)
    wiring = _wiring(workflow, names, sequence)
    used = {link.source for link in workflow.links if link not in wiring.after}
    lines = [*_head(workflow, "Graph, Output" if wiring.after else "Graph"), ""]
    for name in sequence:
        lines += _node(workflow, name, names[name] if name in used else "", wiring.inside.get(name, {}))
    for link in wiring.after:
        output = f"Output({_word(link.source)}, {_word(link.output)})"
        lines.append(f"graph.link({output}, {_word(link.target)}, {_word(link.input)})")
    return "\n".join([*lines, *_tail(workflow)]) + "\n"


def identifiers(workflow: Workflow) -> dict[str, str]:
    """A Python name for every node id: "mfcc-1" becomes mfcc_1."""
    names: dict[str, str] = {}
    taken = {"graph", "Graph", *keyword.kwlist, *keyword.softkwlist}
    for node in workflow.nodes:
        stem = re.sub(r"\W", "_", node)
        stem = f"n_{stem}" if stem[0].isdigit() else stem
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        names[node] = name
    return names


def _head(workflow: Workflow, imports: str) -> Iterator[str]:
    title = "".join(letter if letter.isprintable() and letter not in '\\"' else " " for letter in workflow.name)
    yield f'"""{title}: a workflow as a script, written by `ossicle export-python`.'
    yield ""
    yield "`python SCRIPT` runs it here; `python SCRIPT --save FILE.workflow.json` makes the workflow file again."
    yield '"""'
    yield ""
    yield f"from engine.export import {imports}"
    yield ""
    values = [_word(workflow.name)]
    raw = workflow.model_dump(mode="json")
    values += [f"{key}={_literal(raw[key], 4)}" for key in VALUES if raw[key]]
    yield from _call("graph = Graph", values)


def _wiring(workflow: Workflow, names: Mapping[str, str], sequence: Sequence[str]) -> Wiring:
    rank = {name: index for index, name in enumerate(sequence)}
    inside: dict[str, dict[str, list[str]]] = {}
    after: list[Link] = []
    for link in sorted(workflow.links, key=str):
        if _fits_call(link, rank):
            output = f"{names[link.source]}[{_word(link.output)}]"
            inside.setdefault(link.target, {}).setdefault(link.input, []).append(output)
        else:
            after.append(link)
    return Wiring(inside, after)


def _fits_call(link: Link, rank: Mapping[str, int]) -> bool:
    known = link.source in rank and link.target in rank and rank[link.source] < rank[link.target]
    reserved = {*keyword.kwlist, "self", "version", "mode", "extra"}
    return known and link.input.isidentifier() and link.input not in reserved


def _sequence(workflow: Workflow) -> list[str]:
    try:
        return order(workflow)
    except OssicleError:  # a cycle: still a file worth keeping, its wires come after the nodes
        return sorted(workflow.nodes)


def _node(workflow: Workflow, name: str, variable: str, wires: Mapping[str, Sequence[str]]) -> Iterator[str]:
    node = workflow.nodes[name].model_dump(mode="json")
    values = [_word(name), _word(node["type"])]
    values += [_literal(dict(sorted(node["params"].items())), 4)] if node["params"] else []
    values += [f"version={node['version']}"] if node["version"] != 1 else []
    values += [f"mode={_word(node['mode'])}"] if node["mode"] != "active" else []
    values += [
        f"{port}={found[0] if len(found) == 1 else '[' + ', '.join(found) + ']'}" for port, found in wires.items()
    ]
    extra = {key: value for key, value in node.items() if key not in NODE_KEYS}
    values += [f"extra={_literal(extra, 4)}"] if extra else []
    yield from _call(f"{variable} = graph.add" if variable else "graph.add", values)


def _tail(workflow: Workflow) -> Iterator[str]:
    if workflow.layout:
        yield f"graph.layout = {_literal(dict(sorted(workflow.layout.items())), 0)}"
    yield ""
    yield 'if __name__ == "__main__":'
    yield "    graph.main()"


def _call(head: str, values: Sequence[str]) -> Iterator[str]:
    """A call on one line if it fits, else one argument per line."""
    line = f"{head}({', '.join(values)})"
    if len(line) <= WIDTH and "\n" not in line:
        yield line
        return
    yield f"{head}("
    yield from (f"    {value}," for value in values)
    yield ")"


def _word(text: str) -> str:
    """A text in double quotes where it has none itself."""
    return repr(text) if '"' in text else '"' + repr("'" + text)[2:]


def _literal(value: JsonValue, indent: int) -> str:
    """A JSON value as Python: on one line if it fits, else one item per line."""
    flat = _flat(value)
    if len(flat) + indent <= WIDTH - 20 or not isinstance(value, (dict, list)) or not value:
        return flat
    pad = " " * (indent + 4)
    if isinstance(value, list):
        return "\n".join(["[", *(f"{pad}{_literal(item, indent + 4)}," for item in value), f"{' ' * indent}]"])
    items = (f"{pad}{_word(key)}: {_literal(item, indent + 4)}," for key, item in value.items())
    return "\n".join(["{", *items, f"{' ' * indent}}}"])


def _flat(value: JsonValue) -> str:
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_word(key)}: {_flat(item)}' for key, item in value.items())}}}"
    return repr(value)
