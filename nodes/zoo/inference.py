"""Run a model file in onnxruntime on one or more threads."""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nodes.zoo.errors import ZooError

_ERRORS_ONLY: Final = 3


def open_session(path: Path, threads: int = 1, *, optimised: bool = True) -> onnxruntime.InferenceSession:
    """Open a model on the CPU; `optimised` False keeps the graph as written (for looking at single tensors).

    Raises:
        ZooError: the file is no model that onnxruntime can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions share no public base
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ZooError(
            f"'{path.name}' cannot be opened ({reason}).",
            "an ONNX model for onnxruntime",
            "Run `ossicle store verify`, then make the model again.",
        ) from error


def logits(session: onnxruntime.InferenceSession, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (clips, classes) of features (clips, *shape): the model's one input and first output.

    Raises:
        ZooError: the model takes other shapes.
    """
    try:
        result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: features})[0]
    except Exception as error:  # as above
        raise ZooError(
            f"The model cannot take features of shape {features.shape[1:]} ({str(error).splitlines()[0]}).",
            f"{session.get_inputs()[0].shape[1:]}",
            "Compute the features with the front end the model was trained on.",
        ) from error
    return result
