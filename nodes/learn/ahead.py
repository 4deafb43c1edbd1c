"""Prepare batches ahead in threads, in order; who would have to wait for one makes another meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

from nodes.learn.source import Batch

Make = Callable[[int], Batch]
Waiting = deque[tuple[int, Future[Batch]]]


@contextmanager
def ahead(make: Make, first: int, workers: int) -> Iterator[Iterator[Batch]]:
    """Batches from step `first` on, without end; with workers, the next ones are made while one is learnt from.

    Where making takes longer than learning, the thread that learns makes batches too, so no core is ever idle.
    """
    if workers < 1:
        yield map(make, count(first))
        return
    pool = ThreadPoolExecutor(workers, "augment")
    try:
        yield _in_order(pool, make, first, 2 * workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ThreadPoolExecutor, make: Make, first: int, depth: int) -> Iterator[Batch]:
    waiting: Waiting = deque((step, pool.submit(make, step)) for step in range(first, first + depth))
    for step in count(first + depth):
        while not waiting[0][1].done() and _help(make, waiting):
            pass
        _, batch = waiting.popleft()
        waiting.append((step, pool.submit(make, step)))
        yield batch.result()


def _help(make: Make, waiting: Waiting) -> bool:
    """Make the first batch that nobody has begun; False if there is none."""
    for place, (step, promised) in enumerate(waiting):
        if promised.cancel():
            made: Future[Batch] = Future()
            made.set_result(make(step))
            waiting[place] = step, made
            return True
    return False
