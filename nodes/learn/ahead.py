"""Prepare batches ahead in threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

from nodes.learn.source import Batch


@contextmanager
def ahead(make: Callable[[int], Batch], first: int, workers: int) -> Iterator[Iterator[Batch]]:
    """Batches from step `first` on, without end; with workers, the next ones are made while one is learnt from."""
    if workers < 1:
        yield map(make, count(first))
        return
    pool = ThreadPoolExecutor(workers, "augment")
    try:
        yield _in_order(pool, make, first, 2 * workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ThreadPoolExecutor, make: Callable[[int], Batch], first: int, depth: int) -> Iterator[Batch]:
    waiting: deque[Future[Batch]] = deque(pool.submit(make, first + offset) for offset in range(depth))
    for step in count(first + depth):
        batch = waiting.popleft().result()
        waiting.append(pool.submit(make, step))
        yield batch
