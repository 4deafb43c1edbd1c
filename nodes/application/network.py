"""Open a network for inference. Only ONNX is read, by onnxruntime; nothing is ever unpickled."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nodes.application.errors import ApplicationError

Floats = NDArray[np.float32]

SIGNATURES: Final[Mapping[bytes, str]] = MappingProxyType(
    {
        **{bytes([0x80, protocol]): "a pickle, which could run any code when opened" for protocol in range(1, 6)},
        b"PK\x03\x04": "a zip file, as torch.save writes around a pickle",
        b"\x89HDF": "an HDF5 file, as Keras writes",
        b"\x93NUMPY": "a numpy array",
        b"(dp": "a pickle, which could run any code when opened",
        b"version https://git-lfs": "a Git LFS pointer, not the file itself",
    }
)
_EXPORT: Final = "Export the network as ONNX, or give a folder that Ossicle's train or deploy node wrote"


def refuse_foreign(data: bytes, name: str) -> None:
    """Raise if the bytes are plainly no ONNX model, before anything parses them.

    Raises:
        ApplicationError: a pickle, an archive or another known kind of file, or nothing at all.
    """
    if not data:
        raise ApplicationError(f"{name} is empty", "an ONNX model", _EXPORT)
    for signature, kind in SIGNATURES.items():
        if data.startswith(signature):
            raise ApplicationError(f"{name} is {kind}", "an ONNX model", _EXPORT)


def read_network(path: Path) -> bytes:
    """Bytes of an ONNX file.

    Raises:
        ApplicationError: missing, unreadable or plainly something else.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ApplicationError(f"{path} cannot be read ({error.strerror})", "an ONNX model", _EXPORT) from error
    refuse_foreign(data, str(path))
    return data


def options(threads: int) -> onnxruntime.SessionOptions:
    """Session options with a fixed number of threads and no warnings on the terminal."""
    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads, made.inter_op_num_threads = threads, 1
    made.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    made.log_severity_level = 3
    return made


def open_network(
    data: bytes, name: str, threads: int = 1, made: onnxruntime.SessionOptions | None = None
) -> onnxruntime.InferenceSession:
    """An inference session on the processor.

    Raises:
        ApplicationError: onnxruntime refuses the model, or it has not one input and one output.
    """
    try:
        session = onnxruntime.InferenceSession(data, made or options(threads), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own classes, all straight from Exception
        reason = str(error).strip().splitlines()[0][:200]
        raise ApplicationError(f"{name} is not a model onnxruntime can open ({reason})", "ONNX", _EXPORT) from error
    ends = len(session.get_inputs()), len(session.get_outputs())
    if ends != (1, 1):
        raise ApplicationError(
            f"{name} has {ends[0]} inputs and {ends[1]} outputs", "one input (features), one output (logits)", _EXPORT
        )
    return session


def logits_of(session: onnxruntime.InferenceSession, features: Floats) -> Floats:
    """Logits (batch, classes) of features (batch, *input_shape); a network of a fixed batch hears so many at a time."""
    given = session.get_inputs()[0]
    size = given.shape[0] if given.shape and isinstance(given.shape[0], int) else len(features)
    if size == len(features) or len(features) % size:
        result: Floats = session.run(None, {given.name: features})[0]
        return result
    parts = [session.run(None, {given.name: part})[0] for part in np.split(features, len(features) // size)]
    return np.concatenate(parts)
