"""The workflow file: nodes, links, variables and layout, as frozen data. Opening one runs nothing."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from engine.claim import Claim
from engine.errors import OssicleError
from engine.migrate import FORMAT, migrate

SUFFIX = ".workflow.json"
LINK = re.compile(r"^([^.\s]+)\.(\S+) -> ([^.\s]+)\.(\S+)$")
SLUG = r"^[a-z0-9][a-z0-9_-]*$"
Mode = Literal["active", "muted", "bypassed"]


@dataclass(frozen=True, order=True)
class Link:
    """One wire; written as "mfcc-1.features -> train-1.features"."""

    source: str
    output: str
    target: str
    input: str

    def __str__(self) -> str:
        return f"{self.source}.{self.output} -> {self.target}.{self.input}"


def _link(value: Any) -> Link:
    if isinstance(value, Link):
        return value
    found = LINK.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{value!r} is not a link like "mfcc-1.features -> train-1.features"')
    return Link(*found.groups())


LinkText = Annotated[
    Link,
    PlainValidator(_link),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": LINK.pattern}),
]


class Node(BaseModel):
    """One placed node. Unknown keys are kept, so files of plugins that are not installed survive."""

    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)
    type: str
    version: int = Field(default=1, ge=1)
    params: dict[str, JsonValue] = {}
    mode: Mode = "active"


class Workflow(BaseModel):
    """A graph as its file holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, title="Ossicle workflow")
    format: Literal[1] = FORMAT
    name: str = "untitled"
    about: str = ""
    variables: dict[str, JsonValue] = {}
    """Values used in parameters as "{name}"."""
    nodes: dict[Annotated[str, Field(pattern=SLUG)], Node] = {}
    links: tuple[LinkText, ...] = ()
    requires: dict[str, str] = {}
    """Plugin distributions and their versions."""
    sweep: dict[str, list[JsonValue]] = {}
    """Values that variables take one after the other: {"seed": [1, 2, 3]}; several variables give every combination."""
    claims: tuple[Claim, ...] = ()
    """Printed numbers that this graph checks."""
    layout: dict[str, JsonValue] = {}
    """Positions, notes and groups; never affects a result."""


W = TypeVar("W", bound=Workflow)


class WorkflowError(OssicleError):
    """A file that is no workflow; `details` lists every place that is wrong."""

    def __init__(self, what: str, details: Iterable[str], remedy: str) -> None:
        self.details = tuple(details)
        super().__init__(what, "; ".join(self.details), remedy)


def parse(raw: Any, origin: str = "workflow") -> Workflow:
    """Build a workflow from plain values, older formats included.

    Raises:
        WorkflowError: not a workflow, or from a newer Ossicle; names every faulty place.
    """
    return parse_as(Workflow, raw, origin)


def parse_as(kind: type[W], raw: Any, origin: str) -> W:
    """The same for files that hold a workflow and more (sub-graphs)."""
    if not isinstance(raw, Mapping):
        raise WorkflowError(f"{origin} holds {type(raw).__name__}", ["a JSON object with nodes and links"], _CHECK)
    try:
        return kind.model_validate(migrate(dict(raw), origin))
    except ValidationError as error:
        places = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors(include_url=False)]
        raise WorkflowError(f"{origin} is not a valid workflow", places, _CHECK) from error


_CHECK = "Correct these places or restore the file from version control; `ossicle validate FILE` checks it again"


def load(path: Path) -> Workflow:
    """Read a workflow file.

    Raises:
        OssicleError: missing, unreadable, truncated or not a workflow.
    """
    return parse(read_json(path), str(path))


def read_json(path: Path) -> Any:
    """The plain values of a workflow file.

    Raises:
        OssicleError: missing, unreadable or truncated.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OssicleError(f"{path} does not exist", "a workflow file", "Check the path") from error
    except RecursionError as error:
        raise WorkflowError(f"{path} is nested too deeply", ["a JSON object with nodes and links"], _CHECK) from error
    except (OSError, ValueError) as error:
        raise WorkflowError(f"{path} cannot be read as JSON ({error})", ["a complete JSON file"], _CHECK) from error


def to_json(workflow: Workflow) -> dict[str, Any]:
    """Plain values in the file's stable order: nodes by id, links sorted, parameters by name, layout last.

    A sweep and claims are written only where there are any, and of a claim only what is set.
    """
    raw = {
        key: value for key, value in workflow.model_dump(mode="json").items() if value or key not in ("sweep", "claims")
    }
    if workflow.claims:
        raw["claims"] = [claim.model_dump(mode="json", exclude_defaults=True) for claim in workflow.claims]
    raw["nodes"] = {name: _node_json(raw["nodes"][name]) for name in sorted(raw["nodes"])}
    raw["links"] = sorted(raw["links"])
    for name in ("variables", "requires", "layout"):
        raw[name] = dict(sorted(raw.pop(name).items()) if name == "layout" else sorted(raw[name].items()))
    return raw


def _node_json(raw: dict[str, Any]) -> dict[str, Any]:
    raw["params"] = dict(sorted(raw["params"].items()))
    return {key: value for key, value in raw.items() if (key, value) != ("mode", "active")}


def to_text(workflow: Workflow) -> str:
    """The file's exact text."""
    return json.dumps(to_json(workflow), indent=2, ensure_ascii=False) + "\n"


