"""What can be chosen: for every layer the primitives that can compute it, and the casts a choice brings with it.

A `State` says in which formats each map still to be read lies ready. Choosing an action in a state gives the next state
and the casts in between, exactly as `make_plan` inserts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nodes.lne.errors import LneError
from nodes.lne.ir import Graph
from nodes.lne.layout import F32_CHW, Buffer, Format, Halo
from nodes.lne.plan import Cast
from nodes.lne.primitive import Primitive, Range, Signature, Task
from nodes.lne.registry import candidates, casts
from nodes.lne.target import Target

State = tuple[tuple[str, tuple[Format, ...]], ...]
"""Maps that are still to be read, by name, with their formats; the producer's first. A map that only the caller's
memory holds has none yet."""
MOST_CANDIDATES = 16
"""Per layer; more are only kept if they bring another pair of formats."""


@dataclass(frozen=True)
class Change:
    """A cast of one map."""

    map: str
    before: Format
    after: Format


@dataclass(frozen=True)
class Action:
    """One way to compute a layer."""

    primitive: Primitive
    signature: Signature


@dataclass(frozen=True)
class Layer:
    """An operation, what can compute it (the cheapest by estimate first), and the maps nobody reads after it."""

    task: Task
    actions: tuple[Action, ...]
    dying: frozenset[str]

    @property
    def name(self) -> str:
        """The operation's."""
        return self.task.op.name


