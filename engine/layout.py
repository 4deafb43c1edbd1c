"""Where the boxes of a graph go: columns left to right, few crossings, straight chains. Deterministic, no recursion.

The layered method of Sugiyama, Tagawa and Toda (1981): longest-path layers, barycentre ordering, then rows by least
squares with a minimum distance (pool adjacent violators). Links over several columns get way-points, so that they pass
between boxes and not through them; links of one node share theirs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SWEEPS = 8
WAY_ROWS = 0.3
"""Room a way-point takes; a box takes 1."""
LONGEST_ROUTE = 24
"""Links over more columns than this run straight: way-points for them would cost more than they help."""
Spot = tuple[int, float]
Pair = tuple[str, str]
Sides = tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Layout:
    """Column and row of every node (row 0 is the top), and the way-points of links that skip columns.

    A row is the middle of its box.
    """

    spots: Mapping[str, Spot]
    routes: Mapping[Pair, tuple[Spot, ...]]

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return 1 + max((column for column, _ in self.spots.values()), default=-1)

    @property
    def rows(self) -> float:
        """Height in rows, way-points included."""
        ways = [row - (1 - WAY_ROWS) / 2 for route in self.routes.values() for _, row in route]
        return 1 + max([*(row for _, row in self.spots.values()), *ways], default=-1.0)


def place(nodes: Iterable[str], links: Iterable[Pair]) -> Layout:
    """Lay a graph out. Links to unknown nodes are left out; a cycle is drawn with one of its links going back."""
    names = sorted(set(nodes))
    known = set(names)
    pairs = sorted({(a, b) for a, b in links if a in known and b in known and a != b})
    sequence = _order(names, pairs)
    rank = {name: index for index, name in enumerate(sequence)}
    forward = [(a, b) for a, b in pairs if rank[a] < rank[b]]
    columns = _columns(sequence, forward)
    chains = {pair: _chain(pair, columns) for pair in forward}
    layers = _layers(sequence, columns, chains)
    near = _neighbours(chains.values())
    layers = _uncross(layers, near)
    rows = _rows(layers, near, known)
    routes = {
        (source, target): tuple((columns[source] + 1 + step, rows[way]) for step, way in enumerate(chain[1:-1]))
        for (source, target), chain in chains.items()
        if len(chain) > 2
    }
    return Layout({name: (columns[name], rows[name]) for name in names}, routes)


def _order(names: Sequence[str], pairs: Sequence[Pair]) -> list[str]:
    """Topological order, smallest name first; a cycle is broken at its smallest waiting node."""
    waiting = dict.fromkeys(names, 0)
    followers: dict[str, list[str]] = {name: [] for name in names}
    for source, target in pairs:
        waiting[target] += 1
        followers[source].append(target)
    ready = [name for name, count in waiting.items() if count == 0]
    stuck, done = iter(names), dict[str, None]()
    while len(done) < len(names):
        name = heapq.heappop(ready) if ready else next(stuck)
        if name in done:
            continue
        done[name] = None
        for follower in followers[name]:
            waiting[follower] -= 1
            if waiting[follower] == 0 and follower not in done:
                heapq.heappush(ready, follower)
    return list(done)


def _columns(sequence: Sequence[str], pairs: Sequence[Pair]) -> dict[str, int]:
    """Longest path from a source; a source then moves right, next to the first node it feeds."""
    sources: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        sources.setdefault(target, []).append(source)
        targets.setdefault(source, []).append(target)
    columns: dict[str, int] = {}
    for name in sequence:
        columns[name] = max((columns[source] + 1 for source in sources.get(name, ())), default=0)
    for name in sequence:
        if name not in sources and name in targets:
            columns[name] = min(columns[target] for target in targets[name]) - 1
    return columns


def _chain(pair: Pair, columns: Mapping[str, int]) -> tuple[str, ...]:
    """A link as a chain with one way-point per column that it skips."""
    source, target = pair
    first, last = columns[source] + 1, columns[target]
    if last - first > LONGEST_ROUTE:
        return pair
    return (source, *(f"{source} @{column}" for column in range(first, last)), target)


def _layers(
    sequence: Sequence[str], columns: Mapping[str, int], chains: Mapping[Pair, Sequence[str]]
) -> list[list[str]]:
    layers: list[dict[str, None]] = [{} for _ in range(1 + max(columns.values(), default=-1))]
    for name in sequence:
        layers[columns[name]][name] = None
    for (source, _target), chain in chains.items():
        for step, way in enumerate(chain[1:-1]):
            layers[columns[source] + 1 + step][way] = None
    return [list(layer) for layer in layers]


def _neighbours(chains: Iterable[Sequence[str]]) -> Sides:
    left: dict[str, dict[str, None]] = {}
    right: dict[str, dict[str, None]] = {}
    for chain in chains:
        for a, b in zip(chain, chain[1:], strict=False):
            left.setdefault(b, {})[a] = None
            right.setdefault(a, {})[b] = None
    return {name: list(ends) for name, ends in left.items()}, {name: list(ends) for name, ends in right.items()}


def _uncross(layers: list[list[str]], near: Sides) -> list[list[str]]:
    """Sort every layer by the mean place of its neighbours, sweeping right and left in turn; keep the best."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, near[1])
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        places = {name: float(index) for layer in layers for index, name in enumerate(layer)}
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {name: _mean([places[n] for n in near[sweep % 2].get(name, ())], places[name]) for name in layer}
            layer.sort(key=wanted.__getitem__)
            places |= {name: float(index) for index, name in enumerate(layer)}
        if (count := _crossings(layers, near[1])) < fewest:
            best, fewest = [list(layer) for layer in layers], count
    return best


