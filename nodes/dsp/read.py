"""Many audio files at once: decoded by threads, handed out in order, with a bounded number of bytes under way."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nodes.dsp.decode import decode
from nodes.dsp.errors import SourceError

_BATCH_FILES = 64
_BATCH_BYTES = 8 << 20
_COMPRESSION = {".wav": 1, ".wave": 1, ".aif": 1, ".aiff": 1, ".au": 1, ".w64": 1, ".flac": 3}
"""Decoded bytes per byte of file, roughly; other kinds (Ogg, MP3) are lossy."""
_LOSSY = 16


@dataclass(frozen=True)
class Wave:
    """Samples int16 (samples,) at the wanted rate and the sha256 of their bytes."""

    samples: NDArray[np.int16]
    sha256: str


Outcome = Wave | SourceError


def read_all(paths: Iterable[Path], rate_hz: int, max_clip_s: float, threads: int = 1) -> Iterator[Outcome]:
    """Decode files: for each path, in order, its waveform or the reason why there is none.

    libsndfile, soxr and sha256 let other threads run, so `threads` of them scale; a few batches are under way at a
    time, each of at most 8 MB decoded (or one file, whatever its length).
    """
    pool = ThreadPoolExecutor(max(threads, 1), thread_name_prefix="decode")
    under_way: deque[Future[list[Outcome]]] = deque()
    try:
        for batch in _batches(paths):
            under_way.append(pool.submit(_decode_batch, batch, rate_hz, max_clip_s))
            if len(under_way) > max(threads, 1):
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in paths:
        batch.append(path)
        size += _decoded_bytes(path)
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _decoded_bytes(path: Path) -> int:
    try:
        return path.stat().st_size * _COMPRESSION.get(path.suffix.lower(), _LOSSY)
    except OSError:
        return 0  # decoding will tell


def _decode_batch(paths: Sequence[Path], rate_hz: int, max_clip_s: float) -> list[Outcome]:
    return [_outcome(path, rate_hz, max_clip_s) for path in paths]


def _outcome(path: Path, rate_hz: int, max_clip_s: float) -> Outcome:
    try:
        samples = decode(path, rate_hz, max_clip_s)
    except SourceError as error:
        return error
    return Wave(samples, hashlib.sha256(samples.data).hexdigest())


def silence(samples: int) -> Wave:
    """So many zeros."""
    zeros = np.zeros(samples, np.int16)
    return Wave(zeros, hashlib.sha256(zeros.data).hexdigest())
