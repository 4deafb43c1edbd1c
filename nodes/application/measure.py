"""Measure a bundle in a process of its own, so that nothing else runs in it and its memory can be told apart.

`measure(folder, ...)` starts `python -m nodes.application.measure` and reads back one JSON object.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nodes.application import memory
from nodes.application.bundle import load_bundle
from nodes.application.errors import ApplicationError
from nodes.application.network import logits_of, open_network
from nodes.application.protocol import Protocol, summary
from nodes.dsp.frontend import compute

_CLIP_FILE: Final = "clip.npy"
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LIMIT_S: Final = 600


def measure(folder: Path, clip: NDArray[np.float32], protocol: Protocol) -> dict[str, Any]:
    """Latency, latency per layer, preprocessing and memory of the bundle in `folder` on one clip (samples,).

    Keys: `inference` and `preprocessing` (see `protocol.summary`), `profile` (see `profile.Profile`), `memory`.

    Raises:
        ApplicationError: the measuring process failed; carries its last line.
    """
    with tempfile.TemporaryDirectory(prefix="ossicle-measure-") as name:
        work = Path(name)
        np.save(work / _CLIP_FILE, clip, allow_pickle=False)
        request = json.dumps({"folder": str(folder), "work": name, "protocol": protocol.to_json()})
        done = subprocess.run(
            [sys.executable, "-m", "nodes.application.measure"],
            input=request,
            capture_output=True,
            text=True,
            env=_environment(protocol.threads),
            timeout=LIMIT_S,
            check=False,
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ApplicationError(
            f"measuring failed ({reason})", "a bundle that runs", "Check the model with `ossicle show`"
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _environment(threads: int) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **dict.fromkeys(_THREAD_VARIABLES, str(threads))}


def measure_here(folder: Path, clip: NDArray[np.float32], protocol: Protocol, work: Path) -> dict[str, Any]:
    """The same in this process; memory counts from here on, so it should have done nothing before."""
    bundle = load_bundle(folder)
    features = compute(bundle.front_end, clip[None])
    start = memory.mark()
    session = open_network(bundle.network, bundle.name, protocol.threads)
    inference_us = _times_us(lambda: logits_of(session, features), protocol)
    grown_bytes = memory.growth_bytes(start)
    preprocessing_us = _times_us(lambda: compute(bundle.front_end, clip[None], protocol.threads), protocol)
    from nodes.application.profile import profile  # brings onnx, which must not count as the engine's memory

    return {
        "protocol": protocol.to_json(),
        "inference": summary(inference_us),
        "preprocessing": summary(preprocessing_us),
        "profile": profile(bundle.network, features, protocol, work).to_json(),
        "memory": {"inference_bytes": grown_bytes, "process_bytes": memory.peak_bytes()},
    }


def _times_us(act: Callable[[], object], protocol: Protocol) -> list[float]:
    """Wall times in microseconds, the warm-ups thrown away."""
    times = []
    for _ in range(protocol.warmups + protocol.runs):
        start_ns = time.perf_counter_ns()
        act()
        times.append((time.perf_counter_ns() - start_ns) / 1e3)
    return times[protocol.warmups :]


def _main() -> None:
    request = json.load(sys.stdin)
    work = Path(request["work"])
    clip: NDArray[np.float32] = np.load(work / _CLIP_FILE, allow_pickle=False)
    json.dump(measure_here(Path(request["folder"]), clip, Protocol(**request["protocol"]), work), sys.stdout)


if __name__ == "__main__":
    _main()
