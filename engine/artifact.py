"""What flows on links: immutable folders with typed metadata.

An artifact is a folder of payload files plus `artifact.json` (type, metadata, digest of every file), written once by
the store. A subclass may flow wherever its base is asked for; plugins may add types by subclassing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import OssicleError

DESCRIPTION_FILE = "artifact.json"
FORMAT = 1


class FileProblem(BaseModel):
    """One input file that could not be used, and why; the rest went on."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    file: str
    what: str


class Meta(BaseModel):
    """Facts about an artifact that every consumer can rely on. No times, no absolute paths: equal data, equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    about: str = ""
    """One line a person reads on the node: "3,479 clips · 35 words · 210 speakers"."""
    problems: tuple[FileProblem, ...] = ()
    """Input files left out, with the reason."""


class AudioMeta(Meta):
    """Facts about a set of clips."""

    rate_hz: int
    classes: tuple[str, ...]
    licence: str = ""
    counts: dict[str, int] = {}
    """Clips, speakers, and clips per subset; what else the source knows."""
    minutes: float = 0.0


class FeatureMeta(Meta):
    """Facts about features; `front_end` is enough to compute the same numbers on a device."""

    front_end: dict[str, Any]
    layout: str
    """Axes after the clip axis, for example "coefficients,frames"."""
    shape: tuple[int, ...]
    """Shape of one clip's features."""
    classes: tuple[str, ...]
    counts: dict[str, int] = {}
    """Clips in all and per subset."""


class ModelMeta(Meta):
    """Facts about a network."""

    architecture: str
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    front_end: dict[str, Any]
    precision: str = "float32"
    sparsity: float = 0.0
    """Share of weights that are zero, 0 to 1."""
    parameters: int
    flops: dict[str, float] = {}
    """Operations of one inference by counting rule; rule "true" is 2 x multiply-adds."""
    size_bytes: int
    """Bytes of model.onnx; of a network in fixed point, of its weights and biases as integers."""
    metrics: dict[str, float] = {}


class ReportMeta(Meta):
    """What was measured on what; headline figures by name."""

    title: str
    metrics: dict[str, float] = {}


class DeploymentMeta(Meta):
    """Facts about an application that runs alone."""

    target: str
    classes: tuple[str, ...] = ()
    front_end: dict[str, Any] = {}
    latency_us: float = 0.0
    """Median of one inference under the protocol named in deployment.json."""
    memory_bytes: int = 0
    verified_error: float = 0.0
    """Largest difference from the reference outputs."""
    metrics: dict[str, float] = {}


class FirmwareMeta(Meta):
    """Facts about a microcontroller image."""

    target: str
    flash_bytes: int
    ram_bytes: int
    metrics: dict[str, float] = {}


class ReceiptMeta(Meta):
    """What the other side acknowledged."""

    destination: str
    acknowledged: int = 0