def save(workflow: Workflow, path: Path) -> None:
    """Write atomically: a crash leaves the old file or the new one, never half of either."""
    write_atomic(path, to_text(workflow))


def write_atomic(path: Path, text: str) -> None:
    """Write text through a temporary file, fsync and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(path.stat().st_mode if path.exists() else 0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def order(workflow: Workflow) -> list[str]:
    """Node ids so that every node follows its sources; among equals by id, so the order is stable.

    Raises:
        OssicleError: the graph has a cycle; names the nodes on it.
    """
    import heapq

    waiting = dict.fromkeys(workflow.nodes, 0)
    followers: dict[str, list[str]] = {name: [] for name in workflow.nodes}
    for link in workflow.links:
        if link.source in waiting and link.target in waiting:
            waiting[link.target] += 1
            followers[link.source].append(link.target)
    ready = [name for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    done: list[str] = []
    while ready:
        done.append(heapq.heappop(ready))
        for name in followers[done[-1]]:
            waiting[name] -= 1
            if waiting[name] == 0:
                heapq.heappush(ready, name)
    if len(done) < len(waiting):
        raise _cycle_error(workflow, set(waiting) - set(done))
    return done


def _cycle_error(workflow: Workflow, blocked: set[str]) -> OssicleError:
    loop = _one_cycle(workflow, blocked)
    return OssicleError(
        f"the links go round in a circle: {' -> '.join(loop)}", "a graph without cycles", "Remove one of these links"
    )


def _one_cycle(workflow: Workflow, blocked: set[str]) -> list[str]:
    """Walk backwards through blocked nodes (each has a blocked source) until one repeats."""
    source_of = {link.target: link.source for link in workflow.links if {link.source, link.target} <= blocked}
    walk = [min(source_of)]
    while source_of[walk[-1]] not in walk:
        walk.append(source_of[walk[-1]])
    start = walk.index(source_of[walk[-1]])
    loop = walk[start:][::-1]
    return [*loop, loop[0]]


def upto(workflow: Workflow, node: str) -> Workflow:
    """The part of a workflow that a node needs, the node included.

    Raises:
        OssicleError: there is no such node.
    """
    if node not in workflow.nodes:
        raise no_such_node(workflow, node)
    sources: dict[str, list[str]] = {}
    for link in workflow.links:
        sources.setdefault(link.target, []).append(link.source)
    kept, todo = {node}, [node]
    while todo:
        fresh = [name for name in sources.get(todo.pop(), []) if name not in kept]
        kept.update(fresh)
        todo.extend(fresh)
    return workflow.model_copy(
        update={
            "nodes": {name: entry for name, entry in workflow.nodes.items() if name in kept},
            "links": tuple(link for link in workflow.links if link.target in kept),
        }
    )


def with_values(workflow: Workflow, values: Mapping[str, JsonValue]) -> Workflow:
    """Set parameters ("mfcc-1.n_mfcc") and variables ("seed") by name.

    Raises:
        OssicleError: no such node or variable.
    """
    variables, nodes = dict(workflow.variables), dict(workflow.nodes)
    for name, value in values.items():
        node, _, parameter = name.partition(".")
        if not parameter and name in variables:
            variables[name] = value
        elif parameter and node in nodes:
            nodes[node] = nodes[node].model_copy(update={"params": {**nodes[node].params, parameter: value}})
        elif parameter:
            raise no_such_node(workflow, node)
        else:
            raise OssicleError(
                f"there is no variable {name!r}",
                f"one of {sorted(variables)}, or node.parameter",
                "Correct the name given to --set",
            )
    return workflow.model_copy(update={"variables": variables, "nodes": nodes})


def no_such_node(workflow: Workflow, node: str) -> OssicleError:
    """The error for a node id that the workflow lacks, with near matches."""
    import difflib

    near = difflib.get_close_matches(node, workflow.nodes, n=3) or sorted(workflow.nodes)[:10]
    return OssicleError(f"there is no node {node!r}", f"a node id, such as {', '.join(near)}", "Correct the name")


def schema() -> dict[str, Any]:
    """The published JSON Schema of the file format."""
    return Workflow.model_json_schema()
