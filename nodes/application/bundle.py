"""The bundle: one folder with the network, its front end and everything else an application needs to run alone.

`deployment.json` names labels, front end, input shape, precision, digests, profile and protocol; `model.onnx` is the
network, and there may be a library of it as generated code (`nodes.lne.package`). A trained Model's folder is opened
the same way, its facts being in its `artifact.json`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from nodes.application.errors import ApplicationError
from nodes.application.network import read_network
from nodes.dsp.frontend import FrontEnd, FrontEndError

T = TypeVar("T")

FORMAT: Final = 1
DESCRIPTION_FILE: Final = "deployment.json"
NETWORK_FILE: Final = "model.onnx"
_ARTIFACT_FILE: Final = "artifact.json"
SERVES_COMPILED: Final = "compiled"
SERVES_ONNX: Final = "onnxruntime"
"""`serves` of a deployment.json: the compiled library, or the engine that was measured to be faster, by its name among
the entry points `ossicle.backends`."""
_AGAIN: Final = "Run the deploy node again, or copy the folder anew"


@dataclass(frozen=True)
class Listening:
    """How longer recordings are heard: windows of one clip every `hop_s`, scores averaged over `smoothing` windows."""

    hop_s: float = 0.25
    smoothing: int = 3


@dataclass(frozen=True)
class Compiled:
    """A library of generated code in a deployment.

    Attributes:
        folder: of the deployment.
        library: its file; none if it was never built.
        sha256: digest (hex) of the file that was verified.
        serves: what was fastest when it was timed in turns with other engines: itself, or an engine's name.
    """

    folder: Path
    library: Path | None
    sha256: str
    serves: str = SERVES_COMPILED


@dataclass(frozen=True)
class Bundle:
    """What is known about an application.

    Attributes:
        labels: class names in the order of the logits.
        input_shape: shape of one clip's features.
        sha256: digest (hex) of model.onnx.
        network: the bytes of model.onnx; empty if only the compiled library was kept.
        compiled: the network as generated code, where the folder has it.
    """

    name: str
    labels: tuple[str, ...]
    front_end: FrontEnd
    input_shape: tuple[int, ...]
    precision: str
    sha256: str
    network: bytes = field(repr=False)
    listening: Listening = Listening()
    compiled: Compiled | None = None


def describe(bundle: Bundle, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Content of deployment.json; `extra` adds profile, protocol and verification."""
    return {
        "format": FORMAT,
        "name": bundle.name,
        "target": "onnxruntime",
        "labels": list(bundle.labels),
        "front_end": asdict(bundle.front_end),
        "input_shape": list(bundle.input_shape),
        "precision": bundle.precision,
        "listening": asdict(bundle.listening),
        "files": {NETWORK_FILE: {"sha256": bundle.sha256, "size_bytes": len(bundle.network)}},
        **extra,
    }


