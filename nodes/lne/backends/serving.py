"""A registered engine in this process, one clip after another: how it serves a deployment."""

from __future__ import annotations

import importlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from nodes.lne.backends.contender import Contender, Floats
from nodes.lne.backends.found import find_backends
from nodes.lne.backends.prepare import prepare, write
from nodes.lne.errors import LneError


@dataclass(frozen=True)
class Served:
    """A network opened by an engine.

    Attributes:
        folder: where the engine keeps what it converted the network to.
    """

    name: str
    contender: Contender
    folder: tempfile.TemporaryDirectory[str]

    def __call__(self, values: Floats) -> Floats:
        """The output for one input, in any shape."""
        assert self.contender.give is not None
        self.contender.give(np.ascontiguousarray(values, np.float32))
        self.contender.call()
        return np.array(self.contender.output(), np.float32)


def open_served(name: str, network: bytes, shape: tuple[int, ...]) -> Served:
    """A network (ONNX) for inputs of a shape, in the engine of this name. The engine's own files go to a folder of it.

    Raises:
        LneError: the engine is not installed here, cannot open the network, or takes no second input.
    """
    found = find_backends(names=[name])
    if not found:
        raise LneError(f"{name} is not installed here.", "the engine that was measured fastest", f"Install {name}.")
    folder = tempfile.TemporaryDirectory(prefix=f"ossicle-{name}-")
    module, _, function = found[0].function.partition(":")
    try:
        model = write(prepare(onnx.load_model_from_string(network), shape), Path(folder.name))
        contender = getattr(importlib.import_module(module), function)(model, np.zeros(shape, np.float32))
        contender.call()
    except Exception as error:  # engines raise anything
        folder.cleanup()
        raise LneError(
            f"{name} cannot open the network ({type(error).__name__}: {str(error)[:200]}).",
            "an engine that can",
            "Optimise the model again here.",
        ) from error
    if contender.give is None:
        raise LneError(f"{name} takes no second input.", "a backend whose contender has `give`", "Add it.")
    return Served(name, contender, folder)
