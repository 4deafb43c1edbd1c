"""A package's library in this process, through its C functions."""

from __future__ import annotations

import ctypes
import json
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.parameters import FrontEnd, FrontEndError
from nodes.lne.errors import LneError
from nodes.lne.frontend.sizes import Sizes
from nodes.lne.package.abi import ABI, DESCRIPTION_FILE

Floats = NDArray[np.float32]
ALIGN_BYTES = 64
_AGAIN = "Build the folder again (make), or run the network with onnxruntime."
_MESSAGES = {
    -1: "it holds no code for this processor",
    -2: "a wrong argument was given",
    -3: "it was not initialised",
    -4: "a sample is not a finite number",
}


@dataclass
class Library:
    """An opened library; calls from several threads wait for each other only within one `Library`.

    Attributes:
        name: prefix of its functions.
        input_shape, output_shape: of one clip, as ONNX has them.
    """

    name: str
    functions: ctypes.CDLL
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    workspace: NDArray[np.uint8]
    front_end: FrontEnd | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __call__(self, values: Floats) -> Floats:
        """The network's output for one input."""
        source = np.ascontiguousarray(values, np.float32)
        if source.size != np.prod(self.input_shape):
            raise LneError(
                f"{self.name}: the input has the shape {values.shape}.", str(self.input_shape), "Give one clip."
            )
        result = np.empty(self.output_shape, np.float32)
        with self._lock:
            self._call("infer_with", self._workspace, source.ctypes.data, result.ctypes.data)
        return result

    def features(self, samples: Floats) -> Floats:
        """What the C front end makes of one clip (samples,), in the network's input shape.

        Raises:
            LneError: the library has no front end, the clip is not of its length, or a sample is not finite.
        """
        if self.front_end is None:
            raise LneError(f"{self.name} has no front end.", "a deployment with one", "Hand over features.")
        source, sizes = np.ascontiguousarray(samples, np.float32), Sizes(self.front_end)
        if source.shape != (self.front_end.clip_samples,):
            raise LneError(f"the clip has the shape {source.shape}.", f"({self.front_end.clip_samples},)", "Cut it.")
        memory, result = np.empty(sizes.features_bytes, np.uint8), np.empty(self.input_shape, np.float32)
        self._call("features", memory.ctypes.data, source.ctypes.data, result.ctypes.data)
        return result

    def stream(self) -> Stream:
        """A new stream of samples through the C front end.

        Raises:
            LneError: the library has no front end.
        """
        if self.front_end is None:
            raise LneError(f"{self.name} has no front end.", "a deployment with one", "Hand over features.")
        memory = np.empty(Sizes(self.front_end).stream_bytes, np.uint8)
        self._call("stream_start", memory.ctypes.data)
        return Stream(self, self.front_end.hop_samples, memory)

    def use(self, level: str) -> None:
        """Run one of the library's levels from now on.

        Raises:
            LneError: there is no such level, or this machine cannot run it.
        """
        self._call("use", level.encode())
        self._call("prepare", self._workspace)

    @property
    def level(self) -> str:
        """Name of the level in use."""
        return self._text("used") or ""

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels, best first."""
        found: list[str] = []
        while (name := self._text("level", len(found))) is not None:
            found.append(name)
        return tuple(found)

    @property
    def _workspace(self) -> int:
        return -(-self.workspace.ctypes.data // ALIGN_BYTES) * ALIGN_BYTES

    def _text(self, name: str, *arguments: int) -> str | None:
        function = getattr(self.functions, f"{self.name}_{name}")
        function.restype = ctypes.c_char_p
        found: bytes | None = function(*arguments)
        return None if found is None else found.decode()

    def _call(self, name: str, *arguments: int | bytes) -> int:
        function = getattr(self.functions, f"{self.name}_{name}")
        pointers = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_void_p(a) for a in arguments]
        code = function(*pointers)
        if code < 0:
            raise LneError(
                f"{self.name}_{name} failed: {_MESSAGES.get(code, f'code {code}')}.", "a library that runs", _AGAIN
            )
        return int(code)


@dataclass(frozen=True)
class Stream:
    """Samples heard hop by hop."""

    library: Library
    hop_samples: int
    memory: NDArray[np.uint8]

    def push(self, samples: Floats) -> bool:
        """Hear one hop (hop_samples,); whether `features` can be asked for.

        Raises:
            LneError: it is not one hop long, or a sample is not finite.
        """
        source = np.ascontiguousarray(samples, np.float32)
        if source.shape != (self.hop_samples,):
            raise LneError(f"there are samples of the shape {source.shape}.", f"({self.hop_samples},)", "Push hops.")
        return bool(self.library._call("stream_push", self.memory.ctypes.data, source.ctypes.data))

    def features(self) -> Floats:
        """Features of the latest whole clip, in the network's input shape.

        Raises:
            LneError: no whole clip has been heard.
        """
        result = np.empty(self.library.input_shape, np.float32)
        self.library._call("stream_features", self.memory.ctypes.data, result.ctypes.data)
        return result


def open_package(folder: Path) -> Library:
    """Load the library of a written folder, as its deployment.json says.

    Raises:
        LneError: there is no library, it is damaged or of another machine, or the description is of a newer Ossicle.
    """
    told, front_end = _description(folder)
    path = folder / str(told["library"])
    if told.get("library") is None or not path.is_file():
        raise LneError(f"{folder} holds no library.", "one that was compiled", _AGAIN)
    shapes = tuple(told["input_shape"]), tuple(told["output_shape"])
    return open_package_library(path, told["name"], *shapes, told["workspace_bytes"], front_end)


def _description(folder: Path) -> tuple[dict[str, Any], FrontEnd | None]:
    """The engine's part of deployment.json, and the front end."""
    try:
        whole = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))
        told, values = whole["engine"], whole.get("front_end")
        newer, front_end = told["abi"] > ABI, FrontEnd(**values) if values else None
    except (OSError, ValueError, LookupError, TypeError, FrontEndError) as error:
        raise LneError(f"{folder} holds no generated engine ({error}).", "a deployment's folder", _AGAIN) from error
    if newer:
        raise LneError(f"{folder} was made by a newer Ossicle.", f"an engine of version {ABI}", "Update Ossicle.")
    return dict(told), front_end


def open_package_library(
    path: Path,
    name: str,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    workspace_bytes: int,
    front_end: FrontEnd | None = None,
) -> Library:
    """Load a library that `compile_package` (or the folder's Makefile) built.

    The file is copied first: one that is loaded cannot be replaced safely.

    Raises:
        LneError: it cannot be loaded, or this machine cannot run it.
    """
    try:
        with tempfile.NamedTemporaryFile(suffix=".so", delete=False) as copy:
            copy.write(path.read_bytes())
        try:
            functions = ctypes.CDLL(copy.name)
        finally:
            Path(copy.name).unlink()
        missing = [wanted for wanted in ("prepare", "infer_with", "use") if not hasattr(functions, f"{name}_{wanted}")]
    except OSError as error:
        raise LneError(f"{path} cannot be loaded ({error}).", "a library of this machine", _AGAIN) from error
    if missing:
        raise LneError(f"{path} has no function {name}_{missing[0]}.", f"the library of {name}", _AGAIN)
    library = Library(
        name, functions, input_shape, output_shape, np.zeros(workspace_bytes + ALIGN_BYTES, np.uint8), front_end
    )
    library._call("prepare", library._workspace)
    return library
