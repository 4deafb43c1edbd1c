"""What a node may ask of its run: folders, progress, metrics, random numbers, secrets, cancellation."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.artifact import canonical_json
from engine.errors import OssicleError
from engine.event import Event, Json, Kind, Sink

if TYPE_CHECKING:
    import numpy as np

    from engine.params import Secret


Make = Callable[[Path], None]


class Cancelled(Exception):  # noqa: N818 - not an error: the user asked to stop
    """Raised inside a node when the user asked to stop."""


def _never() -> bool:
    return False


def _nowhere(_event: Event) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """One node's view of its run.

    Attributes:
        work: an empty folder for outputs; it vanishes if the node fails.
        scratch_path: where `scratch` lies once it is asked for.
        base: folder of the workflow file; relative paths in parameters start here.
        key: cache key (hex) of this computation; seeds `rng`.
        threads: how many threads the node may use.
        memo_of: gives the folder of a memo's key, made if need be; one beside `scratch_path` unless given.
    """

    work: Path
    scratch_path: Path
    base: Path
    node: str = "node-1"
    run: str = "run"
    key: str = "0" * 64
    threads: int = 1
    sink: Sink = _nowhere
    is_cancelled: Callable[[], bool] = _never
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    memo_of: Callable[[str, Make], Path] | None = field(default=None, repr=False)

    @classmethod
    def for_test(cls, folder: Path, **changes: object) -> Context:
        """A context in `folder` for tests and notebooks."""
        (folder / "work").mkdir(parents=True, exist_ok=True)
        return cls(folder / "work", folder / "scratch", folder, **changes)  # type: ignore[arg-type]

    @cached_property
    def scratch(self) -> Path:
        """A folder for checkpoints: survives a kill and is given again to the same computation (same cache key)."""
        self.scratch_path.mkdir(parents=True, exist_ok=True)
        return self.scratch_path

    def folder(self, name: str = "output") -> Path:
        """A new empty folder for one output artifact."""
        path = self.work / name
        path.mkdir(parents=True)
        return path

    def memo(self, depends_on: Mapping[str, Any], make: Make) -> Path:
        """A read-only folder with what depends on nothing but these plain values, made once per store.

        For results that take long and are the same for other inputs too: features of the same waveforms in other
        subsets. `make(folder)` writes files into the folder; `link` puts them into an output.

        Args:
            depends_on: everything that decides the content, a name and version of the computation included.
        """
        key = hashlib.sha256(canonical_json(depends_on).encode()).hexdigest()
        if self.memo_of is not None:
            return self.memo_of(key, make)
        path = self.scratch_path.parent / "memo" / key
        if not path.exists():
            path.mkdir(parents=True)
            make(path)
        return path

    def link(self, source: Path, target: Path) -> None:
        """Put an unchanged file into an output without copying it (a copy where the file system cannot link)."""
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def resolve(self, path: str) -> Path:
        """A path from a parameter, made absolute: `~` is home, relative starts at the workflow file."""
        return (self.base / Path(path).expanduser()).resolve()

    def check(self) -> None:
        """Raise Cancelled if the user asked to stop."""
        if self.is_cancelled():
            raise Cancelled(self.node)

    def progress(self, fraction: float, text: str = "") -> None:
        """Tell how far the node is (0 to 1) and stop here if the user asked to.

        Raises:
            Cancelled: the user asked to stop.
        """
        self.check()
        self._emit("progress", {"fraction": min(max(float(fraction), 0.0), 1.0), "text": text})

    def metric(self, **values: float) -> None:
        """Feed live plots: any named numbers, `step` being the x axis."""
        self._emit("metric", {name: float(value) for name, value in values.items()})

    def log(self, text: str, level: str = "info") -> None:
        """One line for the run's log; secrets are scrubbed. Levels: info, warning."""
        for value in self.secrets.values():
            text = text.replace(value, "***") if value else text
        self._emit("log", {"text": text, "level": level})

    def secret(self, name: Secret | str) -> str:
        """Value of a named secret, from the environment (OSSICLE_SECRET_NAME) or the keyring.

        Raises:
            OssicleError: there is no such secret.
        """
        value = os.environ.get("OSSICLE_SECRET_" + str(name).upper().replace("-", "_")) or _from_keyring(str(name))
        if value is None:
            raise OssicleError(
                f"secret {name!s} is not set",
                "a value in the keyring or the environment",
                f"Run `keyring set ossicle {name}` or set OSSICLE_SECRET_{str(name).upper().replace('-', '_')}",
            )
        self.secrets[str(name)] = value
        return value

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers that are the same whenever this computation is run."""
        import numpy as np

        return np.random.default_rng(int(self.key[:32], 16))

    def _emit(self, kind: Kind, values: dict[str, Json]) -> None:
        self.sink(Event(kind, self.run, self.node, values))


def _from_keyring(name: str) -> str | None:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return keyring.get_password("ossicle", name)
    except keyring.errors.KeyringError:
        return None
