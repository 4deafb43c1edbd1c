"""A generated network as one more contender, so that it is timed exactly as the others are."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np

from nodes.lne.backends.contender import Contender, Floats
from nodes.lne.build import compile_program
from nodes.lne.program import Program

ALIGN_BYTES = 64


def describe(program: Program, folder: Path) -> Path:
    """Compile a program and write beside it what `lne` needs to call it."""
    library = compile_program(program, folder)
    told = folder / "network.json"
    told.write_text(
        json.dumps(
            {
                "library": str(library),
                "name": program.name,
                "workspace_bytes": program.plan.workspace_bytes,
                "result_shape": list(program.plan.graph.result_shape),
            }
        )
    )
    return told


def lne(model: Path, values: Floats) -> Contender:
    """Open what `describe` wrote."""
    told = json.loads(model.read_text())
    library = ctypes.CDLL(told["library"])
    workspace = np.zeros(told["workspace_bytes"] + ALIGN_BYTES, np.uint8)
    start = -(-workspace.ctypes.data // ALIGN_BYTES) * ALIGN_BYTES
    source, result = np.ascontiguousarray(values, np.float32), np.empty(told["result_shape"], np.float32)
    prepare, run = (getattr(library, f"{told['name']}_{what}") for what in ("prepare", "run"))
    prepare.argtypes, prepare.restype = [ctypes.c_void_p], None
    run.argtypes, run.restype = [ctypes.c_void_p] * 3, None
    prepare(start)
    places = [ctypes.c_void_p(address) for address in (start, source.ctypes.data, result.ctypes.data)]
    return Contender(lambda: run(*places), lambda: result, (library, workspace, source))
