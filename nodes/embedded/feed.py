"""In which order a network on a microcontroller is given its features.

A front end writes a frame when it is ready: memory holds frame after frame, each with its coefficients. A network that
reads the features as an image starts with a rearrangement. Where that only turns them into this order, it is taken off
the network, and the caller gives them as they come; where it wants another order, it does the turning itself. A network
over several patches (S3) is given one patch a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Concat, Conv, Graph, Map, Op, Rearrange, Recurrent, Weights
from nodes.quant.fixed import Fixed
from nodes.quant.settings import Settings
from nodes.quant.split import split

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Feed:
    """A network as it is given its input.

    Attributes:
        graph: without what only turns the input round.
        table: places of the source map's values in one piece of a clip; None if they are the same.
        pieces: how many inputs in a row make one clip; a network with more keeps its state from one to the next.
        twins: of a map or operation, those that did the same for the other pieces.
        joined: the map of all pieces' results, and the first piece's result that stands in its place; or nothing.
    """

    graph: Graph
    table: NDArray[np.int64] | None = None
    pieces: int = 1
    twins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    joined: tuple[str, str] | None = None

    def inputs(self, clip: Floats) -> list[Weights]:
        """The inputs (channels, rows, columns) that one clip gives, in order."""
        whole = np.asarray(clip, np.float64).reshape(self.pieces, -1)
        shape = self.graph.maps[self.graph.source].shape
        return [(piece if self.table is None else piece[self.table]).reshape(shape) for piece in whole]


def feed(graph: Graph) -> Feed:
    """How a network is fed: patch by patch if it reads patches, in the order a front end writes if that is possible."""
    branches = _branches(graph)
    if not branches:
        return _turned(graph)
    joint, parts = _joint(graph), [split(replace(graph, ops=tuple(ops))).ops for ops in branches]
    assert joint is not None
    cut, joined = _turned(_cut(graph, branches[0])), (joint.output, joint.inputs[0])
    return replace(cut, pieces=len(branches), twins=_twins(parts), joined=joined)


def shared(settings: Settings, fed: Feed) -> Settings:
    """Complete settings with one format for all pieces of a clip.

    Of what was computed for each piece apart, the format with the largest range; what joins the pieces takes theirs.
    With these formats the network as written and the one that is called piece by piece are equal to the bit.
    """
    formats = dict(settings.formats)
    for name, others in fed.twins.items():
        for row in ((name, *others), *_weights(name, others)):
            found = [formats[one] for one in row if one in formats]
            formats |= dict.fromkeys(row, min(found, key=_fraction)) if found else {}
    if fed.joined is not None and fed.joined[1] in formats:
        formats[fed.joined[0]] = formats[fed.joined[1]]
    return replace(settings, formats=formats)


def _weights(name: str, others: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for part in ("weight", "recurrence"):
        yield tuple(f"{one} {part}" for one in (name, *others))


def _fraction(form: Fixed) -> int:
    return form.fraction


def _turned(graph: Graph) -> Feed:
    """The network that reads frame after frame: without a rearrangement that only undoes this, or with one."""
    features, given = graph.source_shape[-2:], graph.maps[graph.source]
    if len(features) != 2 or given.size != features[0] * features[1]:
        return Feed(graph)
    readers = list(graph.consumers(graph.source))
    first = readers[0]
    if len(readers) == 1 and isinstance(first, Rearrange) and graph.result != first.output:
        table, shape = first.table.astype(np.int64), graph.maps[first.output].shape
        if _is_frame_after_frame(table, shape, features):
            return Feed(_without(graph, first), table)
    places = np.arange(given.size)
    if _is_frame_after_frame(places, given.shape, features):
        return Feed(graph)
    return Feed(_with_frames(graph, features), places)


def _without(graph: Graph, first: Op) -> Graph:
    maps = {name: made for name, made in graph.maps.items() if name != graph.source}
    ops = tuple(op for op in graph.ops if op is not first)
    return replace(graph, source=first.output, maps=maps, ops=ops, source_shape=(1, *graph.maps[first.output].shape))


def _with_frames(graph: Graph, features: tuple[int, ...]) -> Graph:
    """Reads (coefficients, 1, frames), which lies in memory frame after frame, and turns it round."""
    name = f"{graph.source} by frames"
    given = Map(name, features[0], 1, features[1])
    turn = Rearrange(name, (name,), graph.source, table=np.arange(given.size, dtype=np.int32))
    maps = {name: given, **graph.maps}
    return replace(graph, source=name, maps=maps, ops=(turn, *graph.ops), source_shape=(1, *given.shape))


def _is_frame_after_frame(table: NDArray[np.int64], shape: tuple[int, ...], features: tuple[int, ...]) -> bool:
    """Whether a map (channels, rows, columns) in memory, channels last, is (coefficients, frames) turned round."""
    in_memory = table.reshape(shape).transpose(1, 2, 0).ravel()
    wanted = np.arange(table.size).reshape(features).T.ravel()
    return table.size == wanted.size and bool((in_memory == wanted).all())


def _branches(graph: Graph) -> list[list[Op]]:
    """The operations for each patch of a network that can be called patch after patch; none of any other network.

    Such a network computes every patch alone up to a concatenation into a sequence, then passes its steps one by one
    to a recurrent layer, whose last state it goes on with. The state is what is left of earlier patches.
    """
    patches, joint = graph.maps[graph.source].c, _joint(graph)
    if patches < 2 or joint is None or joint.axis != "w" or len(joint.inputs) != patches:
        return []
    branches = [list(_before(graph, name)) for name in joint.inputs]
    steps = list(_steps(graph, _behind(graph, joint)))
    is_sequence = bool(steps) and isinstance(steps[-1], Recurrent) and not steps[-1].whole
    is_apart = all(_reads_one_patch(graph, ops, number) for number, ops in enumerate(branches))
    return branches if is_sequence and is_apart else []


def _joint(graph: Graph) -> Concat | None:
    return next((op for op in graph.ops if isinstance(op, Concat)), None)


def _behind(graph: Graph, joint: Concat) -> tuple[Op, ...]:
    return graph.ops[graph.ops.index(joint) + 1 :]


def _twins(branches: Sequence[Sequence[Op]]) -> dict[str, tuple[str, ...]]:
    """Maps and operations of the first branch with those at the same place in the others."""
    rows = list(zip(*branches, strict=True))
    named = {row[0].name: tuple(op.name for op in row[1:]) for row in rows}
    return {**named, **{row[0].output: tuple(op.output for op in row[1:]) for row in rows}}


def _before(graph: Graph, name: str) -> Iterator[Op]:
    """The operations a map comes from, the first of them first."""
    op = graph.producer(name)
    if op is not None:
        for given in op.inputs:
            yield from _before(graph, given)
        yield op


def _reads_one_patch(graph: Graph, ops: list[Op], number: int) -> bool:
    """Whether all that a branch reads of the source is patch `number`, by one rearrangement at its start."""
    size = graph.maps[graph.source].size // graph.maps[graph.source].c
    readers = [op for op in ops if graph.source in op.inputs]
    if len(readers) != 1 or not isinstance(readers[0], Rearrange):
        return False
    return bool((readers[0].table // size == number).all())


def _steps(graph: Graph, ops: tuple[Op, ...]) -> Iterator[Op]:
    """Operations that compute each step of a sequence alone, and the recurrent layer behind them."""
    for op in ops:
        is_alone = isinstance(op, Conv) and op.kernel == (1, 1) and not op.has_residual and graph.maps[op.output].h == 1
        if is_alone or isinstance(op, Recurrent):
            yield op
        if not is_alone:
            return


def _cut(graph: Graph, branch: Sequence[Op]) -> Graph:
    """The first branch and what is behind the joint, with sequences of one step."""
    joint = _joint(graph)
    assert joint is not None
    behind, single = _behind(graph, joint), joint.inputs[0]
    sequences = {op.output for op in _steps(graph, behind) if isinstance(op, Conv)}

    def renamed(op: Op) -> Op:
        return replace(op, inputs=tuple(single if name == joint.output else name for name in op.inputs))

    ops = (*branch, *map(renamed, behind))
    left = {name for op in ops for name in (*op.inputs, op.output)}
    maps = {
        name: replace(made, w=1) if name in sequences else made for name, made in graph.maps.items() if name in left
    }
    maps[graph.source] = replace(graph.maps[graph.source], c=1)
    return replace(graph, maps=maps, ops=ops, source_shape=(1, 1, *graph.source_shape[2:]))