@dataclass(frozen=True)
class Artifact:
    """A folder and its metadata. Nodes return fresh ones; the store seals and moves them."""

    path: Path
    meta: Meta

    meta_type: ClassVar[type[Meta]] = Meta
    port_name: ClassVar[str] = "artifact"
    files: ClassVar[tuple[str, ...]] = ()
    """Payload files that every artifact of the type has; checked when a node returns one."""
    kinds: ClassVar[dict[str, type[Artifact]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Artifact.kinds[cls.__name__] = cls

    @classmethod
    def kind(cls) -> str:
        """Name of the type as files and forms show it."""
        return cls.__name__

    def file(self, name: str) -> Path:
        """Path of a payload file.

        Raises:
            OssicleError: the artifact has no such file.
        """
        path = self.path / name
        if not path.is_file():
            raise OssicleError(
                f"{self.kind()} {self.path.name} has no file {name}",
                f"one of {sorted(p.name for p in self.path.iterdir()) if self.path.is_dir() else 'an existing folder'}",
                "Run `ossicle store verify`, then run the workflow again; a damaged artifact is made anew",
            )
        return path

    def json(self, name: str) -> Any:
        """Content of a JSON payload file."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class AudioSet(Artifact):
    """Clips as int16 waveforms plus a table (see engine.audio)."""

    meta: AudioMeta
    meta_type = AudioMeta
    port_name = "audio"
    files = ("dataset.h5", "waveforms.h5")


@dataclass(frozen=True)
class FeatureSet(Artifact):
    """Features float32 (clips, *shape) plus the clip table (see engine.audio)."""

    meta: FeatureMeta
    meta_type = FeatureMeta
    port_name = "features"
    files = ("features.h5",)


@dataclass(frozen=True)
class Model(Artifact):
    """model.onnx, weights.safetensors, architecture.json; never a pickle."""

    meta: ModelMeta
    meta_type = ModelMeta
    port_name = "model"
    files = ("model.onnx", "architecture.json")


@dataclass(frozen=True)
class Report(Artifact):
    """report.json and arrays.npz: metrics, confusion, curves, intervals."""

    meta: ReportMeta
    meta_type = ReportMeta
    port_name = "report"
    files = ("report.json",)


@dataclass(frozen=True)
class Deployment(Artifact):
    """An "AI application": pre-processing, engine and profile, runnable alone."""

    meta: DeploymentMeta
    meta_type = DeploymentMeta
    port_name = "deployment"
    files = ("deployment.json",)


@dataclass(frozen=True)
class Firmware(Artifact):
    """A self-contained C project with image, map and report."""

    meta: FirmwareMeta
    meta_type = FirmwareMeta
    port_name = "firmware"


@dataclass(frozen=True)
class Receipt(Artifact):
    """What a hub or device acknowledged."""

    meta: ReceiptMeta
    meta_type = ReceiptMeta
    port_name = "receipt"


@dataclass(frozen=True)
class Digest:
    """Size and content digest of one payload file."""

    sha256: str
    size_bytes: int


def describe(artifact: Artifact, files: Mapping[str, Digest]) -> dict[str, Any]:
    """Content of artifact.json: everything that identifies the artifact, in stable order."""
    return {
        "format": FORMAT,
        "kind": artifact.kind(),
        "meta": artifact.meta.model_dump(mode="json"),
        "files": {name: {"sha256": d.sha256, "size_bytes": d.size_bytes} for name, d in sorted(files.items())},
    }


def content_key(description: Mapping[str, Any]) -> str:
    """sha256 (hex) over type, metadata and file digests: equal content, equal key."""
    return hashlib.sha256(canonical_json(description).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spare space; NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def load(path: Path) -> Artifact:
    """Open an artifact folder. Reads JSON only; runs nothing.

    An unknown type (its plugin is not installed) opens as a plain Artifact.

    Raises:
        OssicleError: no artifact there, or its description is damaged.
    """
    raw = read_description(path)
    cls = Artifact.kinds.get(raw["kind"], Artifact)
    try:
        return cls(path, cls.meta_type.model_validate(raw["meta"]) if cls is not Artifact else Meta())
    except ValidationError as error:
        raise _damaged(path, str(error)) from error


def read_description(path: Path) -> dict[str, Any]:
    """The artifact.json of a folder as plain values."""
    try:
        raw = json.loads((path / DESCRIPTION_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise OssicleError(
            f"{path} is not an artifact",
            f"a folder with {DESCRIPTION_FILE}",
            "Give a folder listed by `ossicle show RUN`",
        ) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(raw, dict) or not {"kind", "meta", "files"} <= raw.keys():
        raise _damaged(path, "kind, meta or files missing")
    return raw


def _damaged(path: Path, reason: str) -> OssicleError:
    return OssicleError(
        f"{path / DESCRIPTION_FILE} cannot be read ({reason})",
        "the description that the store wrote",
        "Run `ossicle store verify --repair`, then run the workflow again",
    )
