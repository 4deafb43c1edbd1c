"""From a choice of primitives to steps and memory: casts where formats differ, halos, and a place for every buffer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nodes.lne.arena import arrange
from nodes.lne.errors import LneError
from nodes.lne.ir import Graph, Map, Op
from nodes.lne.layout import F32_CHW, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Range, Signature, Task
from nodes.lne.target import Target

Choices = Mapping[str, Primitive]
Key = tuple[str, Format]
"""A map in one format. The network's own input and output have keys of their own, see `outside`."""
SOURCE, RESULT = "in", "out"


@dataclass(frozen=True, eq=False)
class Cast(Op):
    """A map from one format into another; also to and from the caller's memory."""

    before: Format = field(kw_only=True)
    after: Format = field(kw_only=True)


@dataclass(frozen=True)
class Step:
    """One operation, how and where it is computed."""

    task: Task
    primitive: Primitive
    inputs: tuple[Buffer, ...]
    output: Buffer
    clears: bool = False
    """Whether the output's border must be cleared first, because its memory is shared."""

    @property
    def in_place(self) -> bool:
        """Whether the output takes over the memory of an input."""
        out = self.output
        return out.place == "workspace" and any(
            (one.place, one.offset) == (out.place, out.offset) for one in self.inputs
        )

    @property
    def place(self) -> Place:
        """For `Primitive.emit`."""
        return Place(self.task, self.inputs, self.output)


@dataclass(frozen=True)
class Plan:
    """Everything the program needs to know."""

    graph: Graph
    target: Target
    steps: tuple[Step, ...]
    workspace_bytes: int
    scratch_offset: int
    buffers: tuple[Buffer, ...]


@dataclass(frozen=True)
class _Move:
    """A step before its buffers are known."""

    task: Task
    primitive: Primitive
    signature: Signature
    inputs: tuple[Key, ...]
    output: Key


@dataclass(frozen=True)
class Casts:
    """Where casts come from: the primitive for a cast."""

    primitives: Sequence[Primitive]

    def find(self, task: Task) -> Primitive:
        """The first that takes it.

        Raises:
            LneError: none does.
        """
        for primitive in self.primitives:
            if isinstance(task.op, primitive.ops) and not primitive.refuse(task):
                return primitive
        op = task.op
        assert isinstance(op, Cast)
        raise LneError(
            f"{op.name}: no primitive turns {op.before.name} into {op.after.name}.",
            "formats between which there is a cast",
            "Choose primitives of other formats.",
        )


def make_plan(
    graph: Graph,
    target: Target,
    choices: Choices,
    casts: Casts,
    ranges: Mapping[str, Range] | None = None,
    *,
    shares: bool = False,
) -> Plan:
    """Steps and memory for one primitive per operation.

    `shares` lets buffers that are never alive together use the same memory; their borders are then cleared in
    every run.

    Raises:
        LneError: an operation has no primitive, one refuses it, or there is no cast between two formats.
    """
    moves = tuple(_moves(graph, target, choices, casts, ranges or {}))
    alive = _alive(moves)
    buffers, owners = _in_place(moves, _buffers(moves, graph, target), alive)
    owned = {key: buffer for key, buffer in buffers.items() if owners[key] == key}
    offsets, end = _shared(owned, _together(alive, owners)) if shares else _separate(owned)
    placed = {key: buffer.at(offsets.get(owners[key], 0)) for key, buffer in buffers.items()}
    steps = tuple(
        Step(
            move.task,
            move.primitive,
            tuple(placed[key] for key in move.inputs),
            placed[move.output],
            clears=shares and bool(placed[move.output].halo) and owners[move.output] == move.output,
        )
        for move in moves
    )
    scratch = max((move.primitive.scratch_bytes(move.task) for move in moves), default=0)
    inside = tuple(buffer for buffer in placed.values() if buffer.place == "workspace")
    return Plan(graph, target, steps, end + _rounded(scratch), end, inside)


def _moves(
    graph: Graph, target: Target, choices: Choices, casts: Casts, ranges: Mapping[str, Range]
) -> Iterator[_Move]:
    """Every operation in order, with casts before the first reader of another format."""
    have: dict[str, list[Key]] = {graph.source: [_outside(graph.source, SOURCE)]}

    def cast(name: str, before: Key, after: Key) -> _Move:
        op = Cast(_cast_name(name, before, after), (name,), name, before=before[1], after=after[1])
        task = Task(op, graph, target, ranges)
        return _Move(task, casts.find(task), Signature((before[1],), after[1]), (before,), after)

    for op in graph.ops:
        task = Task(op, graph, target, ranges)
        primitive = _chosen(task, choices)
        signature = primitive.signature(task)
        for name, form in zip(op.inputs, signature.inputs, strict=True):
            if (name, form) not in have[name]:
                yield cast(name, have[name][0], (name, form))
                have[name].append((name, form))
        output = (op.output, signature.output)
        have[op.output] = [output]
        inputs = tuple(zip(op.inputs, signature.inputs, strict=True))
        yield _Move(task, primitive, signature, inputs, output)
    yield cast(graph.result, have[graph.result][0], _outside(graph.result, RESULT))


