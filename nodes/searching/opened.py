"""A trial as a workflow: what the features and the audio were made by, then train with the trial's parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine import Artifact
from engine.registry import load_registry
from engine.store import Store
from engine.workflow import Link, Node, Workflow, to_json

if TYPE_CHECKING:
    from engine.key import Recipe
    from nodes.train_params import TrainParams

Json = dict[str, Any]
TRAIN = "train-1"


@dataclass(frozen=True)
class Upstream:
    """Nodes and links in front of train, as the store knows them; empty for artifacts that no run made."""

    nodes: Mapping[str, Node]
    links: tuple[Link, ...]
    ends: Mapping[str, tuple[str, str]]
    """Per input of train, the node and the output that feed it."""


def upstream_of(inputs: Mapping[str, Artifact | None]) -> Upstream:
    """What made some artifacts, back to the sources."""
    given = {port: artifact for port, artifact in inputs.items() if artifact is not None}
    store = next((found for artifact in given.values() if (found := _store_of(artifact)) is not None), None)
    if store is None:
        return Upstream({}, (), {})
    makers = _makers(store)
    traced = _Traced(makers, {}, [])
    ends = {port: end for port, artifact in given.items() if (end := traced.end(artifact.path.name)) is not None}
    return Upstream(traced.nodes(), tuple(traced.links), ends)


def workflow_of(upstream: Upstream, training: TrainParams, name: str) -> Json:
    """The workflow that trains one network and benchmarks it, as its file holds it."""
    params = training.model_dump(mode="json", exclude_defaults=True)
    nodes = {
        **upstream.nodes,
        TRAIN: Node(type="ossicle.train", version=_version("ossicle.train"), params=params),
        "benchmark-1": Node(type="ossicle.benchmark", version=_version("ossicle.benchmark")),
    }
    links = [Link(*end, TRAIN, port) for port, end in upstream.ends.items()]
    if "features" in upstream.ends:
        links.append(Link(*upstream.ends["features"], "benchmark-1", "features"))
    links.append(Link(TRAIN, "model", "benchmark-1", "model"))
    return to_json(Workflow(name=name, nodes=nodes, links=(*upstream.links, *links)))


def _version(type_id: str) -> int:
    spec = load_registry().find(type_id)
    return spec.version if spec is not None else 1


def _store_of(artifact: Artifact) -> Store | None:
    """The store that an artifact lies in; None if it lies elsewhere."""
    key, parents = artifact.path.name, artifact.path.parents
    if len(parents) < 3 or parents[1].name != "objects":
        return None
    store = Store(parents[2])
    return store if store.path(key) == artifact.path else None


_Makers = Mapping[str, tuple["Recipe", str]]
"""Recipe and output port by content key."""


def _makers(store: Store) -> _Makers:
    """Who made each artifact first: a later result of the same content adds nothing."""
    found: dict[str, tuple[Recipe, str]] = {}
    for result in sorted(store.results(), key=lambda result: result.made_s):
        for port, key in result.outputs.items():
            found.setdefault(key, (result.recipe, port))
    return found


@dataclass
class _Traced:
    """Node ids by cache key, in the order in which they were met, and the links between them."""

    makers: _Makers
    recipes: dict[str, tuple[str, Recipe]]
    links: list[Link]

    def end(self, content_key: str) -> tuple[str, str] | None:
        """The node and the output that an artifact comes from; traces what is in front of it."""
        if content_key not in self.makers:
            return None
        recipe, port = self.makers[content_key]
        if recipe.key not in self.recipes:
            self.recipes[recipe.key] = (self._fresh_id(recipe.type), recipe)
            self.links += list(self._links(recipe))
        return self.recipes[recipe.key][0], port

    def _links(self, recipe: Recipe) -> Iterator[Link]:
        target = self.recipes[recipe.key][0]
        for port, keys in sorted(recipe.inputs.items()):
            ends = [end for key in keys if (end := self.end(key)) is not None]
            yield from (Link(*end, target, port) for end in ends)

    def _fresh_id(self, type_id: str) -> str:
        stem = type_id.rsplit(".", 1)[-1].replace("_", "-")
        taken = {name for name, _ in self.recipes.values()}
        return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)

    def nodes(self) -> dict[str, Node]:
        """The nodes with the parameters that the results were made with."""
        return {
            name: Node(type=recipe.type, version=recipe.version, params=dict(recipe.params))
            for name, recipe in self.recipes.values()
        }
