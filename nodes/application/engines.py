"""What computes an application: onnxruntime or another engine on model.onnx, or the library compiled beside it.

The library is native code and runs with the rights of whoever opens it: open only deployments you made or trust.
`onnxruntime` never runs code from a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nodes.application.bundle import SERVES_COMPILED, SERVES_ONNX, Bundle
from nodes.application.errors import ApplicationError
from nodes.application.network import logits_of, open_network
from nodes.dsp.frontend import FrontEnd, compute

if TYPE_CHECKING:
    from nodes.lne.backends.serving import Served
    from nodes.lne.errors import LneError
    from nodes.lne.package import Library

Floats = NDArray[np.float32]
Choice = Literal["auto", "compiled", "onnxruntime"]
"""auto: the engine that was measured fastest, if it is installed; else the compiled library where there is one that was
verified and that this machine can run; else onnxruntime."""


class Engine(Protocol):
    """Computes a network."""

    @property
    def name(self) -> str:
        """For people: onnxruntime or another engine, or the level of compiled code."""

    def logits(self, features: Floats) -> Floats:
        """Logits (batch, classes) of features (batch, *input_shape)."""

    def hear(self, waveforms: Floats) -> Floats:
        """Logits (batch, classes) of clips (batch, clip_samples), through the front end."""


@dataclass(frozen=True)
class OnnxEngine:
    """model.onnx in onnxruntime, features in numpy."""

    session: onnxruntime.InferenceSession
    front_end: FrontEnd
    name: str = "onnxruntime"

    def logits(self, features: Floats) -> Floats:
        """See `Engine`."""
        return logits_of(self.session, features)

    def hear(self, waveforms: Floats) -> Floats:
        """See `Engine`."""
        return self.logits(compute(self.front_end, waveforms))


@dataclass(frozen=True)
class CompiledEngine:
    """The generated library, one clip after another, with the front end in C."""

    library: Library

    @property
    def name(self) -> str:
        """See `Engine`."""
        return f"compiled for {self.library.level}"

    def logits(self, features: Floats) -> Floats:
        """See `Engine`."""
        return np.stack([self.library(clip).reshape(-1) for clip in features])

    def hear(self, waveforms: Floats) -> Floats:
        """See `Engine`."""
        return self.logits(np.stack([self.library.features(clip) for clip in waveforms]))


@dataclass(frozen=True)
class ForeignEngine:
    """model.onnx in another engine, one clip after another, features in numpy."""

    served: Served
    front_end: FrontEnd

    @property
    def name(self) -> str:
        """See `Engine`."""
        return self.served.name

    def logits(self, features: Floats) -> Floats:
        """See `Engine`."""
        return np.stack([self.served(clip[None]).reshape(-1) for clip in features])

    def hear(self, waveforms: Floats) -> Floats:
        """See `Engine`."""
        return self.logits(compute(self.front_end, waveforms))


def open_engine(bundle: Bundle, threads: int, choice: Choice) -> tuple[Engine, str]:
    """The engine, and why it is not the compiled one where that was hoped for (else empty).

    Raises:
        ApplicationError: the chosen one cannot be used, or with auto neither.
    """
    return _OPENERS[choice](bundle, threads)


def _onnxruntime(bundle: Bundle, threads: int) -> tuple[Engine, str]:
    if not bundle.network:
        raise ApplicationError(
            f"{bundle.name} has no model.onnx",
            "one beside deployment.json, to run it with onnxruntime",
            "Deploy the model again, or build the library (make)",
        )
    session = open_network(bundle.network, f"the network of {bundle.name}", threads)
    return OnnxEngine(session, bundle.front_end), ""


def _compiled(bundle: Bundle, threads: int) -> tuple[Engine, str]:
    del threads  # generated code has one
    from nodes.lne.errors import LneError
    from nodes.lne.package import open_package

    if bundle.compiled is None:
        raise ApplicationError(
            f"{bundle.name} has no compiled library",
            "a deployment of the optimise node",
            "Use onnxruntime, or optimise the model",
        )
    try:
        return CompiledEngine(open_package(bundle.compiled.folder)), ""
    except LneError as error:
        raise _same(error) from error


def _foreign(bundle: Bundle, name: str) -> Engine:
    """Raises ApplicationError where the engine is not installed or cannot open the network."""
    from nodes.lne.backends.serving import open_served
    from nodes.lne.errors import LneError

    try:
        return ForeignEngine(open_served(name, bundle.network, (1, *bundle.input_shape)), bundle.front_end)
    except LneError as error:
        raise _same(error) from error


def _same(error: LneError) -> ApplicationError:
    return ApplicationError(*(part.rstrip(".") for part in (error.what, error.expected, error.remedy)))


def _auto(bundle: Bundle, threads: int) -> tuple[Engine, str]:
    """The fastest, then the library, then onnxruntime; with why the one before could not be used."""
    if bundle.compiled is None or (bundle.network and bundle.compiled.serves == SERVES_ONNX):
        return _onnxruntime(bundle, threads)
    notes: list[str] = []
    if bundle.network and bundle.compiled.serves != SERVES_COMPILED:
        try:
            return _foreign(bundle, bundle.compiled.serves), ""
        except ApplicationError as error:
            notes.append(error.what)
    try:
        return _verified(bundle, threads)[0], "; ".join(notes)
    except ApplicationError as error:
        if not bundle.network:
            raise
        return _onnxruntime(bundle, threads)[0], "; ".join([*notes, error.what])


def _verified(bundle: Bundle, threads: int) -> tuple[Engine, str]:
    """The library, if it is still the one that was verified: a damaged one could end the whole process."""
    compiled = bundle.compiled
    if compiled is not None and compiled.library is not None and compiled.library.is_file():
        digest = hashlib.sha256(compiled.library.read_bytes()).hexdigest()
        if digest != compiled.sha256:
            raise ApplicationError(
                f"{compiled.library} is not the library that was verified",
                f"the digest {compiled.sha256[:12]}...",
                "Ask for the compiled engine if you built it yourself",
            )
    return _compiled(bundle, threads)


_OPENERS: Mapping[Choice, Callable[[Bundle, int], tuple[Engine, str]]] = {
    "auto": _auto,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
}
