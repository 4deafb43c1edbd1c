"""Reading many files: order, errors as values, bounded work under way, threads that end."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from nodes.dsp.errors import SourceError
from nodes.dsp.read import Wave, read_all, silence


def clips(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{n}.wav" for n in range(count)]
    for n, path in enumerate(paths):
        soundfile.write(path, np.full(n + 1, n, np.int16), 16_000)
    return paths


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_order_and_errors(threads: int, tmp_path: Path) -> None:
    paths = clips(tmp_path, 150)
    paths[70].write_bytes(b"")
    paths[100].unlink()
    for n, outcome in enumerate(read_all(paths, 16_000, 60, threads)):
        if n in (70, 100):
            assert isinstance(outcome, SourceError)
        else:
            assert isinstance(outcome, Wave) and outcome.samples.tolist() == [n] * (n + 1)
            assert outcome.sha256 == hashlib.sha256(outcome.samples.tobytes()).hexdigest()
    assert n == 149


def test_only_a_few_batches_are_under_way(tmp_path: Path) -> None:
    paths = clips(tmp_path, 64)
    taken: list[Path] = []

    def counted() -> object:
        for path in paths * 20:
            taken.append(path)
            yield path

    outcomes = read_all(counted(), 16_000, 60, threads=1)  # type: ignore[arg-type]
    next(outcomes)
    assert len(taken) <= 3 * 64
    outcomes.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_silence() -> None:
    assert silence(5).samples.tolist() == [0] * 5
    assert silence(5).sha256 == hashlib.sha256(bytes(10)).hexdigest()
