"""Whatever the kernel's size: every primitive says whether it can compute it, and some can."""

from __future__ import annotations

import pytest
from lne_graphs import Builder

from nodes.lne import TARGETS, Task, candidates


@pytest.mark.parametrize("size", [1, 2, 7, 10, 11, 20, 33])
@pytest.mark.parametrize("target", TARGETS)
def test_every_kernel_has_candidates(size: int, target: str) -> None:
    for kernel in ((size, 1), (1, size), (size, size)):
        build = Builder(2, 40, 36)
        build.conv(12, kernel)
        graph = build.graph()
        assert candidates(Task(graph.ops[0], graph, TARGETS[target]))
