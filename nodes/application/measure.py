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
_REQUEST_FILE: Final = "request.json"
_THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_POLL_S: Final = 0.2


def _carry_on() -> None:
    return None


def measure(
    folder: Path, clip: NDArray[np.float32], protocol: Protocol, check: Callable[[], None] = _carry_on
) -> dict[str, Any]:
    """Latency, latency per layer, preprocessing and memory of the bundle in `folder` on one clip (samples,).

    Keys: `inference` and `preprocessing` (see `protocol.summary`), `profile` (see `profile.Profile`), `memory`.
    `check` is called a few times a second; if it raises, the measuring stops.

    Raises:
        ApplicationError: the measuring process failed; carries its last line.
    """
    with tempfile.TemporaryDirectory(prefix="ossicle-measure-") as name:
        np.save(Path(name) / _CLIP_FILE, clip, allow_pickle=False)
        request = {"folder": str(folder), "protocol": protocol.to_json()}
        (Path(name) / _REQUEST_FILE).write_text(json.dumps(request), encoding="utf-8")
        code, told, complaints = _run(name, protocol.threads, check)
    if code:
        reason = (complaints.strip().splitlines() or [f"exit code {code}"])[-1]
        raise ApplicationError(
            f"measuring failed ({reason})", "a bundle that runs", "Check the model, and the memory left"
        )
    result: dict[str, Any] = json.loads(told)
    return result


def _run(work: str, threads: int, check: Callable[[], None]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the measuring process."""
    command = [sys.executable, "-m", "nodes.application.measure", work]
    pipe, environment = subprocess.PIPE, _environment(threads)
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            while True:
                try:
                    told, complaints = process.communicate(timeout=_POLL_S)
                    return process.returncode, told, complaints
                except subprocess.TimeoutExpired:
                    check()
        except BaseException:
            process.kill()
            raise


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
    work = Path(sys.argv[1])
    request = json.loads((work / _REQUEST_FILE).read_text(encoding="utf-8"))
    clip: NDArray[np.float32] = np.load(work / _CLIP_FILE, allow_pickle=False)
    json.dump(measure_here(Path(request["folder"]), clip, Protocol(**request["protocol"]), work), sys.stdout)


if __name__ == "__main__":
    _main()
