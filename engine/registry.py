"""Which node types exist. A broken plugin is a value with a remedy, never a crash."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from engine.node import NodeSpec

GROUP = "ossicle.nodes"


@dataclass(frozen=True)
class LoadError:
    """An entry point that gave no nodes."""

    name: str
    error: str
    remedy: str


@dataclass(frozen=True)
class Registry:
    """Node types by id, older ids included in `renamed`, and what failed to load.

    Attributes:
        stamp: path, time and size of every sub-graph file in it; see `engine.library`.
    """

    specs: Mapping[str, NodeSpec]
    errors: tuple[LoadError, ...] = ()
    stamp: tuple[tuple[str, int, int], ...] = ()

    @functools.cached_property
    def renamed(self) -> Mapping[str, str]:
        """Older type ids and what they are called today."""
        return {old: spec.id for spec in self.specs.values() for old in spec.replaces}

    def find(self, id: str) -> NodeSpec | None:
        """The node type of that id or of that older id."""
        return self.specs.get(id) or self.specs.get(self.renamed.get(id, ""))


def load_registry() -> Registry:
    """Import every entry point of the group `ossicle.nodes`, sorted by name."""
    return build_registry(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def build_registry(points: Iterable[EntryPoint]) -> Registry:
    """Collect node types; what raises, brings none or repeats an id becomes a LoadError."""
    specs: dict[str, NodeSpec] = {}
    errors: list[LoadError] = []
    for point in points:
        found = _load(point)
        if isinstance(found, LoadError):
            errors.append(found)
            continue
        errors += [_duplicate(point, spec) for spec in found if spec.id in specs]
        specs |= {spec.id: spec for spec in found if spec.id not in specs}
    return Registry(specs, tuple(errors))


def _load(point: EntryPoint) -> list[NodeSpec] | LoadError:
    label = _label(point)
    try:
        module = point.load()
    except (Exception, SystemExit) as error:  # the plugin border: whatever it raises is its own fault
        return LoadError(label, f"{type(error).__name__}: {error}", _remedy(label, error))
    found = specs_of(module)
    return found or LoadError(label, f"{point.value} declares no node", "Declare one with @node, or remove the entry")


def _remedy(label: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"Install the missing module ({error.name}), or uninstall {label}"
    return f"Run `ossicle check-plugin` on {label}'s folder, update it or uninstall it"


def _label(point: EntryPoint) -> str:
    return f"{point.dist.name}:{point.name}" if point.dist is not None else point.name


def specs_of(module: ModuleType | object) -> list[NodeSpec]:
    """Every node type among a module's attributes (or the object itself if it is one)."""
    if isinstance(module, NodeSpec):
        return [module]
    return [value for value in vars(module).values() if isinstance(value, NodeSpec)]


def _duplicate(point: EntryPoint, spec: NodeSpec) -> LoadError:
    return LoadError(_label(point), f"the node id {spec.id} is taken", "Rename the node or uninstall one of the two")
