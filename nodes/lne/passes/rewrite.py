"""How a pass changes a graph: one rule, asked for every operation until it has nothing more to change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from nodes.lne.ir import Graph, Map, Op

Made = TypeVar("Made", bound=Op)


@dataclass(frozen=True)
class View:
    """A graph with who makes and who reads every map."""

    graph: Graph
    makers: Mapping[str, Op]
    readers: Mapping[str, tuple[Op, ...]]
    places: Mapping[str, int]
    """Position of each operation, by name."""

    def only_reader(self, name: str) -> Op | None:
        """The one operation that reads a map, if nobody else does and it is not the result."""
        found = self.readers.get(name, ())
        return found[0] if len(found) == 1 and name != self.graph.result else None

    def maker(self, name: str, kind: type[Made], *, alone: bool = True) -> Made | None:
        """What makes a map, if it is of this kind and (`alone`) its map has one reader."""
        found = self.makers.get(name)
        if not isinstance(found, kind) or (alone and self.only_reader(name) is None):
            return None
        return found


@dataclass(frozen=True)
class Edit:
    """Operations put in the place of others (by name), operations taken out, maps with another name or shape."""

    replaced: Mapping[str, Op] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    added: Mapping[str, Op] = field(default_factory=dict)
    """Put behind the operations of these names."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Maps that are read and written under another name from now on."""
    maps: tuple[Map, ...] = ()


Rule = Callable[[View, Op], Edit | None]


def view(graph: Graph) -> View:
    """Index a graph."""
    readers: dict[str, tuple[Op, ...]] = {}
    for op in graph.ops:
        for name in dict.fromkeys(op.inputs):
            readers[name] = (*readers.get(name, ()), op)
    makers = {op.output: op for op in graph.ops}
    return View(graph, makers, readers, {op.name: index for index, op in enumerate(graph.ops)})


def rewrite(graph: Graph, rule: Rule, *, moves: bool = False) -> Graph:
    """Apply a rule wherever it applies and keeps what is rounded; one that only `moves` values always does."""
    place, seen = 0, view(graph)
    while place < len(graph.ops):
        edit = rule(seen, graph.ops[place])
        after = None if edit is None else apply(graph, edit)
        if after is None or not (moves or _keeps_rounded(graph, after)):
            place += 1
            continue
        graph = after
        seen, place = view(graph), max(0, min(place, len(graph.ops)) - 1)
    return graph


def _keeps_rounded(before: Graph, after: Graph) -> bool:
    """Whether every map that is rounded to bytes is still made, in its shape."""
    rounded = before.rounded & before.maps.keys()
    return all(name in after.maps and after.maps[name].shape == before.maps[name].shape for name in rounded)


def apply(graph: Graph, edit: Edit) -> Graph:
    """A graph with one change."""
    ops = tuple(_edited(graph.ops, edit))
    if edit.renamed:
        ops = tuple(_renamed(op, edit.renamed) for op in ops)
    maps = dict(graph.maps) | {made.name: made for made in edit.maps}
    names = {name: edit.renamed.get(name, name) for name in (graph.source, graph.result)}
    return pruned(replace(graph, ops=ops, maps=maps, source=names[graph.source], result=names[graph.result]))


def _edited(ops: Iterable[Op], edit: Edit) -> Iterator[Op]:
    for op in ops:
        if op.name not in edit.removed:
            yield edit.replaced.get(op.name, op)
            if op.name in edit.added:
                yield edit.added[op.name]


def pruned(graph: Graph) -> Graph:
    """Without maps that nothing makes."""
    made = {graph.source, *(op.output for op in graph.ops)}
    return replace(graph, maps={name: held for name, held in graph.maps.items() if name in made})


def _renamed(op: Op, names: Mapping[str, str]) -> Op:
    if not any(name in names for name in (*op.inputs, op.output)):
        return op
    return replace(op, inputs=tuple(names.get(one, one) for one in op.inputs), output=names.get(op.output, op.output))


def unused(graph: Graph, name: str) -> str:
    """The name, or one like it that no map has."""
    return next(
        one for one in (name, *(f"{name}.{count}" for count in range(2, len(graph.maps) + 3))) if one not in graph.maps
    )


def bypass(seen: View, op: Op) -> Edit | None:
    """Take out an operation that changes nothing; what made its input now makes its output."""
    given, made = op.inputs[0], op.output
    shape = seen.graph.maps[made].shape == seen.graph.maps[given].shape
    if given != seen.graph.source:
        if given == seen.graph.result or not shape:
            return None
        return Edit(removed=frozenset({op.name}), renamed={given: made})
    if made == seen.graph.result or not shape:
        return None
    return Edit(removed=frozenset({op.name}), renamed={made: given})


def each(graph: Graph, ops: Iterable[Op]) -> Graph:
    """The graph with other operations."""
    return pruned(replace(graph, ops=tuple(ops)))