def _crossings(layers: Sequence[Sequence[str]], right: Mapping[str, Sequence[str]]) -> int:
    """Crossing links between neighbouring layers, counted as inversions with a Fenwick tree."""
    places = {name: index for layer in layers for index, name in enumerate(layer)}
    count = 0
    for layer, following in zip(layers, layers[1:], strict=False):
        ends = [end for name in layer for end in sorted(places[n] for n in right.get(name, ()))]
        tree = [0] * (len(following) + 1)
        for seen, end in enumerate(ends):
            count += seen - _prefix(tree, end + 1)
            _add(tree, end + 1)
    return count


def _prefix(tree: Sequence[int], index: int) -> int:
    total = 0
    while index > 0:
        total += tree[index]
        index &= index - 1
    return total


def _add(tree: list[int], index: int) -> None:
    while index < len(tree):
        tree[index] += 1
        index += index & -index


def _rows(layers: Sequence[Sequence[str]], near: Sides, boxes: Iterable[str]) -> dict[str, float]:
    """Rows that pull neighbours level and keep every box and way-point its room; the top box is at row 0."""
    room = {name: WAY_ROWS for layer in layers for name in layer} | dict.fromkeys(boxes, 1.0)
    rows = {name: index - len(layer) / 2 for layer in layers for index, name in enumerate(layer)}
    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            both = [[*near[0].get(name, ()), *near[1].get(name, ())] for name in layer]
            wanted = [_mean([rows[n] for n in ends], rows[name]) for name, ends in zip(layer, both, strict=True)]
            rows |= dict(zip(layer, _spread(wanted, [room[name] for name in layer]), strict=True))
    top = min((rows[name] - (room[name] - 1) / 2 for name in rows), default=0.0)
    return {name: round(row - top, 3) for name, row in rows.items()}


def _spread(wanted: Sequence[float], room: Sequence[float]) -> list[float]:
    """The middles nearest to `wanted` (least squares), in the same order, each with its room."""
    offsets = [0.0]
    for above, below in zip(room, room[1:], strict=False):
        offsets.append(offsets[-1] + (above + below) / 2)
    blocks: list[tuple[float, int]] = []
    for value, offset in zip(wanted, offsets, strict=False):
        blocks.append((value - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, n), (a, m) = blocks.pop(), blocks.pop()
            blocks.append(((a * m + b * n) / (m + n), m + n))
    flat = [value for value, count in blocks for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=False)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
