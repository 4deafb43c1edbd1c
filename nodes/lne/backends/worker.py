"""The process of one engine: reads requests as lines of JSON, answers each with one.

    {"open": "module:function", "model": path, "values": path of .npy}  -> {"output": [...]}
    {"time": calls, "warm": calls}                                      -> {"us": [...]}

An error is answered as {"error": text}. The core is chosen before anything is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def main(core: int) -> None:
    """Serve until the input ends. What engines print goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if core >= 0 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    os.environ.update(dict.fromkeys(THREADS, "1"))
    held: list[Any] = []
    for line in sys.stdin:
        _answer(answers, held, json.loads(line))


def _answer(answers: TextIO, held: list[Any], request: dict[str, Any]) -> None:
    try:
        found = _opened(held, request) if "open" in request else _timed(held[0], request["time"], request["warm"])
    except Exception as error:  # engines raise anything; the parent tells which one it was
        found = {"error": f"{type(error).__name__}: {error}"[:500]}
    answers.write(json.dumps(found) + "\n")
    answers.flush()


def _opened(held: list[Any], request: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    held.clear()
    module, _, name = request["open"].partition(":")
    contender = getattr(importlib.import_module(module), name)(Path(request["model"]), np.load(request["values"]))
    contender.call()
    held.append(contender)
    output = np.asarray(contender.output(), np.float64).reshape(-1).tolist()
    return {"output": output, "takes_more": contender.give is not None}


def _timed(contender: Any, calls: int, warm: int) -> dict[str, Any]:
    call, clock, found = contender.call, time.perf_counter, []
    for _ in range(warm):
        call()
    for _ in range(calls):
        start_s = clock()
        call()
        found.append((clock() - start_s) * 1e6)
    return {"us": found}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
