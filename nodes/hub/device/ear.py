"""From samples to scores, hop by hop: a deployment as a stream.

A compiled deployment hears through its C front end, which remembers what it has heard; any other one is given the last
whole clip again at every hop. Only the second kind needs more than numpy.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from nodes.application.windows import NOTHING_HEARD, softmax
from nodes.hub.errors import HubError

if TYPE_CHECKING:
    from nodes.application import Application
    from nodes.lne.package.library import Library, Stream

Floats = NDArray[np.float32]
DESCRIPTION: Final = "deployment.json"
SILENT_DB: Final = -120.0


@dataclass(frozen=True)
class Facts:
    """What a runtime must know of a deployment.

    Attributes:
        model: digest (hex) of the network, as results name it.
        words: places of the classes that are told; silence and unknown are not.
    """

    name: str
    labels: tuple[str, ...]
    rate_hz: int
    clip_samples: int
    model: str
    threshold: float = 0.5
    smoothing: int = 3
    hop_s: float = 0.25

    @property
    def words(self) -> tuple[int, ...]:
        """Places of the classes that are told."""
        return tuple(place for place, label in enumerate(self.labels) if label not in NOTHING_HEARD)


class Ear(Protocol):
    """A deployment that hears a stream."""

    @property
    def facts(self) -> Facts:
        """What it is."""
        ...

    def push(self, samples: Floats, *, is_wanted: bool) -> Floats | None:
        """Hear samples (any,) in [-1, 1); probabilities (classes,) of the last clip if wanted and a clip was heard."""
        ...


@dataclass
class StreamEar:
    """Through the C front end of a compiled deployment."""

    facts: Facts
    library: Library
    stream: Stream
    _rest: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    _is_full: bool = False

    def push(self, samples: Floats, *, is_wanted: bool) -> Floats | None:
        """See `Ear`."""
        hop, waiting = self.stream.hop_samples, np.concatenate([self._rest, samples])
        whole = len(waiting) // hop * hop
        for first in range(0, whole, hop):
            self._is_full = self.stream.push(waiting[first : first + hop]) or self._is_full
        self._rest = waiting[whole:]
        if not (is_wanted and self._is_full):
            return None
        return scores_of(self.library(self.stream.features()))


@dataclass
class ClipEar:
    """The last whole clip again at every hop."""

    facts: Facts
    application: Application
    _clip: Floats = field(default_factory=lambda: np.zeros(0, np.float32))

    def push(self, samples: Floats, *, is_wanted: bool) -> Floats | None:
        """See `Ear`."""
        self._clip = np.concatenate([self._clip, samples])[-self.facts.clip_samples :]
        if not is_wanted or len(self._clip) < self.facts.clip_samples:
            return None
        return scores_of(self.application.logits(self._clip[None]))


def scores_of(logits: Floats) -> Floats:
    """Probabilities (classes,) of one clip's logits."""
    found: Floats = softmax(np.asarray(logits, np.float32).reshape(1, -1))[0]
    return found


def level_db(samples: Floats) -> float:
    """Root mean square in dB of full scale."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return 10.0 * math.log10(power) if power > 0.0 else SILENT_DB


def open_ear(folder: Path) -> Ear:
    """A deployment's ear: its compiled library where it has one that was measured to be fastest.

    Raises:
        HubError: no deployment, damaged, or nothing here can run it.
    """
    raw = _read(folder)
    if raw.get("engine") and raw.get("serves") != "onnxruntime":
        return _compiled(folder, raw)
    try:
        from nodes.application import ApplicationError, load
    except ModuleNotFoundError as error:
        raise HubError(
            f"{folder} needs {error.name}, which is not installed",
            "onnxruntime, or a compiled deployment of the optimise node, which needs numpy alone",
            "Run `pip install ossicle`, or optimise the model",
        ) from error
    try:
        return ClipEar(_facts(raw), load(folder, engine="onnxruntime"))
    except ApplicationError as error:
        raise HubError(error.what, error.expected, error.remedy) from error


def _compiled(folder: Path, raw: dict[str, Any]) -> Ear:
    from nodes.lne.errors import LneError
    from nodes.lne.package.library import open_package

    _check_digest(folder, raw)
    try:
        library = open_package(folder)
        return StreamEar(_facts(raw), library, library.stream())
    except LneError as error:
        what, expected, remedy = (part.rstrip(".") for part in (error.what, error.expected, error.remedy))
        raise HubError(what, expected, remedy) from error


def _check_digest(folder: Path, raw: dict[str, Any]) -> None:
    """A damaged library could end the whole process, so it is compared before it is loaded."""
    name = str(raw["engine"].get("library"))
    wanted, path = str(raw.get("files", {}).get(name, {}).get("sha256")), folder / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        raise HubError(
            f"{path} is not the library that was verified", f"the digest {wanted[:12]}…", "Copy the deployment again"
        )


def _read(folder: Path) -> dict[str, Any]:
    try:
        raw = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        if isinstance(raw, dict):
            return raw
    except (OSError, ValueError) as error:
        raise HubError(
            f"{folder} is no deployment ({error})", f"a folder with {DESCRIPTION}", "Deploy again"
        ) from error
    raise HubError(f"{folder} is no deployment", f"a folder with {DESCRIPTION}", "Deploy the model again")


def _facts(raw: dict[str, Any]) -> Facts:
    try:
        heard, front = raw.get("listening", {}), raw["front_end"]
        digest = str(raw["files"].get("model.onnx", {}).get("sha256") or _first_digest(raw))
        return Facts(
            str(raw["name"]),
            tuple(map(str, raw["labels"])),
            int(front["rate_hz"]),
            int(front["clip_samples"]),
            digest,
            smoothing=int(heard.get("smoothing", 3)),
            hop_s=float(heard.get("hop_s", 0.25)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HubError(
            f"{DESCRIPTION} cannot be read ({error})", "what the deploy node writes", "Deploy again"
        ) from error


def _first_digest(raw: dict[str, Any]) -> str:
    return str(raw["files"][raw["engine"]["library"]]["sha256"])
