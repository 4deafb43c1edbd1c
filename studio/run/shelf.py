"""What earlier runs left, kept at hand: loaded artifacts, and curves read in a thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.artifact import Artifact, load
from engine.errors import OssicleError
from engine.runs import home_of
from studio.model.document import Document
from studio.run import history
from studio.work import Background

if TYPE_CHECKING:
    from studio.views.data.curves import Curve

ARTIFACTS: Final = 256


def place_of(document: Document) -> tuple[Path, str, Path]:
    """Where the runs of a document are: data folder, workflow's name, base folder."""
    return home_of(document.base), document.workflow.name, document.base


class Artifacts:
    """Artifacts by folder; the oldest go when there are many. Only descriptions are held, no payload."""

    def __init__(self) -> None:
        self._known: dict[Path, Artifact] = {}

    def at(self, path: Path) -> Artifact | None:
        """The artifact in a folder; None if it cannot be read (it may come back)."""
        if path not in self._known:
            try:
                found = load(path)
            except OssicleError:
                return None
            while len(self._known) >= ARTIFACTS:
                del self._known[next(iter(self._known))]
            self._known[path] = found
        return self._known[path]


class EarlierCurves:
    """Curves of nodes in earlier runs of a document.

    Args:
        found: called with the node once its curves have been read, if there are any.
    """

    def __init__(self, document: Document, background: Background, found: Callable[[str], None]) -> None:
        self._document, self._background, self._tell = document, background, found
        self._known: dict[str, tuple[Curve, ...]] = {}

    def clear(self) -> None:
        """Another run is shown: read anew when asked."""
        self._known.clear()

    def of(self, node: str, but: str, limit: int) -> tuple[Curve, ...]:
        """The curves as far as they have been read; the first call asks for them."""
        if node not in self._known:
            self._known[node] = ()
            look = partial(history.curves, *place_of(self._document), node, but, limit)
            self._background.call(f"curves {node}", look, partial(self._take, node))
        return self._known[node]

    def _take(self, node: str, found: tuple[Curve, ...]) -> None:
        self._known[node] = found
        if found:
            self._tell(node)
