"""Metric rows of one node: all while they are few, thinned evenly where they are many. The last always stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

Row = Mapping[str, float]
Kind = tuple[str, ...]
MOST: Final = 20_000
MOST_KINDS: Final = 64
"""A node that invents a new set of names for every row: from here on they count as one kind."""
OTHER: Final[Kind] = ()


class Rows:
    """Rows in order, never more than `most`.

    When there are too many, the commonest kind of rows (set of names) is thinned: every other one goes, and of those
    still to come only as many are taken. So a curve keeps the same density from its first step to its last, and the
    one validation row per epoch survives a hundred thousand training rows.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.told = 0
        self._rows: list[Row] = []
        self._kinds: list[Kind] = []
        self._seen: Counter[Kind] = Counter()
        self._stride: dict[Kind, int] = {}
        self._is_spare = False

    @property
    def rows(self) -> Sequence[Row]:
        """What is kept; do not change it."""
        return self._rows

    def add(self, row: Row) -> None:
        """One more row."""
        self.told += 1
        if self._is_spare:  # the last row was only kept for being the last
            self._rows.pop()
            self._kinds.pop()
        kind = tuple(row)
        if kind not in self._seen and len(self._seen) >= MOST_KINDS:
            kind = OTHER
        self._is_spare = self._seen[kind] % self._stride.get(kind, 1) != 0
        self._seen[kind] += 1
        self._rows.append(row)
        self._kinds.append(kind)
        if len(self._rows) > self.most:
            self._thin()

    def _thin(self) -> None:
        """Halve the commonest kind; the last row, whatever it is, is kept as the last."""
        last, kind = self._rows.pop(), self._kinds.pop()
        common = Counter(self._kinds).most_common(1)[0][0]
        self._stride[common] = 2 * self._stride.get(common, 1)
        kept: list[int] = []
        goes = True
        for place, found in enumerate(self._kinds):
            if found == common:
                goes = not goes
            if found != common or not goes:
                kept.append(place)
        self._rows = [*map(self._rows.__getitem__, kept), last]
        self._kinds = [*map(self._kinds.__getitem__, kept), kind]
        self._is_spare = self._is_spare or (self._seen[kind] - 1) % self._stride.get(kind, 1) != 0
