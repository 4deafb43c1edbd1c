"""Metric rows of one node: all of them while they are few, thinned where they are many. The last row always stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

Row = Mapping[str, float]
MOST: Final = 20_000


class Rows:
    """Rows in order, never more than `most`.

    When there are too many, every other row goes, but only among kinds of rows (sets of names) that are common: the
    one validation row per epoch survives a hundred thousand training rows.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.told = 0
        self._rows: list[Row] = []

    @property
    def rows(self) -> Sequence[Row]:
        """What is kept; do not change it."""
        return self._rows

    def add(self, row: Row) -> None:
        """One more row."""
        self.told += 1
        self._rows.append(row)
        if len(self._rows) > self.most:
            self._rows = thinned(self._rows, self.most)


def thinned(rows: list[Row], most: int) -> list[Row]:
    """At most three quarters of `most` rows; rare kinds of rows and the last row are kept as long as possible."""
    counts = Counter(frozenset(row) for row in rows)
    common = {names for names, count in counts.items() if count > most // 8}
    seen: Counter[frozenset[str]] = Counter()
    kept: list[Row] = []
    for row in rows:
        names = frozenset(row)
        seen[names] += 1
        if names not in common or seen[names] % 2 == 0 or row is rows[-1]:
            kept.append(row)
    return kept if len(kept) <= most * 3 // 4 else [*kept[:-1:2], kept[-1]]
