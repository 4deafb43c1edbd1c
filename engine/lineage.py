"""Where an artifact comes from, back to the sources; and what differs between two runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import OssicleError
from engine.key import Recipe, changes
from engine.record import NodeRecord, RunRecord
from engine.runs import ENVIRONMENT
from engine.store import Store


@dataclass(frozen=True)
class Origin:
    """One artifact and the recipe that made it; `node` is its node in the run, if a run was asked."""

    content_key: str
    recipe: Recipe
    node: str = ""

    @property
    def is_source(self) -> bool:
        """Whether it was made from no other artifact."""
        return not any(self.recipe.inputs.values())

    @property
    def inputs(self) -> tuple[str, ...]:
        """Content keys of what it was made from."""
        return tuple(key for port in sorted(self.recipe.inputs) for key in self.recipe.inputs[port])


def lineage(store: Store, content_key: str) -> tuple[Origin, ...]:
    """Everything an artifact was made from, as far as the store's results tell; itself first, sources last.

    Raises:
        OssicleError: no result has such an artifact.
    """
    origins: dict[str, Origin] = {}
    for result in sorted(store.results(), key=lambda result: result.made_s):
        for key in result.outputs.values():
            origins.setdefault(key, Origin(key, result.recipe))
    return _trace(content_key, origins)


def lineage_in_run(record: RunRecord, content_key: str) -> tuple[Origin, ...]:
    """The same from a run's record alone, with node ids; works when the store has forgotten.

    Raises:
        OssicleError: the run has no such artifact.
    """
    origins: dict[str, Origin] = {}
    for node in record.nodes.values():  # in running order: the first to make an artifact cannot depend on it
        if node.recipe is not None:
            for key in node.outputs.values():
                origins.setdefault(key, Origin(key, node.recipe, node.node))
    return _trace(content_key, origins)


def _trace(content_key: str, origins: Mapping[str, Origin]) -> tuple[Origin, ...]:
    if content_key not in origins:
        raise OssicleError(
            f"the origin of {content_key[:12]} is not known", "an artifact of a run", "`ossicle show RUN` lists them"
        )
    found = {content_key: origins[content_key]}
    todo = [content_key]
    while todo:
        fresh = [key for key in found[todo.pop(0)].inputs if key in origins and key not in found]
        found |= {key: origins[key] for key in fresh}
        todo += fresh
    return tuple(found.values())


@dataclass(frozen=True)
class Change:
    """One difference between two runs: where, and both sides in words ("" where there is nothing)."""

    where: str
    before: str
    after: str


def diff_runs(a: RunRecord, b: RunRecord) -> tuple[Change, ...]:
    """What differs: environment, nodes, recipes, states, results and their figures."""
    return (*_environment_changes(a, b), *_node_changes(a, b))


def _environment_changes(a: RunRecord, b: RunRecord) -> Iterator[Change]:
    yield from compare_values("environment", environment_of(a), environment_of(b))


def environment_of(record: RunRecord) -> dict[str, Any]:
    """The environment snapshot of a run; empty if it cannot be read."""
    try:
        raw = json.loads((record.folder / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def compare_values(where: str, a: Any, b: Any) -> Iterator[Change]:
    """Differences between two nested mappings, leaf by leaf."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            yield from compare_values(f"{where}.{name}", a.get(name), b.get(name))
    elif a != b:
        yield Change(where, _words(a), _words(b))


def _words(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _node_changes(a: RunRecord, b: RunRecord) -> Iterator[Change]:
    for name in _in_order(a.nodes, b.nodes):
        old, new = a.nodes.get(name), b.nodes.get(name)
        if old is None or new is None:
            yield Change(name, old.type if old else "", new.type if new else "")
            continue
        if old.recipe is not None and new.recipe is not None:
            yield from (Change(name, "", words) for words in changes(old.recipe, new.recipe))
        if _ended(old) != _ended(new):
            yield Change(f"{name}.state", old.state, new.state)
        for port in sorted(old.outputs.keys() | new.outputs.keys()):
            if old.outputs.get(port) != new.outputs.get(port):
                yield from _output_changes(f"{name}.{port}", _meta(a, old, port), _meta(b, new, port))


def _in_order(a: Iterable[str], b: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*a, *b]))


def _ended(node: NodeRecord) -> str:
    return "done" if node.state == "cached" else node.state


def _output_changes(where: str, a: dict[str, Any], b: dict[str, Any]) -> list[Change]:
    return list(compare_values(where, a, b)) or [Change(where, "content", "other content, same description")]


def _meta(record: RunRecord, node: NodeRecord, port: str) -> dict[str, Any]:
    path = record.artifacts(node.node).get(port)
    try:
        raw = json.loads((path / "artifact.json").read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    meta = raw.get("meta", {})
    return meta if isinstance(meta, dict) else {}
