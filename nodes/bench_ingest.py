"""`ossicle bench ingest`: the ingest node against a bare soundfile + h5py loop, and how much memory it needs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.bench import BenchResult, Row, at_least, at_most, machine

CLIPS, CLASSES, DISTINCT = 65_000, 30, 300
RATE_HZ = 16_000


def ingest(options: Mapping[str, str]) -> BenchResult:
    """Clips per second and peak memory of ingesting one-second clips from class folders.

    Options: `clips` (65,000), `rounds` (3). Both sides run as processes of their own, in turn, on the same files; the
    peer reads each file with soundfile and appends it to an h5py data set, and keeps label and name of every clip.
    """
    clips, rounds = int(options.get("clips", CLIPS)), int(options.get("rounds", 3))
    with tempfile.TemporaryDirectory(prefix="ossicle-bench-") as place:
        folder = Path(place)
        write_clips(folder / "clips", clips)
        runs = [(_measured("_ours", folder), _measured("_bare", folder)) for _ in range(rounds)]
    ours_s = statistics.median(ours["seconds"] for ours, _ in runs)
    bare_s = statistics.median(bare["seconds"] for _, bare in runs)
    memory_mb = max(ours["memory_mb"] for ours, _ in runs)
    ratio = statistics.median(bare["seconds"] / ours["seconds"] for ours, bare in runs)
    return BenchResult(
        "ingest",
        machine(),
        (
            at_most("peak memory", round(memory_mb, 1), "MB", 1000),
            at_least("clips/s against the bare loop", round(ratio, 3), "x", 0.7),
            Row("speed", round(clips / ours_s), "clips/s", peers={"soundfile + h5py": round(clips / bare_s)}),
            Row("clips", clips, "clips"),
        ),
    )


def write_clips(folder: Path, clips: int) -> None:
    """One-second WAV files in class folders: 300 different ones, the others hard links to them."""
    import numpy as np
    import soundfile

    rng = np.random.default_rng(0)
    made: list[Path] = []
    for number in range(clips):
        path = folder / f"word{number % CLASSES:02d}" / f"{number:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < DISTINCT:
            soundfile.write(path, rng.normal(0, 3000, RATE_HZ).astype(np.int16), RATE_HZ)
            made.append(path)
        else:
            os.link(made[number % DISTINCT], path)


def _measured(name: str, folder: Path) -> dict[str, float]:
    """Run one side in a process of its own; seconds of its work and its peak memory."""
    command = [sys.executable, "-m", "nodes.bench_ingest", name, str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return {"seconds": float(answer[0]), "memory_mb": float(answer[1])}


def _ours(folder: Path) -> None:
    from engine import Context
    from nodes.ingest import IngestParams
    from nodes.ingest import ingest as node

    with tempfile.TemporaryDirectory(dir=folder) as work:
        ctx = Context.for_test(Path(work), threads=len(os.sched_getaffinity(0)))
        node(IngestParams(source=str(folder / "clips")), ctx)


def _bare(folder: Path) -> None:
    import h5py
    import soundfile

    with tempfile.TemporaryDirectory(dir=folder) as work, h5py.File(Path(work) / "bare.h5", "w") as file:
        paths = sorted((folder / "clips").glob("*/*.wav"))
        samples = file.create_dataset("samples", (len(paths), RATE_HZ), "int16")
        for number, path in enumerate(paths):
            data, _rate_hz = soundfile.read(path, dtype="int16")
            samples[number, : len(data)] = data[:RATE_HZ]
        file["label"] = [path.parent.name for path in paths]
        file["name"] = [path.name for path in paths]


SIDES: Mapping[str, Callable[[Path], None]] = {"_ours": _ours, "_bare": _bare}


def main(name: str, folder: str) -> None:
    """Do one side's work; seconds and peak memory (MB) go to standard output."""
    from nodes.application.memory import peak_bytes

    started = time.perf_counter()
    SIDES[name](Path(folder))
    seconds = time.perf_counter() - started
    sys.stdout.write(f"{seconds} {peak_bytes() / 1e6}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
