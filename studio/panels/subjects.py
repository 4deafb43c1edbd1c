"""Which outputs the plots are about: what is selected first, then what tells most about the graph. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.artifact import Artifact
from engine.errors import OssicleError
from engine.workflow import Workflow, order
from studio.model.document import Selection
from studio.run.state import NodeState
from studio.views.viewer import Scene

Find = Callable[[str, str], Artifact | None]


@dataclass(frozen=True)
class Subject:
    """One output of one node that there is an artifact for."""

    node: str
    port: str
    path: Path


def subjects(workflow: Workflow, states: Mapping[str, NodeState]) -> list[Subject]:
    """Every output that has an artifact, in running order."""
    try:
        names = order(workflow)
    except OssicleError:
        names = sorted(workflow.nodes)
    return [Subject(n, port, path) for n in names if n in states for port, path in sorted(states[n].outputs.items())]


def chosen(workflow: Workflow, selection: Selection, known: list[Subject]) -> list[Subject]:
    """What the selection is about: the outputs of selected nodes and wires, or else what flows into them."""
    wires = {(link.source, link.output) for link in selection.links}
    outputs = [s for s in known if s.node in selection.nodes or (s.node, s.port) in wires]
    if outputs or selection.is_empty:
        return outputs
    feeding = {(link.source, link.output) for link in workflow.links if link.target in selection.nodes}
    return [s for s in known if (s.node, s.port) in feeding]


def upstream(workflow: Workflow, node: str) -> Iterator[str]:
    """The node and everything it depends on, the nearest first."""
    sources: dict[str, list[str]] = {}
    for link in workflow.links:
        sources.setdefault(link.target, []).append(link.source)
    seen, todo = {node}, [node]
    while todo:
        name = todo.pop(0)
        yield name
        fresh = [n for n in dict.fromkeys(sorted(sources.get(name, ()))) if n not in seen]
        seen.update(fresh)
        todo.extend(fresh)


def scene_of(workflow: Workflow, subject: Subject, known: list[Subject], find: Find, base: Path, title: str) -> Scene:
    """What a view of `subject` may know besides it: its artifacts upstream, then all others."""
    near = {name: place for place, name in enumerate(upstream(workflow, subject.node))}
    others = sorted((s for s in known if s != subject), key=lambda s: near.get(s.node, len(near)))
    related = {f"{s.node}.{s.port}": item for s in others if (item := find(s.node, s.port)) is not None}
    return Scene(subject.node, title, base, related)
