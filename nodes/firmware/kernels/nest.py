"""Two maps met value by value: runs of neighbours, in as few loops around them as their shapes allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nodes.firmware.kernel import Task, c_type

Side = tuple[int, tuple[int, ...]]
"""How many values, and how far the next one is in every input: 0 where a map is repeated."""
POINTERS = "ab"
UNROLLED = 4
"""Values per turn of a loop over single values."""


@dataclass(frozen=True)
class Nest:
    """Loops over an output in the order it lies in memory.

    Attributes:
        outer: sides around the run, the outermost first.
        run: the innermost side: steps are 1, or 0 for a map whose value stays.
    """

    outer: tuple[Side, ...]
    run: Side


def nest_of(task: Task) -> Nest:
    """Sides that go on where the one inside them ends are one.

    >>> nest_of(task)  # (8, 20, 98) with (8, 1, 98)
    Nest(outer=((20, (784, 0)),), run=(784, (1, 1)))
    """
    out = task.output
    sides: list[Side] = []
    for count, name in ((out.h, "h"), (out.w, "w"), (out.c, "c")):
        steps = tuple({"h": x.w * x.c, "w": x.c, "c": 1}[name] if getattr(x, name) > 1 else 0 for x in task.inputs)
        if count == 1:
            continue
        if sides and all(above == count * step for above, step in zip(sides[-1][1], steps, strict=True)):
            sides[-1] = (sides[-1][0] * count, steps)
        else:
            sides.append((count, steps))
    if not sides or any(step > 1 for step in sides[-1][1]):
        sides.append((1, tuple(1 for _ in task.inputs)))
    return Nest(tuple(sides[:-1]), sides[-1])


def loops(task: Task, body: Iterable[str]) -> Iterator[str]:
    """C of the loops: in `body`, that of a run, `a` and `b` point to the inputs, `q` to the output, which it moves."""
    found = nest_of(task)
    yield f"{c_type(task.forms[-1])} *q = o;"
    for level, (count, _) in enumerate(found.outer):
        yield f"for (int i{level} = 0; i{level} < {count}; i{level}++) {{"
    for index, form in enumerate(task.forms[:-1]):
        moved = [f" + i{level} * {steps[index]}" for level, (_, steps) in enumerate(found.outer) if steps[index]]
        yield f"const {c_type(form)} *{POINTERS[index]} = x{index}{''.join(moved)};"
    yield from body
    yield "}" * len(found.outer)


def repeated(count: int, moved: Iterable[str], body: Callable[[int], str]) -> Iterator[str]:
    """C of `body(i)` for so many values, some per turn: i counts from the pointers in `moved`."""
    turns, rest = divmod(count, UNROLLED)
    if turns:
        yield f"for (int n = {turns}; n > 0; n--, {', '.join(f'{name} += {UNROLLED}' for name in moved)}) {{"
        yield from (f"  {body(i)}" for i in range(UNROLLED))
        yield "}"
    yield from (body(i) for i in range(rest))