@dataclass(frozen=True, eq=False)
class Space:
    """All choices for a network on a target."""

    graph: Graph
    target: Target
    ranges: Mapping[str, Range]
    layers: tuple[Layer, ...]
    _steps: dict[tuple[int, State, int], tuple[State, tuple[Change, ...]]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def start(self) -> State:
        """Before the first layer: the input lies in the caller's memory."""
        return ((self.graph.source, ()),)

    def step(self, index: int, state: State, action: int) -> tuple[State, tuple[Change, ...]]:
        """The state after a layer, and the casts before it."""
        key = (index, state, action)
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = self._step(self.layers[index], state, self.layers[index].actions[action])
        return known

    def _step(self, layer: Layer, state: State, action: Action) -> tuple[State, tuple[Change, ...]]:
        have, changes = dict(state), []
        for name, form in zip(layer.task.op.inputs, action.signature.inputs, strict=True):
            if form not in have[name]:
                changes.append(Change(name, self._first(name, have[name]), form))
                have[name] = (*have[name], form)
        have[layer.task.op.output] = (action.signature.output,)
        kept = {name: forms for name, forms in have.items() if name not in layer.dying}
        return tuple(sorted(kept.items())), tuple(changes)

    def memory_bytes(self, index: int, state: State, action: int) -> tuple[int, int]:
        """Memory of maps alive in a step or in the casts before it, and of its scratch, at least.

        Borders for other readers come on top; of a map kept in several formats only the smallest is counted.
        """
        task, way = self.layers[index].task, self.layers[index].actions[action]
        _, changes = self.step(index, state, action)
        kept = {name: min((self._bytes(name, form, Halo()) for form in forms), default=0) for name, forms in state}
        read: dict[tuple[str, Format], Halo] = {}
        for number, key in enumerate(zip(task.op.inputs, way.signature.inputs, strict=True)):
            read[key] = read.get(key, Halo()).union(way.primitive.halo(task, number))
        others = sum(size for name, size in kept.items() if name not in task.op.inputs)
        inputs = sum(self._bytes(name, form, halo) for (name, form), halo in read.items())
        live = others + inputs + self._bytes(task.op.output, way.signature.output, Halo())
        for change in changes:
            given = 0 if change.map == self.graph.source else self._bytes(change.map, change.before, Halo())
            made = self._bytes(change.map, change.after, read[change.map, change.after])
            live = max(live, sum(kept.values()) - kept[change.map] + given + made)
        return live, way.primitive.scratch_bytes(task)

    def _bytes(self, name: str, form: Format, halo: Halo) -> int:
        held = self.graph.maps[name]
        return Buffer(held, form, halo, form.padded(held.c, self.target)).bytes

    def end(self, state: State) -> Change:
        """The cast of the result into the caller's memory."""
        name = self.graph.result
        return Change(name, self._first(name, dict(state)[name]), F32_CHW)

    def _first(self, name: str, forms: tuple[Format, ...]) -> Format:
        return F32_CHW if name == self.graph.source else forms[0]

    def walk(self, actions: Iterable[int]) -> tuple[Change, ...]:
        """Every cast of a whole choice, in order."""
        state = self.start
        found: list[Change] = []
        for index, action in enumerate(actions):
            state, changes = self.step(index, state, action)
            found.extend(changes)
        return (*found, self.end(state))

    def choices(self, actions: Iterable[int]) -> dict[str, Primitive]:
        """For `make_plan`."""
        return {layer.name: layer.actions[action].primitive for layer, action in zip(self.layers, actions, strict=True)}

    def actions(self, choices: Mapping[str, Primitive]) -> tuple[int, ...]:
        """The numbers of a choice's actions.

        Raises:
            LneError: the choice names a primitive that is not in the space.
        """
        return tuple(self._number(layer, choices.get(layer.name)) for layer in self.layers)

    def _number(self, layer: Layer, primitive: Primitive | None) -> int:
        name = primitive.name if primitive else "nothing"
        for number, action in enumerate(layer.actions):
            if action.primitive.name == name:
                return number
        able = ", ".join(action.primitive.name for action in layer.actions)
        raise LneError(f"{layer.name}: {name} is not a choice here.", f"one of {able}", "Choose another primitive.")

    def cast_task(self, change: Change) -> Task:
        """What a cast's primitive is asked."""
        name = f"{change.map}: {change.before.name} to {change.after.name}"
        op = Cast(name, (change.map,), change.map, before=change.before, after=change.after)
        return Task(op, self.graph, self.target, self.ranges)

    def can_cast(self, change: Change) -> bool:
        """Whether there is a primitive for a cast."""
        try:
            casts().find(self.cast_task(change))
        except LneError:
            return False
        return True


def make_space(
    graph: Graph,
    target: Target,
    ranges: Mapping[str, Range] | None = None,
    *,
    allowed: Mapping[str, frozenset[str]] | None = None,
    most: int = MOST_CANDIDATES,
) -> Space:
    """The choices for a network.

    Args:
        ranges: of maps that may be stored in 8 bits.
        allowed: names of primitives, by operation; an operation that is not named may use any.
        most: candidates kept per layer.

    Raises:
        LneError: operations no primitive can compute; all are named.
    """
    ranges = dict(ranges or {})
    last = {name: index for index, op in enumerate(graph.ops) for name in op.inputs}
    layers, lost = [], []
    for index, op in enumerate(graph.ops):
        task = Task(op, graph, target, ranges)
        wanted = (allowed or {}).get(op.name)
        able = [one for one in candidates(task) if wanted is None or one.name in wanted]
        if not able:
            lost.append(f"{op.name} ({type(op).__name__})")
        dying = frozenset(name for name in op.inputs if last[name] == index and name != graph.result)
        layers.append(Layer(task, _kept([Action(one, one.signature(task)) for one in able], most), dying))
    if lost:
        raise LneError(
            f"no primitive computes {', '.join(lost)} for {target.name}.",
            "operations with a primitive for the target",
            "Choose another target, or register a primitive.",
        )
    return Space(graph, target, ranges, tuple(layers))


def _kept(actions: list[Action], most: int) -> tuple[Action, ...]:
    """The first ones, and the first of every signature."""
    seen: set[Signature] = set()
    kept = []
    for number, action in enumerate(actions):
        if number < most or action.signature not in seen:
            kept.append(action)
        seen.add(action.signature)
    return tuple(kept)
