"""One block of memory for many buffers: those that are never alive together may share a place."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Life = tuple[int, int]
"""First and last step in which a buffer is in use."""


def arrange(sizes: Mapping[Key, int], alive: Mapping[Key, Life]) -> tuple[dict[Key, int], int]:
    """An offset per buffer, and the bytes of the whole block.

    Largest first, each at the lowest place free during its life (greedy by size; Pisarchyk and Lee 2020, "Efficient
    Memory Management for Deep Neural Net Inference").
    """
    offsets: dict[Key, int] = {}
    for key in sorted(sizes, key=lambda key: (-sizes[key], alive[key])):
        taken = sorted((offsets[other], offsets[other] + sizes[other]) for other in offsets if _meet(alive, key, other))
        offsets[key] = _gap(taken, sizes[key])
    return offsets, max((offsets[key] + sizes[key] for key in sizes), default=0)


def _meet(alive: Mapping[Key, Life], one: Key, other: Key) -> bool:
    return alive[other][0] <= alive[one][1] and alive[one][0] <= alive[other][1]


def _gap(taken: Iterable[tuple[int, int]], size: int) -> int:
    place = 0
    for start, end in taken:
        if start - place >= size:
            return place
        place = max(place, end)
    return place