def _chosen(task: Task, choices: Choices) -> Primitive:
    primitive = choices.get(task.op.name)
    if primitive is None:
        raise LneError(f"{task.op.name}: no primitive was chosen.", "one per operation", "Choose one.")
    reason = primitive.refuse(task)
    if reason:
        raise LneError(
            f"{task.op.name}: {primitive.name} cannot compute it: {reason}.", "a primitive that can", "Choose another."
        )
    return primitive


def _outside(name: str, side: str) -> Key:
    """The caller's memory: plain floats in the order of ONNX."""
    return (f"{name}@{side}", F32_CHW)


def _cast_name(name: str, before: Key, after: Key) -> str:
    return f"{name}: {before[1].name} to {after[1].name}"


def _buffers(moves: Iterable[_Move], graph: Graph, target: Target) -> dict[Key, Buffer]:
    """One buffer per key, with the widest halo any reader asks for."""
    halos: dict[Key, Halo] = {}
    keys: dict[Key, None] = {}
    for move in moves:
        keys.update(dict.fromkeys((*move.inputs, move.output)))
        for index, key in enumerate(move.inputs):
            halos[key] = halos.get(key, Halo()).union(move.primitive.halo(move.task, index))
    return {key: _buffer(key, halos.get(key, Halo()), graph, target) for key in keys}


def _buffer(key: Key, halo: Halo, graph: Graph, target: Target) -> Buffer:
    name, _, side = key[0].partition("@")
    held: Map = graph.maps[name]
    if side:
        return Buffer(held, key[1], Halo(), held.c, place="input" if side == SOURCE else "output")
    return Buffer(held, key[1], halo, key[1].padded(held.c, target))


def _alive(moves: Sequence[_Move]) -> dict[Key, tuple[int, int]]:
    """First and last step in which each buffer is in use."""
    alive: dict[Key, tuple[int, int]] = {}
    for index, move in enumerate(moves):
        for key in (*move.inputs, move.output):
            alive[key] = (alive.get(key, (index, index))[0], index)
    return alive


def _in_place(
    moves: Sequence[_Move], buffers: Mapping[Key, Buffer], alive: Mapping[Key, tuple[int, int]]
) -> tuple[dict[Key, Buffer], dict[Key, Key]]:
    """Buffers, and the owner of each one's memory: an input that its primitive overwrites and nobody reads later.

    All of one memory have the same border. Where the shape changes on the way there must be none.
    """
    owners = {key: key for key in buffers}
    halos = {key: buffer.halo for key, buffer in buffers.items()}
    bare: set[Key] = set()
    for index, move in enumerate(moves):
        out = buffers[move.output]
        for key in (move.inputs[place] for place in move.primitive.in_place(move.task)):
            given, owner = buffers[key], owners[key]
            if alive[key][1] != index or {given.place, out.place} != {"workspace"}:
                continue
            alike = (given.map.shape, given.format) == (out.map.shape, out.format) and owner not in bare
            halo = halos[owner].union(out.halo)
            if alike or (not halo and given.bytes == out.bytes):
                owners[move.output], halos[owner] = owner, halo
                bare |= set() if alike else {owner}
                break
    return {key: replace(buffer, halo=halos[owners[key]]) for key, buffer in buffers.items()}, owners


def _together(alive: Mapping[Key, tuple[int, int]], owners: Mapping[Key, Key]) -> dict[Key, tuple[int, int]]:
    """From the first to the last use of each memory."""
    spans = dict(alive)
    for key, owner in owners.items():
        spans[owner] = min(spans[owner][0], alive[key][0]), max(spans[owner][1], alive[key][1])
    return spans


def _separate(buffers: Mapping[Key, Buffer]) -> tuple[dict[Key, int], int]:
    offsets, end = {}, 0
    for key, buffer in buffers.items():
        if buffer.place == "workspace":
            offsets[key], end = end, end + buffer.bytes
    return offsets, end


def _shared(buffers: Mapping[Key, Buffer], alive: Mapping[Key, tuple[int, int]]) -> tuple[dict[Key, int], int]:
    return arrange({key: buffer.bytes for key, buffer in buffers.items() if buffer.place == "workspace"}, alive)


def _rounded(size: int) -> int:
    return -(-size // 64) * 64
