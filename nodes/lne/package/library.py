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

from nodes.lne.errors import LneError
from nodes.lne.package.description import ABI, DESCRIPTION_FILE

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

    def _call(self, name: str, *arguments: int | bytes) -> None:
        function = getattr(self.functions, f"{self.name}_{name}")
        pointers = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_void_p(a) for a in arguments]
        code = function(*pointers)
        if code:
            raise LneError(
                f"{self.name}_{name} failed: {_MESSAGES.get(code, f'code {code}')}.", "a library that runs", _AGAIN
            )


def open_package(folder: Path) -> Library:
    """Load the library of a written folder, as its deployment.json says.

    Raises:
        LneError: there is no library, it is damaged or of another machine, or the description is of a newer Ossicle.
    """
    told = _description(folder)
    path = folder / str(told["library"])
    if told.get("library") is None or not path.is_file():
        raise LneError(f"{folder} holds no library.", "one that was compiled", _AGAIN)
    shapes = tuple(told["input_shape"]), tuple(told["output_shape"])
    return open_package_library(path, told["name"], *shapes, told["workspace_bytes"])


def _description(folder: Path) -> dict[str, Any]:
    """The engine's part of deployment.json."""
    try:
        told = json.loads((folder / DESCRIPTION_FILE).read_text(encoding="utf-8"))["engine"]
        newer = told["abi"] > ABI
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise LneError(f"{folder} holds no generated engine ({error}).", "a deployment's folder", _AGAIN) from error
    if newer:
        raise LneError(f"{folder} was made by a newer Ossicle.", f"an engine of version {ABI}", "Update Ossicle.")
    return dict(told)


def open_package_library(
    path: Path, name: str, input_shape: tuple[int, ...], output_shape: tuple[int, ...], workspace_bytes: int
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
    library = Library(name, functions, input_shape, output_shape, np.zeros(workspace_bytes + ALIGN_BYTES, np.uint8))
    library._call("prepare", library._workspace)
    return library
