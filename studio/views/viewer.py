"""`@viewer(Type)`: which views show an artifact. Plugins bring theirs by the entry-point group `ossicle.viewers`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, Protocol

from PySide6.QtWidgets import QWidget

from engine.artifact import Artifact

GROUP = "ossicle.viewers"
Tab = Literal["plots", "clips", "confusion", "pareto"]


@dataclass(frozen=True)
class Scene:
    """What a view may know besides its artifact.

    Attributes:
        node: id of the node that made the artifact.
        title: that node's title.
        base: folder of the workflow file.
        related: other artifacts of the same graph by node, the nearest upstream first ("the audio of these features").
        earlier: the same output in earlier runs, the newest first.
    """

    node: str = ""
    title: str = ""
    base: Path = Path()
    related: Mapping[str, Artifact] = field(default_factory=dict)
    earlier: tuple[Artifact, ...] = ()

    def find(self, kind: type[Artifact]) -> Artifact | None:
        """The nearest related artifact of a type."""
        return next((item for item in self.related.values() if isinstance(item, kind)), None)


class View(Protocol):
    """What a viewer class looks like: a QWidget (see `studio.views.card.Card`) that can be given artifacts."""

    def show_artifact(self, artifact: Artifact, scene: Scene) -> None:
        """Show an artifact; called again when another one takes its place. Heavy work goes to a thread."""

    def clear(self) -> None:
        """Nothing to show."""


@dataclass(frozen=True)
class ViewerSpec:
    """One registered viewer."""

    kind: type[Artifact]
    title: str
    make: Callable[[], QWidget]
    tab: Tab = "plots"
    fits: Callable[[Artifact], bool] = field(default=lambda _artifact: True)


_SPECS: list[ViewerSpec] = []


def viewer(
    kind: type[Artifact], title: str, tab: Tab = "plots", fits: Callable[[Artifact], bool] | None = None
) -> Callable[[type[QWidget]], type[QWidget]]:
    """Register a card class as a viewer of an artifact type (and of its subclasses).

    Args:
        fits: asked per artifact, if not every one of the type can be shown (a Report without a confusion matrix).
    """

    def register(cls: type[QWidget]) -> type[QWidget]:
        _SPECS.append(ViewerSpec(kind, title, cls, tab, fits or (lambda _artifact: True)))
        return cls

    return register


def viewers_of(artifact: Artifact) -> list[ViewerSpec]:
    """The viewers that can show this artifact, the most specific type first."""
    order = {kind: place for place, kind in enumerate(type(artifact).__mro__)}
    found = [spec for spec in _SPECS if spec.kind in order and spec.fits(artifact)]
    return sorted(found, key=lambda spec: order[spec.kind])


def all_viewers() -> tuple[ViewerSpec, ...]:
    """Every registered viewer."""
    return tuple(_SPECS)


def load_viewers() -> dict[str, str]:
    """Import our viewers and those of plugins; what failed, with its error."""
    import studio.views.builtin  # noqa: F401

    failed: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            point.load()
        except Exception as error:  # the plugin border
            failed[point.name] = f"{type(error).__name__}: {error}"
    return failed