def write_description(folder: Path, bundle: Bundle, extra: Mapping[str, Any]) -> None:
    """Write deployment.json beside model.onnx."""
    text = json.dumps(describe(bundle, extra), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")


def load_bundle(path: Path) -> Bundle:
    """Open a deployment or a trained model by its folder or by a file inside it.

    Raises:
        ApplicationError: neither, damaged, from a newer Ossicle, or a network that is no ONNX file.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_file() and path.name not in (DESCRIPTION_FILE, _ARTIFACT_FILE):
        read_network(path)  # a pickle or another foreign file is refused for what it is
    if (folder / DESCRIPTION_FILE).is_file():
        return _from_deployment(folder)
    if (folder / _ARTIFACT_FILE).is_file():
        return _from_model(folder)
    raise ApplicationError(
        f"{path} {'holds no deployment or model' if path.exists() else 'does not exist'}",
        f"a folder with {DESCRIPTION_FILE}, or a trained model's folder",
        "Give the folder that `ossicle run --json` names for the deploy node",
    )


def _from_deployment(folder: Path) -> Bundle:
    raw = _read_json(folder / DESCRIPTION_FILE)
    if raw.get("format") != FORMAT:
        raise ApplicationError(
            f"{folder / DESCRIPTION_FILE} has format {raw.get('format')!r}", f"format {FORMAT}", "Update Ossicle"
        )
    facts = _Facts(raw, str(folder / DESCRIPTION_FILE))
    heard, files = raw.get("listening", {}), facts.of("files", dict)
    recorded = files.get(NETWORK_FILE, {})
    compiled = _compiled(folder, raw, files)
    if compiled is not None and not raw.get("front_end"):
        raise ApplicationError(
            f"{folder} holds a network without a front end", "one that hears sound", "Run the folder's own example"
        )
    bundle = _bundle(folder, facts.of("name", str), facts.of("labels", list), facts, is_needed=compiled is None)
    if (bundle.network or compiled is None) and recorded.get("sha256") != bundle.sha256:
        raise ApplicationError(
            f"{folder / NETWORK_FILE} has the digest {bundle.sha256[:12]}...",
            f"{str(recorded.get('sha256'))[:12]}... as {DESCRIPTION_FILE} says",
            f"The file was changed or damaged. {_AGAIN}",
        )
    listening = Listening(float(heard.get("hop_s", 0.25)), int(heard.get("smoothing", 3)))
    return replace(bundle, listening=listening, compiled=compiled)


def _compiled(folder: Path, raw: Mapping[str, Any], files: Mapping[str, Any]) -> Compiled | None:
    engine = raw.get("engine")
    if not isinstance(engine, dict):
        return None
    library = str(engine.get("library") or "")
    digest = str(files.get(library, {}).get("sha256", ""))
    return Compiled(folder, folder / library if library else None, digest, str(raw.get("serves") or SERVES_COMPILED))


def _from_model(folder: Path) -> Bundle:
    raw = _read_json(folder / _ARTIFACT_FILE)
    if raw.get("kind") != "Model":
        raise ApplicationError(
            f"{folder} holds a {raw.get('kind')}", "a Model or a Deployment", "Give the folder of one of these"
        )
    return bundle_of(folder, raw.get("meta", {}), str(folder / _ARTIFACT_FILE))


def bundle_of(folder: Path, meta: Mapping[str, Any], origin: str) -> Bundle:
    """The bundle of a trained model: model.onnx in `folder`, facts from its metadata.

    Raises:
        ApplicationError: a fact is missing, or the network is no ONNX file.
    """
    facts = _Facts(meta, origin)
    return _bundle(folder, facts.of("architecture", str), facts.of("classes", list), facts)


@dataclass(frozen=True)
class _Facts:
    """Values of a description, checked as they are taken out."""

    raw: Mapping[str, Any]
    origin: str

    def of(self, name: str, kind: type[T]) -> T:
        value = self.raw.get(name)
        if not isinstance(value, kind):
            raise ApplicationError(f"{self.origin}: {name} is {value!r}"[:300], f"a {kind.__name__}", _AGAIN)
        return value


def _bundle(folder: Path, name: str, labels: list[Any], facts: _Facts, *, is_needed: bool = True) -> Bundle:
    path = folder / NETWORK_FILE
    network = read_network(path) if is_needed or path.is_file() else b""
    front_end = make_front_end(facts.of("front_end", dict), facts.origin)
    return Bundle(
        name=name,
        labels=tuple(map(str, labels)),
        front_end=front_end,
        input_shape=tuple(map(int, facts.of("input_shape", list))),
        precision=facts.of("precision", str),
        sha256=hashlib.sha256(network).hexdigest(),
        network=network,
    )


def make_front_end(values: Mapping[str, Any], origin: str) -> FrontEnd:
    """The front end that plain values describe.

    Raises:
        ApplicationError: unknown names or values that contradict each other.
    """
    try:
        return FrontEnd(**values)
    except (TypeError, FrontEndError) as error:
        raise ApplicationError(f"{origin}: the front end cannot be used ({error})", "its parameters", _AGAIN) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ApplicationError(f"{path} cannot be read ({error})", "a JSON object", _AGAIN) from error
    if not isinstance(raw, dict):
        raise ApplicationError(f"{path} holds {type(raw).__name__}", "a JSON object", _AGAIN)
    return raw
