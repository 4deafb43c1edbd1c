"""Every primitive there is. A new one is added to this list, or by `register`."""

from __future__ import annotations

from collections.abc import Iterator

from nodes.lne.errors import LneError
from nodes.lne.plan import Casts
from nodes.lne.primitive import Primitive, Task
from nodes.lne.primitives import BUILT_IN

_added: list[Primitive] = []


def register(primitive: Primitive) -> None:
    """Add a primitive.

    Raises:
        LneError: its name is taken.
    """
    if any(known.name == primitive.name for known in primitives()):
        raise LneError(f"there is already a primitive {primitive.name!r}.", "a new name", "Rename it.")
    _added.append(primitive)


def primitives() -> Iterator[Primitive]:
    """All, the built-in ones first."""
    yield from BUILT_IN
    yield from _added


def candidates(task: Task) -> list[Primitive]:
    """Those that can compute an operation, the cheapest by estimate first."""
    able = [one for one in primitives() if isinstance(task.op, one.ops) and not one.refuse(task)]
    return sorted(able, key=lambda one: (one.cost(task), one.name))


def casts() -> Casts:
    """For `make_plan`."""
    return Casts(tuple(primitives()))
