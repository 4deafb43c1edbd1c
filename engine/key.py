"""Cache keys: everything a result depends on, its digest, and in words what changed since the last time."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.artifact import canonical_json
from engine.errors import OssicleError
from engine.event import Json
from engine.node import NodeSpec
from engine.params import Params, canonical

BUILT_IN = "nodes"
"""Code of this package counts by the node's version; plugins count by their files."""


@dataclass(frozen=True)
class Recipe:
    """What a node's outputs depend on, and nothing else: equal recipes, equal outputs.

    Attributes:
        inputs: content keys by input port.
        fingerprint: what the node type says about the world outside the graph (files, addresses).
        code: digest of a plugin's source files; empty for built-in nodes.
    """

    type: str
    version: int
    params: Mapping[str, Any]
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fingerprint: Json = None
    code: str = ""

    @functools.cached_property
    def key(self) -> str:
        """The cache key: sha256 (hex) of the recipe."""
        return hashlib.sha256(canonical_json(self.to_json()).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain values for files."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Recipe:
        """Read back what `to_json` wrote."""
        inputs = {port: tuple(keys) for port, keys in raw["inputs"].items()}
        return Recipe(raw["type"], raw["version"], raw["params"], inputs, raw["fingerprint"], raw["code"])


def recipe_of(spec: NodeSpec, params: Params, inputs: Mapping[str, Sequence[str]], base: Path) -> Recipe:
    """The recipe of one node.

    Args:
        inputs: content keys by input port.
        base: folder of the workflow file, for the fingerprint.

    Raises:
        OssicleError: a parameter is NaN or infinite, or the fingerprint cannot be taken (a missing folder).
    """
    recipe = Recipe(
        spec.id,
        spec.version,
        canonical(params),
        {port: tuple(keys) for port, keys in inputs.items()},
        spec.fingerprint(params, base) if spec.fingerprint is not None else None,
        "" if spec.package == BUILT_IN else code_digest(spec.function.__module__),
    )
    try:
        recipe.key  # noqa: B018 - computed here, once, where its error can be told
    except ValueError as error:
        raise OssicleError(
            f"the parameters or the fingerprint of {spec.id} cannot be written as JSON ({error})",
            "finite numbers, texts, lists and mappings",
            "Correct the parameter that is NaN or infinite",
        ) from error
    return recipe


@functools.cache
def code_digest(module: str) -> str:
    """sha256 (hex) over the source files of the package (or single file) that holds a module."""
    digest = hashlib.sha256()
    for name, path in _sources(module):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sources(module: str) -> Iterator[tuple[str, Path]]:
    top = sys.modules.get(module.split(".", 1)[0]) or sys.modules[module]
    folders = [Path(folder) for folder in getattr(top, "__path__", ())]
    for folder in folders:
        yield from ((path.relative_to(folder).as_posix(), path) for path in sorted(folder.rglob("*.py")))
    if not folders and top.__file__ is not None:
        yield Path(top.__file__).name, Path(top.__file__)


def changes(old: Recipe, new: Recipe) -> tuple[str, ...]:
    """What differs between two recipes, in words, the most telling first; empty if nothing does."""
    found = [
        *([f"type {old.type} -> {new.type}"] if old.type != new.type else []),
        *([f"new version {old.version} -> {new.version}"] if old.version != new.version else []),
        *(f"{name} {was} -> {now}" for name, was, now in _differences(old.params, new.params)),
        *_input_changes(old.inputs, new.inputs),
        *_fingerprint_changes(old.fingerprint, new.fingerprint),
        *(["the plugin's code changed"] if old.code != new.code else []),
    ]
    return tuple(found)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield name, _short(old.get(name)), _short(new.get(name))


def _short(value: Any, limit: int = 40) -> str:
    text = canonical_json(value) if not isinstance(value, str) else value
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _input_changes(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    words = {(True, False): "unwired", (False, True): "newly wired", (True, True): "changed"}
    for port in sorted(old.keys() | new.keys()):
        if old.get(port, ()) != new.get(port, ()):
            yield f"input {port} {words[bool(old.get(port)), bool(new.get(port))]}"


def _fingerprint_changes(old: Json, new: Json) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield f"source changed: {', '.join(names[:3])}{more}"
    else:
        yield "source files changed"
